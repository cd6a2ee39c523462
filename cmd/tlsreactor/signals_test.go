package main

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestSIGTERMDrains(t *testing.T) {
	p := start(t, "--echo", "--drain-timeout", "10m")
	conn := p.connect()
	echoes(t, conn, "before")
	p.signal(syscall.SIGTERM)
	p.await("msg=draining")

	p.refusesConnections()
	echoes(t, conn, "an open connection is served on")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection ends with %v, want io.EOF", err)
	}
	conn.Close()
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d after the last connection, want 0", status)
	}
}

func TestSIGINTWithoutConnectionsEndsAtOnce(t *testing.T) {
	p := start(t, "--drain-timeout", "10m")
	p.signal(syscall.SIGINT)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestTheDrainHasADeadline(t *testing.T) {
	p := start(t, "--echo", "--drain-timeout", "50ms")
	conn := p.connect()
	echoes(t, conn, "open")
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	p.await(`msg=ended .*abandoned=1`)
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	p := start(t, "--echo", "--drain-timeout", "10m")
	conn := p.connect()
	echoes(t, conn, "open")
	p.signal(syscall.SIGTERM)
	p.await("msg=draining")
	p.signal(syscall.SIGINT)
	if status := p.wait(); status != 1 {
		t.Errorf("exit status %d, want 1 for an end that was forced", status)
	}
}

func TestSIGUSR1CountsAndGoroutinesDoNotGrow(t *testing.T) {
	p := start(t, "--echo")
	goroutines := func(connections int) int {
		line := p.awaitCounters("connections=" + strconv.Itoa(connections) + ` .*goroutines=(\d+)`)
		n, err := strconv.Atoi(line[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	open := func(n int) {
		for range n {
			echoes(t, p.connect(), "open")
		}
	}
	open(1)
	few := goroutines(1)
	open(199)
	if many := goroutines(200); many > few+5 { // some are the runtime's, which come and go
		t.Errorf("%d goroutines with one connection, %d with 200", few, many)
	}
}

func TestTheKeyLogIsLoudAndComplete(t *testing.T) {
	file := t.TempDir() + "/keys"
	p := start(t, "--echo", "--keylog", file)
	p.await(`level=WARN msg="[^"]*secrets[^"]*" .*file=` + file)
	var clientLog strings.Builder
	conn := tls.Client(p.dial(), &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &clientLog})
	echoes(t, conn, "open")
	ours, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(clientLog.String()) {
		if !strings.Contains(string(ours), line) {
			t.Errorf("the key log lacks %q, which the client has", line)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key log has mode %v, %v; want 0600", info.Mode(), err)
	}
}
