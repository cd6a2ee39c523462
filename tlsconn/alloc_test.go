package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// What a connection costs: allocations in the steady state, bytes at rest, and
// the benchmarks.

// fixedPipe is one direction of a transport that never allocates: bytes wait in
// data[r:w].
type fixedPipe struct {
	data [outputHighWater]byte
	r, w int
}

func (p *fixedPipe) Read(b []byte) (int, error) {
	n := copy(b, p.data[p.r:p.w])
	if p.r += n; p.r == p.w {
		p.r, p.w = 0, 0
	}
	if n == 0 {
		return 0, ErrWouldBlock
	}
	return n, nil
}

func (p *fixedPipe) Write(b []byte) (int, error) {
	n := copy(p.data[p.w:], b)
	if p.w += n; n < len(b) {
		return n, ErrWouldBlock
	}
	return n, nil
}

type fixedTransport struct {
	in  *fixedPipe
	out *fixedPipe
}

func (t fixedTransport) Read(b []byte) (int, error)  { return t.in.Read(b) }
func (t fixedTransport) Write(b []byte) (int, error) { return t.out.Write(b) }

// established returns both ends of a connection, each with a
// Workspace of its own, as loops would have.
func established(t testing.TB, suite uint16) (client, server *Conn) {
	t.Helper()
	ca := newTestCA(t)
	cc, sc := clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org"))
	cc.CipherSuites, cc.CurvePreferences = []uint16{suite}, []tls.CurveID{tls.X25519}
	if suite12ByID(suite) != nil {
		cc.CurvePreferences = append(cc.CurvePreferences, tls.CurveP256) // the certificate's
		allow12(cc, sc)
	}
	up, down := new(fixedPipe), new(fixedPipe)
	client = NewWorkspace(WorkspaceConfig{}).Client(fixedTransport{down, up}, cc)
	server = NewWorkspace(WorkspaceConfig{}).Server(fixedTransport{up, down}, sc)
	shake(t, client, server)
	return client, server
}

// shake completes a handshake between two Conns.
func shake(t testing.TB, client, server *Conn) {
	t.Helper()
	for range 10 {
		cerr, serr := client.Handshake(), server.Handshake()
		if cerr == nil && serr == nil {
			return
		}
		if cerr != nil && !isWant(cerr) || serr != nil && !isWant(serr) {
			t.Fatalf("client: %v, server: %v", cerr, serr)
		}
	}
	t.Fatal("the handshake does not end")
}

// suiteNames are those of TLS 1.3, and behind them those of TLS 1.2 that go with established's key.
var suiteNames = []uint16{
	tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// repeatedSource is an endless source of n bytes at a time, which says
// ErrWouldBlock after each.
type repeatedSource struct {
	n    int
	done bool
}

func (s *repeatedSource) Read(p []byte) (int, error) {
	if s.done = !s.done; !s.done {
		return 0, ErrWouldBlock
	}
	return s.n, nil
}

// TestSteadyStateAllocatesNothing: once warm, no Write, ReadFrom or Read allocates,
// in either direction, whatever the size of records and of the reader's slice.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, suite := range suiteNames {
		client, server := established(t, suite)
		for _, dir := range []struct {
			name     string
			from, to *Conn
		}{{"to the server", client, server}, {"to the client", server, client}} {
			for _, size := range []int{1, 100, 16 << 10} {
				for _, slice := range []int{40, 16<<10 + 17} {
					if size/slice > 1000 {
						continue
					}
					data, buf := make([]byte, size), make([]byte, slice)
					source := &repeatedSource{n: size}
					drain := func() {
						for got := 0; got < size; {
							n, err := dir.to.Read(buf)
							if err != nil {
								t.Fatal(err)
							}
							got += n
						}
					}
					write := func() {
						if n, err := dir.from.Write(data); n != size || err != nil {
							t.Fatalf("Write = %d, %v", n, err)
						}
						drain()
					}
					readFrom := func() {
						if n, err := dir.from.ReadFrom(source); n != int64(size) || err != ErrWouldBlock {
							t.Fatalf("ReadFrom = %d, %v", n, err)
						}
						drain()
					}
					for name, f := range map[string]func(){"Write": write, "ReadFrom": readFrom} {
						if n := testing.AllocsPerRun(20, f); n != 0 {
							t.Errorf("%s, %s, %s of %d bytes and Read into %d: %v allocations", tls.CipherSuiteName(suite), dir.name, name, size, slice, n)
						}
					}
				}
			}
		}
	}
}

