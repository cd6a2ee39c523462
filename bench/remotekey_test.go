package main

import (
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// keyless starts an echo server whose key is asked of serve, and returns a load client for it.
func keyless(t *testing.T, certFile string, agreed agreement, serve func(net.Listener) error) *crew {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "key.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := serve(listener); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}()
	cert, err := keyBehind(socket, certFile)
	if err != nil {
		t.Fatal(err)
	}
	engine, addr, err := startReactorEcho(reactorConfig(cert))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		(&crew{engine: engine}).end()
		cert.PrivateKey.(*remoteKey).end(io.EOF)
		listener.Close()
		<-ended
	})
	return crewOf(t, addr, agreed)
}

func TestBurstsOfHandshakesWithTheKeyInAnotherProcess(t *testing.T) {
	certFile, cert, agreed := agreedFiles(t)
	for _, delay := range []time.Duration{0, time.Millisecond} {
		holder := &keyHolder{cert.PrivateKey.(*ecdsa.PrivateKey), delay}
		a, err := keyless(t, certFile, agreed, holder.serve).obey(order{Do: doBursts, Number: 20, Length: time.Millisecond})
		if err != nil || len(a.Bursts) == 0 {
			t.Fatalf("answer %+v, %v", a, err)
		}
		for _, us := range a.Bursts {
			if us < delay.Microseconds() {
				t.Errorf("a burst took %d us, the key takes %v", us, delay)
			}
		}
	}
}

func TestKeyProcessThatFails(t *testing.T) {
	certFile, _, agreed := agreedFiles(t)
	// each serves one connection of the key's.
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
	}{
		{"it dies with requests under way", func(conn net.Conn) {
			_, _ = readKeyRequest(conn)
		}},
		{"it refuses", func(conn net.Conn) {
			for r, err := readKeyRequest(conn); err == nil; r, err = readKeyRequest(conn) {
				conn.Write((&keyAnswer{id: r.id, refusal: "not today"}).appendTo(nil))
			}
		}},
		{"it answers what nobody asked", func(conn net.Conn) {
			r, _ := readKeyRequest(conn)
			conn.Write((&keyAnswer{id: r.id + 1000, signature: []byte("x")}).appendTo(nil))
			_, _ = io.Copy(io.Discard, conn)
		}},
		{"it does not speak the protocol", func(conn net.Conn) {
			conn.Write([]byte("220 mail.example.com ESMTP"))
			_, _ = io.Copy(io.Discard, conn)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			load := keyless(t, certFile, agreed, func(l net.Listener) error {
				for {
					conn, err := l.Accept()
					if err != nil {
						return err
					}
					tt.serve(conn)
					conn.Close()
				}
			})
			for range 2 { // also those that come later
				if err := load.handshakes(3, 3); err == nil || !strings.Contains(err.Error(), "internal_error") {
					t.Errorf("handshakes: %v, want the alert internal_error", err)
				}
			}
		})
	}
}

func TestRemoteKeyIsBounded(t *testing.T) {
	near, far := net.Pipe() // nobody reads
	defer far.Close()
	key := newRemoteKey(near, nil)
	if err := key.ask(make([]byte, maxKeyFrame), tls.Ed25519, new(tlsconn.Completion[[]byte])); err == nil {
		t.Error("a message that fits no frame is sent")
	}
	waiting := make([]tlsconn.Completion[[]byte], maxKeyQuestions)
	for i := range waiting {
		if err := key.ask([]byte("message"), tls.Ed25519, &waiting[i]); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if err := key.ask([]byte("message"), tls.Ed25519, new(tlsconn.Completion[[]byte])); err != errKeyBusy {
		t.Errorf("a request too many: %v", err)
	}
	key.end(io.EOF)
	for i := range waiting {
		if waiting[i].Complete(nil) {
			t.Fatalf("request %d has no answer", i)
		}
	}
	if err := key.ask([]byte("message"), tls.Ed25519, new(tlsconn.Completion[[]byte])); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a request after the end: %v", err)
	}
	if len(key.waiting) != 0 {
		t.Errorf("%d requests still wait", len(key.waiting))
	}
}
