package tlsconn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// What comes beside a certificate (RFC 8446 4.4.2.1) with other stacks: OCSP responses, and signed
// certificate timestamps.

// staple is an OCSP response about cert, of its issuer.
func (ca *testCA) staple(t *testing.T, cert tls.Certificate) []byte {
	t.Helper()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	der, err := ocsp.CreateResponse(ca.cert, ca.cert, ocsp.Response{
		Status: ocsp.Good, SerialNumber: leaf.SerialNumber, ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
	}, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

const nodeStaple = `
const [host, port, ca] = process.argv.slice(1);
const conn = require("tls").connect({host, port, servername: "example.org", requestOCSP: true, ca: require("fs").readFileSync(ca)});
conn.on("OCSPResponse", der => console.log("staple " + der?.toString("hex")));
conn.on("secureConnect", () => conn.write("GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"));
conn.on("data", () => {});`

func TestPeersGetOurStaple(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	cert := ca.certify(t, keyECDSA, "example.org")
	cert.OCSPStaple = ca.staple(t, cert)
	cert.Certificate = append(cert.Certificate, ca.cert.Raw) // in which curl looks for the response's issuer
	config := &Config{Certificates: []tls.Certificate{cert}}
	for _, tt := range []struct {
		name string
		talk func(*Conn) error
		run  func(t *testing.T, v visit) (output string, err error)
		says string
	}{
		{"OpenSSL", echoing, func(t *testing.T, v visit) (string, error) { return sClientVisits(t, v, "example.org", "-status") }, "Cert Status: good"},
		// curl verifies it.
		{"curl", posts(false), func(t *testing.T, v visit) (string, error) { return curlVisits(t, v, "--cert-status") }, "200"},
		{"GnuTLS", echoing, func(t *testing.T, v visit) (string, error) {
			file := filepath.Join(t.TempDir(), "staple.der")
			output, err := gnutlsVisits(t, v, "--save-ocsp", file)
			if der, _ := os.ReadFile(file); bytes.Equal(der, cert.OCSPStaple) {
				output += "\nsaved"
			}
			return output, err
		}, "saved"},
		{"NSS", posts(false), func(t *testing.T, v visit) (string, error) { return tstclntVisits(t, v, "-T") }, "Received 1 Cert Status items"},
		{"Node", posts(false), func(t *testing.T, v visit) (string, error) {
			return launch(t, "node", "-e", nodeStaple, v.host(), v.port(), v.caFile).finish()
		}, "staple 30"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, always(config), tt.talk)
			output, err := tt.run(t, newVisit(t, s, ca))
			if err != nil || !strings.Contains(output, tt.says) {
				t.Fatalf("%v, no %q in its output:\n%s", err, tt.says, output)
			}
			s.want(false)
		})
	}
}

// serverInfo is a file of extensions that OpenSSL sends (SSL_CTX_use_serverinfo(3)): the
// timestamps, in a TLS 1.3 Certificate for whom asks in the ClientHello.
func serverInfo(t *testing.T, scts [][]byte) string {
	var list []byte
	for _, sct := range scts {
		list = append(append(list, byte(len(sct)>>8), byte(len(sct))), sct...)
	}
	list = append([]byte{byte(len(list) >> 8), byte(len(list))}, list...)
	const inClientHello, inCertificate = 0x0080, 0x1000 // SSL_CTX_add_custom_ext(3)
	const context = inClientHello | inCertificate
	extension := append([]byte{0, 0, context >> 8, context & 0xff, 0, 18, byte(len(list) >> 8), byte(len(list))}, list...)
	return writeFile(t, "serverinfo.pem", pem.EncodeToMemory(&pem.Block{Type: "SERVERINFOV2 FOR SCT", Bytes: extension}))
}

func TestWeGetPeersStaples(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	cert := ca.certify(t, keyECDSA, "example.org")
	staple, scts := ca.staple(t, cert), [][]byte{pattern(50), pattern(60)}
	_, certFile, keyFile := pemFiles(t, ca, cert)
	stapleFile := writeFile(t, "staple.der", staple)
	for _, tt := range []struct {
		name  string
		start func(t *testing.T) (addr string)
		scts  bool // it can send them
	}{
		{"OpenSSL", func(t *testing.T) string {
			addr, _ := sServer(t, "-www", "-cert", certFile, "-key", keyFile, "-status_file", stapleFile, "-serverinfo", serverInfo(t, scts))
			return addr
		}, true},
		{"GnuTLS", func(t *testing.T) string {
			port := freePort(t)
			launch(t, "gnutls-serv", "--http", "--port", port, "--x509certfile", certFile, "--x509keyfile", keyFile, "--disable-client-cert",
				"--ocsp-response", stapleFile).match(`listening on IPv4 \S+ port \d+\.\.\.done`)
			return net.JoinHostPort("127.0.0.1", port)
		}, false},
		{"crypto/tls", func(t *testing.T) string {
			stapled := cert
			stapled.OCSPStaple, stapled.SignedCertificateTimestamps = staple, scts
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{stapled}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					if _, err := conn.Read(make([]byte, 100)); err == nil {
						_, _ = conn.Write([]byte("a page")) // the client tells whether it comes
					}
					conn.Close()
				}
			}()
			return l.Addr().String()
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := tt.start(t)
			config := &Config{RootCAs: ca.pool, ServerName: "example.org", RequestOCSP: true, RequestSCTs: true, Sessions: NewSessionCache(0)}
			for _, resumed := range []bool{false, true} { // upon which they are those of the session's beginning
				_, state, err := get(t, addr, config)
				if err != nil || state.DidResume != resumed {
					t.Fatalf("resumed is %t, want %t; %v", state.DidResume, resumed, err)
				}
				if !bytes.Equal(state.OCSPResponse, staple) {
					t.Errorf("resumed %t: the OCSP response is %x", resumed, state.OCSPResponse)
				}
				if tt.scts && !slices.EqualFunc(state.SignedCertificateTimestamps, scts, bytes.Equal) {
					t.Errorf("resumed %t: the timestamps are %x", resumed, state.SignedCertificateTimestamps)
				}
			}
			_, state, err := get(t, addr, &Config{RootCAs: ca.pool, ServerName: "example.org"})
			if err != nil || state.OCSPResponse != nil || state.SignedCertificateTimestamps != nil {
				t.Errorf("who does not ask gets %x, %x; %v", state.OCSPResponse, state.SignedCertificateTimestamps, err)
			}
		})
	}
}

// crypto/tls asks for both always.
func TestCryptoTLSGetsOurStapleAndTimestamps(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	cert.OCSPStaple, cert.SignedCertificateTimestamps = pattern(300), [][]byte{pattern(50), pattern(60)}
	peer := &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	server := serverFor(cert)
	for _, resumed := range []bool{false, true} {
		p := serverPeer(t, server, peer)
		p.echo([]byte("stapled"))
		state := p.peer.ConnectionState()
		if state.DidResume != resumed || !bytes.Equal(state.OCSPResponse, cert.OCSPStaple) || !slices.EqualFunc(state.SignedCertificateTimestamps, cert.SignedCertificateTimestamps, bytes.Equal) {
			t.Errorf("resumed is %t, want %t; the peer got %x and %x", state.DidResume, resumed, state.OCSPResponse, state.SignedCertificateTimestamps)
		}
	}
}
