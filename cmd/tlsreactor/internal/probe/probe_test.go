package probe

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// These tests call Run with look-ups of their own. The servers listen on loopback addresses of one port,
// so that one name can have several of them. No test waits for time to pass, though the probe may.

// patience is the --timeout of probes that are not to need it.
const patience = 2 * time.Minute

// lookups answers by family; what it does not have blocks until the probe ends.
type lookups map[string]func(context.Context) ([]netip.Addr, error)

func (l lookups) lookup(ctx context.Context, network, _ string) ([]netip.Addr, error) {
	if f := l[network]; f != nil {
		return f(ctx)
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func has(list string) func(context.Context) ([]netip.Addr, error) {
	return func(context.Context) ([]netip.Addr, error) { return addresses(list), nil }
}

func fails(err error) func(context.Context) ([]netip.Addr, error) {
	return func(context.Context) ([]netip.Addr, error) { return nil, err }
}

var errNoHost = &net.DNSError{Err: "no such host", Name: "test.example"}

// A server is crypto/tls on one address.
type server struct {
	port uint16
	root *issued
}

// serve starts a server of test.example on an address of 127.0.0.0/8 or [::1].
func serve(t *testing.T, address string, adjust ...func(*tls.Config)) *server {
	t.Helper()
	s := &server{root: issue(t, "root", nil, func(c *x509.Certificate) crypto.Signer { now(c); return asCA(c) })}
	leaf := issue(t, "leaf", s.root, forServer(now, func(c *x509.Certificate) { c.DNSNames = []string{"test.example"} }))
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}},
	}
	for _, a := range adjust {
		a(config)
	}
	ln, err := tls.Listen("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(io.Discard, conn)
			}()
		}
	}()
	s.port = netip.MustParseAddrPort(ln.Addr().String()).Port()
	return s
}

// now makes a certificate valid in our days: Run asks the real clock.
func now(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
}

// blackHole occupies an address with a listener whose backlog is full, so that the kernel drops what
// further clients send.
func blackHole(t *testing.T, at netip.AddrPort) netip.AddrPort {
	t.Helper()
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(l) })
	sa := &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	if err := errors.Join(unix.Bind(l, sa), unix.Listen(l, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(l)
	if err != nil {
		t.Fatal(err)
	}
	sa.Port = bound.(*unix.SockaddrInet4).Port
	for range 4 { // more than the backlog of 0 holds
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Connect(fd, sa); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
	}
	// Only when one waits for accept(2), which nobody calls, is the backlog full.
	for n := 0; n != 1; {
		if n, err = unix.Poll([]unix.PollFd{{Fd: int32(l), Events: unix.POLLIN}}, -1); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	return netip.AddrPortFrom(at.Addr(), uint16(sa.Port))
}

// outcome is what a probe told: the events with their addresses or errors, and the result.
type outcome struct {
	status Status
	events []string
	result result
}

// told hands each line on as it is written, and keeps it.
type told struct {
	strings.Builder
	each func(line string)
}

func (w *told) Write(line []byte) (int, error) {
	w.each(string(line))
	return w.Builder.Write(line)
}

// when returns a function for told that closes c at the first line with all of the words.
func when(c chan struct{}, words ...string) func(line string) {
	return func(line string) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				return
			}
		}
		select {
		case <-c:
		default:
			close(c)
		}
	}
}

