package main

import (
	"crypto/tls"
	"slices"
	"strings"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// This file is the list of what the engine cannot do yet, as far as it takes
// more than a flag that is not in the table or a Config that the engine refuses.
// Each entry goes with its feature.

// unimplemented refuses a test before anything is dialed.
func (sets *settingsSet) unimplemented() error {
	connections := []*settings{&sets.initial, &sets.resume}[:1+min(sets.initial.resumeCount, 1)]
	for _, s := range connections {
		switch {
		case !s.allows(tls.VersionTLS13) && !s.allows(tls.VersionTLS12) && (s.allows(tls.VersionTLS11) || s.allows(tls.VersionTLS10)):
			return unimplemented("TLS 1.1 and before")
		case s.expectEarlyDataReason != "" && s.expectEarlyDataReason != "disabled":
			return unimplemented("0-RTT data")
		case !s.server && withRawKeys(s.acceptedTypes) != nil, s.server && slices.ContainsFunc(s.credentials, func(c credential) bool { return c.rawKey }):
			return unimplemented("raw public keys of servers")
		case s.ciphers != "" && !strings.Contains(s.ciphers, "[") && suitesNamed(s.ciphers) == nil:
			return unimplemented("cipher suites %s", s.ciphers)
		}
	}
	return nil
}

// unimplementedIn is the same for what only the handshake tells: the code point of PKCS #1
// v1.5 signatures by clients of TLS 1.3, which means nothing in TLS 1.2.
func (s *settings) unimplementedIn(state tlsconn.ConnectionState) error {
	legacy := slices.Contains(s.credential.signingPrefs, uint16(pkcs1Legacy))
	if s.server {
		legacy = slices.Contains(s.verifyPrefs, uint16(pkcs1Legacy))
	}
	if legacy && state.Version == tls.VersionTLS13 {
		return unimplemented("RSA PKCS #1 v1.5 signatures of clients")
	}
	return nil
}
