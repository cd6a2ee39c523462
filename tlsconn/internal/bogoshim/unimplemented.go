package main

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// This file is the list of what the engine cannot do yet, as far as it takes
// more than a flag that is not in the table. Each entry goes with its feature.

// engineGroups are the groups that the engine has.
var engineGroups = []uint16{
	uint16(tls.X25519MLKEM768), uint16(tls.X25519), uint16(tls.CurveP256), uint16(tls.CurveP384), uint16(tls.CurveP521),
}

// unimplemented refuses a test before anything is dialed.
func (sets *settingsSet) unimplemented() error {
	if sets.initial.resumeCount > 0 {
		return unimplemented("session resumption")
	}
	s := &sets.initial
	switch {
	case !s.allows(tls.VersionTLS13):
		return unimplemented("TLS 1.2 and before")
	case s.requestAnyCert, s.server && s.verifyPeer:
		return unimplemented("requesting client certificates")
	case !s.server && (len(s.credentials) > 0 || s.credential.certFile != "" || s.credential.keyFile != ""):
		return unimplemented("client certificates")
	case !s.server && (len(s.expectPeerVerifyPrefs) > 0 || s.failCert):
		return unimplemented("a callback for the client's certificate")
	case s.async && s.useEarlyCallback:
		return unimplemented("an inspection of the ClientHello that is pending")
	case s.failEarlyCallback:
		return unimplemented("an inspection of the ClientHello that refuses it")
	}
	for i, g := range s.groups() {
		switch {
		case !slices.Contains(engineGroups, g):
			return unimplemented("group %#04x", g)
		case !s.server && g == uint16(tls.X25519MLKEM768) && i > 0:
			// The runner expects a share of the first hybrid group wherever it stands.
			return unimplemented("a choice of key shares")
		}
	}
	for i := range s.credentials {
		if err := s.credentials[i].unimplemented(); err != nil {
			return err
		}
	}
	return s.credential.unimplemented()
}

// unimplemented refuses an order of signature schemes that is not the engine's.
func (c *credential) unimplemented() error {
	// RSA keys are the only ones with a choice, and the engine prefers the shorter hash.
	var pss []uint16
	for _, scheme := range c.signingPrefs {
		switch tls.SignatureScheme(scheme) {
		case tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512:
			pss = append(pss, scheme)
		}
	}
	if !slices.IsSorted(pss) {
		return unimplemented("an order of signature schemes")
	}
	return nil
}

// older tells whether a connection failed because the peer has at most TLS 1.2,
// which the test would have us speak.
func (s *settings) older(err error) bool {
	if !s.allows(tls.VersionTLS12) && !s.allows(tls.VersionTLS11) && !s.allows(tls.VersionTLS10) {
		return false
	}
	var peer *tlsconn.PeerAlertError
	if errors.As(err, &peer) {
		return peer.Alert == tlsconn.AlertProtocolVersion
	}
	return strings.Contains(err.Error(), "no TLS 1.3")
}
