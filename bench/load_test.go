package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// agreedFiles makes a certificate in a directory of the test's own.
func agreedFiles(t *testing.T) (certFile string, cert tls.Certificate, agreed agreement) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := writeCertificate(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	if agreed, err = agreementOn(text); err != nil {
		t.Fatal(err)
	}
	return certFile, cert, agreed
}

// listening returns a listener that serve has until the test ends.
func listening(t *testing.T, serve func(net.Listener) error) (addr string) {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := serve(raw); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { raw.Close(); <-ended })
	return raw.Addr().String()
}

// backend runs the plain echo server behind a terminator until the test ends.
func backend(t *testing.T) (addr string) {
	t.Helper()
	engine, addr, err := startReactorEcho(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup((&crew{engine: engine}).end)
	return addr
}

func crewOf(t *testing.T, addr string, agreed agreement) *crew {
	t.Helper()
	c, err := newCrew(addr, agreed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.end)
	return c
}

func TestTheLoadTakesEqualWork(t *testing.T) {
	certFile, cert, agreed := agreedFiles(t)
	engine, onReactor, err := startReactorEcho(reactorConfig(cert))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup((&crew{engine: engine}).end)
	for _, tt := range []struct{ name, addr string }{
		{"from the echo server of crypto/tls", listening(t, (&peer{config: serverConfig(cert)}).serve)},
		{"from the terminator of crypto/tls", listening(t, (&peer{config: serverConfig(cert), backend: backend(t)}).serve)},
		{"from the echo server on package reactor", onReactor},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var orders, answers bytes.Buffer
			encoder := json.NewEncoder(&orders)
			for _, o := range []order{
				{Do: doHandshakes, Number: 20, Parallel: 4},
				{Do: doPrime, Number: 4},
				{Do: doResumed, Number: 20, Parallel: 4},
				{Do: doHold, Number: 3, Parallel: 2},
				{Do: doBulk, Number: 50},
				{Do: doEchoes, Rate: 5000, Length: 50 * time.Millisecond},
				{Do: doStorm, Rate: 500, Length: 50 * time.Millisecond},
				{Do: doRelease},
				{Do: doHold, Number: 2, Parallel: 8}, // left for the end of the orders
			} {
				if err := encoder.Encode(o); err != nil {
					t.Fatal(err)
				}
			}
			if err := runLoad(tt.addr, certFile, &orders, &answers); err != nil {
				t.Fatal(err)
			}
			decoder := json.NewDecoder(&answers)
			all := make([]answer, 9)
			for i := range all {
				if err := decoder.Decode(&all[i]); err != nil {
					t.Fatalf("answer %d: %v", i, err)
				}
			}
			if e := all[5]; e.Echoes == 0 || e.Median == 0 || e.Percentile99 < e.Median {
				t.Errorf("echoes: %+v", e)
			}
		})
	}
	c := crewOf(t, "127.0.0.1:1", agreed)
	if _, err := c.obey(order{Do: doBulk}); !errors.Is(err, errNoneHeld) {
		t.Errorf("bulk on nothing: %v", err)
	}
	if _, err := c.obey(order{Do: "dance"}); err == nil {
		t.Error("an order that does not exist is obeyed")
	}
	if err := c.handshakes(1, 1); err == nil {
		t.Error("handshakes with nobody")
	}
}

func TestTheLoadRefusesUnequalWork(t *testing.T) {
	_, cert, agreed := agreedFiles(t)
	_, other, _ := agreedFiles(t)
	tests := []struct {
		name      string
		alter     func(*tls.Config)
		crew      string // a part of the error of the load client; "" if it cannot see that
		inspector string // of the inspection by crypto/tls
	}{
		{"a server that sends no tickets", func(c *tls.Config) { c.SessionTicketsDisabled = true }, "", "session tickets"},
		{"a server of another group", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }, "handshake_failure", "handshake failure"},
		{"a server of an older version", func(c *tls.Config) { c.MinVersion, c.MaxVersion = 0, tls.VersionTLS12 }, "did not end with close_notify", "not TLS 1.3"},
		{"a server of another certificate", func(c *tls.Config) { c.Certificates = []tls.Certificate{other} }, "another certificate", "another certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := serverConfig(cert)
			tt.alter(config)
			addr := listening(t, (&peer{config: config}).serve)
			if err := inspect(addr, agreed); err == nil || !strings.Contains(err.Error(), tt.inspector) {
				t.Errorf("inspection: %v, want an error with %q", err, tt.inspector)
			}
			if tt.crew == "" {
				return
			}
			if err := crewOf(t, addr, agreed).handshakes(4, 2); err == nil || !strings.Contains(err.Error(), tt.crew) {
				t.Errorf("load: %v, want an error with %q", err, tt.crew)
			}
		})
	}
	done := outcome{tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, tls.X25519, false}
	if err := agreed.check(done, false); err != nil {
		t.Errorf("what was agreed: %v", err)
	}
	for _, tt := range []struct {
		name string
		o    outcome
		want string
	}{
		{"another version", outcome{tls.VersionTLS12, done.suite, done.group, false}, "not TLS 1.3"},
		{"another suite", outcome{done.version, tls.TLS_AES_256_GCM_SHA384, done.group, false}, "TLS_AES_256_GCM_SHA384"},
		{"another group", outcome{done.version, done.suite, tls.CurveP384, false}, "CurveP384"},
		{"a resumption", outcome{done.version, done.suite, done.group, true}, "resumed"},
	} {
		if err := agreed.check(tt.o, false); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestTheLoadRefusesAServerThatErrs(t *testing.T) {
	_, cert, agreed := agreedFiles(t)
	tests := []struct {
		name  string
		serve func(socket net.Conn, conn *tls.Conn, heard []byte)
		want  string // the same from both clients
	}{
		{"one that ends without close_notify", func(socket net.Conn, conn *tls.Conn, heard []byte) {
			conn.Write(heard)
			conn.Read(heard) // the client's close_notify
			socket.Close()
		}, "close_notify"},
		{"one that sends more than the echo", func(_ net.Conn, conn *tls.Conn, heard []byte) {
			conn.Write(append(heard, heard...))
			conn.Read(heard)
			conn.Close()
		}, "more than the echo"},
		{"one that echoes something else", func(_ net.Conn, conn *tls.Conn, _ []byte) {
			conn.Write([]byte("y"))
			conn.Close()
		}, "echo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := listening(t, func(l net.Listener) error {
				for {
					socket, err := l.Accept()
					if err != nil {
						return err
					}
					conn := tls.Server(socket, serverConfig(cert))
					heard := make([]byte, 1)
					if _, err := conn.Read(heard); err == nil {
						tt.serve(socket, conn, heard)
					}
					socket.Close()
				}
			})
			c := crewOf(t, addr, agreed)
			if err := c.handshakes(1, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("load: %v, want an error with %q", err, tt.want)
			}
			c.end() // this server has one client at a time
			if err := inspect(addr, agreed); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("inspection: %v, want an error with %q", err, tt.want)
			}
		})
	}
}
