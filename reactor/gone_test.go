package reactor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A shelf is an Offload that keeps the operations until the test runs them.
type shelf struct {
	mu    sync.Mutex
	tasks []func()
	put   chan struct{}
}

func newShelf() *shelf { return &shelf{put: make(chan struct{}, 8)} }

func (s *shelf) offload(task func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = append(s.tasks, task)
	s.put <- struct{}{}
	return true
}

func (s *shelf) runAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, task := range s.tasks {
		task()
	}
	s.tasks = nil
}

// A stage is a moment in a connection's life at which its peer goes.
type stage struct {
	name string
	tls  bool
	rsa  bool
	// reach brings the connection there and returns when it is.
	reach func(t *testing.T, r *Reactor, s *shelf, p *probe, peer *net.TCPConn)
	// What shall come of it; 0 means that the connection stays, quietly.
	afterReset, afterFIN Reason
}

// helloAndHold sends the first bytes of a handshake and nothing more.
func helloAndHold(t *testing.T, peer *net.TCPConn, n int) {
	t.Helper()
	hello := clientHello(t)
	_, err := peer.Write(hello[:min(n, len(hello))])
	must(t, err)
}

// clientHello is what crypto/tls sends first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		tls.Client(theirs, stdClientConfig).Handshake()
		theirs.Close()
	}()
	b := make([]byte, 4096)
	n, err := ours.Read(b)
	must(t, err)
	ours.Close()
	return b[:n]
}

var stages = []stage{
	{
		name: "before its first byte", tls: true,
		reach: func(t *testing.T, r *Reactor, _ *shelf, _ *probe, _ *net.TCPConn) {
			for r.Counters().Accepted == 0 {
				turn(t, r)
			}
		},
		afterReset: ReasonPeerReset, afterFIN: ReasonTruncated,
	}, {
		name: "within the ClientHello", tls: true,
		reach: func(t *testing.T, r *Reactor, _ *shelf, _ *probe, peer *net.TCPConn) {
			helloAndHold(t, peer, 100)
		},
		afterReset: ReasonPeerReset, afterFIN: ReasonTruncated,
	}, {
		name: "after the ClientHello", tls: true,
		reach: func(t *testing.T, r *Reactor, _ *shelf, _ *probe, peer *net.TCPConn) {
			helloAndHold(t, peer, 1<<20)
			_, err := io.ReadFull(peer, make([]byte, 200)) // the server's flight is here
			must(t, err)
		},
		afterReset: ReasonPeerReset, afterFIN: ReasonTruncated,
	}, {
		name: "during awaitSignature", tls: true, rsa: true,
		reach: func(t *testing.T, r *Reactor, s *shelf, _ *probe, peer *net.TCPConn) {
			helloAndHold(t, peer, 1<<20)
			<-s.put
		},
		afterReset: ReasonPeerReset, afterFIN: ReasonTruncated,
	}, {
		name: "while the backend is dialed and nothing is read",
		reach: func(t *testing.T, r *Reactor, _ *shelf, p *probe, peer *net.TCPConn) {
			c := <-p.opened
			onLoop(t, c.Loop(), c.PauseRead)
			_, err := peer.Write([]byte("a request"))
			must(t, err)
		},
	}, {
		name: "under back-pressure",
		reach: func(t *testing.T, r *Reactor, _ *shelf, p *probe, _ *net.TCPConn) {
			c := <-p.opened
			onLoop(t, c.Loop(), func() { c.PauseRead(); fill(t, c) })
		},
		afterReset: ReasonPeerReset,
	}, {
		name: "while it is idle",
		reach: func(t *testing.T, r *Reactor, _ *shelf, p *probe, _ *net.TCPConn) {
			<-p.opened
		},
		afterReset: ReasonPeerReset,
	}, {
		name: "after its own end, while the answer is prepared",
		reach: func(t *testing.T, r *Reactor, _ *shelf, p *probe, peer *net.TCPConn) {
			c := <-p.opened
			must(t, peer.CloseWrite())
			for ended := false; !ended; {
				onLoop(t, c.Loop(), func() { ended = c.inputEnded })
			}
		},
		afterReset: ReasonPeerReset,
	},
}

