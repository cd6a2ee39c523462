package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The answer of 500 downloads that a drain finds half-way: nothing of them may be lost.
func TestTheDrainLetsFiveHundredDownloadsFinish(t *testing.T) {
	const downloads, size = 500, 1 << 20
	content := make([]byte, size)
	rand.Read(content)
	sum := sha256.Sum256(content)
	rest := make(chan struct{}) // closed when the backend may send the second half
	b := listenTCP(t)
	go func() {
		for {
			conn, err := b.listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := conn.Write(content[:size/2]); err == nil {
					<-rest
					conn.Write(content[size/2:]) // that it failed is told by the client's end
				}
			}()
		}
	}()
	p := start(t, "--backend", b.addr(), "--drain-timeout", "10m")
	conns := make([]*tls.Conn, downloads)
	for i := range conns {
		conns[i] = p.connectAs(&tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}) // the cheapest
	}
	var half sync.WaitGroup
	results := make(chan error, downloads)
	half.Add(downloads)
	for _, conn := range conns {
		if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
			t.Fatal(err)
		}
		go func() { results <- download(conn, size, sum, &half) }()
	}
	half.Wait()
	p.signal(syscall.SIGTERM)
	p.await(`msg=draining .*connections=500`)
	p.refusesConnections()
	close(rest)
	for range downloads {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	p.await(`msg=ended abandoned=0`)
}

// download reads size bytes and the end, and tells half when it has the first half.
func download(conn *tls.Conn, size int, sum [sha256.Size]byte, half *sync.WaitGroup) error {
	got := make([]byte, size)
	_, err := io.ReadFull(conn, got[:size/2])
	half.Done()
	if err == nil {
		_, err = io.ReadFull(conn, got[size/2:])
	}
	if err != nil {
		return err
	}
	if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
		return fmt.Errorf("the end is %d bytes more, %v", n, err)
	}
	if sha256.Sum256(got) != sum {
		return errors.New("what was received is not what was sent")
	}
	_ = conn.Close() // an error says that close_notify took crypto/tls 5 s: it shares the processor with 499 others
	return nil
}

// refusesConnections waits until the program does: the loops close their listeners in a turn of their own.
func (p *program) refusesConnections() {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		other, err := net.Dial("tcp", p.addr)
		if err != nil {
			return
		}
		other.Close()
		if time.Now().After(deadline) {
			p.t.Fatal("new connections are accepted while draining")
		}
	}
}

func TestSlowHandshakesEndAtTheirDeadlineBesideThoseThatAreUp(t *testing.T) {
	const slow = 2000
	p := start(t, "--echo", "--access-log=false", "--handshake-timeout", "3s")
	up := p.connect()
	hello := clientHello(t)
	var gone sync.WaitGroup
	conns := make([]*net.TCPConn, slow)
	for i := range conns {
		conns[i] = p.dial()
		gone.Go(func() { ends(conns[i]) }) // by EOF or RST; that none outlives its deadline is patience's to say
	}
	var left atomic.Int64
	left.Store(slow)
	go func() {
		gone.Wait()
		left.Store(0)
	}()
	for at := 0; left.Load() > 0; at++ { // a byte each, round after round: none of it may extend the deadline
		for i, conn := range conns {
			switch {
			case i%4 == 0: // says nothing, ever
			case i%4 == 1 && at >= 3: // stops within the record's header
			case i%4 == 2 && at >= 40: // stops within the ClientHello
			case at < len(hello)-1:
				conn.Write(hello[at : at+1]) // fails when the program has ended it
			}
		}
		echoes(t, up, "still served")
	}
	p.awaitCounters(`connections=1 .*handshakes=1 handshakes_failed=2000 handshakes_failed_by.handshake_timeout=2000 `)
	echoes(t, p.connect(), "new ones too")
}

// clientHello is what crypto/tls sends first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go tls.Client(ours, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	hello := make([]byte, 16<<10)
	n, err := theirs.Read(hello)
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	return hello[:n]
}

func TestOutOfDescriptorsItRestsAndRecovers(t *testing.T) {
	p := start(t, "--echo", "--loops", "1")
	up := p.connect()
	echoes(t, up, "before")
	limit := func(n uint64) (old unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
			t.Fatal(err)
		}
		if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}, nil); err != nil {
			t.Fatal(err)
		}
		return old
	}
	old := limit(1) // no new descriptor at all
	for range 20 {
		p.dial() // the kernel's, until there is room
	}
	line := p.awaitCounters(`paused_for_descriptors=([1-9]\d*) .*turns=(\d+)`)
	echoes(t, up, "meanwhile")
	// Each pause takes a turn or two, as does each of these questions; a loop that spins takes thousands.
	after := p.awaitCounters(`paused_for_descriptors=(\d+) .*turns=(\d+)`)
	if paused, turns := grown(t, line[1], after[1]), grown(t, line[2], after[2]); turns > 20+10*paused {
		t.Errorf("%d turns for %d pauses", turns, paused)
	}
	limit(old.Cur)
	echoes(t, p.connect(), "after")
}

// grown is the difference of two counters.
func grown(t *testing.T, before, after string) int {
	t.Helper()
	a, err := strconv.Atoi(before)
	if err != nil {
		t.Fatal(err)
	}
	b, err := strconv.Atoi(after)
	if err != nil {
		t.Fatal(err)
	}
	return b - a
}
