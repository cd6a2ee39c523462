package reactor

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// Wherever a client stops, and however slowly it sends: one absolute deadline, which no data extends.
func TestSlowHandshakeDiesAtItsDeadline(t *testing.T) {
	for _, c := range []struct {
		name string
		// step sends a little; it is called once a second.
		step func(t *testing.T, peer *net.TCPConn, hello []byte, second int)
	}{
		{"nothing is sent", func(*testing.T, *net.TCPConn, []byte, int) {}},
		{"a byte a second", func(t *testing.T, peer *net.TCPConn, hello []byte, second int) {
			_, err := peer.Write(hello[second : second+1])
			must(t, err)
		}},
		{"half a record header", func(t *testing.T, peer *net.TCPConn, hello []byte, second int) {
			if second == 0 {
				_, err := peer.Write(hello[:3])
				must(t, err)
			}
		}},
		{"the ClientHello and nothing after it", func(t *testing.T, peer *net.TCPConn, hello []byte, second int) {
			if second == 0 {
				_, err := peer.Write(hello)
				must(t, err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newFakeClock()
			r := newReactor(t, Config{Clock: clock.Now, HandshakeTimeout: 10 * time.Second})
			p := newProbe()
			accepted := make(chan struct{})
			addr := serveEach(t, r, serverConfig(), func(*Conn) Handler { close(accepted); return p })
			hello := clientHello(t)
			peer := dialTCP(t, addr)
			<-accepted
			for second := range 10 {
				c.step(t, peer, hello, second)
				wantQuiet(t, r, "between bytes")
				if len(p.closed) > 0 {
					t.Fatalf("closed after %d seconds: %v", second, <-p.closed)
				}
				clock.advance(t, r, time.Second)
			}
			p.wantClosed(t, ReasonHandshakeTimeout)
			if n := r.Counters(); n.HandshakesFailed != 1 {
				t.Errorf("counters: %+v", n)
			}
		})
	}
}

// The deadline holds for a dialed connection, whose server stops, as well.
func TestSlowServerDiesAtTheDeadline(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, Config{Clock: clock.Now, HandshakeTimeout: 10 * time.Second})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	p := newProbe()
	dial(t, r, "tcp", ln.Addr().String(), clientConfig(), p)
	conn, err := ln.Accept()
	must(t, err)
	defer conn.Close()
	_, err = io.ReadFull(conn, make([]byte, 5))
	must(t, err)
	wantQuiet(t, r, "the ClientHello is sent")
	clock.advance(t, r, 10*time.Second)
	p.wantClosed(t, ReasonHandshakeTimeout)
}

func TestTwoListenersOnOnePort(t *testing.T) {
	accept := ListenConfig{Accept: func(*Conn) Handler { return newProbe() }}
	for _, host := range []string{"127.0.0.1", "", "[::1]"} {
		t.Run(fmt.Sprintf("host %q", host), func(t *testing.T) {
			r := newReactor(t, Config{Loops: 3})
			other := newReactor(t, Config{Loops: 3})
			ln, err := r.Listen("tcp", host+":0", accept)
			must(t, err)
			port := ln.Addr().(*net.TCPAddr).Port
			again := fmt.Sprintf("%s:%d", host, port)
			if _, err := other.Listen("tcp", again, accept); !isAddrInUse(err) {
				t.Errorf("a second reactor's Listen on %s = %v, want EADDRINUSE", again, err)
			}
			if _, err := r.Listen("tcp", again, accept); !isAddrInUse(err) {
				t.Errorf("a second Listen on %s = %v, want EADDRINUSE", again, err)
			}
			must(t, ln.Close())
			must(t, ln.Close())
			turn(t, r)
			if _, err := other.Listen("tcp", again, accept); err != nil {
				t.Fatalf("Listen after the first was closed = %v", err)
			}
		})
	}
}

func TestConnectionsAreSpreadOverTheLoops(t *testing.T) {
	r := newReactor(t, Config{Loops: 3})
	var perLoop [3]atomic.Int64
	addr := serveEach(t, r, nil, func(c *Conn) Handler {
		perLoop[c.Loop().Index()].Add(1)
		return &echoes{}
	})
	for range 60 {
		dialTCP(t, addr)
	}
	for r.Counters().Accepted < 60 {
		turn(t, r)
	}
	for i := range perLoop {
		if perLoop[i].Load() == 0 {
			t.Errorf("loop %d got none of 60 connections", i)
		}
	}
}

func TestDualStack(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	ln, err := r.Listen("tcp", ":0", ListenConfig{Accept: func(*Conn) Handler { return p }})
	must(t, err)
	port := ln.Addr().(*net.TCPAddr).Port
	for _, host := range []string{"127.0.0.1", "::1"} {
		dialTCP(t, net.JoinHostPort(host, fmt.Sprint(port)))
		if c := <-p.opened; c.Remote().Addr().String() != host {
			t.Errorf("remote %v, want %s: an IPv4 peer is shown as IPv4", c.Remote(), host)
		}
	}
}

func TestListenErrors(t *testing.T) {
	r := newReactor(t, Config{})
	accept := func(*Conn) Handler { return newProbe() }
	for _, c := range []struct {
		name, network, address string
		config                 ListenConfig
	}{
		{"no such network", "udp", "127.0.0.1:0", ListenConfig{Accept: accept}},
		{"no port", "tcp", "127.0.0.1", ListenConfig{Accept: accept}},
		{"an address that is not ours", "tcp", "192.0.2.1:0", ListenConfig{Accept: accept}},
		{"no accept function", "tcp", "127.0.0.1:0", ListenConfig{}},
		{"TLS without a certificate", "tcp", "127.0.0.1:0", ListenConfig{Accept: accept, TLS: &tlsconn.Config{}}},
		{"a unix socket's directory is missing", "unix", "/nonexistent/socket", ListenConfig{Accept: accept}},
	} {
		if ln, err := r.Listen(c.network, c.address, c.config); err == nil {
			t.Errorf("%s: listening on %v", c.name, ln.Addr())
		}
	}
}

func TestUnixSocketOfADeadProcessIsReplaced(t *testing.T) {
	r := newReactor(t, Config{Loops: 2})
	path := t.TempDir() + "/s"
	dead, err := net.Listen("unix", path)
	must(t, err)
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	accept := ListenConfig{Accept: func(*Conn) Handler { return &echoes{} }}
	if _, err := r.Listen("unix", path, accept); !isAddrInUse(err) {
		t.Errorf("Listen beside a living listener = %v, want EADDRINUSE", err)
	}
	must(t, dead.Close())
	ln, err := r.Listen("unix", path, accept)
	must(t, err)
	for range 4 {
		conn, err := net.Dial("unix", path)
		must(t, err)
		exchange(t, conn.(*net.UnixConn), 1000)
		conn.Close()
	}
	must(t, ln.Close())
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("the path is still there after Close")
	}
}

