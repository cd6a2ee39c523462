package tlsconn

import (
	"crypto/tls"
	"fmt"
	"testing"
)

// both12 is our client and our server, both with nothing but TLS 1.2.
func both12(t *testing.T, kind keyKind, client, server func(*testCA, *Config)) *pair {
	t.Helper()
	ca := newTestCA(t)
	c, s := clientFor(ca), serverFor(ca.issue(t, kind, "example.org"))
	c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	s.MinVersion = tls.VersionTLS12
	if client != nil {
		client(ca, c)
	}
	if server != nil {
		server(ca, s)
	}
	return newPair(t, c, s)
}

// Every suite with every kind of key, between the two of us.
func TestTLS12BetweenUs(t *testing.T) {
	for _, suite := range allSuites12 {
		for _, kind := range []keyKind{keyECDSA, keyECDSA384, keyECDSA521, keyRSA, keyEd25519} {
			if suite.rsa != (kind == keyRSA) {
				continue
			}
			for _, shows := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, key %d, client certificate %t", tls.CipherSuiteName(suite.id), kind, shows), func(t *testing.T) {
					p := both12(t, kind, func(ca *testCA, c *Config) {
						c.CipherSuites = []uint16{suite.id}
						if shows {
							c.Certificates = []tls.Certificate{ca.issue(t, kind, "client")}
						}
					}, func(ca *testCA, c *Config) { c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, ca.pool })
					if err := exchange(p); err != nil {
						t.Fatal(err)
					}
					for _, s := range []*side{p.client, p.server} {
						state := s.conn.ConnectionState()
						if state.Version != tls.VersionTLS12 || state.CipherSuite != suite.id {
							t.Errorf("%s: %+v", s.name, state)
						}
					}
					if got := len(p.server.conn.ConnectionState().PeerCertificates); (got == 1) != shows {
						t.Errorf("the server saw %d certificates", got)
					}
				})
			}
		}
	}
}

func TestTLS12ResumesBetweenUs(t *testing.T) {
	r := newResumption(t)
	r.client.MinVersion, r.client.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	r.server.MinVersion = tls.VersionTLS12
	r.want("the first connection", false)
	r.want("the second one", true)
	r.want("the third one", true)
}

// A client of both versions with a server of either.
func TestVersionsBetweenUs(t *testing.T) {
	for _, tt := range []struct {
		client, server [2]uint16
		want           uint16
	}{
		{[2]uint16{tls.VersionTLS12, 0}, [2]uint16{tls.VersionTLS12, 0}, tls.VersionTLS13},
		{[2]uint16{tls.VersionTLS12, 0}, [2]uint16{tls.VersionTLS12, tls.VersionTLS12}, tls.VersionTLS12},
		{[2]uint16{tls.VersionTLS12, tls.VersionTLS12}, [2]uint16{tls.VersionTLS12, 0}, tls.VersionTLS12},
		{[2]uint16{tls.VersionTLS13, 0}, [2]uint16{tls.VersionTLS12, tls.VersionTLS12}, 0},
		{[2]uint16{tls.VersionTLS12, tls.VersionTLS12}, [2]uint16{tls.VersionTLS13, 0}, 0},
	} {
		t.Run(fmt.Sprintf("%#04x and %#04x", tt.client, tt.server), func(t *testing.T) {
			p := both12(t, keyECDSA,
				func(_ *testCA, c *Config) { c.MinVersion, c.MaxVersion = tt.client[0], tt.client[1] },
				func(_ *testCA, c *Config) { c.MinVersion, c.MaxVersion = tt.server[0], tt.server[1] })
			if tt.want == 0 {
				_, server := p.failHandshake()
				wantAlert(t, "server", server, AlertProtocolVersion)
				return
			}
			p.handshake()
			if got := p.client.conn.ConnectionState().Version; got != tt.want {
				t.Errorf("version %#04x", got)
			}
		})
	}
}