// probeOf probes test.example at port; each line is told as it comes.
func probeOf(t *testing.T, s *server, timeout time.Duration, l lookups, each func(line string)) outcome {
	t.Helper()
	o := &Options{Host: "test.example", Port: s.port, ServerName: "test.example", VerifyName: "test.example", Timeout: timeout, JSON: true}
	o.Roots = x509.NewCertPool()
	if s.root != nil {
		o.Roots.AddCert(s.root.cert)
	}
	output := &told{each: each}
	status, err := Run(o, output, l.lookup)
	if err != nil {
		t.Fatal(err)
	}
	got := outcome{status: status}
	for text := range strings.Lines(output.String()) {
		var l struct {
			Event, Family, Address, Error string
			Addresses                     []string
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		switch l.Event {
		case "resolved", "connecting", "connected", "abandoned", "failed":
			got.events = append(got.events, strings.Join(strings.Fields(strings.Join([]string{
				l.Event, l.Family, strings.Join(l.Addresses, " "), hostOf(l.Address), l.Error}, " ")), " "))
		case "result":
			if err := json.Unmarshal([]byte(text), &got.result); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got.result.Status != status || got.result.Outcome != status.String() {
		t.Errorf("status %d, but the result is %+v", status, got.result)
	}
	return got
}

// hostOf leaves the port out, which differs from run to run.
func hostOf(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return ""
	}
	return at.Addr().String()
}

func TestAddressesAreRaced(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lookups lookups
		want    []string
	}{
		{"the first address takes it", lookups{"ip6": fails(errNoHost), "ip4": has("127.0.0.1")},
			[]string{"connecting 127.0.0.1", "connected 127.0.0.1"}},
		{"the next is tried at once when one refuses", lookups{"ip6": has("::1"), "ip4": has("127.0.0.2 127.0.0.1")},
			[]string{"connecting ::1", "failed ::1 connection refused", "connecting 127.0.0.2", "failed 127.0.0.2 connection refused",
				"connecting 127.0.0.1", "connected 127.0.0.1"}},
		{"the next is tried beside one that does not answer", lookups{"ip6": fails(errNoHost), "ip4": has("127.0.0.3 127.0.0.1")},
			[]string{"connecting 127.0.0.3", "connecting 127.0.0.1", "connected 127.0.0.1", "abandoned 127.0.0.3"}},
		{"IPv6 that is never answered does not hold IPv4", lookups{"ip4": has("127.0.0.1")},
			[]string{"connecting 127.0.0.1", "connected 127.0.0.1"}},
		{"IPv4 that is never answered does not hold IPv6", lookups{"ip6": has("::ffff:127.0.0.1")},
			[]string{"connecting 127.0.0.1", "connected 127.0.0.1"}},
		{"a look-up that fails leaves the other", lookups{"ip6": fails(&net.AddrError{Err: "no suitable address"}), "ip4": has("127.0.0.1")},
			[]string{"connecting 127.0.0.1", "connected 127.0.0.1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, "127.0.0.1:0")
			blackHole(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), s.port))
			known := make(chan struct{})
			if ip4 := tt.lookups["ip4"]; ip4 != nil && tt.lookups["ip6"] != nil {
				tt.lookups["ip4"] = func(ctx context.Context) ([]netip.Addr, error) {
					<-known // within the 50 ms that IPv4 waits, a machine with other work may not come to IPv6
					return ip4(ctx)
				}
			}
			got := probeOf(t, s, patience, tt.lookups, when(known, `"resolved"`, "IPv6"))
			events := slices.DeleteFunc(got.events, func(e string) bool { return strings.HasPrefix(e, "resolved") })
			if got.status != StatusOK || !slices.Equal(events, tt.want) {
				t.Errorf("%v\n%q, want\n%q", got.result, events, tt.want)
			}
		})
	}
}

func TestALateAddressIsTriedWhenNothingElseIsLeft(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	failed := make(chan struct{})
	got := probeOf(t, s, patience, lookups{
		"ip4": has("127.0.0.2"), // refuses
		"ip6": func(ctx context.Context) ([]netip.Addr, error) {
			<-failed
			return addresses("::ffff:127.0.0.1"), nil
		},
	}, when(failed, `"failed"`))
	want := []string{"resolved IPv4 127.0.0.2", "connecting 127.0.0.2", "failed 127.0.0.2 connection refused",
		"resolved IPv6 127.0.0.1", "connecting 127.0.0.1", "connected 127.0.0.1"}
	if got.status != StatusOK || !slices.Equal(got.events, want) {
		t.Errorf("%v\n%q, want\n%q", got.result, got.events, want)
	}
}

