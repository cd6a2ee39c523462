package record

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

const (
	// saltLen and explicitLen make AES-GCM's nonce in TLS 1.2: "opaque salt[4]; opaque
	// nonce_explicit[8]" (RFC 5288 3). The salt is the write IV, the rest comes with each record.
	saltLen     = 4
	explicitLen = 8

	// MaxCiphertext12 is the longest protected fragment of a TLS 1.2 record that can be legal. RFC 5246
	// 6.2.3 has 2^14 + 2048, which leaves room for CBC; an AEAD adds the same to every content, so what
	// is longer than this holds too long a content. The caller judges a header's length by it before it
	// waits for, or stores, the rest.
	MaxCiphertext12 = MaxPlaintext + explicitLen + tagLen
)

// IVLen12 is the length in bytes of the write IV that the key block of TLS 1.2 has for the AEAD
// (RFC 5288 3, RFC 7905 2).
func (a AEAD) IVLen12() int {
	if a == ChaCha20Poly1305 {
		return nonceLen
	}
	return saltLen
}

// Prefix12 is how many bytes of a TLS 1.2 record lie before its content: the header, and the part of
// the nonce that AES-GCM sends.
func (a AEAD) Prefix12() int { return HeaderLen + nonceLen - a.IVLen12() }

// Overhead12 is by how many bytes a sealed TLS 1.2 record is longer than its content.
func (a AEAD) Overhead12() int { return a.Prefix12() + tagLen }

// Key12 is the expanded write key of one side of a TLS 1.2 connection. It is not for concurrent use.
// The zero value has no key: Init comes first.
//
// [AEAD.UseLimit] is "RECOMMENDED" for it as well (RFC 9325 4.4), as its arithmetic is the cipher's. But
// there is no KeyUpdate in TLS 1.2, and renegotiation is refused: all that a sender at the limit could do is
// to end the connection in the midst of a transfer. The same section calls that "not mandatory", and the
// engine goes on: each doubling of the records takes 2 bits off the safety margin.
type Key12 struct {
	aead   cipher.AEAD
	prefix int            // Prefix12 of the AEAD
	iv     [nonceLen]byte // the write IV, zeros behind it

	// Scratch: locals would escape through the interface.
	nonce      [nonceLen]byte
	additional [8 + HeaderLen]byte
}

// Init expands key and copies iv, which stay the caller's. It fails only on wrong lengths.
func (k *Key12) Init(a AEAD, key, iv []byte) error {
	if len(iv) != a.IVLen12() {
		return fmt.Errorf("record: iv of %d bytes, want %d", len(iv), a.IVLen12())
	}
	aead, err := a.new(key)
	if err != nil {
		return err
	}
	*k = Key12{aead: aead, prefix: a.Prefix12()}
	copy(k.iv[:], iv)
	return nil
}

// Clear drops the expanded key, which the collector takes, and zeroes the iv. K may be
// initialized again.
func (k *Key12) Clear() {
	*k = Key12{}
}

// Open authenticates and decrypts rec, one whole record: header and fragment. It returns the content,
// which may be empty ("Zero-length fragments of Application data MAY be sent", RFC 5246 6.2.1), and
// the type that the header has. Its errors are [ErrBadMAC], also for a record too short to be
// authentic, and [ErrOverflow] for one of more than MaxPlaintext bytes of content.
//
// With a nil dst the record is opened in place and content aliases rec. Otherwise content is written to
// dst[:0], whose capacity it must fit, and rec stays as it was. Len(rec)-HeaderLen-16 bytes, as
// [Key13.Open] needs, are enough for every AEAD. The capacity counts, not the length: a caller that
// lends the beginning of a longer slice limits it, p[:n:n]. Dst must not overlap rec.
//
// On an error no plaintext is left behind, in dst or in rec; a rec that was to be opened in place
// has lost its ciphertext unless the error is known from its length.
func (k *Key12) Open(dst, rec []byte, seq uint64) (content []byte, typ Type, err error) {
	n := len(rec) - k.prefix - tagLen
	if n < 0 {
		return nil, 0, ErrBadMAC
	}
	if n > MaxPlaintext {
		return nil, 0, ErrOverflow
	}
	h := ParseHeader(rec)
	sealed := rec[k.prefix:]
	if dst == nil {
		dst = sealed
	}
	// The nonce's explicit part is the sender's choice, which need not be the sequence number; that it
	// is the same record is the additional data's to prove.
	number := seq
	if k.prefix > HeaderLen {
		number = binary.BigEndian.Uint64(rec[HeaderLen:])
	}
	// The header's own length, not n, goes into the additional data: a changed one is refused.
	h.Length -= k.prefix - HeaderLen + tagLen
	content, err = k.aead.Open(dst[:0], k.nonceFor(number), sealed, k.additionalData(h, seq))
	if err != nil {
		// cipher.AEAD promises nothing about dst on failure; it has room but by the caller's mistake.
		clear(dst[:min(n, cap(dst))])
		return nil, 0, ErrBadMAC
	}
	return content[:n:n], h.Type, nil
}

// Seal protects, in place, the n bytes of content that the caller has put at rec[p:p+n], where p is the
// AEAD's Prefix12, as a record of type typ: it writes what belongs before them and the tag behind. N is at
// most MaxPlaintext and len(rec) is n + Overhead12; anything else is a programmer's error and panics.
func (k *Key12) Seal(rec []byte, n int, typ Type, seq uint64) {
	if n < 0 || n > MaxPlaintext || len(rec) != k.prefix+n+tagLen {
		panic(fmt.Sprintf("record: Seal: %d bytes of content in a record of %d", n, len(rec)))
	}
	h := Header{Type: typ, Version: 0x0303, Length: n}
	additional := k.additionalData(h, seq)
	h.Length = len(rec) - HeaderLen
	PutHeader(rec, h)
	if k.prefix > HeaderLen {
		// "The nonce_explicit MAY be the 64-bit sequence number" (RFC 5288 3): no other choice is as sure
		// never to repeat under a key.
		binary.BigEndian.PutUint64(rec[HeaderLen:], seq)
	}
	content := rec[k.prefix : k.prefix+n]
	k.aead.Seal(content[:0], k.nonceFor(seq), content, additional)
}

// nonceFor returns the nonce of a record: number, padded on the left with zeros, XOR the write IV
// (RFC 7905 2). An IV of four bytes, with zeros behind it, makes that salt and nonce_explicit (RFC 5288 3).
func (k *Key12) nonceFor(number uint64) []byte {
	k.nonce = k.iv
	low := k.nonce[nonceLen-8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^number)
	return k.nonce[:]
}

// additionalData is "seq_num + TLSCompressed.type + TLSCompressed.version + TLSCompressed.length"
// (RFC 5246 6.2.3.3): behind the sequence number a header, with the length of the content.
func (k *Key12) additionalData(h Header, seq uint64) []byte {
	binary.BigEndian.PutUint64(k.additional[:], seq)
	PutHeader(k.additional[8:], h)
	return k.additional[:]
}
