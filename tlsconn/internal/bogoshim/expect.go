package main

import (
	"bytes"
	"crypto/tls"
	"errors"
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
		return broken("no operation was pending")
	}
	for _, check := range []func(*tlsconn.ConnectionState) error{
		x.expectNegotiated, x.expectNames, x.expectResumption, x.expectCalls, x.expectPeer, x.expectStapled,
	} {
		if err := check(&state); err != nil {
			return err
		}
	}
	return nil
}

// expectNegotiated checks the numbers. A resumption of TLS 1.2 has no group of its own,
// and BoringSSL's memory of that of its session is not asked for.
func (x *connection) expectNegotiated(state *tlsconn.ConnectionState) error {
	s := x.set
	group := s.expectCurve
	if state.DidResume && state.Version == tls.VersionTLS12 {
		group = 0
	}
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
		{"group", int(state.Group), group},
	} {
		if want.want != 0 && want.got != want.want {
			return fmt.Errorf("expected %s %#04x, got %#04x", want.what, want.want, want.got)
		}
	}
	if s.expectExtendedMasterSecret {
		// Without it nothing is exported in TLS 1.2 (RFC 7627 5.4).
		if _, err := x.conn.ExportKeyingMaterial("extended_master_secret is expected", nil, 1); err != nil {
			return err
		}
	}
	switch {
	case s.expectHRR && !state.HelloRetryRequest:
		return errors.New("expected a HelloRetryRequest")
	case s.expectNoHRR && state.HelloRetryRequest:
		return errors.New("unexpected HelloRetryRequest")
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

// expectResumption checks whether a session was resumed, and how old a server
// thought its ticket to be.
func (x *connection) expectResumption(state *tlsconn.ConnectionState) error {
	if want := x.resumes && !x.set.expectSessionMiss; state.DidResume != want {
		return fmt.Errorf("expected a resumption: %t, got one: %t", want, state.DidResume)
	}
	if x.set.expectSessionID && !x.store.used || x.set.expectNoSessionID && x.store.used {
		return fmt.Errorf("expected a session id: %t, got one: %t", x.set.expectSessionID, x.store.used)
	}
	if want := x.set.expectTicketAgeSkew; x.resumes && want != 0 && int(state.TicketAgeSkew.Seconds()) != want {
		return fmt.Errorf("expected a ticket age that is off by %d s, got %v", want, state.TicketAgeSkew)
	}
	return nil
}

// expectSession checks, at the end, that a client holds a session of this
// connection.
func (x *connection) expectSession() error {
	if x.set.server || x.set.shimShutsDown {
		return nil
	}
	if want, got := !x.set.expectNoSession, x.sessions.got != nil; got != want {
		return fmt.Errorf("expected a session: %t, got one: %t", want, got)
	}
	return nil
}

// expectPeer checks certificates and signatures of both sides. A resumption has no
// signature to tell of, and BoringSSL's memory of that and of the verdict on the peer
// is not asked for.
func (x *connection) expectPeer(state *tlsconn.ConnectionState) error {
	s, seen := x.set, &x.seen
	scheme := state.SignatureScheme
	if s.server {
		scheme = state.ClientSignatureScheme
	}
	switch {
	case s.expectScheme != 0 && !state.DidResume && int(scheme) != s.expectScheme:
		return fmt.Errorf("expected the peer to sign with %#04x, got %#04x", s.expectScheme, uint16(scheme))
	case s.expectNoPeerCert && state.PeerCertificates != nil:
		return errors.New("unexpected certificate of the peer")
	case !s.expectNoPeerCert && (!s.server || s.requireAnyCert) && state.PeerCertificates == nil && state.PeerRawPublicKey == nil:
		return errors.New("expected a certificate of the peer")
	case s.expectVerifyRes && seen.verified > 0 && seen.verifyFailed != s.verifyFail:
		return fmt.Errorf("expected the verification to fail: %t, it did: %t", s.verifyFail, seen.verifyFailed)
	case s.expectSelectedCredential != nil && *s.expectSelectedCredential != seen.selected:
		return fmt.Errorf("expected credential %d, got %d", *s.expectSelectedCredential, seen.selected)
	case s.expectClientCAs != nil && !sameOctets(seen.authorities, s.expectClientCAs):
		return fmt.Errorf("expected the server to name %x, got %x", s.expectClientCAs, seen.authorities)
	case s.expectCertificateTypes != nil && !bytes.Equal(seen.types, s.expectCertificateTypes):
		return fmt.Errorf("expected the server to take keys of the types %x, got %x", s.expectCertificateTypes, seen.types)
	}
	if s.expectPeerVerifyPrefs != nil {
		same := slices.EqualFunc(seen.schemes, s.expectPeerVerifyPrefs, func(a tls.SignatureScheme, b uint16) bool { return uint16(a) == b })
		if !same {
			return fmt.Errorf("expected the peer to accept the schemes %#04x, got %#04x", s.expectPeerVerifyPrefs, seen.schemes)
		}
	}
	if err := s.expectForm(state); err != nil {
		return err
	}
	if s.expectPeerCertFile != "" {
		return sameChain(state.PeerCertificates, s.expectPeerCertFile)
	}
	return nil
}

// expectForm checks in which form the peer showed who it is.
func (s *settings) expectForm(state *tlsconn.ConnectionState) error {
	form := tlsconn.CertificateX509
	if state.PeerRawPublicKey != nil {
		form = tlsconn.CertificateRawPublicKey
	}
	switch want := s.expectPeerType; {
	case want != nil && tlsconn.CertificateType(*want) != form:
		return fmt.Errorf("expected a peer of certificate type %v, got %v", tlsconn.CertificateType(*want), form)
	case s.expectPeerKey != nil:
		return s.knowKey(state.PeerRawPublicKey)
	}
	return nil
}

// expectStapled checks what came with the peer's certificate, as its verification
// was shown it.
func (x *connection) expectStapled(*tlsconn.ConnectionState) error {
	peer := x.seen.peer
	if peer == nil {
		peer = new(tlsconn.Peer)
	}
	switch s := x.set; {
	case s.expectOCSP != nil && !bytes.Equal(peer.OCSPResponse, s.expectOCSP):
		return fmt.Errorf("expected the OCSP response %x, got %x", s.expectOCSP, peer.OCSPResponse)
	case s.expectSCTs != nil && !sameOctets(peer.SignedCertificateTimestamps, s.expectSCTs):
		return fmt.Errorf("expected the SCTs %x, got %x", s.expectSCTs, peer.SignedCertificateTimestamps)
	}
	return nil
}

// expectMessages checks, at the end, the messages of both directions.
func (x *connection) expectMessages() error {
	if want, got := x.set.expectMessages, x.seen.messages.String(); want != "" && got != want {
		return fmt.Errorf("expected the messages\n%sgot\n%s", want, got)
	}
	return nil
}
