package record

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"math"

	"golang.org/x/crypto/chacha20poly1305"
)

// AEAD names an authenticated cipher of a cipher suite. All of them have nonces of 12 bytes and
// tags of 16.
type AEAD uint8

// The AEADs of the cipher suites of TLS 1.3 (RFC 8446 B.4), those with short tags left out.
const (
	AES128GCM AEAD = iota
	AES256GCM
	ChaCha20Poly1305
)

const (
	nonceLen = 12
	tagLen   = 16
)

// KeyLen is the length in bytes of the AEAD's key.
func (a AEAD) KeyLen() int {
	if a == AES128GCM {
		return 16
	}
	return 32
}

// UseLimit is the number of records of full size that one key may protect before it has to be
// updated. Shorter records count as full ones, which errs on the safe side. It limits a sender only:
// receivers "SHOULD NOT enforce these limits" (RFC 9846 5.5).
//
// AES-GCM: "up to 2^24.5 full-size records (about 24 million) may be encrypted on a given connection
// while keeping a safety margin of approximately 2^-57" (RFC 8446 5.5). The arithmetic, by the
// confidentiality bound of the CFRG's AEAD-limits draft, (s + q + 1)^2 / 2^129 for q records of s
// blocks in all: a full record is 2^14 / 16 = 2^10 blocks, so 2^24.5 of them are 2^34.5 blocks and
// give an attacker 2^69 / 2^129 = 2^-60; forgeries account for the rest of the RFC's margin.
// floor(2^24.5) = 23,726,566.
//
// ChaCha20-Poly1305: "the record sequence number would wrap before the safety limit is reached"
// (same section), which leaves the bound of the sequence number, 2^64 - 1.
func (a AEAD) UseLimit() uint64 {
	if a == ChaCha20Poly1305 {
		return math.MaxUint64
	}
	return 23_726_566
}

// new expands key.
func (a AEAD) new(key []byte) (cipher.AEAD, error) {
	if len(key) != a.KeyLen() {
		return nil, fmt.Errorf("record: key of %d bytes, want %d", len(key), a.KeyLen())
	}
	if a == ChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
