package tlsconn

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// The peer of this file is OpenSSL, whose contract this package took: s_client
// and s_server, over loopback.

// opensslGroups are the groups that every OpenSSL 3 has, by its names.
var opensslGroups = map[tls.CurveID]string{tls.X25519: "X25519", tls.CurveP256: "P-256", tls.CurveP384: "P-384", tls.CurveP521: "P-521"}

// sClient starts `openssl s_client` with args against a server of ours.
func sClient(t *testing.T, config *Config, args ...string) (*Conn, *program) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	args = append([]string{"s_client", "-connect", l.Addr().String(), "-servername", "example.org"}, args...)
	p := launch(t, "openssl", args...)
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	socket, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return Server(withDeadline(t, socket), config), p
}

// sServer starts `openssl s_server` with args and returns its address.
func sServer(t *testing.T, args ...string) (addr string, p *program) {
	t.Helper()
	p = launch(t, "openssl", append([]string{"s_server", "-accept", "127.0.0.1:0"}, args...)...)
	return strings.TrimPrefix(p.expect("ACCEPT "), "ACCEPT "), p
}

// dial connects a client of ours.
func dial(t *testing.T, addr string, config *Config) *Conn {
	t.Helper()
	socket, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return Client(withDeadline(t, socket), config)
}

// withDeadline makes a hang of the peer's a failure.
func withDeadline(t *testing.T, socket net.Conn) net.Conn {
	t.Helper()
	t.Cleanup(func() { socket.Close() })
	if err := socket.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return socket
}

// wantRead reads exactly text.
func wantRead(t *testing.T, conn *Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("read %q, %v; want %q", got, err, text)
	}
}

// wantEnd reads the peer's close_notify.
func wantEnd(t *testing.T, conn *Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 100)); n != 0 || err != io.EOF {
		t.Fatalf("Read = %d, %v; want io.EOF", n, err)
	}
}

// bye sends close_notify, unless that is done, and closes the socket, for whose
// end openssl waits.
func bye(t *testing.T, conn *Conn) {
	t.Helper()
	if err := conn.CloseWrite(); err != nil {
		t.Error(err)
	}
	if err := conn.transport.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
}

