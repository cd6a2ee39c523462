package tlsconn

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
)

// ecdhKey is an ephemeral private key on the curve of a group. It agrees once, and is cleared
// by that where the library that it comes from allows it.
type ecdhKey interface {
	// public returns the share for the peer (RFC 8446 4.2.8.2).
	public() []byte
	// agree appends the secret that is shared with the owner of the peer's share (RFC 8446
	// 7.4.2) to secret. It refuses what is no point of the curve, and all-zero results, with
	// errShare.
	agree(peer, secret []byte) ([]byte, error)
}

// newECDHKey makes a key for a group, on the classical part of a hybrid; nil for a group without a
// curve.
func newECDHKey(g tls.CurveID) (ecdhKey, error) {
	switch g {
	case tls.X25519, tls.X25519MLKEM768:
		return newX25519Key()
	case tls.CurveP256:
		return newStandardKey(ecdh.P256())
	case tls.CurveP384:
		return newStandardKey(ecdh.P384())
	case tls.CurveP521:
		return newStandardKey(ecdh.P521())
	}
	return nil, nil
}

// standardKey is a key of the standard library's, which refuses points off the curve, the point
// at infinity and all-zero results.
type standardKey struct{ *ecdh.PrivateKey }

func newStandardKey(curve ecdh.Curve) (ecdhKey, error) {
	key, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return standardKey{key}, nil
}

func (k standardKey) public() []byte { return k.PublicKey().Bytes() }

func (k standardKey) agree(peer, secret []byte) ([]byte, error) {
	point, err := k.Curve().NewPublicKey(peer)
	if err != nil {
		return nil, errShare
	}
	shared, err := k.ECDH(point)
	if err != nil {
		return nil, errShare
	}
	return append(secret, shared...), nil
}
