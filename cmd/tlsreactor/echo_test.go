package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestOpenSSLGetsItsEcho(t *testing.T) {
	p := start(t, "--echo")
	client := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", p.addr, "-quiet", "-tls1_3", "-no_ign_eof")
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(patience, func() { client.Process.Kill() })
	defer kill.Stop()
	lines := bufio.NewReader(out)
	for _, line := range []string{"hello\n", strings.Repeat("again ", 2000) + "\n"} {
		if _, err := io.WriteString(in, line); err != nil {
			t.Fatal(err)
		}
		if got, err := lines.ReadString('\n'); err != nil || got != line {
			t.Fatalf("echo of %d bytes is %d bytes, %v", len(line), len(got), err)
		}
	}
	in.Close() // s_client says close_notify and goes
	if err := client.Wait(); err != nil {
		t.Errorf("s_client: %v", err)
	}
}

func TestManyBytesAreEchoedInOrder(t *testing.T) {
	p := start(t, "--echo")
	conn := p.connect()
	sent := make([]byte, 8<<20)
	rand.Read(sent)
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		written <- errors.Join(err, conn.CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("echo of %d bytes is %d bytes, equal %v, %v", len(sent), len(got), bytes.Equal(got, sent), err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestTheEndOfAClientThatReadsLateIsAnswered(t *testing.T) {
	p := start(t, "--echo")
	conn := p.connect()
	// More than the sockets hold: the program stops reading, with the end somewhere behind.
	sent := make([]byte, 64<<20)
	rand.Read(sent)
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		written <- errors.Join(err, conn.CloseWrite())
	}()
	p.awaitRest()
	select {
	case err := <-written:
		t.Fatalf("the program took all while nobody read its echo: %v", err)
	default:
	}
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("echo of %d bytes is %d bytes, equal %v, %v", len(sent), len(got), bytes.Equal(got, sent), err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}
