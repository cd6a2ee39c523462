package tlsconn

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// certificate is a chain with its key, made ready to be shown: shared and
// read-only.
type certificate struct {
	signer  crypto.Signer // or
	async   AsyncSigner   // one that answers later
	public  crypto.PublicKey
	schemes []tls.SignatureScheme // that the key may sign with, the best first
	slow    bool                  // a signature takes too long for an event loop
	message []byte                // the encoded Certificate message
}

// newCertificate prepares cert. It does not parse the leaf, which is the
// Config's to do for certificates that it holds.
func newCertificate(cert *tls.Certificate) (*certificate, error) {
	if len(cert.Certificate) == 0 {
		return nil, errors.New("has no certificate")
	}
	c := new(certificate)
	var public crypto.PublicKey
	switch key := cert.PrivateKey.(type) {
	case AsyncSigner:
		c.async, public = key, key.Public()
	case crypto.Signer:
		c.signer, c.slow, public = key, isSlow(key), key.Public()
	default:
		return nil, fmt.Errorf("private key of type %T cannot sign", cert.PrivateKey)
	}
	schemes, err := schemesOf(public)
	if err != nil {
		return nil, err
	}
	if allowed := cert.SupportedSignatureAlgorithms; allowed != nil {
		schemes = slices.DeleteFunc(schemes, func(s tls.SignatureScheme) bool { return !slices.Contains(allowed, s) })
		if len(schemes) == 0 {
			return nil, errors.New("SupportedSignatureAlgorithms leaves nothing that its key can sign with in TLS 1.3")
		}
	}
	var m wire.Certificate
	for _, der := range cert.Certificate {
		m.Entries = append(m.Entries, wire.CertificateEntry{Data: der})
	}
	message := m.Append(nil)
	if len(message) == 0 {
		return nil, m.Validate()
	}
	c.public, c.schemes, c.message = public, schemes, message
	return c, nil
}

// scheme returns the best signature scheme that the key can do and the peer
// accepts.
func (c *certificate) scheme(accepted []tls.SignatureScheme) (tls.SignatureScheme, bool) {
	for _, s := range c.schemes {
		if slices.Contains(accepted, s) {
			return s, true
		}
	}
	return 0, false
}

// matchesKey checks that a certificate is for a key.
func matchesKey(leaf *x509.Certificate, pub crypto.PublicKey) error {
	key, ok := pub.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !key.Equal(leaf.PublicKey) {
		return errors.New("private key does not belong to the certificate")
	}
	return nil
}

// foldName makes names comparable: ASCII lower case, without the dot of the root.
func foldName(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// isPrintable tells whether a name holds nothing but visible ASCII.
func isPrintable(name string) bool {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return true
}

// choose returns the certificate of the Config for a client that asked for name
// (empty if it did not) and accepts the given signature schemes: the first that
// has the name, exactly or else by a wildcard for the leftmost label (RFC 6125
// 6.4.3); without one the first of all. Nil if the client accepts no signature
// of any.
func (p *prepared) choose(name string, accepted []tls.SignatureScheme) (*certificate, tls.SignatureScheme) {
	name = foldName(name)
	lists := [3][]*certificate{p.names[name]}
	if _, parent, ok := strings.Cut(name, "."); ok {
		lists[1] = p.names["*."+parent]
	}
	lists[2] = p.certificates
	for _, list := range lists {
		for _, c := range list {
			if s, ok := c.scheme(accepted); ok {
				return c, s
			}
		}
	}
	return nil, 0
}
