package tlsconn

import (
	"cmp"
	"crypto/tls"
	"regexp"
	"testing"
)

// Client certificates (RFC 8446 4.3.2, 4.4.2) with programs of other stacks as clients: a server of
// ours requires and verifies them.

// signingKinds are the kinds of keys that clients prove to have.
var signingKinds = []keyKind{keyECDSA, keyRSA, keyEd25519}

func TestWeRefusePeersByTheirCertificates(t *testing.T) {
	ca, stranger := newPeerCA(t, keyECDSA), newPeerCA(t, keyECDSA384)
	config := &Config{
		Certificates: []tls.Certificate{ca.certify(t, keyECDSA, "example.org")},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
	}
	for _, peer := range visitors(t) {
		if peer.browser {
			continue // which goes on trying
		}
		for _, tt := range []struct {
			name  string
			cert  bool
			alert Alert
			told  string // in the peer's words
		}{
			{"of an authority that we do not know", true, AlertUnknownCA, "(?i)unknown[ _]ca|CA is unknown|unknown certificate authority"},
			{"without one", false, AlertCertificateRequired, "(?i)certificate[ _](is )?required"},
		} {
			t.Run(peer.name+", "+tt.name, func(t *testing.T) {
				s := serve(t, always(config), peer.talk(false))
				v := newVisit(t, s, ca)
				if tt.cert {
					v = v.showing(t, stranger, stranger.certify(t, keyECDSA, "a client"))
				}
				output, err := peer.run(t, v)
				if err == nil || !regexp.MustCompile(tt.told).MatchString(output) {
					t.Fatalf("%v, no %q in its output:\n%s", err, tt.told, output)
				}
				wantAlert(t, "server", s.next().err, tt.alert)
			})
		}
	}
}

func TestPeersRefuseUsByOurCertificates(t *testing.T) {
	ca, stranger := newPeerCA(t, keyECDSA), newPeerCA(t, keyECDSA384)
	server := ca.certify(t, keyECDSA, "example.org")
	// In TLS 1.3 the refusal comes behind the client's Finished. Nothing is sent then, or
	// else a reset for what nobody has read could outrun the alert.
	refusal := func(t *testing.T, addr string, config *Config) error {
		conn := dial(t, addr, config)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	for _, peer := range hosts(t) {
		t.Run(peer.name, func(t *testing.T) {
			addr := peer.start(t, newHosting(t, ca, server, true)).addr
			none := &Config{RootCAs: ca.pool, ServerName: "example.org"}
			wantPeerAlert(t, "without one", refusal(t, addr, none), cmp.Or(peer.nobody, AlertCertificateRequired))
			wrong := &Config{RootCAs: ca.pool, ServerName: "example.org", Certificates: []tls.Certificate{stranger.certify(t, keyECDSA, "a client")}}
			switch err := refusal(t, addr, wrong); {
			case peer.stranger != 0:
				wantPeerAlert(t, "of an authority that the server does not know", err, peer.stranger)
			case err == nil:
				t.Error("the server goes on")
			}
		})
	}
}