// wantWrite writes all of text.
func wantWrite(t *testing.T, conn *Conn, text string) {
	t.Helper()
	if n, err := conn.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

// eachParameter runs f with every group, suite and kind of certificate that
// OpenSSL 3.0 has.
func eachParameter(t *testing.T, kinds func(*testing.T, *testCA, keyKind) func(t *testing.T, group tls.CurveID, suite uint16)) {
	ca := newTestCA(t)
	for kind, name := range testKinds {
		t.Run(name, func(t *testing.T) {
			f := kinds(t, ca, kind)
			for group := range opensslGroups {
				for _, suite := range testSuites {
					t.Run(fmt.Sprintf("%v, %s", group, tls.CipherSuiteName(suite)), func(t *testing.T) { f(t, group, suite) })
				}
			}
		})
	}
}

func TestOpenSSLClient(t *testing.T) {
	eachParameter(t, func(t *testing.T, ca *testCA, kind keyKind) func(*testing.T, tls.CurveID, uint16) {
		cert := ca.issue(t, kind, "example.org")
		caFile, _, _ := pemFiles(t, ca, cert)
		config := serverFor(cert)
		return func(t *testing.T, group tls.CurveID, suite uint16) {
			conn, p := sClient(t, config, "-tls1_3", "-groups", opensslGroups[group], "-ciphersuites", tls.CipherSuiteName(suite),
				"-alpn", "h2,http/1.1", "-CAfile", caFile, "-verify_hostname", "example.org", "-verify_return_error",
				"-attime", fmt.Sprint(testTime.Unix()))
			if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			st := conn.ConnectionState()
			if st.Group != group || st.CipherSuite != suite || st.ServerName != "example.org" || st.NegotiatedProtocol != "http/1.1" {
				t.Errorf("%+v", st)
			}
			p.say("a line")
			wantRead(t, conn, "a line\n")
			wantWrite(t, conn, "an answer\n")
			p.expect("an answer")
			p.stdin.Close() // s_client sends close_notify
			wantEnd(t, conn)
			bye(t, conn)
			output := p.end()
			for _, want := range []string{"Cipher is " + tls.CipherSuiteName(suite), "ALPN protocol: http/1.1", "Verify return code: 0 (ok)"} {
				if !strings.Contains(output, want) {
					t.Errorf("no %q in the output of s_client:\n%s", want, output)
				}
			}
		}
	})
}

func TestOpenSSLServer(t *testing.T) {
	eachParameter(t, func(t *testing.T, ca *testCA, kind keyKind) func(*testing.T, tls.CurveID, uint16) {
		_, certFile, keyFile := pemFiles(t, ca, ca.issue(t, kind, "example.org"))
		// -rev: each line comes back reversed, and CLOSE closes.
		addr, _ := sServer(t, "-tls1_3", "-cert", certFile, "-key", keyFile, "-rev", "-alpn", "http/1.1")
		return func(t *testing.T, group tls.CurveID, suite uint16) {
			config := clientFor(ca)
			config.CurvePreferences, config.CipherSuites = []tls.CurveID{group}, []uint16{suite}
			conn := dial(t, addr, config)
			wantWrite(t, conn, "a line\n")
			wantRead(t, conn, "enil a\n")
			st := conn.ConnectionState()
			if st.Group != group || st.CipherSuite != suite || st.NegotiatedProtocol != "http/1.1" || len(st.VerifiedChains) != 1 {
				t.Errorf("%+v", st)
			}
			wantWrite(t, conn, "CLOSE\n") // s_server sends close_notify
			wantEnd(t, conn)
			if err := conn.CloseWrite(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestOpenSSLClosesAfterUs(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	_, certFile, keyFile := pemFiles(t, ca, cert)
	t.Run("s_client", func(t *testing.T) {
		conn, p := sClient(t, serverFor(cert))
		wantWrite(t, conn, "goodbye\n")
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, conn)
		bye(t, conn)
		p.expect("goodbye")
		p.expect("closed")
		p.end()
	})
	t.Run("s_server", func(t *testing.T) {
		addr, p := sServer(t, "-cert", certFile, "-key", keyFile, "-rev", "-naccept", "1")
		conn := dial(t, addr, clientFor(ca))
		wantWrite(t, conn, "goodbye\n")
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantRead(t, conn, "eybdoog\n") // our half alone is closed
		wantEnd(t, conn)
		bye(t, conn)
		p.end()
	})
}

func TestOpenSSLHelloRetryRequest(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	_, certFile, keyFile := pemFiles(t, ca, cert)
	for wanted, name := range opensslGroups {
		first := tls.CurveP384
		if wanted == first {
			first = tls.X25519
		}
		check := func(t *testing.T, conn *Conn) {
			if st := conn.ConnectionState(); !st.HelloRetryRequest || st.Group != wanted {
				t.Errorf("%+v", st)
			}
		}
		t.Run("s_client is asked for "+name, func(t *testing.T) {
			server := serverFor(cert)
			server.CurvePreferences = []tls.CurveID{wanted}
			conn, p := sClient(t, server, "-groups", opensslGroups[first]+":"+name)
			p.say("after a retry")
			wantRead(t, conn, "after a retry\n")
			check(t, conn)
			p.stdin.Close()
			wantEnd(t, conn)
			bye(t, conn)
			p.end()
		})
		t.Run("s_server asks for "+name, func(t *testing.T) {
			addr, _ := sServer(t, "-cert", certFile, "-key", keyFile, "-rev", "-groups", name)
			client := clientFor(ca)
			client.CurvePreferences = []tls.CurveID{first, wanted}
			conn := dial(t, addr, client)
			wantWrite(t, conn, "after a retry\n")
			wantRead(t, conn, "yrter a retfa\n")
			check(t, conn)
		})
	}
}

func TestOpenSSLRefusals(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	_, certFile, keyFile := pemFiles(t, ca, cert)
	t.Run("s_client has TLS 1.2 alone, and we TLS 1.3", func(t *testing.T) {
		server := serverFor(cert)
		server.MinVersion = tls.VersionTLS13
		conn, p := sClient(t, server, "-tls1_2")
		wantAlert(t, "server", conn.Handshake(), AlertProtocolVersion)
		p.expect("alert protocol version")
	})
	t.Run("s_client has none of our protocols", func(t *testing.T) {
		conn, p := sClient(t, serverFor(cert), "-alpn", "mqtt")
		wantAlert(t, "server", conn.Handshake(), AlertNoApplicationProtocol)
		p.expect("no application protocol")
	})
	t.Run("s_client does not trust us", func(t *testing.T) {
		conn, _ := sClient(t, serverFor(cert), "-verify_return_error", "-CAfile", certFile)
		// OpenSSL has no keys to write with yet, and says it unprotected: what anybody
		// could say is not believed, but told.
		err := conn.Handshake()
		wantAlert(t, "server", err, AlertBadRecordMAC)
		if !strings.Contains(err.Error(), AlertUnknownCA.String()) {
			t.Errorf("%q does not tell what the client said", err)
		}
	})
	t.Run("s_server has TLS 1.2 alone, and we TLS 1.3", func(t *testing.T) {
		addr, _ := sServer(t, "-cert", certFile, "-key", keyFile, "-tls1_2")
		client := clientFor(ca)
		client.MinVersion = tls.VersionTLS13
		wantPeerAlert(t, "client", dial(t, addr, client).Handshake(), AlertProtocolVersion)
	})
	t.Run("s_server requires a client certificate", func(t *testing.T) {
		addr, _ := sServer(t, "-cert", certFile, "-key", keyFile, "-Verify", "1", "-rev")
		conn := dial(t, addr, clientFor(ca))
		if err := conn.Handshake(); err != nil {
			t.Fatal(err) // in TLS 1.3 the refusal comes behind the client's Finished
		}
		_, err := conn.Read(make([]byte, 1))
		wantPeerAlert(t, "client", err, AlertCertificateRequired)
	})
	t.Run("s_server asks for a client certificate and goes on without", func(t *testing.T) {
		addr, _ := sServer(t, "-cert", certFile, "-key", keyFile, "-verify", "1", "-rev")
		conn := dial(t, addr, clientFor(ca))
		wantWrite(t, conn, "without one\n")
		wantRead(t, conn, "eno tuohtiw\n")
	})
}
