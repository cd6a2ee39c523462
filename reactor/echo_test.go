package reactor

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// halfCloser is what net.TCPConn, net.UnixConn and tls.Conn share.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// exchange sends data and the end, and checks that the same comes back, and then the end.
func exchange(t *testing.T, conn halfCloser, size int) {
	t.Helper()
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(data)
		if err == nil {
			err = conn.CloseWrite()
		}
		sent <- err
	}()
	back, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("reading: %v", err)
	}
	if err := <-sent; err != nil {
		t.Errorf("writing: %v", err)
	}
	if sha256.Sum256(back) != sha256.Sum256(data) {
		t.Errorf("sent %d bytes, %d came back, and they differ", len(data), len(back))
	}
}

func TestEcho(t *testing.T) {
	for _, size := range []int{0, 1, 20_000, 3 << 20} {
		for _, kind := range []string{"plain", "TLS", "TLS with RSA", "unix"} {
			t.Run(kind, func(t *testing.T) {
				r := newReactor(t, Config{})
				e := &echoes{closed: make(chan ending, 1)}
				var conn halfCloser
				switch kind {
				case "plain":
					conn = dialTCP(t, serve(t, r, nil, e))
				case "TLS":
					conn = dialTLS(t, serve(t, r, serverConfig(), e))
				case "TLS with RSA":
					conn = dialTLS(t, serve(t, r, rsaServerConfig(), e))
				case "unix":
					path := filepath.Join(t.TempDir(), "s")
					_, err := r.Listen("unix", path, ListenConfig{Accept: func(*Conn) Handler { return e }})
					must(t, err)
					c, err := net.Dial("unix", path)
					must(t, err)
					defer c.Close()
					conn = c.(*net.UnixConn)
				}
				exchange(t, conn, size)
				if got := <-e.closed; got != (ending{ReasonDone, nil}) {
					t.Errorf("closed with %v, want done", got)
				}
			})
		}
	}
}

func TestManyConnectionsOnManyLoops(t *testing.T) {
	r := newReactor(t, Config{Loops: 3})
	addr := serveEach(t, r, serverConfig(), func(*Conn) Handler { return &echoes{} })
	done := make(chan struct{})
	const conns = 24
	for range conns {
		go func() {
			defer func() { done <- struct{}{} }()
			exchange(t, dialTLS(t, addr), 50_000)
		}()
	}
	for range conns {
		<-done
	}
	if n := r.Counters(); n.Accepted != conns || n.HandshakesCompleted != conns || n.HandshakesFailed != 0 {
		t.Errorf("counters: %+v", n)
	}
}

// One record of the peer's is larger than what the handler reads at a time. epoll says nothing about
// what is left in the engine; the ready list has to.
func TestDecryptedDataInTheEngineIsRescheduled(t *testing.T) {
	r := newReactor(t, Config{})
	var got []byte
	p := newProbe()
	p.onReceived = func(c *Conn) {
		var b [1]byte
		n, err := c.Read(b[:]) // one byte a call, and a return
		got = append(got, b[:n]...)
		if err == io.EOF {
			c.Close()
		}
	}
	conn := dialTLS(t, serve(t, r, serverConfig(), p))
	data := bytes.Repeat([]byte("x"), 5000)
	_, err := conn.Write(data)
	must(t, err)
	must(t, conn.CloseWrite())
	p.wantClosed(t, ReasonClosed)
	if !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes arrived", len(got), len(data))
	}
}

// The end of input lies in the engine behind the data, in the same read. A handler that reads once for
// each call must still be told: nothing else will come from the socket.
func TestEndThatWaitsInTheEngineIsTold(t *testing.T) {
	for _, end := range []string{"close_notify", "an alert"} {
		t.Run(end, func(t *testing.T) {
			r := newReactor(t, Config{})
			p := newProbe()
			calls := 0
			p.onReceived = func(c *Conn) {
				calls++
				if _, err := c.Read(c.Loop().Scratch()); err == io.EOF {
					c.Close()
				}
			}
			addr := serve(t, r, serverConfig(), p)
			conn := dialTLS(t, addr)
			c := <-p.opened
			release := holdLoop(t, c.Loop())
			_, err := conn.Write([]byte("data"))
			must(t, err)
			want := ReasonClosed
			if end == "close_notify" {
				must(t, conn.CloseWrite())
			} else {
				_, err := conn.NetConn().Write([]byte{23, 3, 3, 0, 32, 31: 0, 36: 0}) // cannot be opened
				must(t, err)
				want = ReasonProtocol
			}
			delivered(t, conn.NetConn().(*net.TCPConn))
			release()
			p.wantClosed(t, want)
			if calls != 2 {
				t.Errorf("%d calls of Received, want 2", calls)
			}
		})
	}
}

func TestPausedConnectionWithDecryptedDataDoesNotSpin(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	p.onReceived = func(c *Conn) {
		var b [1]byte
		c.Read(b[:])
		c.PauseRead()
	}
	conn := dialTLS(t, serve(t, r, serverConfig(), p))
	c := <-p.opened
	_, err := conn.Write(make([]byte, 100))
	must(t, err)
	for buffered := 0; buffered != 99; {
		onLoop(t, r.Loops()[0], func() { buffered = c.tls.Buffered() })
	}
	wantQuiet(t, r, "paused with 99 bytes in the engine")
	for want := 98; want >= 90; want-- {
		onLoop(t, r.Loops()[0], c.ResumeRead)
		turn(t, r)
		onLoop(t, r.Loops()[0], func() {
			if n := c.tls.Buffered(); n != want {
				t.Errorf("%d bytes left after ResumeRead, want %d", n, want)
			}
		})
	}
}

