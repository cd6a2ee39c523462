package tlsconn

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
)

// Trust, with crypto/tls: certificates of clients that are refused, and sessions that do not get over it.

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
