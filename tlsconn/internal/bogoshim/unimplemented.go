package main

import (
	"crypto/tls"
	"slices"
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
		case s.server && slices.Contains(s.verifyPrefs, uint16(pkcs1Legacy)),
			!s.server && slices.Contains(s.credential.signingPrefs, uint16(pkcs1Legacy)):
			return unimplemented("RSA PKCS #1 v1.5 signatures of clients")
		case !s.server && withRawKeys(s.acceptedTypes) != nil, s.server && slices.ContainsFunc(s.credentials, func(c credential) bool { return c.rawKey }):
			return unimplemented("raw public keys of servers")
		}
	}
	return nil
}