// A flood from one peer ends at the turn's budget, though there is more.
func TestOneConnectionDoesNotHoldTheLoop(t *testing.T) {
	for _, kind := range []string{"plain", "TLS", "TLS in records of one byte"} {
		t.Run(kind, func(t *testing.T) {
			r := newReactor(t, Config{})
			most := make(chan int, 1)
			p := newProbe()
			p.onOpened = func(c *Conn) { c.PauseRead() }
			p.onReceived = func(c *Conn) {
				total := 0
				for {
					n, err := c.Read(c.Loop().Scratch())
					total += n
					if err == io.EOF {
						c.Close()
					}
					if err != nil {
						break
					}
				}
				select {
				case m := <-most:
					total = max(total, m)
				default:
				}
				most <- total
			}
			var conn halfCloser
			if kind != "plain" {
				conn = dialTLS(t, serve(t, r, serverConfig(), p))
			} else {
				conn = dialTCP(t, serve(t, r, nil, p))
			}
			c := <-p.opened
			sent := make(chan error, 1)
			go func() {
				pieces, size := 1, 8<<20
				if kind == "TLS in records of one byte" {
					pieces, size = 60_000, 1
				}
				var err error
				for range pieces {
					if _, e := conn.Write(make([]byte, size)); e != nil {
						err = e
					}
				}
				conn.CloseWrite()
				sent <- err
			}()
			onLoop(t, c.Loop(), c.ResumeRead)
			must(t, <-sent)
			p.wantClosed(t, ReasonClosed)
			// The budget is checked before a read, which may then take a buffer more.
			budget := turnReadBytes + 2*scratchSize
			if kind == "TLS in records of one byte" {
				budget /= 5 + 1 + 1 + 16 // of which one byte each is data
			}
			if m := <-most; m > budget {
				t.Errorf("one connection read %d bytes in one turn, the budget is %d", m, budget)
			}
		})
	}
}

// A source without end must not hold the loop either.
func TestReadFromAnEndlessSourceStopsAtTheBudget(t *testing.T) {
	for _, config := range []*tlsconn.Config{nil, serverConfig()} {
		r := newReactor(t, Config{})
		writables := 0
		p := newProbe()
		send := func(c *Conn) {
			n, err := c.ReadFrom(endless{})
			if err != tlsconn.ErrWantWrite || n > turnWriteBytes+scratchSize {
				t.Errorf("ReadFrom = %d, %v", n, err)
			}
		}
		p.onOpened = send
		p.onWritable = func(c *Conn) {
			if writables++; writables == 5 {
				c.Reset()
				return
			}
			send(c)
		}
		addr := serve(t, r, config, p)
		var conn net.Conn = dialTCP(t, addr)
		if config != nil {
			conn = dialTLS(t, addr)
		}
		io.Copy(io.Discard, conn)
		conn.Close()
		if config == nil {
			p.wantClosed(t, ReasonReset)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAcceptedSocketsAreAsPackageNetMakesThem(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	peer := dialTCP(t, serve(t, r, nil, p))
	c := <-p.opened
	onLoop(t, c.Loop(), func() {
		fd := int(c.fd)
		for _, o := range []struct {
			name        string
			level, what int
			want        int
		}{
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle},
			{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval},
			{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount},
		} {
			if got, err := unix.GetsockoptInt(fd, o.level, o.what); got != o.want {
				t.Errorf("%s = %d (%v), want %d", o.name, got, err, o.want)
			}
		}
		flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		onExec, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if flags&unix.O_NONBLOCK == 0 || onExec&unix.FD_CLOEXEC == 0 {
			t.Errorf("flags %#x and %#x: want non-blocking and closed on exec", flags, onExec)
		}
		if c.RemoteAddr().String() != peer.LocalAddr().String() || c.LocalAddr().String() != peer.RemoteAddr().String() {
			t.Errorf("addresses %v and %v, the peer's are %v and %v", c.LocalAddr(), c.RemoteAddr(), peer.LocalAddr(), peer.RemoteAddr())
		}
	})
}

// Memory per idle connection is a promise of the project (design.md 4).
func TestConnIsSmall(t *testing.T) {
	conn, rest := unsafe.Sizeof(Conn{}), unsafe.Sizeof(slot{})+unsafe.Sizeof(timerEntry{})
	t.Logf("Conn %d bytes, slot and timer %d", conn, rest)
	if conn > 160 || rest > 32 {
		t.Errorf("Conn has %d bytes, slot and timer %d; want at most 160 and 32", conn, rest)
	}
}

func TestCallbacksAreToldTheAddresses(t *testing.T) {
	r := newReactor(t, Config{})
	cert := issue(ecdsaKey())
	told := make(chan net.Conn, 1)
	config := &tlsconn.Config{GetCertificate: func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
		told <- info.Conn
		return &cert, nil
	}}
	addr := serveEach(t, r, config, func(*Conn) Handler { return &echoes{} })
	conn := dialTLS(t, addr)
	if c := <-told; c.RemoteAddr().String() != conn.LocalAddr().String() || c.LocalAddr().String() != addr {
		t.Errorf("%v and %v", c.LocalAddr(), c.RemoteAddr())
	}
}
