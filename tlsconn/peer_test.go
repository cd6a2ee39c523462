package tlsconn

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
)

func TestCryptoTLSClientTalksToServer(t *testing.T) {
	a, b := net.Pipe()
	ca := newTestCA(t)
	srv := Server(a, &Config{Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org")}})
	errs := make(chan error, 1)
	go func() {
		defer a.Close()
		buf := make([]byte, 1000)
		for {
			n, err := srv.Read(buf)
			if err != nil {
				srv.CloseWrite()
				errs <- err
				return
			}
			if _, err := srv.Write(buf[:n]); err != nil {
				errs <- err
				return
			}
		}
	}()
	cl := tls.Client(b, &tls.Config{RootCAs: ca.pool, ServerName: "example.org"})
	if _, err := cl.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := io.ReadFull(cl, buf); err != nil || string(buf) != "hello" {
		t.Fatal(err, buf)
	}
	cl.CloseWrite()
	if n, err := cl.Read(buf); err != io.EOF {
		t.Fatal(n, err)
	}
	if err := <-errs; err != io.EOF {
		t.Fatal(err)
	}
}

func TestClientTalksToCryptoTLSServer(t *testing.T) {
	a, b := net.Pipe()
	ca := newTestCA(t)
	cl := Client(a, &Config{RootCAs: ca.pool, ServerName: "example.org"})
	srv := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, keyRSA, "example.org")}})
	go func() {
		io.Copy(srv, srv)
		srv.CloseWrite()
	}()
	if _, err := cl.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := io.ReadFull(cl, buf); err != nil || string(buf) != "hello" {
		t.Fatal(err, buf)
	}
	if err := cl.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Read(buf); err != io.EOF {
		t.Fatal(err)
	}
	t.Logf("%+v", cl.ConnectionState())
}