func TestPeerGoesAtEveryStage(t *testing.T) {
	for _, st := range stages {
		for _, how := range []string{"reset", "FIN"} {
			t.Run(fmt.Sprintf("%s, with %s", st.name, how), func(t *testing.T) {
				s := newShelf()
				r := newReactor(t, Config{Workspace: tlsconn.WorkspaceConfig{Offload: s.offload}})
				var config *tlsconn.Config
				if st.tls {
					config = serverConfig()
				}
				if st.rsa {
					config = rsaServerConfig()
				}
				p := newProbe()
				p.onWritable = func(c *Conn) { // there is always more to send
					for err := error(nil); err == nil; c.turn-- {
						_, err = c.Write(make([]byte, 64<<10))
					}
				}
				peer := dialTCP(t, serve(t, r, config, p))
				st.reach(t, r, s, p, peer)
				turn(t, r)
				want := st.afterReset
				if how == "FIN" {
					want = st.afterFIN
					must(t, peer.CloseWrite())
				} else {
					sendReset(t, peer)
				}
				if want != 0 {
					p.wantClosed(t, want)
				}
				wantQuiet(t, r, "the peer has gone")
				s.runAll() // an operation that ends late has no effect
				turn(t, r)
				if want == 0 && len(p.closed) > 0 {
					t.Errorf("closed: %v, want the connection to stay", <-p.closed)
				}
			})
		}
	}
}

// Muted while paused, the connection is found again, with what the peer sent before its reset.
func TestMutedConnectionIsHeardAgainOnResume(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	got := 0
	p.onReceived = func(c *Conn) {
		for {
			n, err := c.Read(c.Loop().Scratch())
			got += n
			if err != nil {
				return
			}
		}
	}
	p.onOpened = func(c *Conn) { c.PauseRead() }
	peer := dialTCP(t, serve(t, r, nil, p))
	c := <-p.opened
	_, err := peer.Write([]byte("last words"))
	must(t, err)
	delivered(t, peer)
	sendReset(t, peer)
	for muted := false; !muted; {
		onLoop(t, c.Loop(), func() { muted = !c.watched })
	}
	wantQuiet(t, r, "muted")
	onLoop(t, c.Loop(), c.ResumeRead)
	p.wantClosed(t, ReasonPeerReset)
	if got != len("last words") {
		t.Errorf("%d bytes were read", got)
	}
}

// The backend is being dialed when the reactor's connection goes.
func TestCloseWhileDialing(t *testing.T) {
	r := newReactor(t, Config{})
	hole := blackHole(t)
	p := newProbe()
	var c *Conn
	onLoop(t, r.Loops()[0], func() { c = r.Loops()[0].Dial("tcp", hole, nil, p) })
	wantQuiet(t, r, "connecting")
	onLoop(t, r.Loops()[0], func() {
		if _, err := c.Write([]byte("x")); err != tlsconn.ErrHandshakeIncomplete {
			t.Errorf("Write = %v", err)
		}
	})
	onLoop(t, r.Loops()[0], c.Close)
	p.wantClosed(t, ReasonClosed)
}

func TestTruncationIsNotAnEnd(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	var last error
	p.onReceived = func(c *Conn) { _, last = c.Read(make([]byte, 10)) }
	conn := dialTLS(t, serve(t, r, serverConfig(), p))
	must(t, conn.NetConn().(*net.TCPConn).CloseWrite())
	if err := p.wantClosed(t, ReasonTruncated); err != io.ErrUnexpectedEOF {
		t.Errorf("error %v", err)
	}
	if last != io.ErrUnexpectedEOF {
		t.Errorf("Read = %v", last)
	}
}

