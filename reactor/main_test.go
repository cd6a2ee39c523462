package reactor

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// TestMain lets the runtime open what it keeps for good before any test counts descriptors.
func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		os.Exit(runChild(mode))
	}
	time.AfterFunc(time.Hour, func() {}).Stop()
	os.Exit(m.Run())
}

// wantNoLeaks fails the test if descriptors or goroutines are left at its end.
func wantNoLeaks(t *testing.T) {
	t.Helper()
	fds, goroutines := openDescriptors(), runtime.NumGoroutine()
	t.Cleanup(func() {
		if n := settleDown(openDescriptors, fds); n > fds {
			t.Errorf("%d descriptors open before the test, %d after", fds, n)
		}
		if n := settleDown(runtime.NumGoroutine, goroutines); n > goroutines {
			t.Errorf("%d goroutines before the test, %d after", goroutines, n)
			pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		}
	})
}

func openDescriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(entries)
}

// settleDown gives goroutines that have been told to end up to a minute to do so.
func settleDown(count func() int, want int) int {
	n := count()
	for end := time.Now().Add(time.Minute); n > want && time.Now().Before(end); n = count() {
		runtime.Gosched()
	}
	return n
}

// newReactor starts a reactor of one loop, unless config says otherwise, that is gone without a trace at
// the end of the test.
func newReactor(t *testing.T, config Config) *Reactor {
	t.Helper()
	wantNoLeaks(t)
	if config.Loops == 0 {
		config.Loops = 1
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		abandon(r)
		if err := r.Err(); err != nil {
			t.Errorf("a loop failed: %v", err)
		}
		if n := r.accepted.Load(); n != 0 {
			t.Errorf("%d accepted connections after the end", n)
		}
	})
	return r
}

// abandon shuts r down without waiting for its connections.
func abandon(r *Reactor) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	r.Shutdown(now)
}

// A fakeClock stands still until it is moved.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// advance moves the clock and lets every loop of r see it.
func (c *fakeClock) advance(t *testing.T, r *Reactor, d time.Duration) {
	t.Helper()
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
	turn(t, r)
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Unix(1_000_000_000, 0)} }

// turn returns after every loop has completed a turn that began after the call.
func turn(t *testing.T, r *Reactor) {
	t.Helper()
	for range 2 {
		for _, l := range r.Loops() {
			onLoop(t, l, func() {})
		}
	}
}

// onLoop runs f on l and waits for it.
func onLoop(t *testing.T, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if err := l.Post(func() { f(); close(done) }); err != nil {
		t.Fatal(err)
	}
	<-done
}

// wantQuiet fails if events keep coming: a descriptor that is reported again and again shows up in each
// of the turns that the posts cause.
func wantQuiet(t *testing.T, r *Reactor, when string) {
	t.Helper()
	turn(t, r)
	before := r.Counters()
	const turns = 50
	for range turns {
		onLoop(t, r.Loops()[0], func() {})
	}
	after := r.Counters()
	// An event or two may still have been on their way.
	if n := after.Events - before.Events; n > turns/10 {
		t.Errorf("%s: %d events in %d turns that had nothing to do", when, n, turns)
	}
	if n := after.Waits - before.Waits; n > 2*turns {
		t.Errorf("%s: %d returns of Wait for %d posts", when, n, turns)
	}
}

// holdLoop keeps l in the middle of a turn, after its events, until release is called.
func holdLoop(t *testing.T, l *Loop) (release func()) {
	t.Helper()
	held, hold := make(chan struct{}), make(chan struct{})
	must(t, l.Post(func() { close(held); <-hold }))
	<-held
	return func() { close(hold) }
}

// An ending is what Closed was called with.
type ending struct {
	reason Reason
	err    error
}

// A probe is a Handler made of functions, any of which may be nil. It reports to the test.
type probe struct {
	onOpened, onReceived, onWritable func(c *Conn)

	opened chan *Conn
	closed chan ending
}

func newProbe() *probe {
	return &probe{opened: make(chan *Conn, 1), closed: make(chan ending, 2)}
}

func (p *probe) Opened(c *Conn) {
	if p.onOpened != nil {
		p.onOpened(c)
	}
	p.opened <- c // a second call blocks, and fails the test by its time-out
}

func (p *probe) Received(c *Conn) {
	if p.onReceived != nil {
		p.onReceived(c)
		return
	}
	for {
		if _, err := c.Read(c.Loop().Scratch()); err != nil {
			return
		}
	}
}

