package tlsconn

import (
	"bytes"
	"crypto/tls"
	"regexp"
	"strings"
	"testing"
)

// Client certificates (RFC 8446 4.3.2, 4.4.2) with programs of other stacks as clients: a server of
// ours requires and verifies them.

// signingKinds are the kinds of keys that clients prove to have.
var signingKinds = []keyKind{keyECDSA, keyRSA, keyEd25519}

// showing has the visitor show a certificate that ca issued.
func (v visit) showing(t *testing.T, ca *testCA, cert tls.Certificate) visit {
	_, v.certFile, v.keyFile = pemFiles(t, ca, cert)
	return v
}

func TestPeersShowUsCertificates(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	config := &Config{
		Certificates: []tls.Certificate{ca.certify(t, keyECDSA, "example.org")},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
	}
	for _, peer := range visitors {
		for _, kind := range signingKinds {
			if kind == keyEd25519 && peer.noEd25519 {
				continue
			}
			t.Run(peer.name+", "+testKinds[kind], func(t *testing.T) {
				cert := ca.certify(t, kind, "a client")
				s := serve(t, always(config), peer.talk)
				output, err := peer.twice(t, visit{serving: s}.caOnly(t, ca).showing(t, ca, cert))
				if err != nil || !strings.Contains(output, peer.resumed) {
					t.Fatalf("%v, no %q in its output:\n%s", err, peer.resumed, output)
				}
				for _, resumed := range []bool{false, true} {
					state := s.want(resumed)
					if certs := state.PeerCertificates; len(certs) == 0 || !bytes.Equal(certs[0].Raw, cert.Certificate[0]) || len(state.VerifiedChains) != 1 {
						t.Errorf("resumed %t: the client is known by %d certificates, %d chains", resumed, len(certs), len(state.VerifiedChains))
					}
				}
			})
		}
	}
}

func TestWeRefusePeersByTheirCertificates(t *testing.T) {
	ca, stranger := newPeerCA(t, keyECDSA), newPeerCA(t, keyECDSA384)
	config := &Config{
		Certificates: []tls.Certificate{ca.certify(t, keyECDSA, "example.org")},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
	}
	for _, peer := range visitors {
		for _, tt := range []struct {
			name  string
			cert  bool
			alert Alert
			told  string // in the peer's words
		}{
			{"of an authority that we do not know", true, AlertUnknownCA, "(?i)unknown[ _]ca|CA is unknown"},
			{"without one", false, AlertCertificateRequired, "(?i)certificate[ _](is )?required"},
		} {
			t.Run(peer.name+", "+tt.name, func(t *testing.T) {
				s := serve(t, always(config), peer.talk)
				v := visit{serving: s}.caOnly(t, ca)
				if tt.cert {
					v = v.showing(t, stranger, stranger.certify(t, keyECDSA, "a client"))
				}
				output, err := peer.once(t, v)
				if err == nil || !regexp.MustCompile(tt.told).MatchString(output) {
					t.Fatalf("%v, no %q in its output:\n%s", err, tt.told, output)
				}
				wantAlert(t, "server", s.next().err, tt.alert)
			})
		}
	}
}

func TestWeShowPeersCertificates(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	caFile, certFile, keyFile := pemFiles(t, ca, ca.certify(t, keyECDSA, "example.org"))
	for _, peer := range hosts {
		t.Run(peer.name, func(t *testing.T) {
			addr := peer.start(t, hosting{certFile: certFile, keyFile: keyFile, clientCAFile: caFile})
			for _, kind := range signingKinds {
				if kind == keyEd25519 && peer.noEd25519 {
					continue
				}
				t.Run(testKinds[kind], func(t *testing.T) {
					pages := peer.getTwice(t, addr, &Config{
						RootCAs: ca.pool, ServerName: "example.org", Sessions: NewSessionCache(0),
						Certificates: []tls.Certificate{ca.certify(t, kind, "a client")},
					})
					for i, page := range pages {
						if knows := peer.knows + testKinds[kind]; peer.knows != "" && !regexp.MustCompile(knows).MatchString(page) {
							t.Errorf("connection %d: the page does not say %q:\n%s", i, knows, page)
						}
					}
				})
			}
		})
	}
}

func TestPeersRefuseUsByOurCertificates(t *testing.T) {
	ca, stranger := newPeerCA(t, keyECDSA), newPeerCA(t, keyECDSA384)
	caFile, certFile, keyFile := pemFiles(t, ca, ca.certify(t, keyECDSA, "example.org"))
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
	for _, peer := range hosts {
		t.Run(peer.name, func(t *testing.T) {
			addr := peer.start(t, hosting{certFile: certFile, keyFile: keyFile, clientCAFile: caFile})
			none := &Config{RootCAs: ca.pool, ServerName: "example.org"}
			wantPeerAlert(t, "without one", refusal(t, addr, none), AlertCertificateRequired)
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
