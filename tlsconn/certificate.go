package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
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
	signer    crypto.Signer         // or
	async     AsyncSigner           // one that answers later
	public    crypto.PublicKey      // of either
	schemes   []tls.SignatureScheme // that the key may sign with in TLS 1.3, the best first
	schemes12 []tls.SignatureScheme // and in TLS 1.2
	slow      bool                  // a signature takes too long for an event loop

	message []byte // the encoded Certificate message, without anything beside the chain
	chain   [][]byte
	ocsp    []byte
	scts    [][]byte

	issuers [][]byte // distinguished names of who issued the chain, DER
	bound   bool     // shown only to peers that name one of them
}

// accompaniment is what a peer asked to get beside a certificate.
type accompaniment struct{ ocsp, scts bool }

// newCertificate prepares cert. It does not parse the chain, which is the
// Config's to do for certificates that it holds.
func newCertificate(cert *tls.Certificate) (*certificate, error) {
	if len(cert.Certificate) == 0 {
		return nil, errors.New("has no certificate")
	}
	c := &certificate{chain: cert.Certificate, ocsp: cert.OCSPStaple, scts: cert.SignedCertificateTimestamps}
	switch key := cert.PrivateKey.(type) {
	case AsyncSigner:
		c.async, c.public = key, key.Public()
	case crypto.Signer:
		c.signer, c.slow, c.public = key, isSlow(key), key.Public()
	default:
		return nil, fmt.Errorf("private key of type %T cannot sign", cert.PrivateKey)
	}
	var err error
	if c.schemes, err = schemesOf(c.public); err != nil {
		return nil, err
	}
	c.schemes12 = schemesOf12(c.public)
	if allowed := cert.SupportedSignatureAlgorithms; allowed != nil {
		c.schemes, c.schemes12 = preferred(allowed, c.schemes), preferred(allowed, c.schemes12)
		if len(c.schemes)+len(c.schemes12) == 0 {
			return nil, errors.New("SupportedSignatureAlgorithms leaves nothing that its key can sign with")
		}
	}
	m := c.wire(accompaniment{ocsp: true, scts: true})
	if err := m.Validate(); err != nil {
		return nil, err
	}
	m = c.wire(accompaniment{})
	c.message = m.Append(nil)
	return c, nil
}

// wire is the Certificate message (RFC 8446 4.4.2).
func (c *certificate) wire(asked accompaniment) wire.Certificate {
	m := wire.Certificate{Entries: make([]wire.CertificateEntry, len(c.chain))}
	for i, der := range c.chain {
		m.Entries[i].Data = der
	}
	if asked.ocsp {
		m.Entries[0].OCSPStaple = c.ocsp
	}
	if asked.scts {
		m.Entries[0].SCTs = c.scts
	}
	return m
}

// appendMessage appends the Certificate message to b.
func (c *certificate) appendMessage(b []byte, asked accompaniment) []byte {
	asked.ocsp, asked.scts = asked.ocsp && len(c.ocsp) > 0, asked.scts && len(c.scts) > 0
	if asked == (accompaniment{}) {
		return append(b, c.message...)
	}
	m := c.wire(asked)
	return m.Append(b)
}

// issuedBy tells whether one of the authorities issued a certificate of the chain.
func (c *certificate) issuedBy(authorities [][]byte) bool {
	for _, name := range authorities {
		for _, issuer := range c.issuers {
			if bytes.Equal(name, issuer) {
				return true
			}
		}
	}
	return false
}

// preferred returns the members of able that are in order, in that order.
func preferred(order, able []tls.SignatureScheme) (schemes []tls.SignatureScheme) {
	for _, s := range order {
		if slices.Contains(able, s) && !slices.Contains(schemes, s) {
			schemes = append(schemes, s)
		}
	}
	return schemes
}

// scheme returns the best signature scheme that the key can do and the peer
// accepts.
func (c *certificate) scheme(accepted []tls.SignatureScheme) (tls.SignatureScheme, bool) {
	return firstOf(c.schemes, accepted)
}

// firstOf returns the first of schemes that is accepted.
func firstOf(schemes, accepted []tls.SignatureScheme) (tls.SignatureScheme, bool) {
	for _, s := range schemes {
		if slices.Contains(accepted, s) {
			return s, true
		}
	}
	return 0, false
}

// isRSA tells the kind of key that suites of TLS 1.2 name.
func (c *certificate) isRSA() bool {
	_, ok := c.public.(*rsa.PublicKey)
	return ok
}

// curveOf names the curve of an ECDSA key as supported_groups does; 0 for other keys,
// and for curves that it has no name of ours for.
func curveOf(public crypto.PublicKey) tls.CurveID {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return 0
	}
	switch key.Curve {
	case elliptic.P256():
		return tls.CurveP256
	case elliptic.P384():
		return tls.CurveP384
	case elliptic.P521():
		return tls.CurveP521
	}
	return 0
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

// knownIssuers returns those of a peer's certificate_authorities that issued one of our
// certificates, each once, so that the search among many certificates does not grow with
// the peer's list: ten thousand names fit into a ClientHello.
func (p *prepared) knownIssuers(authorities [][]byte) [][]byte {
	var known [][]byte
	for _, name := range authorities {
		if p.issuers[string(name)] && !slices.ContainsFunc(known, func(k []byte) bool { return bytes.Equal(k, name) }) {
			known = append(known, name)
		}
	}
	return known
}

// Why no certificate can be shown.
var (
	errNoIssuer = errors.New("the peer names no issuer of a certificate")
	errNoScheme = errors.New("the peer accepts no signature that a key can make")
)

// choose returns the certificate of the Config for a peer that asked for name
// (empty if it did not), can do with those that are able, and names
// authorities (none if it does not care): the first that has the name, exactly or
// else by a wildcard for the leftmost label (RFC 6125 6.4.3), which byName tells;
// without one the first of all. Among equals those come first that one of the
// authorities issued.
func (p *prepared) choose(name string, able able, authorities [][]byte) (c *certificate, s tls.SignatureScheme, byName bool, err error) {
	name, authorities = foldName(name), p.knownIssuers(authorities)
	lists := [3][]*certificate{p.names[name]}
	if _, parent, ok := strings.Cut(name, "."); ok {
		lists[1] = p.names["*."+parent]
	}
	lists[2] = p.certificates
	err = errNoIssuer
	for i, list := range lists {
		for _, issued := range []bool{true, false} {
			for _, c := range list {
				if c.issuedBy(authorities) != issued || c.bound && !issued {
					continue
				}
				if s, ok := able(c); ok {
					return c, s, i < 2, nil
				}
				err = errNoScheme
			}
		}
	}
	return nil, 0, false, err
}
