package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// identity is all that one side can show: its credentials in the runner's order,
// the default one last.
type identity []tlsCredential

// tlsCredential is one that the engine can sign with.
type tlsCredential struct {
	tls.Certificate
	schemes     []tls.SignatureScheme // of TLS 1.3; none if its preferences leave none
	schemes12   []tls.SignatureScheme // of TLS 1.2
	issuerBound bool
	rawKey      bool // the key alone is shown
}

// loadIdentity loads the credentials. Whose key signs goes to seen.
func (s *settings) loadIdentity(p *pending, seen *observed) (id identity, err error) {
	add := func(c *credential, number int) error {
		cert, err := c.load(p, func() { seen.signedWith(number) })
		if err != nil {
			return fmt.Errorf("credential %d: %w", number, err)
		}
		public := cert.PrivateKey.(interface{ Public() crypto.PublicKey }).Public()
		prefs := cert.SupportedSignatureAlgorithms
		id = append(id, tlsCredential{cert, schemesOf(public, prefs), schemesOf12(public, prefs), c.issuerBound, c.rawKey})
		return nil
	}
	for i := range s.credentials {
		if err := add(&s.credentials[i], i); err != nil {
			return nil, err
		}
	}
	if s.credential.certFile != "" {
		err = add(&s.credential, -1)
	}
	return id, err
}

// install gives the engine all credentials that it can use, for it to choose.
func (id identity) install(config *tlsconn.Config) {
	for i := range id {
		switch c := &id[i]; {
		case !c.usable(): // the engine refuses a certificate that it can never use
		case c.form() == tlsconn.CertificateRawPublicKey:
			if slices.Contains(config.ClientCertificateTypes, c.form()) { // nor one that is not offered
				config.RawPublicKeys = append(config.RawPublicKeys, c.Certificate)
			}
		case c.issuerBound:
			config.IssuerBound = append(config.IssuerBound, c.Certificate)
		default:
			config.Certificates = append(config.Certificates, c.Certificate)
		}
	}
}

// usable tells whether the engine can sign with any.
func (id identity) usable() bool {
	return slices.ContainsFunc(id, func(c tlsCredential) bool { return c.usable() })
}

func (c *tlsCredential) usable() bool { return len(c.schemes)+len(c.schemes12) > 0 }

// form is the certificate type of a credential.
func (c *tlsCredential) form() tlsconn.CertificateType {
	if c.rawKey {
		return tlsconn.CertificateRawPublicKey
	}
	return tlsconn.CertificateX509
}

// forms are the certificate types of all credentials, each where it comes first.
func (id identity) forms() (types []tlsconn.CertificateType) {
	for i := range id {
		if t := id[i].form(); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

// Why no credential fits. BoringSSL fails then, as a client too, which may show
// none (RFC 8446 4.4.2).
var (
	errNoCommonScheme = errors.New("credentials: none can sign what the peer accepts")
	errNoForm         = errors.New("credentials: none is of the certificate type that the peer takes")
	errNoIssuer       = errors.New("credentials: none has an issuer that the peer names")
)

// choose returns the first credential that fits a peer which takes a certificate type,
// speaks version, accepts schemes and names authorities; nil if there is none to choose
// from.
func (id identity) choose(form tlsconn.CertificateType, version uint16, schemes []tls.SignatureScheme, authorities [][]byte) (*tls.Certificate, error) {
	var err error
	for i := range id {
		c := &id[i]
		able := c.schemes
		if version == tls.VersionTLS12 {
			able = c.schemes12
		}
		switch {
		case c.form() != form:
			err = errNoForm
		case !slices.ContainsFunc(able, func(s tls.SignatureScheme) bool { return slices.Contains(schemes, s) }):
			err = errNoCommonScheme
		case c.issuerBound && !c.issuedBy(authorities):
			err = errNoIssuer
		default:
			return &c.Certificate, nil
		}
	}
	if err == nil {
		return nil, nil
	}
	return nil, &tlsconn.LocalAlertError{Alert: tlsconn.AlertHandshakeFailure, Err: err}
}

// issuedBy tells whether one of the authorities has issued a certificate of the
// chain.
func (c *tlsCredential) issuedBy(authorities [][]byte) bool {
	return slices.ContainsFunc(c.Certificate.Certificate, func(der []byte) bool {
		cert, err := x509.ParseCertificate(der)
		return err == nil && slices.ContainsFunc(authorities, func(name []byte) bool { return bytes.Equal(name, cert.RawIssuer) })
	})
}
