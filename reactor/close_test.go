package reactor

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/poller"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// Whichever call it is made from, and however often: one Closed, never from within another call.
func TestCloseFromAnywhereIsOneClosed(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(p *probe, end func(*Conn))
	}{
		{"from Opened", func(p *probe, end func(*Conn)) { p.onOpened = end }},
		{"from Received", func(p *probe, end func(*Conn)) { p.onReceived = end }},
		{"from Writable", func(p *probe, end func(*Conn)) {
			p.onReceived = func(c *Conn) { c.awaitsRoom = true; c.PauseRead() }
			p.onWritable = end
		}},
	} {
		for name, end := range map[string]func(*Conn){
			"Close":            func(c *Conn) { c.Close() },
			"Reset":            func(c *Conn) { c.Reset() },
			"Close twice":      func(c *Conn) { c.Close(); c.Close() },
			"Reset twice":      func(c *Conn) { c.Reset(); c.Reset() },
			"Close, Reset":     func(c *Conn) { c.Close(); c.Reset() },
			"Reset, Close":     func(c *Conn) { c.Reset(); c.Close() },
			"CloseWrite, then": func(c *Conn) { c.CloseWrite(); c.Close() },
		} {
			for _, config := range []*tlsconn.Config{nil, serverConfig()} {
				t.Run(name+" "+c.name, func(t *testing.T) {
					r := newReactor(t, Config{})
					p := newProbe()
					c.set(p, func(conn *Conn) {
						end(conn)
						if _, err := conn.Read(make([]byte, 1)); err != tlsconn.ErrClosed {
							t.Errorf("Read after the end = %v", err)
						}
						if _, err := conn.Write([]byte("x")); err != tlsconn.ErrClosed {
							t.Errorf("Write after the end = %v", err)
						}
						if len(p.closed) > 0 {
							t.Error("Closed was called from within another call")
						}
					})
					addr := serve(t, r, config, p)
					release := holdLoop(t, r.Loops()[0]) // a reset must not meet the peer's connect(2)
					var conn net.Conn = dialTCP(t, addr)
					release()
					if config != nil {
						conn = tls.Client(conn, stdClientConfig)
					}
					conn.Write([]byte("x"))
					<-p.opened
					io.Copy(io.Discard, conn)
					conn.Close()
					<-p.closed
					turn(t, r)
					if len(p.closed) > 0 {
						t.Error("a second Closed")
					}
				})
			}
		}
	}
}

func TestCloseFromAnotherGoroutine(t *testing.T) {
	r := newReactor(t, Config{})
	for range 20 {
		p := newProbe()
		conn := dialTLS(t, serve(t, r, serverConfig(), p))
		h := (<-p.opened).Handle()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { h.Post((*Conn).Close) })
		}
		wg.Wait()
		if b, err := io.ReadAll(conn); err != nil || len(b) != 0 {
			t.Errorf("the peer reads %q, %v; want close_notify", b, err)
		}
		conn.Close()
		p.wantClosed(t, ReasonClosed)
	}
	turn(t, r)
}

// The client sends more than the server reads, and the server closes after its answer. If its socket
// were closed with the rest unread, the RST would destroy the answer.
func TestCloseWithUnreadInputDoesNotDestroyTheAnswer(t *testing.T) {
	for _, config := range []*tlsconn.Config{nil, serverConfig()} {
		r := newReactor(t, Config{})
		p := newProbe()
		answer := bytes.Repeat([]byte("answer"), 20_000)
		p.onOpened = func(c *Conn) { c.PauseRead() }
		addr := serve(t, r, config, p)
		var conn net.Conn = dialTCP(t, addr)
		if config != nil {
			conn = dialTLS(t, addr)
		}
		_, err := conn.Write(make([]byte, 50_000)) // fits the socket's buffers
		must(t, err)
		c := <-p.opened
		onLoop(t, r.Loops()[0], func() {
			n, err := c.Write(answer)
			if n == 0 || err != nil && err != tlsconn.ErrWantWrite {
				t.Errorf("Write = %d, %v", n, err)
			}
			answer = answer[:n] // all, unless the kernel is short of memory for buffers
			c.Close()
		})
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, answer) {
			t.Errorf("the peer reads %d bytes of %d, %v", len(got), len(answer), err)
		}
		conn.Close()
		p.wantClosed(t, ReasonClosed)
	}
}

