package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
)

// ends reads a connection to its end and returns how it ended.
func ends(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	return err
}

func TestAHandshakeThatNeverComesEndsAtItsDeadline(t *testing.T) {
	p := start(t, "--handshake-timeout", "50ms")
	if err := ends(p.dial()); err != nil && !isReset(err) {
		t.Errorf("the connection ended with %v, want its end", err)
	}
}

func TestAnIdleConnectionEndsAtItsDeadline(t *testing.T) {
	p := start(t, "--echo", "--idle-timeout", "50ms")
	if err := ends(p.connect()); err != nil && !isReset(err) {
		t.Errorf("the connection ended with %v, want its end", err)
	}
}

func TestAnIdleTunnelIsNoCleanEnd(t *testing.T) {
	b := listenTCP(t)
	p := start(t, "--backend", b.addr(), "--idle-timeout", "2s") // within which half an answer comes
	client := p.connect()
	behind := b.accept()
	sends(t, behind, "half an answ")
	receives(t, client, "half an answ")
	for name, conn := range map[string]net.Conn{"client": client, "backend": behind} {
		if err := ends(conn); !isReset(err) {
			t.Errorf("the %s's end is %v, want a reset", name, err)
		}
	}
	p.await(`msg=access .*received=0 sent=12 .*reason=idle`)
}

func TestThereAreNoMoreConnectionsThanAllowed(t *testing.T) {
	p := start(t, "--echo", "--max-connections", "2")
	first, second := p.connect(), p.connect()
	echoes(t, first, "first")
	echoes(t, second, "second")

	third := tls.Client(p.dial(), &tls.Config{InsecureSkipVerify: true}) // the kernel's, until there is room
	shaken := make(chan error, 1)
	go func() { shaken <- third.Handshake() }()
	p.awaitCounters("connections=2 .*paused_for_connections=[1-9]")
	select {
	case err := <-shaken:
		t.Fatalf("the third handshake ended beside two connections: %v", err)
	default:
	}
	if err := first.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := ends(first); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	echoes(t, third, "third")
	echoes(t, second, "still there")
}

func TestGarbageIsAnsweredWithAnAlert(t *testing.T) {
	p := start(t)
	conn := p.dial()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
		t.Fatal(err)
	}
	if len(answer) != 7 || answer[0] != 21 { // a record of type alert (RFC 8446 5.1)
		t.Errorf("plain HTTP is answered with % x, want an alert", answer)
	}
}
