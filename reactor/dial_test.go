package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// blackHole is an address that neither accepts nor refuses: a listener whose backlog is full, so that
// the kernel drops what further clients send.
func blackHole(t *testing.T) string {
	t.Helper()
	l, err := unix.Socket(unix.AF_INET, socketKind, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(l) })
	must(t, unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(l, 0))
	at := localAddress(l)
	for range 4 {
		fd, err := connectStart(at, "")
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
	}
	// Only when one waits for accept(2), which nobody calls, is the backlog of 0 full.
	for n := 0; n != 1; {
		n, err = unix.Poll([]unix.PollFd{{Fd: int32(l), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR {
			must(t, err)
		}
	}
	return at.String()
}

// dial calls Dial on r's first loop.
func dial(t *testing.T, r *Reactor, network, address string, config *tlsconn.Config, h Handler) (c *Conn) {
	t.Helper()
	onLoop(t, r.Loops()[0], func() { c = r.Loops()[0].Dial(network, address, config, h) })
	return c
}

// greets writes a question and keeps the answer.
func greets(p *probe, question string) *strings.Builder {
	var answer strings.Builder
	p.onOpened = func(c *Conn) {
		c.Write([]byte(question))
		c.CloseWrite()
	}
	p.onReceived = func(c *Conn) {
		for {
			n, err := c.Read(c.Loop().Scratch())
			answer.Write(c.Loop().Scratch()[:n])
			if err != nil {
				return
			}
		}
	}
	return &answer
}

func TestDial(t *testing.T) {
	for _, c := range []struct {
		name string
		tls  bool
		unix bool
		host string
	}{
		{name: "plain, by address", host: "127.0.0.1"},
		{name: "plain, by a name with several addresses", host: "localhost"},
		{name: "TLS", tls: true, host: "127.0.0.1"},
		{name: "unix socket", unix: true},
		{name: "TLS over a unix socket", unix: true, tls: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReactor(t, Config{})
			network, address := "tcp", "127.0.0.1:0"
			if c.unix {
				network, address = "unix", filepath.Join(t.TempDir(), "s")
			}
			ln, err := net.Listen(network, address)
			must(t, err)
			defer ln.Close()
			echoed := make(chan error, 1)
			go func() {
				conn, err := ln.Accept()
				if err == nil {
					defer conn.Close()
					if c.tls {
						conn = tls.Server(conn, stdServerConfig())
					}
					_, err = io.Copy(conn, conn)
					conn.(halfCloser).CloseWrite()
				}
				echoed <- err
			}()
			if !c.unix {
				address = net.JoinHostPort(c.host, ln.Addr().String()[len("127.0.0.1:"):])
			}
			var config *tlsconn.Config
			if c.tls {
				config = clientConfig()
			}
			p := newProbe()
			answer := greets(p, "hello")
			conn := dial(t, r, network, address, config, p)
			p.wantClosed(t, ReasonDone)
			must(t, <-echoed)
			if answer.String() != "hello" {
				t.Errorf("answer %q", answer)
			}
			if conn.IsTLS() != c.tls {
				t.Errorf("IsTLS = %v", conn.IsTLS())
			}
		})
	}
}

func TestDialThatFails(t *testing.T) {
	refuses := refusing(t).String()
	for _, c := range []struct {
		name, network, address string
		config                 *tlsconn.Config
		want                   error
		says                   string
	}{
		{"nobody listens", "tcp", refuses, nil, unix.ECONNREFUSED, refuses},
		{"no such unix socket", "unix", "/nonexistent/socket", nil, unix.ENOENT, "/nonexistent/socket"},
		{"no such network", "udp", "127.0.0.1:1", nil, nil, "udp"},
		{"no port", "tcp", "127.0.0.1", nil, nil, "missing port"},
		// A label has at most 63 bytes (RFC 1035 2.3.4), so no server is asked.
		{"no such name", "tcp", strings.Repeat("a", 64) + ".invalid:1", nil, nil, "aaa.invalid"},
		{"an unusable TLS configuration", "tcp", refuses, &tlsconn.Config{}, nil, "ServerName"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReactor(t, Config{})
			p := newProbe()
			dial(t, r, c.network, c.address, c.config, p)
			err := p.wantClosed(t, ReasonConnect)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v with %q", err, c.want, c.says)
			}
			wantQuiet(t, r, "the dial has failed")
		})
	}
}

// The connection ends while its name is being looked up: the answer comes for a slot that is not its own.
func TestCloseWhileTheNameIsLookedUp(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	first, second := newProbe(), newProbe()
	onLoop(t, l, func() {
		c := l.Dial("tcp", "localhost:1", nil, first)
		c.Reset()
		if n := l.Dial("tcp", "no port", nil, second); n.slot != c.slot {
			t.Errorf("slot %d, want the one that is free again, %d", n.slot, c.slot)
		}
	})
	first.wantClosed(t, ReasonReset)
	second.wantClosed(t, ReasonConnect)
	for r.lookups.Load() > 0 {
		turn(t, r)
	}
}

