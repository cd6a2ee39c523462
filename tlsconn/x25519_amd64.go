//go:build !purego

package tlsconn

import (
	"crypto/rand"

	"github.com/cloudflare/circl/dh/x25519"
)

// x25519Key is a key of X25519 (RFC 7748 5) of CIRCL's, which has it in assembly: a key takes
// half of the standard library's time, an agreement two thirds. Elsewhere it is slower.
type x25519Key struct{ private, share x25519.Key }

func newX25519Key() (ecdhKey, error) {
	var private x25519.Key
	rand.Read(private[:]) // never fails
	return x25519KeyOf(private), nil
}

// x25519KeyOf returns the key of any 32 bytes.
func x25519KeyOf(private x25519.Key) *x25519Key {
	k := &x25519Key{private: private}
	x25519.KeyGen(&k.share, &k.private)
	return k
}

func (k *x25519Key) public() []byte { return k.share[:] }

func (k *x25519Key) agree(peer, secret []byte) ([]byte, error) {
	defer clear(k.private[:])
	if len(peer) != x25519.Size {
		return nil, errShare
	}
	theirs, shared := x25519.Key(peer), new(x25519.Key)
	// It returns false for points of low order, whose secret is all zero: RFC 8446 7.4.2, RFC
	// 8422 5.11.
	if !x25519.Shared(shared, &k.private, &theirs) {
		return nil, errShare
	}
	return append(secret, shared[:]...), nil
}