func TestLingeringIsBounded(t *testing.T) {
	t.Run("in time", func(t *testing.T) {
		clock := newFakeClock()
		r := newReactor(t, Config{Clock: clock.Now})
		p := newProbe()
		dialTCP(t, serve(t, r, nil, p)) // sends nothing, and does not close
		c := <-p.opened
		onLoop(t, c.Loop(), c.Close)
		clock.advance(t, r, lingerTime-1)
		if len(p.closed) > 0 {
			t.Error("closed before the peer had its time")
		}
		wantQuiet(t, r, "lingering")
		clock.advance(t, r, 1)
		p.wantClosed(t, ReasonClosed)
	})
	t.Run("in bytes", func(t *testing.T) {
		r := newReactor(t, Config{Clock: newFakeClock().Now})
		p := newProbe()
		conn := dialTCP(t, serve(t, r, nil, p))
		c := <-p.opened
		onLoop(t, c.Loop(), c.Close)
		for err := error(nil); err == nil; {
			_, err = conn.Write(make([]byte, 64<<10)) // for ever, if it were let
		}
		p.wantClosed(t, ReasonClosed)
	})
}

// The peer takes nothing: memory is bounded, and so is its time, before Close and after.
func TestPeerThatNeverReads(t *testing.T) {
	for _, config := range []*tlsconn.Config{nil, serverConfig()} {
		clock := newFakeClock()
		r := newReactor(t, Config{Clock: clock.Now, IdleTimeout: time.Minute, CloseTimeout: 5 * time.Second})
		p := newProbe()
		addr := serve(t, r, config, p)
		if config == nil {
			dialTCP(t, addr)
		} else {
			dialTLS(t, addr)
		}
		c := <-p.opened
		onLoop(t, c.Loop(), func() {
			for tries := 0; ; tries++ {
				fill(t, c)
				k, err := c.ReadFrom(endless{})
				if err != tlsconn.ErrWantWrite || tries > 100 {
					t.Errorf("ReadFrom to a full output = %d, %v, try %d", k, err, tries)
				}
				if err != tlsconn.ErrWantWrite || tries > 100 || k <= scratchSize {
					break
				}
				// The kernel has found room meanwhile: its buffers grow, though not for ever.
			}
			for taken := 0; ; taken++ { // the engine may have room for less than a whole record
				_, err := c.Write([]byte("x"))
				if err != nil || taken > scratchSize {
					if err != tlsconn.ErrWantWrite {
						t.Errorf("Write after %d bytes more = %v", taken, err)
					}
					break
				}
			}
		})
		wantQuiet(t, r, "with full output")
		clock.advance(t, r, time.Minute-1)
		onLoop(t, c.Loop(), func() {
			if c.reason != 0 {
				t.Errorf("ended before its time: %v", c.reason)
			}
		})
		clock.advance(t, r, time.Minute) // idle: an orderly close begins, and cannot be completed
		onLoop(t, c.Loop(), func() {
			// Flushing, as a rule; the kernel may have found room for the rest meanwhile, and not more.
			if c.phase != phaseFlushing && c.phase != phaseLingering {
				t.Errorf("phase %d, want flushing", c.phase)
			}
		})
		wantQuiet(t, r, "flushing")
		clock.advance(t, r, 5*time.Second)
		p.wantClosed(t, ReasonIdle)
	}
}

func TestIdleTimeoutCountsFromTheLastByte(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, Config{Clock: clock.Now, IdleTimeout: time.Minute})
	p := newProbe()
	conn := dialTLS(t, serve(t, r, serverConfig(), p))
	c := <-p.opened
	read := make(chan int, 1)
	onLoop(t, c.Loop(), func() {
		p.onReceived = func(c *Conn) {
			if n, err := c.Read(c.Loop().Scratch()); err == nil {
				read <- n
			}
		}
	})
	for range 3 {
		clock.advance(t, r, time.Minute-1)
		_, err := conn.Write([]byte("x"))
		must(t, err)
		<-read
	}
	clock.advance(t, r, time.Minute)
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer reads %v, want close_notify", err)
	}
	conn.Close()
	p.wantClosed(t, ReasonIdle)
}