func TestDialTriesFurtherAddresses(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, Config{Clock: clock.Now, ConnectTimeout: 9 * time.Second})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	hole := netip.MustParseAddrPort(blackHole(t))
	p := newProbe()
	l := r.Loops()[0]
	refuses := refusing(t)
	var c *Conn
	onLoop(t, l, func() {
		// As lookedUp would, with addresses that no name here has.
		c = &Conn{loop: l, handler: p, fd: -1, dialing: &dialing{network: "tcp", deadline: l.now + 9*time.Second}}
		l.table.add(c)
		c.dialing.addrs = []netip.AddrPort{hole, refuses, ln.Addr().(*net.TCPAddr).AddrPort()}
		l.connectNext(c)
	})
	wantQuiet(t, r, "the first address does not answer")
	clock.advance(t, r, 3*time.Second) // its share
	<-p.opened
	if c.Remote().String() != ln.Addr().String() {
		t.Errorf("connected to %v, want %v", c.Remote(), ln.Addr())
	}
}

func TestConnectTimeout(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, Config{Clock: clock.Now, ConnectTimeout: 7 * time.Second})
	p := newProbe()
	dial(t, r, "tcp", blackHole(t), nil, p)
	clock.advance(t, r, 7*time.Second-1)
	if len(p.closed) > 0 {
		t.Fatal("closed before its time")
	}
	clock.advance(t, r, 1)
	if err := p.wantClosed(t, ReasonConnect); !errors.Is(err, ErrConnectTimeout) {
		t.Errorf("error %v", err)
	}
}

func TestDialDoesNotCallTheHandlerFromWithin(t *testing.T) {
	r := newReactor(t, Config{})
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	must(t, err)
	defer ln.Close()
	for _, path := range []string{path, "/nonexistent"} {
		p := newProbe()
		onLoop(t, r.Loops()[0], func() {
			r.Loops()[0].Dial("unix", path, nil, p)
			if len(p.opened)+len(p.closed) != 0 {
				t.Errorf("%s: the handler was called within Dial", path)
			}
		})
	}
}

// A handler that dials again whenever its connection is closed, at once, must not hold the loop, nor keep
// an ending reactor alive.
func TestRedialingForEverDoesNotHoldTheLoop(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	onLoop(t, l, func() { l.Dial("unix", "/nonexistent", nil, &redialer{l}) })
	for range 20 {
		onLoop(t, l, func() {})
	}
}

type redialer struct{ l *Loop }

func (*redialer) Opened(*Conn)   {}
func (*redialer) Received(*Conn) {}
func (*redialer) Writable(*Conn) {}
func (d *redialer) Closed(*Conn, Reason, error) {
	d.l.Dial("unix", "/nonexistent", nil, d)
}

func TestConnectToItselfIsARefusal(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Connect(fd, sockaddrOf(localAddress(fd)))) // simultaneous open
	if err := connectResult(fd); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connectResult = %v", err)
	}
}

type nested struct{ c *Conn }

func (s nested) Read([]byte) (int, error) {
	_, err := s.c.ReadFrom(endless{})
	return 0, err
}

func TestReadFromWithinReadFromIsRefused(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	dialTCP(t, serve(t, r, nil, p))
	c := <-p.opened
	onLoop(t, c.Loop(), func() {
		for name, source := range map[string]io.Reader{"ReadFrom": nested{c}, "the same connection": c} {
			if n, err := c.ReadFrom(source); n != 0 || err != tlsconn.ErrReentrant {
				t.Errorf("ReadFrom of a source that uses %s = %d, %v", name, n, err)
			}
		}
		if n, err := c.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("Write after that = %d, %v: the misuse must do no harm", n, err)
		}
	})
}

// The terminator's path: TLS in, plain to a backend, and back, both ends closing in turn.
type tunnelEnd struct {
	other *Conn
	log   chan ending
}

func (e *tunnelEnd) Opened(*Conn) { e.other.ResumeRead() }
func (e *tunnelEnd) Received(c *Conn) {
	switch _, err := e.other.ReadFrom(c); err {
	case nil:
		e.other.CloseWrite()
	case tlsconn.ErrWantWrite:
		c.PauseRead()
	}
}
func (e *tunnelEnd) Writable(c *Conn) { e.other.ResumeRead() }
func (e *tunnelEnd) Closed(_ *Conn, reason Reason, err error) {
	e.log <- ending{reason, err}
}

func TestTunnelCarriesBytesAndEndsBothWays(t *testing.T) {
	for _, tlsBackend := range []bool{false, true} {
		r := newReactor(t, Config{})
		var backendConfig, dialConfig *tlsconn.Config
		if tlsBackend {
			backendConfig, dialConfig = serverConfig(), clientConfig()
		}
		backend := serveEach(t, r, backendConfig, func(*Conn) Handler { return &echoes{} })
		log := make(chan ending, 2)
		front := serveEach(t, r, serverConfig(), func(c *Conn) Handler {
			toBackend := &tunnelEnd{log: log}
			toClient := &tunnelEnd{log: log, other: c}
			p := newProbe() // until the backend is dialed, after the handshake
			p.onOpened = func(c *Conn) {
				c.PauseRead()
				toBackend.other = c.Loop().Dial("tcp", backend, dialConfig, toClient)
				c.SetHandler(toBackend)
			}
			return p
		})
		exchange(t, dialTLS(t, front), 6<<20)
		for range 2 {
			if e := <-log; e != (ending{ReasonDone, nil}) {
				t.Errorf("closed with %v", e)
			}
		}
	}
}