// A call with nothing to do, as a level-triggered poller may cause, allocates nothing.
func TestIdleCallsAllocateNothing(t *testing.T) {
	for _, suite := range []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256} {
		client, server := established(t, suite)
		idleCallsAllocateNothing(t, client, server)
	}
}

func idleCallsAllocateNothing(t *testing.T, client, server *Conn) {
	buf := make([]byte, 100)
	for name, f := range map[string]func(){
		"Read": func() {
			if _, err := server.Read(buf); err != ErrWantRead {
				t.Fatal(err)
			}
		},
		"Handshake": func() {
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
		},
		"Flush, Wants, Buffered": func() {
			if err := client.Flush(); err != nil || client.Wants() != WantRead || client.Buffered() != 0 {
				t.Fatal(err)
			}
		},
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// maxConnSize is what a Conn may take at rest: design.md section 4 promises about
// 350 bytes of keys and facts. A field more is a decision, not an accident.
const maxConnSize = 448

func TestConnIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > maxConnSize {
		t.Errorf("a Conn has %d bytes, more than %d", n, maxConnSize)
	}
	if n := unsafe.Sizeof(halfConn{}); n > 64 {
		t.Errorf("a half-connection has %d bytes, more than 64", n)
	}
}

// What an idle connection may keep of TLS 1.3, by role: a client also has the
// certificates of its server, parsed, for ConnectionState.
const (
	maxIdleServer = 512
	maxIdleClient = 4 << 10
	// idleRandoms is what TLS 1.2 has to keep beside: the randoms of both hellos, which its
	// exporter needs (RFC 5705 4).
	idleRandoms = 64
	// idleSlack is how exact the measurement is.
	idleSlack = 96
)

// TestIdleConnectionIsSmall measures what both sides keep of each idle connection after
// data both ways: everything that the heap has for it but the transport. The expanded
// keys are the Workspace's, and bounded. In TLS 1.2 it is as little as in TLS 1.3.
func TestIdleConnectionIsSmall(t *testing.T) {
	for role, most := range map[Role]int{RoleServer: maxIdleServer, RoleClient: maxIdleClient} {
		of13, of12 := idleBytes(t, role, tls.VersionTLS13), idleBytes(t, role, tls.VersionTLS12)
		t.Logf("bytes for each idle %v: %d in TLS 1.3, %d in TLS 1.2, of which a Conn has %d", role, of13, of12, unsafe.Sizeof(Conn{}))
		if of13 > most || of12 > most+idleRandoms || of12 > of13+idleRandoms+idleSlack {
			t.Errorf("bytes for each idle %v: %d in TLS 1.3, %d in TLS 1.2, more than %d, and %d for the randoms of TLS 1.2",
				role, of13, of12, most, idleRandoms)
		}
	}
}

// idleBytes is the live memory of one idle connection among many.
func idleBytes(t *testing.T, role Role, version uint16) int {
	t.Helper()
	const n = 300
	s := newScene(newCast(t))
	s.only(version)
	cws, sws := NewWorkspace(WorkspaceConfig{CachedKeys: 2}), NewWorkspace(WorkspaceConfig{CachedKeys: 2})
	live := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	conns := make([]*Conn, 0, n)
	grow := func() {
		a, b := Pair()
		client, server := cws.Client(a, s.client), sws.Server(b, s.server)
		shake(t, client, server)
		buf := make([]byte, 1024)
		for _, d := range [][2]*Conn{{client, server}, {server, client}} {
			if _, err := d[0].Write(buf); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(d[1], buf); err != nil {
				t.Fatal(err)
			}
		}
		kept, other := server, client
		if role == RoleClient {
			kept, other = client, server
		}
		_ = other.Close()
		kept.transport = nil
		conns = append(conns, kept)
	}
	for range 20 {
		grow()
	}
	before := live()
	for len(conns) < n {
		grow()
	}
	each := (live() - before) / (n - 20)
	for _, c := range conns {
		if c.in.buf != nil || c.out.buf != nil || c.in.messages != nil || c.in.receiver != nil || c.hs != nil || (c.facts.peer != nil) != (role == RoleClient) {
			t.Fatal("an idle connection holds more than keys and facts")
		}
	}
	runtime.KeepAlive(cws) // or its buffers would count as saved
	runtime.KeepAlive(sws)
	return each
}

// discard is a transport that takes everything and has nothing.
type discard struct{}

func (discard) Read([]byte) (int, error)    { return 0, ErrWouldBlock }
func (discard) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkHandshake is a client's and a server's full handshake; server-ns/op is
// the time spent in the server's calls.
func BenchmarkHandshake(b *testing.B) {
	for _, c := range []struct {
		name  string
		kind  keyKind
		group tls.CurveID
	}{
		{"X25519/ECDSA-P256", keyECDSA, tls.X25519},
		{"X25519/Ed25519", keyEd25519, tls.X25519},
		{"X25519/RSA-2048", keyRSA, tls.X25519},
		{"P256/ECDSA-P256", keyECDSA, tls.CurveP256},
		{"X25519MLKEM768/ECDSA-P256", keyECDSA, tls.X25519MLKEM768},
	} {
		b.Run(c.name, func(b *testing.B) {
			ca := newTestCA(b)
			cc, sc := clientFor(ca), serverFor(ca.issue(b, c.kind, "example.org"))
			cc.CurvePreferences = []tls.CurveID{c.group}
			cws, sws := NewWorkspace(WorkspaceConfig{}), NewWorkspace(WorkspaceConfig{})
			var ofServer time.Duration
			b.ReportAllocs()
			for b.Loop() {
				a, z := Pair()
				client, server := cws.Client(a, cc), sws.Server(z, sc)
				for client.State() != StateConnected || server.State() != StateConnected {
					if err := client.Handshake(); err != nil && !isWant(err) {
						b.Fatal(err)
					}
					start := time.Now()
					err := server.Handshake()
					ofServer += time.Since(start)
					if err != nil && !isWant(err) {
						b.Fatal(err)
					}
				}
				_, _ = client.Close(), server.Close()
			}
			b.ReportMetric(float64(ofServer.Nanoseconds())/float64(b.N), "server-ns/op")
		})
	}
}

var benchmarkSizes = []int{100, 16 << 10}

func BenchmarkWrite(b *testing.B) {
	for _, suite := range suiteNames {
		for _, size := range benchmarkSizes {
			b.Run(fmt.Sprintf("%s/%d", tls.CipherSuiteName(suite), size), func(b *testing.B) {
				client, _ := established(b, suite)
				client.transport = discard{}
				data := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := client.Write(data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkReadFrom(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, _ := established(b, tls.TLS_AES_128_GCM_SHA256)
			client.transport = discard{}
			source := &repeatedSource{n: size}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.ReadFrom(source); err != ErrWouldBlock {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRead opens records that were sealed while the clock stood still.
func BenchmarkRead(b *testing.B) {
	for _, suite := range suiteNames {
		for _, size := range benchmarkSizes {
			b.Run(fmt.Sprintf("%s/%d", tls.CipherSuiteName(suite), size), func(b *testing.B) {
				client, server := established(b, suite)
				var wire bytes.Buffer
				client.transport = struct {
					io.Reader
					io.Writer
				}{discard{}, &wire}
				server.transport = struct {
					io.Reader
					io.Writer
				}{&wire, discard{}}
				data, buf := make([]byte, size), make([]byte, 16<<10+17)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for i := 0; i < b.N; {
					b.StopTimer()
					batch := min(b.N-i, 256)
					for range batch {
						if _, err := client.Write(data); err != nil {
							b.Fatal(err)
						}
					}
					b.StartTimer()
					for left := batch * size; left > 0; {
						n, err := server.Read(buf)
						if err != nil {
							b.Fatal(err)
						}
						left -= n
					}
					i += batch
				}
			})
		}
	}
}