func TestResetReachesThePeerAsReset(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	conn := dialTCP(t, serve(t, r, nil, p))
	must(t, (<-p.opened).Handle().Post((*Conn).Reset))
	p.wantClosed(t, ReasonReset)
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the peer reads %v, want a reset", err)
	}
}

func TestGarbageGetsAnAlertAndIsNotHeldOpen(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	peer := dialTCP(t, serve(t, r, serverConfig(), p))
	_, err := peer.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	must(t, err)
	must(t, peer.CloseWrite())
	answer, err := io.ReadAll(peer)
	if err != nil || len(answer) != 7 || answer[0] != 21 {
		t.Errorf("the peer reads %x, %v; want an alert record and the end", answer, err)
	}
	var alert *tlsconn.LocalAlertError
	if err := p.wantClosed(t, ReasonProtocol); !errors.As(err, &alert) {
		t.Errorf("error %v", err)
	}
	if n := r.Counters(); n.Closed[ReasonProtocol] != 1 || n.HandshakesFailed != 1 {
		t.Errorf("counters: %+v", n)
	}
}

// A client sends all it has and goes, without reading. That our output cannot be sent must not keep us
// from hearing it: TLS 1.3 servers write session tickets that such a client never takes. Nor may the
// failed write, which has fetched the reset from the kernel, make it look like an end in order.
func TestFailedOutputDoesNotLoseInput(t *testing.T) {
	for _, config := range []*tlsconn.Config{nil, serverConfig()} {
		r := newReactor(t, Config{})
		p := newProbe()
		got := 0
		p.onReceived = func(c *Conn) {
			for {
				n, err := c.Read(c.Loop().Scratch())
				got += n
				if err != nil {
					return
				}
			}
		}
		addr := serve(t, r, config, p)
		tcp := dialTCP(t, addr)
		var conn net.Conn = tcp
		if config != nil {
			conn = tls.Client(tcp, stdClientConfig)
			must(t, conn.(*tls.Conn).Handshake())
		}
		c := <-p.opened
		onLoop(t, c.Loop(), func() {
			for !c.pending() {
				c.turn-- // a new budget
				if _, err := c.ReadFrom(&io.LimitedReader{R: endless{}, N: 16 << 10}); err != nil && err != tlsconn.ErrWantWrite {
					t.Errorf("ReadFrom: %v", err)
					return
				}
			}
			c.awaitsRoom = false // as if what was accepted were all there is
		})
		release := holdLoop(t, c.Loop())
		_, err := conn.Write([]byte("last words"))
		must(t, err)
		delivered(t, tcp)
		sendReset(t, tcp)
		release()
		p.wantClosed(t, ReasonPeerReset)
		if got != len("last words") {
			t.Errorf("%d bytes were read, want %d", got, len("last words"))
		}
	}
}

// The server that was dialed goes within the handshake.
func TestServerGoesWithinTheHandshake(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(*net.TCPConn) error
		want  Reason
	}{
		{"with reset", func(conn *net.TCPConn) error { return errors.Join(conn.SetLinger(0), conn.Close()) }, ReasonPeerReset},
		{"with FIN", (*net.TCPConn).CloseWrite, ReasonTruncated},
		{"with an alert", func(conn *net.TCPConn) error {
			_, err := conn.Write([]byte{21, 3, 3, 0, 2, 2, 40}) // handshake_failure
			return err
		}, ReasonPeerAlert},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReactor(t, Config{})
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer ln.Close()
			p := newProbe()
			dial(t, r, "tcp", ln.Addr().String(), clientConfig(), p)
			conn, err := ln.Accept()
			must(t, err)
			defer conn.Close()
			hello := make([]byte, 4096)
			n, err := conn.Read(hello)
			must(t, err)
			for record := 5 + int(hello[3])<<8 + int(hello[4]); n < record; { // unread input would reset
				k, err := conn.Read(hello[n:])
				must(t, err)
				n += k
			}
			must(t, c.leave(conn.(*net.TCPConn)))
			p.wantClosed(t, c.want)
			wantQuiet(t, r, "the server has gone")
		})
	}
}
