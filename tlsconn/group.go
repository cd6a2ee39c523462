package tlsconn

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"slices"
)

// defaultGroups are all the groups that we have, in the default order.
var defaultGroups = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// curve returns the elliptic curve of a group, of the classical part for the hybrid.
func curve(g tls.CurveID) ecdh.Curve {
	switch g {
	case tls.X25519, tls.X25519MLKEM768:
		return ecdh.X25519()
	case tls.CurveP256:
		return ecdh.P256()
	case tls.CurveP384:
		return ecdh.P384()
	case tls.CurveP521:
		return ecdh.P521()
	}
	return nil
}

// Lengths in bytes of the parts of an X25519MLKEM768 share
// (draft-ietf-tls-ecdhe-mlkem): ML-KEM's part is first in shares and secret.
const x25519Len = 32

// errShare is why a peer's key share is refused: illegal_parameter, as RFC 8446
// 4.2.8 and 7.4.2 demand of invalid points and all-zero secrets.
var errShare = errors.New("key_exchange is not a valid share of its group")

// clientShare is a client's ephemeral key for one group, from its ClientHello
// to the ServerHello.
type clientShare struct {
	group tls.CurveID
	ecdh  *ecdh.PrivateKey
	mlkem *mlkem.DecapsulationKey768 // of the hybrid only
}

// newClientShare makes a key for group. The hybrid shares its X25519 key with
// an X25519 share of the same ClientHello, which classical may be (hybrid-design
// 4.1 allows it within one hello); nil means a new one.
func newClientShare(group tls.CurveID, classical *ecdh.PrivateKey) (*clientShare, error) {
	s := &clientShare{group: group, ecdh: classical}
	var err error
	if s.ecdh == nil {
		if s.ecdh, err = curve(group).GenerateKey(rand.Reader); err != nil {
			return nil, err
		}
	}
	if group == tls.X25519MLKEM768 {
		if s.mlkem, err = mlkem.GenerateKey768(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// public returns the key_exchange field.
func (s *clientShare) public() []byte {
	point := s.ecdh.PublicKey().Bytes()
	if s.mlkem == nil {
		return point
	}
	return append(s.mlkem.EncapsulationKey().Bytes(), point...)
}

// secret computes the shared secret from the server's key_exchange.
func (s *clientShare) secret(peer []byte) ([]byte, error) {
	if s.mlkem == nil {
		return agree(s.group, s.ecdh, peer)
	}
	if len(peer) != mlkem.CiphertextSize768+x25519Len {
		return nil, errShare
	}
	kem, err := s.mlkem.Decapsulate(peer[:mlkem.CiphertextSize768])
	if err != nil {
		return nil, errShare
	}
	point, err := agree(s.group, s.ecdh, peer[mlkem.CiphertextSize768:])
	if err != nil {
		return nil, err
	}
	return slices.Concat(kem, point), nil
}

// respond is the server's half: it returns its key_exchange and the shared
// secret for the client's.
func respond(group tls.CurveID, peer []byte) (public, secret []byte, err error) {
	var ciphertext, kem []byte
	if group == tls.X25519MLKEM768 {
		if len(peer) != mlkem.EncapsulationKeySize768+x25519Len {
			return nil, nil, errShare
		}
		ek, err := mlkem.NewEncapsulationKey768(peer[:mlkem.EncapsulationKeySize768])
		if err != nil {
			return nil, nil, errShare
		}
		kem, ciphertext = ek.Encapsulate()
		peer = peer[mlkem.EncapsulationKeySize768:]
	}
	key, err := curve(group).GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	secret, err = agree(group, key, peer)
	if err != nil {
		return nil, nil, err
	}
	return append(ciphertext, key.PublicKey().Bytes()...), append(kem, secret...), nil
}

// agree computes the (EC)DHE secret (RFC 8446 7.4.2). The standard library
// refuses points off the curve, the point at infinity and all-zero results.
func agree(group tls.CurveID, key *ecdh.PrivateKey, peer []byte) ([]byte, error) {
	point, err := curve(group).NewPublicKey(peer)
	if err != nil {
		return nil, errShare
	}
	secret, err := key.ECDH(point)
	if err != nil {
		return nil, errShare
	}
	return secret, nil
}