func TestRefusedConnectionIsReset(t *testing.T) {
	r := newReactor(t, Config{})
	addr := serveEach(t, r, nil, func(*Conn) Handler { return nil })
	release := holdLoop(t, r.Loops()[0])
	conn := dialTCP(t, addr)
	release()
	if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the peer reads %v, want a reset", err)
	}
	if n := r.Counters(); n.Refused != 1 || n.Accepted != 1 {
		t.Errorf("counters: %+v", n)
	}
}

func TestMaxConnsPausesAccepting(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, Config{Clock: clock.Now, MaxConns: 2})
	opened := make(chan *Conn, 8)
	addr := serveEach(t, r, nil, func(c *Conn) Handler {
		p := newProbe()
		p.onOpened = func(c *Conn) { opened <- c }
		return p
	})
	for range 3 {
		dialTCP(t, addr)
	}
	c := <-opened
	<-opened
	for r.Counters().PausedForConns == 0 { // the third may still be on its way to the backlog
		turn(t, r)
	}
	wantQuiet(t, r, "at MaxConns, with one in the backlog")
	if n := r.Counters(); n.Accepted != 2 {
		t.Errorf("counters: %+v", n)
	}
	onLoop(t, c.Loop(), c.Reset)
	clock.advance(t, r, acceptPause)
	<-opened
}

