package main

import (
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// expect holds a complete handshake against what the test expects of it.
func (x *connection) expect() error {
	state := x.conn.ConnectionState()
	switch {
	case !state.HandshakeComplete:
		return broken("Handshake returned nil, but HandshakeComplete is false")
	case x.set.async && x.pending.begun == 0:
		return broken("neither a signature nor a verification was pending")
	}
	for _, check := range []func(*tlsconn.ConnectionState) error{x.expectNegotiated, x.expectNames, x.expectPeer} {
		if err := check(&state); err != nil {
			return err
		}
	}
	return nil
}

// expectNegotiated checks the numbers.
func (x *connection) expectNegotiated(state *tlsconn.ConnectionState) error {
	s := x.set
	cipher := s.expectCipherSoft
	if record.HardwareGCM() {
		cipher = s.expectCipherAES
	}
	for _, want := range []struct {
		what      string
		got, want int
	}{
		{"version", int(state.Version), s.expectVersion},
		{"cipher suite", int(state.CipherSuite), s.expectCipher},
		{"cipher suite for this hardware", int(state.CipherSuite), cipher},
		{"group", int(state.Group), s.expectCurve},
	} {
		if want.want != 0 && want.got != want.want {
			return fmt.Errorf("expected %s %#04x, got %#04x", want.what, want.want, want.got)
		}
	}
	switch {
	case s.expectHRR && !state.HelloRetryRequest:
		return fmt.Errorf("expected a HelloRetryRequest")
	case s.expectNoHRR && state.HelloRetryRequest:
		return fmt.Errorf("unexpected HelloRetryRequest")
	// TLS 1.3 has by design what these extensions added to TLS 1.2.
	case (s.expectExtendedMasterSecret || s.expectReneg) && state.Version < tls.VersionTLS13:
		return fmt.Errorf("expected extended_master_secret or renegotiation_info")
	}
	return nil
}

// expectNames checks server_name and ALPN.
func (x *connection) expectNames(state *tlsconn.ConnectionState) error {
	s := x.set
	protocol := s.expectALPN
	if s.server {
		protocol = s.selectALPN
	}
	switch {
	case s.expectServerName != "" && state.ServerName != s.expectServerName:
		return fmt.Errorf("expected server name %q, got %q", s.expectServerName, state.ServerName)
	case s.expectNoServerName && state.ServerName != "":
		return fmt.Errorf("unexpected server name %q", state.ServerName)
	case state.NegotiatedProtocol != protocol:
		return fmt.Errorf("expected protocol %q, got %q", protocol, state.NegotiatedProtocol)
	case s.expectAdvertisedALPN != "" && !sameProtocols(x.seen.advertised, s.expectAdvertisedALPN):
		return fmt.Errorf("expected the client to offer the protocols %q, got %q", s.expectAdvertisedALPN, x.seen.advertised)
	}
	return nil
}

// expectPeer checks certificates and signatures of both sides.
func (x *connection) expectPeer(state *tlsconn.ConnectionState) error {
	s := x.set
	switch {
	case !s.server && s.expectScheme != 0 && int(state.SignatureScheme) != s.expectScheme:
		return fmt.Errorf("expected the peer to sign with %#04x, got %#04x", s.expectScheme, uint16(state.SignatureScheme))
	case s.expectNoPeerCert && state.PeerCertificates != nil:
		return fmt.Errorf("unexpected certificate of the peer")
	case !s.expectNoPeerCert && !s.server && state.PeerCertificates == nil:
		return fmt.Errorf("expected a certificate of the peer")
	case !s.server && x.seen.verified != 1:
		return broken("the peer's chain was verified %d times", x.seen.verified)
	case s.server && x.seen.signed != 1:
		return broken("the private key signed %d times", x.seen.signed)
	case s.expectVerifyRes && x.seen.verifyFailed != s.verifyFail:
		return fmt.Errorf("expected the verification to fail: %t, it did: %t", s.verifyFail, x.seen.verifyFailed)
	case s.expectSelectedCredential != nil && *s.expectSelectedCredential != x.seen.selected:
		return fmt.Errorf("expected credential %d, got %d", *s.expectSelectedCredential, x.seen.selected)
	}
	if s.expectPeerVerifyPrefs != nil {
		same := slices.EqualFunc(x.seen.schemes, s.expectPeerVerifyPrefs, func(a tls.SignatureScheme, b uint16) bool { return uint16(a) == b })
		if !same {
			return fmt.Errorf("expected the peer to accept the schemes %#04x, got %#04x", s.expectPeerVerifyPrefs, x.seen.schemes)
		}
	}
	if s.expectPeerCertFile != "" {
		return sameChain(state.PeerCertificates, s.expectPeerCertFile)
	}
	return nil
}