func TestProbesThatDoNotConnect(t *testing.T) {
	const (
		short = 150 * time.Millisecond
		ample = time.Second // to get as far as connecting
	)
	nobody := func(t *testing.T) *server { // a port that nobody listens on, nor may while it is bound
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Bind(fd, &unix.SockaddrInet4{}); err != nil {
			t.Fatal(err)
		}
		bound, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		return &server{port: uint16(bound.(*unix.SockaddrInet4).Port)}
	}
	silent := func(t *testing.T) *server {
		return &server{port: blackHole(t, netip.MustParseAddrPort("127.0.0.1:0")).Port()}
	}
	for _, tt := range []struct {
		name    string
		server  func(*testing.T) *server
		timeout time.Duration
		lookups lookups
		status  Status
		message string
	}{
		{"the name is unknown", nobody, patience, lookups{"ip4": fails(errNoHost), "ip6": fails(errNoHost)},
			StatusResolve, "test.example has no address (IPv"},
		{"the name has no address", nobody, patience, lookups{"ip4": has(""), "ip6": has("")}, StatusResolve, "no address"},
		{"the resolver is silent", nobody, short, lookups{}, StatusTimeout, "was up while looking for addresses"},
		{"all addresses refuse", nobody, patience, lookups{"ip4": has("127.0.0.1 127.0.0.2"), "ip6": fails(errNoHost)},
			StatusConnect, "connection refused; 127.0.0.2:"},
		{"no address answers", silent, ample, lookups{"ip4": has("127.0.0.1"), "ip6": fails(errNoHost)},
			StatusTimeout, "was up while connecting to 127.0.0.1:"},
		{"one refuses, one does not answer", silent, ample, lookups{"ip4": has("127.0.0.2 127.0.0.1"), "ip6": fails(errNoHost)},
			StatusTimeout, "connection refused)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := probeOf(t, tt.server(t), tt.timeout, tt.lookups, func(string) {})
			if got.status != tt.status || !strings.Contains(got.result.Message, tt.message) {
				t.Errorf("%+v, want %v with %q", got.result, tt.status, tt.message)
			}
		})
	}
}

// RFC 5246 7.4.6 has a server of TLS 1.2 that wants a certificate say handshake_failure, as one does
// that shares no suite.
func TestAServerOfTLS12ThatWantsAClientCertificateIsToldFromOthers(t *testing.T) {
	s := serve(t, "127.0.0.1:0", func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 })
	got := probeOf(t, s, patience, lookups{"ip4": has("127.0.0.1"), "ip6": fails(errNoHost)}, func(string) {})
	const message = "with the alert handshake_failure: it may want a client certificate"
	if got.status != StatusRefused || !strings.Contains(got.result.Message, message) {
		t.Errorf("%+v, want %q", got.result, message)
	}
}

// A failing writer takes nothing.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	o := &Options{Host: "127.0.0.1", Port: s.port, VerifyName: "127.0.0.1", Timeout: patience}
	if status, err := Run(o, failingWriter{}, nil); status != StatusError || err == nil {
		t.Errorf("%v, %v", status, err)
	}
}

func TestWantsThatRepeatAreCounted(t *testing.T) {
	lines := make(chan line, maxLines)
	a := &attempt{prober: &prober{lines: lines, began: time.Now(), reached: make(map[tlsconn.State]time.Duration)}}
	a.winner = a
	for range maxRepeats + 1000 {
		a.Handshaking(nil, tlsconn.StateExpectServerHello, tlsconn.WantRead)
	}
	a.Handshaking(nil, tlsconn.StateExpectEncryptedExtensions, 0)
	a.Handshaking(nil, tlsconn.StateExpectEncryptedExtensions, tlsconn.WantRead)
	close(lines)
	var repeated []int
	for l := range lines {
		if w, ok := l.(wanted); ok {
			repeated = append(repeated, w.Repeated)
		}
	}
	want := append(make([]int, maxRepeats), 999, 0)
	if !slices.Equal(repeated, want) {
		t.Errorf("the wants told count %v, want %v", repeated, want)
	}
}
