package tlsconn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
)

// The whole table with crypto/tls: each role, with and without a client certificate, a
// HelloRetryRequest and a KeyUpdate; each first in full and then resumed.

// peerCell is a cell of the table.
type peerCell struct {
	role           Role // ours
	shows          bool // the client shows a certificate, which is required
	retry, rekeyed bool
	kind           keyKind // of the client's key
}

func (c peerCell) String() string {
	name := "we are the " + c.role.String()
	for _, feature := range []struct {
		on   bool
		name string
	}{{c.shows, "a client certificate, " + testKinds[c.kind]}, {c.retry, "HelloRetryRequest"}, {c.rekeyed, "KeyUpdate"}} {
		if feature.on {
			name += ", " + feature.name
		}
	}
	return name
}

// configs makes both sides' configurations.
func (c peerCell) configs(t *testing.T, ca *testCA) (ours *Config, theirs *tls.Config) {
	server, client := ca.issue(t, keyECDSA, "example.org"), ca.issue(t, c.kind, "a client")
	if c.role == RoleServer {
		ours = serverFor(server)
		theirs = &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		if c.shows {
			ours.ClientAuth, ours.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
			theirs.Certificates = []tls.Certificate{client}
		}
		if c.retry {
			ours.CurvePreferences = []tls.CurveID{tls.CurveP384}
			theirs.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
		}
		return ours, theirs
	}
	ours = clientFor(ca)
	ours.Sessions = NewSessionCache(0)
	theirs = &tls.Config{Certificates: []tls.Certificate{server}, Time: testClock}
	if c.shows {
		ours.Certificates = []tls.Certificate{client}
		theirs.ClientAuth, theirs.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
	}
	if c.retry {
		ours.CurvePreferences = []tls.CurveID{tls.CurveP521, tls.CurveP384}
		theirs.CurvePreferences = []tls.CurveID{tls.CurveP384}
	}
	return ours, theirs
}

// peerCells are all of them.
func peerCells() (cells []peerCell) {
	for _, role := range []Role{RoleServer, RoleClient} {
		for i := range 4 {
			cell := peerCell{role: role, retry: i&1 != 0, rekeyed: i&2 != 0}
			cells = append(cells, cell)
			cell.shows = true
			for _, cell.kind = range signingKinds {
				cells = append(cells, cell)
			}
		}
	}
	return cells
}

func TestCryptoTLSTable(t *testing.T) {
	ca := newTestCA(t)
	for _, cell := range peerCells() {
		t.Run(cell.String(), func(t *testing.T) {
			ours, theirs := cell.configs(t, ca)
			for _, resumed := range []bool{false, true} {
				var p *peerPair
				if cell.role == RoleServer {
					p = serverPeer(t, ours, theirs)
				} else {
					p = clientPeer(t, ours, theirs)
				}
				cell.talk(t, p)
				cell.check(t, p, resumed)
			}
		})
	}
}

// talk echoes, in the middle of it under new keys.
func (c peerCell) talk(t *testing.T, p *peerPair) {
	t.Helper()
	if err := p.conn.Handshake(); err != nil {
		t.Fatalf("handshake: %v; the peer: %v", err, <-p.result)
	}
	if c.rekeyed {
		before := p.conn.secrets()
		if err := p.conn.KeyUpdate(true); err != nil {
			t.Fatal(err)
		}
		wantWrite(t, p.conn, "under our new key")
		wantRead(t, p.conn, "under our new key") // and the peer's
		if after := p.conn.secrets(); after[0] == before[0] || after[1] == before[1] {
			t.Error("a KeyUpdate that asks for another left a key as it was")
		}
	}
	p.echo([]byte("an echo"))
}

// check compares what both sides say of the connection.
func (c peerCell) check(t *testing.T, p *peerPair, resumed bool) {
	t.Helper()
	ours, theirs := p.conn.ConnectionState(), p.peer.ConnectionState()
	if ours.DidResume != resumed || theirs.DidResume != resumed {
		t.Errorf("we say that resumed is %t, the peer %t; want %t", ours.DidResume, theirs.DidResume, resumed)
	}
	if ours.HelloRetryRequest != c.retry || theirs.HelloRetryRequest != c.retry {
		t.Errorf("we say that there was a HelloRetryRequest: %t, the peer %t; want %t", ours.HelloRetryRequest, theirs.HelloRetryRequest, c.retry)
	}
	if ours.CipherSuite != theirs.CipherSuite || ours.Group != theirs.CurveID {
		t.Errorf("we have %#04x and %v, the peer %#04x and %v", ours.CipherSuite, ours.Group, theirs.CipherSuite, theirs.CurveID)
	}
	// Who the peers are is known on both connections.
	ofServer, ofClient := ours.PeerCertificates, theirs.PeerCertificates
	if c.role == RoleServer {
		ofServer, ofClient = ofClient, ofServer
	}
	if len(ofServer) != 1 || ofServer[0].VerifyHostname("example.org") != nil {
		t.Errorf("the server is known by %d certificates", len(ofServer))
	}
	if known := len(ofClient) == 1 && ofClient[0].VerifyHostname("a client") == nil; known != c.shows {
		t.Errorf("the client is known: %t, want %t", known, c.shows)
	}
	if chains := len(ours.VerifiedChains); (chains == 1) != (c.role == RoleClient || c.shows) {
		t.Errorf("we have verified %d chains", chains)
	}
	a, err := p.conn.ExportKeyingMaterial("EXPORTER-test", []byte("context"), 40)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := theirs.ExportKeyingMaterial("EXPORTER-test", []byte("context"), 40); err != nil || !bytes.Equal(a, b) {
		t.Errorf("exported keying material differs, %v", err)
	}
}

