package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// certificateFiles makes a certificate in a directory of the test's own.
func certificateFiles(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := writeCertificate(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

// clientOf returns a load client that expects the certificate of a file.
func clientOf(t *testing.T, addr, certFile string) *client {
	t.Helper()
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newClient(addr, certPEM)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serving runs the echo server of crypto/tls until the test ends.
func serving(t *testing.T, config *tls.Config) (addr string) {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var connections atomic.Int64
		if err := echo(tls.NewListener(raw, config), &connections); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { raw.Close(); <-ended })
	return raw.Addr().String()
}

func TestTheLoadClientTakesEqualWork(t *testing.T) {
	certFile, keyFile := certificateFiles(t)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	c := clientOf(t, serving(t, serverConfig(cert)), certFile)
	if err := c.handshakes(20, 4); err != nil {
		t.Errorf("handshakes: %v", err)
	}
	held, err := c.hold(10, 4)
	if err != nil || len(held) != 10 {
		t.Fatalf("held %d connections, want 10: %v", len(held), err)
	}
	for _, conn := range held {
		if err := c.finish(conn); err != nil {
			t.Errorf("finish: %v", err)
		}
	}
}

func TestTheLoadClientRefusesUnequalWork(t *testing.T) {
	certFile, keyFile := certificateFiles(t)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		alter func(*tls.Config)
		want  string
	}{
		{"a server that sends tickets", func(c *tls.Config) { c.SessionTicketsDisabled = false }, "session tickets"},
		{"a server of another group", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }, "handshake failure"},
		{"a server of an older version", func(c *tls.Config) { c.MinVersion, c.MaxVersion = 0, tls.VersionTLS12 }, "protocol version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := serverConfig(cert)
			tt.alter(config)
			err := clientOf(t, serving(t, config), certFile).handshakes(4, 2)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	agreed := tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, CurveID: tls.X25519}
	c := clientOf(t, "", certFile)
	for _, tt := range []struct {
		name  string
		alter func(*tls.ConnectionState)
		want  string
	}{
		{"another suite", func(s *tls.ConnectionState) { s.CipherSuite = tls.TLS_AES_256_GCM_SHA384 }, "TLS_AES_256_GCM_SHA384"},
		{"another group", func(s *tls.ConnectionState) { s.CurveID = tls.CurveP384 }, "CurveP384"},
		{"a resumption", func(s *tls.ConnectionState) { s.DidResume = true }, "resumed"},
		{"another certificate", func(*tls.ConnectionState) {}, "another certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state := agreed
			tt.alter(&state)
			if err := c.checkEqualWork(state); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestTheLoadClientRefusesAnEndWithoutCloseNotify(t *testing.T) {
	certFile, keyFile := certificateFiles(t)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // a server that echoes one byte and then only closes its socket
		defer close(ended)
		socket, err := raw.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer socket.Close()
		conn := tls.Server(socket, serverConfig(cert))
		one := make([]byte, 1)
		if _, err := conn.Read(one); err != nil {
			t.Error(err)
		}
		if _, err := conn.Write(one); err != nil {
			t.Error(err)
		}
		conn.Read(one) // the client's close_notify
	}()
	t.Cleanup(func() { raw.Close(); <-ended })
	c := clientOf(t, raw.Addr().String(), certFile)
	conn, err := c.open(context.Background(), []byte{'x'})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.finish(conn); err == nil || !strings.Contains(err.Error(), "close_notify") {
		t.Errorf("error %v, want one that misses close_notify", err)
	}
}

func TestTheFirstErrorEndsTheLoad(t *testing.T) {
	calls := 0
	failed := errors.New("failed")
	err := each(100, 1, func(context.Context) error { calls++; return failed })
	if !errors.Is(err, failed) || calls != 1 {
		t.Errorf("%d calls, error %v; want 1 and its error", calls, err)
	}
}