func TestMaxHandshakesPausesAccepting(t *testing.T) {
	r := newReactor(t, Config{MaxHandshakes: 2})
	accepted := make(chan struct{}, 8)
	addr := serveEach(t, r, serverConfig(), func(*Conn) Handler { accepted <- struct{}{}; return &echoes{} })
	stuck := dialTCP(t, addr)
	dialTCP(t, addr)
	<-accepted
	<-accepted
	late := dialTCP(t, addr)
	for r.Counters().PausedForHandshakes == 0 { // it may still be on its way to the backlog
		turn(t, r)
	}
	wantQuiet(t, r, "at MaxHandshakes, with one in the backlog")
	if n := r.Counters(); n.Accepted != 2 {
		t.Errorf("counters: %+v", n)
	}
	sendReset(t, stuck)
	<-accepted
	must(t, tls.Client(late, stdClientConfig).Handshake())
}

// While many handshakes are ready, an established connection is served before them, and each turn
// serves no more of them than its budget.
func TestEstablishedConnectionsComeBeforeHandshakes(t *testing.T) {
	r := newReactor(t, Config{Clock: newFakeClock().Now}) // the budget of time is never spent
	l := r.Loops()[0]
	established := newProbe()
	var released, served uint64 // the count of events then
	established.onReceived = func(c *Conn) {
		b := make([]byte, 1)
		if _, err := c.Read(b); err == nil {
			served = l.counters.events.Load()
			c.Write(b)
		}
	}
	front := dialTCP(t, serve(t, r, nil, established))
	<-established.opened

	// Handshakes whose ClientHello comes while the loop is held, so that all are ready in one turn.
	addr := serveEach(t, r, serverConfig(), func(*Conn) Handler { return &echoes{} })
	hello := clientHello(t)
	const storm = 3 * turnHandshakes
	var peers []*net.TCPConn
	for range storm {
		peers = append(peers, dialTCP(t, addr))
	}
	for r.Counters().Accepted < storm+1 {
		turn(t, r)
	}
	done := false
	var mostInTurn, last uint64
	var count func()
	count = func() { // once a turn
		now := l.counters.events.Load()
		mostInTurn, last = max(mostInTurn, now-last), now
		if !done {
			l.Post(count)
		}
	}
	release := holdLoop(t, l)
	released = l.counters.events.Load()
	last = released
	must(t, l.Post(count))
	for _, peer := range peers {
		_, err := peer.Write(hello)
		must(t, err)
	}
	_, err := front.Write([]byte("x"))
	must(t, err)
	delivered(t, front)
	release()
	_, err = io.ReadFull(front, make([]byte, 1))
	must(t, err)
	for _, peer := range peers {
		_, err := io.ReadFull(peer, make([]byte, 100)) // all are served in the end
		must(t, err)
	}
	onLoop(t, l, func() {
		done = true
		// The batch in which it came: its own event, and that of the handshakes' poller.
		if n := served - released; n > 2 {
			t.Errorf("%d events were served before the established connection's", n)
		}
		if mostInTurn > turnHandshakes+2 {
			t.Errorf("%d events in one turn, the budget of handshakes is %d", mostInTurn, turnHandshakes)
		}
	})
}

// In steady use nothing is allocated. The peer is our own engine on a blocking transport, with a
// Workspace that keeps its buffers; crypto/tls allocates for each read.
func TestSteadyEchoDoesNotAllocate(t *testing.T) {
	for _, config := range []*tlsconn.Config{nil, serverConfig()} {
		r := newReactor(t, Config{})
		addr := serveEach(t, r, config, func(*Conn) Handler { return &echoes{} })
		var conn io.ReadWriter = dialTCP(t, addr)
		if config != nil {
			conn = tlsconn.NewWorkspace(tlsconn.WorkspaceConfig{}).Client(conn, clientConfig())
		}
		b := make([]byte, 100)
		n := testing.AllocsPerRun(200, func() {
			conn.Write(b)
			io.ReadFull(conn, b)
		})
		if n != 0 {
			t.Errorf("TLS %v: %v allocations for an echo", config != nil, n)
		}
	}
}
