package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// observed is what the callbacks of a Config saw of its one connection.
type observed struct {
	selected     int // the credential that signed, by its place in the list; -1 for the default one
	signed       int // how often any did
	verified     int // how often the peer's chain was verified
	verifyFailed bool
	advertised   []string              // by a client, of ALPN
	schemes      []tls.SignatureScheme // that the peer accepts
}

func (o *observed) signedWith(credential int) {
	o.selected = credential
	o.signed++
}

// neverOffered is a protocol that no test knows: a server that has only this one
// refuses every client that offers any (RFC 7301 3.2).
const neverOffered = "bogoshim: no protocol of yours"

// config translates settings for the engine. What its callbacks see goes to seen.
func (s *settings) config(seen *observed) (*tlsconn.Config, error) {
	seen.selected = -1
	config := &tlsconn.Config{ServerName: s.hostName}
	for _, g := range s.groups() {
		config.CurvePreferences = append(config.CurvePreferences, tls.CurveID(g))
	}
	if !s.server {
		var err error
		if config.NextProtos, err = parseProtocols(s.advertiseALPN); err != nil {
			return nil, err
		}
		// Names do not count here, so the verification is all ours.
		config.InsecureSkipVerify = true
		config.VerifyPeer = func(peer *tlsconn.Peer) error { return s.verify(seen, peer.Certificates) }
		return config, nil
	}
	switch {
	case s.rejectALPN:
		config.NextProtos = []string{neverOffered}
	case s.selectALPN != "":
		config.NextProtos = []string{s.selectALPN}
	}
	certs, err := s.certificates(seen)
	if err != nil {
		return nil, err
	}
	config.Certificates = certs
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		seen.advertised, seen.schemes = hello.SupportedProtos, hello.SignatureSchemes
		if s.failCert {
			return nil, errors.New("the certificate callback fails")
		}
		return nil, nil // the engine chooses among Certificates
	}
	return config, nil
}

// certificates loads the list of credentials and, last, the default one.
func (s *settings) certificates(seen *observed) ([]tls.Certificate, error) {
	var certs []tls.Certificate
	for i := range s.credentials {
		cert, err := s.credentials[i].load(func() { seen.signedWith(i) })
		if err != nil {
			return nil, fmt.Errorf("credential %d: %w", i, err)
		}
		certs = append(certs, cert)
	}
	if s.credential.certFile == "" {
		return certs, nil
	}
	cert, err := s.credential.load(func() { seen.signedWith(-1) })
	if err != nil {
		return nil, fmt.Errorf("default credential: %w", err)
	}
	return append(certs, cert), nil
}

// verify is a client's verification of its peer. Without -verify-peer it is only
// told what it would have found. The alerts are those of BoringSSL's two kinds of
// callbacks.
func (s *settings) verify(seen *observed, chain []*x509.Certificate) error {
	if seen.verified++; seen.verified > 1 {
		return broken("the peer's chain was verified twice")
	}
	err := errors.New("the test wants it to fail")
	if !s.verifyFail {
		err = nil
		if s.verifyPeer && s.trustCert != "" {
			err = verifyChain(chain, s.trustCert)
		}
	}
	seen.verifyFailed = err != nil
	if err == nil || !s.verifyPeer {
		return nil
	}
	alert := tlsconn.AlertHandshakeFailure
	if s.customVerify {
		alert = tlsconn.AlertCertificateUnknown
	}
	return &tlsconn.LocalAlertError{Alert: alert, Err: fmt.Errorf("certificate: %w", err)}
}

// parseProtocols splits a list of ALPN protocols, each with its length before it.
func parseProtocols(list string) ([]string, error) {
	var protocols []string
	for len(list) > 0 {
		n := 1 + int(list[0])
		if n > len(list) {
			return nil, fmt.Errorf("list of protocols: %q is cut off", list)
		}
		protocols = append(protocols, list[1:n])
		list = list[n:]
	}
	return protocols, nil
}

// sameProtocols compares protocols with such a list.
func sameProtocols(got []string, list string) bool {
	want, err := parseProtocols(list)
	return err == nil && slices.Equal(got, want)
}
