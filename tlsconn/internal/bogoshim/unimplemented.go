package main

import (
	"crypto/tls"
	"errors"
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
		case !s.allows(tls.VersionTLS13):
			return unimplemented("TLS 1.2 and before")
		case s.expectEarlyDataReason != "" && s.expectEarlyDataReason != "disabled":
			return unimplemented("0-RTT data")
		case s.server && slices.Contains(s.verifyPrefs, uint16(pkcs1Legacy)),
			!s.server && slices.Contains(s.credential.signingPrefs, uint16(pkcs1Legacy)):
			return unimplemented("RSA PKCS #1 v1.5 signatures of clients")
		}
	}
	return nil
}

// older tells whether a connection failed because the peer has at most TLS 1.2,
// which the test would have us speak. A HelloRetryRequest is of TLS 1.3 already.
func (x *connection) older(err error) bool {
	s := x.set
	if !s.allows(tls.VersionTLS12) && !s.allows(tls.VersionTLS11) && !s.allows(tls.VersionTLS10) {
		return false
	}
	if x.conn.ConnectionState().HelloRetryRequest {
		return false
	}
	var peer *tlsconn.PeerAlertError
	if errors.As(err, &peer) {
		return peer.Alert == tlsconn.AlertProtocolVersion
	}
	return strings.Contains(err.Error(), "no TLS 1.3")
}
