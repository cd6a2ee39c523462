package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// An agreement is the work that every server has to do, the same for all: figures of servers
// that do different work cannot be compared. It is checked on every connection.
type agreement struct {
	leaf []byte // DER of the certificate that the server has to show
}

// agreementOn reads the certificate from a PEM text.
func agreementOn(certPEM []byte) (agreement, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != "CERTIFICATE" {
		return agreement{}, errors.New("the PEM does not begin with a certificate")
	}
	return agreement{block.Bytes}, nil
}

// outcome is what a handshake settled, from whichever stack the client uses.
type outcome struct {
	version, suite uint16
	group          tls.CurveID
	resumed        bool
}

// check compares a finished handshake with what was agreed, resumed or not.
func (agreement) check(o outcome, resumed bool) error {
	switch {
	case o.version != tls.VersionTLS13:
		return fmt.Errorf("unequal work: %s, not TLS 1.3", tls.VersionName(o.version))
	case o.suite != tls.TLS_AES_128_GCM_SHA256:
		return fmt.Errorf("unequal work: %s, not TLS_AES_128_GCM_SHA256", tls.CipherSuiteName(o.suite))
	case o.group != tls.X25519:
		return fmt.Errorf("unequal work: group %v, not X25519", o.group)
	case o.resumed && !resumed:
		return errors.New("unequal work: a resumed handshake, not a full one")
	case !o.resumed && resumed:
		return errors.New("unequal work: a full handshake, not a resumed one")
	}
	return nil
}

// checkChain takes the agreed certificate and no other. It stands in for the verification of a
// chain, which would be work of the load client's and tells nothing of the server.
func (a agreement) checkChain(chain []*x509.Certificate) error {
	if len(chain) != 1 || !bytes.Equal(chain[0].Raw, a.leaf) {
		return errors.New("unequal work: another certificate than the agreed one")
	}
	return nil
}