// Two connections are ready in one batch. Serving the first resets the second and lets a new connection
// have its descriptor; the second's event must reach nobody.
func TestDescriptorReuseWithinOneBatch(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	var conns [2]*Conn
	var probes [2]*probe
	reused, oldFd := newProbe(), int32(-1)
	reused.onReceived = func(*Conn) { t.Error("the new connection got an event of the old one") }
	next := serve(t, r, nil, newProbe())
	ready := func(i int) func(*Conn) {
		return func(c *Conn) {
			c.PauseRead()
			other := conns[1-i]
			if other.phase == phaseClosed || other.phase == phaseGone {
				t.Error("a closed connection was served")
				return
			}
			oldFd = other.fd
			other.Reset()
			n := l.Dial("tcp", next, nil, reused)
			if n.fd != oldFd || n.slot != other.slot {
				t.Errorf("fd %d and slot %d, want the old connection's %d and %d", n.fd, n.slot, oldFd, other.slot)
			}
		}
	}
	var peers [2]*net.TCPConn
	for i := range conns {
		probes[i] = newProbe()
		probes[i].onReceived = ready(i)
		peers[i] = dialTCP(t, serve(t, r, nil, probes[i]))
		conns[i] = <-probes[i].opened
	}
	release := holdLoop(t, l)
	for _, peer := range peers {
		_, err := peer.Write([]byte("x"))
		must(t, err)
		delivered(t, peer)
	}
	release()
	<-reused.opened
	if n := r.Counters().StaleEvents; n != 1 {
		t.Errorf("%d stale events, want 1", n)
	}
	if got := poller.NewToken(conns[0].slot, conns[0].generation); got != conns[0].token() {
		t.Errorf("token %x", got)
	}
}

func TestShutdownTellsDrainersAndClosesTheOthers(t *testing.T) {
	wantNoLeaks(t)
	r, err := New(Config{Loops: 2})
	must(t, err)
	plain := newProbe()
	conn := dialTLS(t, serve(t, r, serverConfig(), plain))
	<-plain.opened
	d := &drainer{probe: newProbe(), told: make(chan *Conn, 1)}
	slow := dialTCP(t, serve(t, r, nil, d))
	<-d.opened
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown(context.Background()) }()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the TLS peer reads %v, want close_notify", err)
	}
	conn.Close()
	plain.wantClosed(t, ReasonClosed)
	c := <-d.told
	must(t, c.Handle().Post(func(c *Conn) { c.Write([]byte("bye")); c.Close() }))
	if b, err := io.ReadAll(slow); string(b) != "bye" || err != nil {
		t.Errorf("the drained peer reads %q, %v", b, err)
	}
	slow.Close()
	d.wantClosed(t, ReasonClosed)
	must(t, <-ended)
	if _, err := net.Dial("tcp", conn.RemoteAddr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

type drainer struct {
	*probe
	told chan *Conn
}

func (d *drainer) Draining(c *Conn) { d.told <- c }

func TestShutdownKeepsItsDeadline(t *testing.T) {
	wantNoLeaks(t)
	r, err := New(Config{Loops: 1})
	must(t, err)
	d := &drainer{probe: newProbe(), told: make(chan *Conn, 1)}
	conn := dialTCP(t, serve(t, r, nil, d))
	<-d.opened
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown(ctx) }()
	<-d.told
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Errorf("Shutdown = %v", err)
	}
	d.wantClosed(t, ReasonShutdown)
	if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the peer reads %v, want a reset", err)
	}
}

// What the kernel has accepted for us is served, not reset.
func TestShutdownServesTheBacklog(t *testing.T) {
	wantNoLeaks(t)
	r, err := New(Config{Loops: 1})
	must(t, err)
	opened := 0
	addr := serveEach(t, r, nil, func(*Conn) Handler {
		p := newProbe()
		p.onOpened = func(c *Conn) { opened++; c.Write([]byte("late")) }
		return p
	})
	release := holdLoop(t, r.Loops()[0])
	const late = turnAccepts + 3
	var peers []*net.TCPConn
	for range late {
		peers = append(peers, dialTCP(t, addr))
	}
	for queued := uint32(0); queued < late; { // connect(2) may return a moment before
		info, err := unix.GetsockoptTCPInfo(r.Loops()[0].listeners[0].fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		must(t, err)
		queued = info.Unacked // of a listener: those that wait for accept(2)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown(context.Background()) }()
	for stopping := false; !stopping; {
		r.mu.Lock()
		stopping = r.stopping
		r.mu.Unlock()
	}
	release()
	for _, peer := range peers {
		if b, err := io.ReadAll(peer); string(b) != "late" || err != nil {
			t.Errorf("a late peer reads %q, %v", b, err)
		}
		peer.Close()
	}
	must(t, <-ended)
	if opened != late {
		t.Errorf("%d of %d were served", opened, late)
	}
}
