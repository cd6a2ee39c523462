package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// serve12 runs our server beside a client of crypto/tls over a pipe, and returns what
// each knows of the connection.
func serve12(t *testing.T, server *Config, client *tls.Config) (ConnectionState, tls.ConnectionState, []byte, []byte) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	for _, c := range []net.Conn{near, far} {
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	theirs := tls.Client(far, client)
	result := make(chan error, 1)
	var answer []byte
	go func() {
		err := theirs.Handshake()
		if err == nil {
			_, err = theirs.Write([]byte("a request"))
		}
		if err == nil {
			answer, err = io.ReadAll(theirs)
		}
		result <- err
	}()
	conn := Server(near, server)
	if err := conn.Handshake(); err != nil {
		t.Fatalf("our handshake: %v; crypto/tls: %v", err, <-result)
	}
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "a request" {
		t.Fatalf("read %q, %v", buf[:n], err)
	}
	big := bytes.Repeat([]byte("an answer "), 5000)
	if _, err := conn.Write(big); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatalf("crypto/tls: %v", err)
	}
	if !bytes.Equal(answer, big) {
		t.Fatalf("crypto/tls got %d bytes of %d", len(answer), len(big))
	}
	theirState := theirs.ConnectionState()
	ours, err := conn.ExportKeyingMaterial("EXPORTER-test", []byte("context"), 40)
	if err != nil {
		t.Fatal(err)
	}
	their, err := theirState.ExportKeyingMaterial("EXPORTER-test", []byte("context"), 40)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ours, their) {
		t.Errorf("exporters differ")
	}
	return conn.ConnectionState(), theirState, ours, their
}

// TLS 1.2 with crypto/tls as the client: every suite with every kind of key.
func TestServer12WithCryptoTLS(t *testing.T) {
	ca := newTestCA(t)
	for _, s := range allSuites12 {
		for _, kind := range []keyKind{keyECDSA, keyECDSA384, keyRSA, keyEd25519} {
			if s.rsa != (kind == keyRSA) {
				continue
			}
			t.Run(fmt.Sprintf("%s with key %d", tls.CipherSuiteName(s.id), kind), func(t *testing.T) {
				server := serverFor(ca.issue(t, kind, "example.org"))
				server.MinVersion = tls.VersionTLS12
				client := &tls.Config{RootCAs: ca.pool, ServerName: "example.org", MaxVersion: tls.VersionTLS12,
					CipherSuites: []uint16{s.id}, NextProtos: []string{"http/1.1"}, Time: testClock}
				ours, theirs, _, _ := serve12(t, server, client)
				if ours.Version != tls.VersionTLS12 || ours.CipherSuite != s.id || theirs.CipherSuite != s.id || ours.NegotiatedProtocol != "http/1.1" || ours.DidResume {
					t.Errorf("ours %+v, theirs %+v", ours, theirs)
				}
			})
		}
	}
}

func TestServer12Resumes(t *testing.T) {
	ca := newTestCA(t)
	server := serverFor(ca.issue(t, keyECDSA, "example.org"))
	server.MinVersion, server.ClientAuth, server.ClientCAs = tls.VersionTLS12, tls.RequireAndVerifyClientCert, ca.pool
	client := &tls.Config{RootCAs: ca.pool, ServerName: "example.org", MaxVersion: tls.VersionTLS12, Time: testClock,
		ClientSessionCache: tls.NewLRUClientSessionCache(1), Certificates: []tls.Certificate{ca.issue(t, keyRSA, "client")}}
	for i := range 3 {
		ours, theirs, _, _ := serve12(t, server, client)
		if ours.DidResume != (i > 0) || theirs.DidResume != ours.DidResume || len(ours.PeerCertificates) != 1 {
			t.Errorf("connection %d: resumed %t and %t, %d certificates", i, ours.DidResume, theirs.DidResume, len(ours.PeerCertificates))
		}
	}
}
