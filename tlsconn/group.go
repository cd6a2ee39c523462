package tlsconn

import (
	"crypto/tls"
	"errors"
	"slices"
)

// defaultGroups are enabled if the user does not say otherwise, in the default order.
var defaultGroups = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// allGroups are those that we have.
var allGroups = append(slices.Clone(defaultGroups), MLKEM1024)

// errShare is why a peer's key share is refused: illegal_parameter, as RFC 8446
// 4.2.8 and 7.4.2 demand of invalid points and all-zero secrets.
var errShare = errors.New("key_exchange is not a valid share of its group")

// clientShare is a client's ephemeral key for one group, from its ClientHello
// to the ServerHello: a KEM's, a curve's, or of a hybrid both, the KEM's part first in
// shares and secret (draft-ietf-tls-ecdhe-mlkem).
type clientShare struct {
	group tls.CurveID
	kem   decapsulator // nil without one
	ecdh  ecdhKey      // nil without one
}

// newClientShare makes a key for group. The hybrid shares its X25519 key with
// an X25519 share of the same ClientHello, which classical may be (hybrid-design
// 4.1 allows it within one hello); nil means a new one.
func newClientShare(group tls.CurveID, classical ecdhKey) (s *clientShare, err error) {
	s = &clientShare{group: group, ecdh: classical}
	if s.ecdh == nil {
		if s.ecdh, err = newECDHKey(group); err != nil {
			return nil, err
		}
	}
	if kem := kemOf(group); kem != nil {
		if s.kem, err = kem.generate(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// public returns the key_exchange field.
func (s *clientShare) public() (share []byte) {
	if s.kem != nil {
		share = s.kem.public()
	}
	if s.ecdh != nil {
		share = append(share, s.ecdh.public()...)
	}
	return share
}

// secret computes the shared secret from the server's key_exchange.
func (s *clientShare) secret(peer []byte) (secret []byte, err error) {
	if s.kem != nil {
		n := kemOf(s.group).ciphertextLen
		if len(peer) < n {
			return nil, errShare
		}
		if secret, err = s.kem.Decapsulate(peer[:n]); err != nil {
			return nil, errShare
		}
		peer = peer[n:]
	}
	return agree(s.ecdh, peer, secret)
}

// respond is the server's half: it returns its key_exchange and the shared
// secret for the client's.
func respond(group tls.CurveID, peer []byte) (public, secret []byte, err error) {
	if kem := kemOf(group); kem != nil {
		if len(peer) < kem.keyLen {
			return nil, nil, errShare
		}
		if secret, public, err = kem.encapsulate(peer[:kem.keyLen]); err != nil {
			return nil, nil, err
		}
		peer = peer[kem.keyLen:]
	}
	key, err := newECDHKey(group)
	if err != nil {
		return nil, nil, err
	}
	if key != nil {
		public = append(public, key.public()...)
	}
	secret, err = agree(key, peer, secret)
	return public, secret, err
}

// agree appends the (EC)DHE secret (RFC 8446 7.4.2) to secret; nothing if key is nil,
// as in a group that is a KEM alone.
func agree(key ecdhKey, peer, secret []byte) ([]byte, error) {
	if key != nil {
		return key.agree(peer, secret)
	}
	if len(peer) > 0 {
		return nil, errShare
	}
	return secret, nil
}

// ephemeralKey is one side's key of a key exchange of TLS 1.2.
type ephemeralKey struct{ ecdhKey }

func newEphemeralKey(group tls.CurveID) (*ephemeralKey, error) {
	key, err := newECDHKey(group)
	return &ephemeralKey{key}, err
}

// secret returns the premaster secret with the peer's point.
func (k *ephemeralKey) secret(peer []byte) ([]byte, error) { return agree(k.ecdhKey, peer, nil) }
