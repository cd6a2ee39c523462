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
		name  string
		state State
		least int
		set   func(client, server *Config)
	}{
		{"a ClientHello that asks for a retry", StateExpectSecondClientHello, maxProtocols - 256, func(client, server *Config) {
			for range maxProtocols/256 - 1 {
				client.NextProtos = append(client.NextProtos, strings.Repeat("p", 255))
			}
			client.CurvePreferences, server.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}, []tls.CurveID{tls.CurveP256}
		}},
		{"a ClientHello that is inspected", StateAwaitInspection, 1000, func(_, server *Config) {
			server.InspectClientHello = func(*ClientHello, *Completion[*Config]) {}
		}},
		{"a client's chain that is verified", StateAwaitVerification, len(cert.Certificate[0]), func(client, server *Config) {
			client.Certificates, server.ClientAuth = []tls.Certificate{cert}, tls.RequireAnyClientCert
			server.VerifyPeerLater = func(*Peer, *Completion[struct{}]) {}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := clientFor(ca), serverFor(cert)
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

// A complete handshake keeps nothing of its messages.
func TestInputBudgetAfterTheHandshake(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	client, server := clientFor(ca), serverFor(cert)
	client.Certificates, server.ClientAuth = []tls.Certificate{cert}, tls.RequireAnyClientCert
	p := newPair(t, client, server)
	p.handshake()
	for _, s := range []*side{p.client, p.server} {
		if n := s.conn.ws.buffers.input; n != 0 {
			t.Errorf("%s: %d bytes are counted", s.name, n)
		}
	}
}