func TestCryptoTLSRefusesClientCertificates(t *testing.T) {
	ca, stranger := newTestCA(t), newPeerCA(t, keyECDSA384)
	expired := ca.issueUntil(t, keyECDSA, testTime.AddDate(0, 0, -1), "a client")
	for _, tt := range []struct {
		name  string
		certs []tls.Certificate
		alert Alert
	}{
		{"none", nil, AlertCertificateRequired},
		{"of an authority that the server does not know", []tls.Certificate{stranger.issue(t, keyECDSA, "a client")}, AlertUnknownCA},
		{"expired", []tls.Certificate{expired}, AlertCertificateExpired},
	} {
		// The client shows what it has, whatever the server would like to see.
		shown := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(tt.certs) == 0 {
				return &tls.Certificate{}, nil
			}
			return &tt.certs[0], nil
		}
		t.Run("server: "+tt.name, func(t *testing.T) {
			server := serverFor(ca.issue(t, keyECDSA, "example.org"))
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
			ours, theirs := serverPeer(t, server, &tls.Config{
				RootCAs: ca.pool, ServerName: "example.org", Time: testClock, GetClientCertificate: shown,
			}).failure()
			wantAlert(t, "server", ours, tt.alert)
			wantTheirs(t, theirs, tt.alert)
		})
		t.Run("client: "+tt.name, func(t *testing.T) {
			client := clientFor(ca)
			client.GetClientCertificate = shown
			ours, _ := clientPeer(t, client, &tls.Config{
				Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org")}, Time: testClock,
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
			}).failure()
			wantPeerAlert(t, "client", ours, tt.alert)
		})
	}
}

// RFC 8446 4.6.1: "Clients MUST only resume if the new SNI value is valid for the server
// certificate presented in the original session, and SHOULD only resume if the SNI value
// matches the one used in the original session." And whoever would not be trusted without
// the session is not with it.
func TestOurTicketsCrossNoTrustPolicy(t *testing.T) {
	ca := newTestCA(t)
	peer := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org", "example.net")}, Time: testClock}
	sessions := &lastSession{}
	client := func(change func(*Config)) *Config {
		c := clientFor(ca)
		c.Sessions, c.SessionKey = sessions, "one for all"
		change(c)
		return c
	}
	visit := func(t *testing.T, config *Config) bool {
		p := clientPeer(t, config, peer)
		p.echo([]byte("an echo"))
		return p.conn.ConnectionState().DidResume
	}
	visit(t, client(func(*Config) {}))
	session := sessions.session
	for _, tt := range []struct {
		name    string
		change  func(*Config)
		resumed bool
		alert   Alert
	}{
		{"nothing is changed", func(*Config) {}, true, 0},
		{"another name", func(c *Config) { c.ServerName = "example.net" }, false, 0},
		{"another scope", func(c *Config) { c.SessionScope = "another" }, false, 0},
		{"other roots", func(c *Config) { c.RootCAs = x509.NewCertPool() }, true, AlertUnknownCA},
		{"the server is revoked", func(c *Config) {
			c.VerifyPeer = func(p *Peer) error {
				return &LocalAlertError{Alert: AlertCertificateRevoked, Err: fmt.Errorf("resumed: %t", p.Resumed)}
			}
		}, true, AlertCertificateRevoked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sessions.session = session
			config := client(tt.change)
			if tt.alert == 0 {
				if got := visit(t, config); got != tt.resumed {
					t.Errorf("resumed is %t, want %t", got, tt.resumed)
				}
				return
			}
			p := clientPeer(t, config, peer)
			ours, theirs := p.failure()
			wantAlert(t, "client", ours, tt.alert)
			wantTheirs(t, theirs, tt.alert)
			if got := p.conn.ConnectionState().DidResume; got != tt.resumed {
				t.Errorf("resumed is %t, want %t", got, tt.resumed)
			}
		})
	}
}
