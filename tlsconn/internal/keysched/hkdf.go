package keysched

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
)

const (
	maxHashSize  = sha512.Size384
	maxBlockSize = sha512.BlockSize

	// labelPrefix begins every label of TLS 1.3 (RFC 8446 7.1).
	labelPrefix = "tls13 "

	// maxVector bounds HkdfLabel's label and context: both are vectors with one byte of length.
	maxVector = 255

	// MaxLabel is the greatest length in bytes of a label given to [Deriver.ExpandLabel] or
	// [Deriver.Export]: with its prefix it has to fit HkdfLabel.label<7..255> (RFC 8446 7.1).
	MaxLabel = maxVector - len(labelPrefix)
)

// ipad, and opad by way of ipadToOpad, are what RFC 2104 section 2 mixes into the key.
var (
	ipad       = pad(0x36)
	ipadToOpad = pad(0x36 ^ 0x5c)
	zeros      [maxBlockSize]byte
)

func pad(b byte) (p [maxBlockSize]byte) {
	for i := range p {
		p[i] = b
	}
	return p
}

// Deriver computes HMAC, HKDF and the derivations of TLS 1.3 with one hash. None of its methods
// allocates, none keeps an argument. It is for one goroutine at a time.
type Deriver struct {
	h         hash.Hash
	size      int // of h's output
	blockSize int // of h's input
	empty     [maxHashSize]byte

	// Scratch that holds secrets, cleared before an exported method returns.
	key  [maxBlockSize]byte // the HMAC key XOR ipad, or XOR opad while an outer hash runs
	feed [maxBlockSize]byte // what h is being given
	sum  [maxHashSize]byte  // the last HMAC

	// An HkdfLabel and HKDF-Expand's counter: lengths, labels, hashes and nonces, nothing secret.
	info [2 + 1 + maxVector + 1 + maxVector + 1]byte
}

// New returns a Deriver for crypto.SHA256 or crypto.SHA384, the hashes of the TLS 1.3 cipher
// suites. Any other hash is a programmer's error and panics.
func New(h crypto.Hash) *Deriver {
	d := new(Deriver)
	switch h {
	case crypto.SHA256:
		d.h = sha256.New()
	case crypto.SHA384:
		d.h = sha512.New384()
	default:
		panic(fmt.Sprintf("keysched: %v is the hash of no cipher suite", h))
	}
	d.size, d.blockSize = d.h.Size(), d.h.BlockSize()
	d.h.Sum(d.empty[:0])
	return d
}

// Size is the length of a hash, and so of every secret, in bytes: 32 or 48.
func (d *Deriver) Size() int { return d.size }

// MaxOutput is the greatest length in bytes that [Deriver.ExpandLabel] and [Deriver.Export] can
// produce: 255 hashes (RFC 5869 2.3).
func (d *Deriver) MaxOutput() int { return 255 * d.size }

// EmptyHash returns Hash(""), the transcript hash of no messages. It is shared: read-only.
func (d *Deriver) EmptyHash() []byte { return d.empty[:d.size:d.size] }

// HMAC writes HMAC(key, data[0] || data[1] || ...) to out[:Size()]; a shorter out gets that many
// bytes of it. Key and data may be of any length, and out may overlap them.
func (d *Deriver) HMAC(out, key []byte, data ...[]byte) {
	d.setKey(key)
	d.begin()
	for _, p := range data {
		d.write(p)
	}
	d.end()
	copy(out, d.sum[:d.size])
	d.wipe()
}

// Extract writes HKDF-Extract(salt, ikm) to out (RFC 5869 2.2). A nil salt or ikm stands for
// Size() zero bytes, as in RFC 8446 7.1.
func (d *Deriver) Extract(out *Secret, salt, ikm []byte) {
	if salt == nil {
		salt = zeros[:d.size]
	}
	if ikm == nil {
		ikm = zeros[:d.size]
	}
	d.setKey(salt)
	d.begin()
	d.write(ikm)
	d.end()
	d.takeSum(out)
	d.wipe()
}

// ExpandLabel writes HKDF-Expand-Label(secret, label, context, len(out)) to out (RFC 8446 7.1).
// Out may be up to MaxOutput() bytes and may overlap secret; label, without its "tls13 ", up to
// MaxLabel, and context up to 255 bytes.
func (d *Deriver) ExpandLabel(out, secret []byte, label string, context []byte) {
	d.setKey(secret)
	d.expandLabel(out, label, context)
	d.wipe()
}

// expandLabel is ExpandLabel under the key that setKey has set, which stays set.
//
//	struct {
//	    uint16 length = Length;
//	    opaque label<7..255> = "tls13 " + Label;
//	    opaque context<0..255> = Context;
//	} HkdfLabel;
func (d *Deriver) expandLabel(out []byte, label string, context []byte) {
	if len(label) > MaxLabel || len(context) > maxVector || len(out) > d.MaxOutput() {
		panic(fmt.Sprintf("keysched: HKDF-Expand-Label cannot make %d bytes from %d of label and %d of context",
			len(out), len(label), len(context)))
	}
	info := binary.BigEndian.AppendUint16(d.info[:0], uint16(len(out)))
	info = append(info, byte(len(labelPrefix)+len(label)))
	info = append(info, labelPrefix...)
	info = append(info, label...)
	info = append(info, byte(len(context)))
	info = append(info, context...)

	// RFC 5869 2.3: T(i) = HMAC(PRK, T(i-1) || info || i), with T(0) empty and i from 1.
	info = append(info, 0)
	counter := &info[len(info)-1]
	for len(out) > 0 {
		d.begin()
		if *counter > 0 {
			d.h.Write(d.sum[:d.size])
		}
		*counter++
		d.h.Write(info)
		d.end()
		out = out[copy(out, d.sum[:d.size]):]
	}
}

// setKey prepares begin and end for the HMAC key.
func (d *Deriver) setKey(key []byte) {
	clear(d.key[:])
	if len(key) > d.blockSize {
		// RFC 2104 section 2: a key longer than a block is hashed first.
		d.h.Reset()
		d.write(key)
		d.h.Sum(d.key[:0])
	} else {
		copy(d.key[:], key)
	}
	subtle.XORBytes(d.key[:], d.key[:], ipad[:])
}

// begin starts the HMAC of what is written to d.h until end.
func (d *Deriver) begin() {
	d.h.Reset()
	d.h.Write(d.key[:d.blockSize])
}

// end leaves the HMAC in d.sum and the key as it was.
func (d *Deriver) end() {
	inner := d.h.Sum(d.sum[:0])
	subtle.XORBytes(d.key[:], d.key[:], ipadToOpad[:])
	d.begin()
	d.h.Write(inner)
	d.h.Sum(d.sum[:0])
	subtle.XORBytes(d.key[:], d.key[:], ipadToOpad[:])
}

// write gives p to the hash by way of d.feed, so that p does not escape.
func (d *Deriver) write(p []byte) {
	for len(p) > 0 {
		n := copy(d.feed[:], p)
		d.h.Write(d.feed[:n])
		p = p[n:]
	}
}

// takeSum copies the last HMAC to a secret.
func (d *Deriver) takeSum(out *Secret) {
	n := copy(out[:], d.sum[:d.size])
	clear(out[n:])
}

// wipe clears what the last derivations left behind, in the hash too: its chaining value after an
// outer key block stands for the key, and Reset forgets only the length of its input buffer.
func (d *Deriver) wipe() {
	clear(d.key[:])
	clear(d.feed[:])
	clear(d.sum[:])
	d.h.Reset()
	d.h.Write(zeros[:d.blockSize-1])
	d.h.Reset()
}
