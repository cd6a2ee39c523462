package main

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// silent is a server that answers no connect: its queue is full, and the kernel drops what comes.
func silent(t *testing.T) (addr string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	addr = boundTo(t, fd)
	for { // listen(2): a queue of n takes n+1
		conn, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { conn.Close() })
	}
}

func TestABackendThatHangsIsGivenUp(t *testing.T) {
	p := start(t, "--backend", silent(t), "--connect-timeout", "200ms")
	client := p.connect()
	_, err := io.WriteString(client, "question")
	if err == nil { // as a rule; its time may be over already
		_, err = client.Read(make([]byte, 1))
	}
	if !isReset(err) {
		t.Errorf("the client's end is %v, want a reset", err)
	}
	p.await(`level=WARN msg="backend unreachable" .*error="[^"]*timed out" client=` + client.LocalAddr().String())
	p.await(`msg=access .*received=0 sent=0 .*side=backend reason="connect failed" error="[^"]*timed out"`)
	p.awaitCounters(`backends_unreachable=1 backends_timed_out=1`)
}

func TestADownloadThatTheBackendCutsOffIsNoCleanEnd(t *testing.T) {
	p, client, behind := tunnelled(t)
	joined(t, client, behind)
	part := make([]byte, 3<<20)
	go func() {
		behind.Write(part) // nobody needs to have it all
		behind.SetLinger(0)
		behind.Close()
	}()
	n, err := io.Copy(io.Discard, client)
	if !isReset(err) {
		t.Errorf("after %d bytes the client's end is %v, want a reset", n, err)
	}
	p.await(`msg=access .*side=backend reason="reset by peer" error=`)
	p.awaitCounters(`backends_cut_off=1`)
}
