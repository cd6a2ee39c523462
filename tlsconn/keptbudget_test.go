package tlsconn

import (
	"crypto/tls"
	"strings"
	"testing"
)

// Whoever sends a long ClientHello and answers no HelloRetryRequest, or a long chain
// and no proof of its key, makes a server hold them: the budget counts that.
func TestInputBudgetCountsWhatAHandshakeKeeps(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	for _, tt := range []struct {
		name     string
		versions []uint16
		state    State
		least    int
		set      func(client, server *Config)
	}{
		{"a ClientHello that asks for a retry", []uint16{tls.VersionTLS13}, StateExpectSecondClientHello, maxProtocols - 256, func(client, server *Config) {
			longHello(client)
			client.CurvePreferences, server.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}, []tls.CurveID{tls.CurveP256}
		}},
		{"a ClientHello that is inspected", bothVersions, StateAwaitInspection, maxProtocols - 256, func(client, server *Config) {
			longHello(client)
			server.NextProtos = nil
			server.InspectClientHello = func(*ClientHello, *Completion[*Config]) {}
		}},
		{"a ClientHello whose certificate is chosen", bothVersions, StateAwaitCertificate, maxProtocols - 256, func(client, server *Config) {
			longHello(client)
			server.NextProtos = nil
			server.ChooseCertificate = func(*ClientHello, *Completion[*tls.Certificate]) {}
		}},
		{"a client's chain that is verified", bothVersions, StateAwaitVerification, len(cert.Certificate[0]), func(client, server *Config) {
			client.Certificates, server.ClientAuth = []tls.Certificate{cert}, tls.RequireAnyClientCert
			server.VerifyPeerLater = func(*Peer, *Completion[struct{}]) {}
		}},
	} {
		for _, version := range tt.versions {
			t.Run(tt.name+", "+tls.VersionName(version), func(t *testing.T) {
				client, server := clientFor(ca), serverFor(cert)
				for _, c := range []*Config{client, server} {
					c.MinVersion, c.MaxVersion = version, version
				}
				tt.set(client, server)
				ws := NewWorkspace(WorkspaceConfig{InputBudget: 2*tt.least + tt.least/2})
				var held []*pair
				for {
					p := newPairIn(t, NewWorkspace(WorkspaceConfig{}), ws, client, server)
					_ = p.client.conn.Handshake()
					if tt.state == StateAwaitVerification {
						_ = p.server.conn.Handshake()
						_ = p.client.conn.Handshake()
					}
					err := p.server.conn.Handshake()
					if p.server.conn.State() == StateFailed {
						wantAlert(t, "server", p.server.conn.Handshake(), AlertInternalError)
						break
					}
					if p.server.conn.State() != tt.state || int(p.server.conn.in.held) < tt.least {
						t.Fatalf("%v, state %v, %d bytes are counted%v", err, p.server.conn.State(), p.server.conn.in.held, p)
					}
					if held = append(held, p); len(held) > 2 {
						t.Fatal("three connections are within the budget")
					}
				}
				for _, p := range held {
					if err := p.server.conn.Close(); err != nil {
						t.Fatal(err)
					}
				}
				if ws.buffers.input != 0 {
					t.Errorf("%d bytes are still counted", ws.buffers.input)
				}
			})
		}
	}
}

// longHello makes a client's hello about as long as one can be.
func longHello(client *Config) {
	for range maxProtocols/256 - 1 {
		client.NextProtos = append(client.NextProtos, strings.Repeat("p", 255))
	}
}

// A complete handshake keeps nothing of its messages.
func TestInputBudgetAfterTheHandshake(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	for _, version := range bothVersions {
		client, server := clientFor(ca), serverFor(cert)
		client.MinVersion, client.MaxVersion, server.MinVersion = version, version, tls.VersionTLS12
		client.Certificates, server.ClientAuth = []tls.Certificate{cert}, tls.RequireAnyClientCert
		p := newPair(t, client, server)
		p.handshake()
		for _, s := range []*side{p.client, p.server} {
			if n := s.conn.ws.buffers.input; n != 0 {
				t.Errorf("%s: %d bytes are counted in %s", s.name, n, tls.VersionName(version))
			}
		}
	}
}