func (p *probe) Writable(c *Conn) {
	if p.onWritable != nil {
		p.onWritable(c)
	}
}

func (p *probe) Closed(_ *Conn, reason Reason, err error) { p.closed <- ending{reason, err} }

// wantClosed waits for the one Closed and checks its reason.
func (p *probe) wantClosed(t *testing.T, want Reason) error {
	t.Helper()
	e := <-p.closed
	if e.reason != want {
		t.Errorf("closed: %v (%v), want %v", e.reason, e.err, want)
	}
	return e.err
}

// serve makes every connection of r's new listener h's.
func serve(t *testing.T, r *Reactor, config *tlsconn.Config, h Handler) string {
	t.Helper()
	return serveEach(t, r, config, func(*Conn) Handler { return h })
}

func serveEach(t testing.TB, r *Reactor, config *tlsconn.Config, accept func(*Conn) Handler) string {
	t.Helper()
	ln, err := r.Listen("tcp", "127.0.0.1:0", ListenConfig{TLS: config, Accept: accept})
	if err != nil {
		t.Fatal(err)
	}
	return ln.Addr().String()
}

// echoes is a Handler that sends back what it receives and ends when its peer does.
type echoes struct {
	rest   []byte
	ended  bool
	closed chan ending
}

func (e *echoes) Opened(*Conn) {}

func (e *echoes) Received(c *Conn) {
	for {
		n, err := c.Read(c.Loop().Scratch())
		if err == io.EOF {
			e.ended = true
			c.CloseWrite()
		}
		if err != nil {
			return
		}
		k, err := c.Write(c.Loop().Scratch()[:n])
		if err != nil {
			e.rest = append(e.rest, c.Loop().Scratch()[k:n]...)
			c.PauseRead()
			return
		}
	}
}

func (e *echoes) Writable(c *Conn) {
	k, err := c.Write(e.rest)
	if e.rest = e.rest[k:]; err == nil {
		c.ResumeRead()
	}
}

func (e *echoes) Closed(_ *Conn, reason Reason, err error) {
	if e.closed != nil {
		e.closed <- ending{reason, err}
	}
}

// Configurations of both sides, made once.
var (
	serverConfig, clientConfig       = sync.OnceValue(func() *tlsconn.Config { return server(ecdsaKey()) }), sync.OnceValue(client)
	rsaServerConfig                  = sync.OnceValue(func() *tlsconn.Config { return server(rsaKey()) })
	stdClientConfig, stdServerConfig = &tls.Config{InsecureSkipVerify: true}, sync.OnceValue(func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{issue(ecdsaKey())}}
	})
)

func server(key crypto.Signer) *tlsconn.Config {
	return &tlsconn.Config{Certificates: []tls.Certificate{issue(key)}}
}

func client() *tlsconn.Config { return &tlsconn.Config{InsecureSkipVerify: true} }

func ecdsaKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func rsaKey() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func issue(key crypto.Signer) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dialTCP connects a blocking peer.
func dialTCP(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// dialTLS connects a crypto/tls peer and completes its handshake.
func dialTLS(t *testing.T, addr string) *tls.Conn {
	t.Helper()
	conn := tls.Client(dialTCP(t, addr), stdClientConfig)
	must(t, conn.Handshake())
	return conn
}

// delivered returns when the kernel of the other end has acknowledged all that conn has sent. A loaded
// kernel may leave what arrives on loopback to a thread of its own (ksoftirqd), so that a Write that
// has returned is no proof of arrival, and what another processor sends may come first.
func delivered(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	must(t, err)
	for left := -1; left != 0; runtime.Gosched() {
		must(t, errors.Join(raw.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }), err))
	}
}

// refusing returns an address of loopback that refuses connections: it is bound, so that nobody else may
// listen there meanwhile, and does not listen.
func refusing(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, socketKind, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	return localAddress(fd)
}

// sendReset closes conn with RST.
func sendReset(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	must(t, conn.SetLinger(0))
	must(t, conn.Close())
}

// fill writes to c until its output is full.
func fill(t *testing.T, c *Conn) (total int) {
	junk := make([]byte, 64<<10)
	for range 10_000 {
		n, err := c.Write(junk)
		total += n
		if err == tlsconn.ErrWantWrite && c.full {
			return total
		}
		if err != nil && err != tlsconn.ErrWantWrite {
			t.Errorf("filling the output: %v", err)
			return total
		}
		c.turn-- // a new budget
	}
	t.Error("the output never gets full")
	return total
}

func isAddrInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
