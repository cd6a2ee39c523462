package record

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
)

// Overhead13 is by how many bytes a sealed TLS 1.3 record is longer than its content: header, inner
// content type, tag.
const Overhead13 = HeaderLen + 1 + tagLen

// Errors of [Key13.Open]. They are returned as they are, never wrapped.
var (
	// ErrBadMAC: the record is not authentic under this key and sequence number, or too short to be
	// (bad_record_mac, RFC 8446 5.2).
	ErrBadMAC = errors.New("record does not authenticate")

	// ErrOverflow: the plaintext with its type and padding exceeds MaxPlaintext+1 bytes
	// (record_overflow, RFC 8446 5.2 and 5.4).
	ErrOverflow = errors.New("record plaintext exceeds 2^14 + 1 bytes")

	// ErrNoContentType: the plaintext is padding only (unexpected_message, RFC 8446 5.4).
	ErrNoContentType = errors.New("record plaintext has no content type")
)

// Key13 is the expanded key of one direction of a TLS 1.3 connection. It is not for concurrent use.
// The zero value has no key: Init comes first.
type Key13 struct {
	aead  cipher.AEAD
	iv    [nonceLen]byte
	nonce [nonceLen]byte // scratch: a local would escape through the interface
}

// Init expands key and copies iv, which stay the caller's. It fails only on wrong lengths.
func (k *Key13) Init(a AEAD, key, iv []byte) error {
	if len(iv) != nonceLen {
		return fmt.Errorf("record: iv of %d bytes, want %d", len(iv), nonceLen)
	}
	aead, err := a.new(key)
	if err != nil {
		return err
	}
	k.aead = aead
	copy(k.iv[:], iv)
	return nil
}

// Clear drops the expanded key, which the collector takes, and zeroes the iv. K may be
// initialized again.
func (k *Key13) Clear() {
	*k = Key13{}
}

// Open authenticates and decrypts rec, one whole record: header and fragment. It strips the padding
// (RFC 8446 5.4) and returns the content, which may be empty, and its inner type, which may be any
// but zero.
//
// With a nil dst the record is opened in place and content aliases rec. Otherwise the plaintext is
// written to dst[:0]: content, type and padding, together len(rec)-HeaderLen-16 bytes, which
// must fit dst's capacity, and rec stays as it was. The capacity counts, not the length: a
// caller that lends the beginning of a longer slice limits it, p[:n:n]. Dst must not overlap rec.
// Either way content starts at the first byte of where it is written.
//
// On an error no plaintext is left behind, in dst or in rec; a rec that was to be opened in place
// has lost its ciphertext unless the error is known from its length.
func (k *Key13) Open(dst, rec []byte, seq uint64) (content []byte, typ Type, err error) {
	inner := len(rec) - HeaderLen - tagLen
	if inner < 0 {
		return nil, 0, ErrBadMAC
	}
	if inner > MaxPlaintext+1 {
		return nil, 0, ErrOverflow
	}
	header, fragment := rec[:HeaderLen], rec[HeaderLen:]
	if dst == nil {
		dst = fragment
	}
	// "additional_data = TLSCiphertext.opaque_type || TLSCiphertext.legacy_record_version ||
	// TLSCiphertext.length" (RFC 8446 5.2): the header as it arrived, so a changed one is refused.
	plain, err := k.aead.Open(dst[:0], k.nonceFor(seq), fragment, header)
	if err != nil {
		// cipher.AEAD promises nothing about dst on failure; it has room but by the caller's mistake.
		clear(dst[:min(inner, cap(dst))])
		return nil, 0, ErrBadMAC
	}
	// "scans the field from the end toward the beginning until it finds a non-zero octet" (5.4).
	end := len(plain) - 1
	for end >= 0 && plain[end] == 0 {
		end--
	}
	if end < 0 {
		return nil, 0, ErrNoContentType
	}
	return plain[:end:end], Type(plain[end]), nil
}

// Seal protects, in place, the n bytes of content that the caller has put at
// rec[HeaderLen:HeaderLen+n], as a record of type typ: it writes the header before them and type
// and tag behind. N is at most MaxPlaintext and len(rec) is n + Overhead13; anything else is a
// programmer's error and panics.
func (k *Key13) Seal(rec []byte, n int, typ Type, seq uint64) {
	if n < 0 || n > MaxPlaintext || len(rec) != n+Overhead13 {
		panic(fmt.Sprintf("record: Seal: %d bytes of content in a record of %d", n, len(rec)))
	}
	// RFC 8446 5.2: the outer type is application_data and the version 0x0303, always.
	PutHeader(rec, Header{Type: ApplicationData, Version: 0x0303, Length: n + 1 + tagLen})
	header, inner := rec[:HeaderLen], rec[HeaderLen:HeaderLen+n+1]
	inner[n] = byte(typ)
	k.aead.Seal(inner[:0], k.nonceFor(seq), inner, header)
}

// nonceFor returns the nonce of a record: the sequence number, padded on the left with zeros to the
// iv's length, XOR the iv (RFC 8446 5.3).
func (k *Key13) nonceFor(seq uint64) []byte {
	k.nonce = k.iv
	low := k.nonce[nonceLen-8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^seq)
	return k.nonce[:]
}
