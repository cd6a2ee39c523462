package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The tests of this file are the rows of the contract with SSL_do_handshake(3),
// each named after its row. What each verb promises beyond it is tested beside
// the verb: read_test.go, write_test.go, close_test.go, operation_test.go.

// inject makes the side receive raw bytes that its peer never wrote.
func (s *side) inject(b []byte) {
	s.tr.in.bytes = append(s.tr.in.bytes, b...)
	s.tr.in.delivered = len(s.tr.in.bytes)
}

// block and unblock stop and start the taking of output by the side's transport.
func (s *side) block()   { s.tr.quota, s.tr.left = 0, 0 }
func (s *side) unblock() { s.tr.quota = -1 }

// say seals content under the keys of the moment and sends it: what a peer that
// does not behave would.
func (s *side) say(typ record.Type, content []byte) {
	s.t.Helper()
	s.conn.appendRecords(typ, content)
	if err := s.conn.Flush(); err != nil {
		s.t.Fatalf("%s: flush of what it says: %v", s.name, err)
	}
}

// hold stops delivery at once, so that the test decides what arrives.
func (p *pair) hold() { p.client.tr.auto, p.server.tr.auto = false, false }

// deliver lets both sides see all that was written.
func (p *pair) deliver() {
	for _, s := range []*side{p.client, p.server} {
		s.tr.out.delivered = len(s.tr.out.bytes)
	}
}

// connected is a standard pair with both handshakes complete.
func connected(t testing.TB) *pair {
	t.Helper()
	p := standardPair(t)
	p.handshake()
	return p
}

// SSL_set_accept_state, SSL_set_connect_state before the handshake.
func TestContractAcceptAndConnectState(t *testing.T) {
	p := standardPair(t)
	if s := p.server.conn; s.State() != StateExpectClientHello || s.Wants() != WantRead {
		t.Errorf("a new server is in state %v and wants %v", s.State(), s.Wants())
	}
	if c := p.client.conn; c.State() != StateSendClientHello || c.Wants() != WantWrite {
		t.Errorf("a new client is in state %v and wants %v", c.State(), c.Wants())
	}
	for _, s := range []*side{p.client, p.server} {
		if st := s.conn.ConnectionState(); st.HandshakeComplete || st.Version != 0 {
			t.Errorf("%s: before the handshake ConnectionState is %+v", s.name, st)
		}
	}
	if p.client.tr.moved+p.server.tr.moved != 0 {
		t.Error("making a Conn moved bytes")
	}
}

// Client mode starts the handshake.
func TestContractClientModeStartsTheHandshake(t *testing.T) {
	p := standardPair(t)
	if err := p.server.conn.Handshake(); err != ErrWantRead || len(p.server.tr.out.bytes) != 0 {
		t.Fatalf("server: first Handshake sent %d bytes and returned %v", len(p.server.tr.out.bytes), err)
	}
	if err := p.client.conn.Handshake(); err != ErrWantRead {
		t.Fatalf("client: first Handshake returned %v", err)
	}
	sent := p.client.tr.out.bytes
	if len(sent) < 6 || record.Type(sent[0]) != record.Handshake || wire.MessageType(sent[5]) != wire.TypeClientHello {
		t.Fatalf("client: first Handshake sent % x", sent)
	}
}

// Blocking BIO: a call returns only once it is finished or has failed.
func TestContractBlockingTransport(t *testing.T) {
	noWant := func(what string, err error) {
		t.Helper()
		if isWant(err) {
			t.Errorf("%s on a blocking transport returned %v", what, err)
		}
	}
	ca := newTestCA(t)
	data := bytes.Repeat([]byte("blocking "), 20000)
	talk := func(c *Conn, first bool) error {
		steps := []func() error{
			c.Handshake,
			func() error { n, err := c.Write(data); noWant("Write", err); return short(n, len(data), err) },
			func() error {
				got := make([]byte, len(data))
				_, err := io.ReadFull(c, got)
				if err == nil && !bytes.Equal(got, data) {
					t.Error("the data changed on its way")
				}
				return err
			},
		}
		if !first {
			steps[1], steps[2] = steps[2], steps[1]
		}
		for _, step := range steps {
			if err := step(); err != nil {
				noWant("a step", err)
				return err
			}
		}
		// One closes first, as nothing buffers between the two.
		if first {
			noWant("CloseWrite", c.CloseWrite())
		}
		_, err := c.Read(make([]byte, 1))
		noWant("Read", err)
		if !first {
			noWant("CloseWrite", c.CloseWrite())
		}
		return err
	}
	for _, tt := range []struct {
		name       string
		serverName string
		ok         bool
	}{
		{"to a server with the right name", "example.org", true},
		{"to a server with another name", "example.net", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := net.Pipe()
			defer a.Close()
			defer b.Close()
			server := Server(a, serverFor(ca.issue(t, keyECDSA, tt.serverName)))
			client := Client(b, clientFor(ca))
			done := make(chan error, 1)
			go func() { done <- talk(server, false) }()
			clientErr := talk(client, true)
			serverErr := <-done
			if tt.ok {
				if clientErr != io.EOF || serverErr != io.EOF {
					t.Errorf("client ended with %v, server with %v, want io.EOF", clientErr, serverErr)
				}
				return
			}
			wantAlert(t, "client", clientErr, AlertBadCertificate)
			wantPeerAlert(t, "server", serverErr, AlertBadCertificate)
		})
	}
}

// short is err, or io.ErrShortWrite for a call that took less without one.
func short(n, want int, err error) error {
	if err == nil && n != want {
		return io.ErrShortWrite
	}
	return err
}

// Non-blocking BIO: the call returns, and SSL_get_error yields WANT_READ or
// WANT_WRITE.
func TestContractNonBlockingTransport(t *testing.T) {
	p := standardPair(t)
	p.hold()
	p.client.block()
	p.server.block()
	for _, step := range []struct {
		what string
		s    *side
		want error
	}{
		{"a client whose hello is not taken", p.client, ErrWantWrite},
		{"a server without a hello", p.server, ErrWantRead},
		{"a client whose hello is taken", p.client, ErrWantRead},
		{"a server whose flight is not taken", p.server, ErrWantWrite},
		{"a server whose flight is taken", p.server, ErrWantRead},
		{"a client whose second flight is not taken", p.client, ErrWantWrite},
		{"a client whose second flight is taken", p.client, nil},
		{"a server that has all", p.server, nil},
	} {
		err := step.s.conn.Handshake()
		if err != step.want {
			t.Fatalf("%s: Handshake returned %v, want %v%v", step.what, err, step.want, p)
		}
		if err != nil {
			step.s.checkWant(step.what, err)
		}
		if err == ErrWantWrite {
			step.s.unblock() // satisfy the need; the next flight is blocked again
			continue
		}
		step.s.block()
		p.deliver()
	}
}

// glance is all of a Conn that a call with nothing new must not change.
type glance struct {
	err                   error
	state                 State
	wants                 Want
	pending               Operation
	written, read, unsent int
	states                int
}

func (s *side) glance(err error) glance {
	return glance{err, s.conn.State(), s.conn.Wants(), s.conn.Pending(),
		len(s.tr.out.bytes), s.tr.in.read, s.conn.out.pending(), len(s.trace)}
}

// The caller repeats the call after satisfying the need: a call with nothing
// new is a no-op with the same answer, at every byte of input and of output.
func TestContractReinvokable(t *testing.T) {
	ca := newTestCA(t)
	for _, tt := range []struct {
		name   string
		change func(client, server *Config)
	}{
		{"a full handshake", func(client, server *Config) {}},
		{"a hello retry", func(client, server *Config) {
			client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
			server.CurvePreferences = []tls.CurveID{tls.CurveP256}
		}},
		{"a refusal by the client", func(client, server *Config) { client.ServerName = "example.net" }},
		{"a refusal by the server", func(client, server *Config) { server.NextProtos = []string{"spdy"} }},
		{"a full handshake of TLS 1.2", func(client, server *Config) { allow12(client, server) }},
		{"a client certificate in TLS 1.2", func(client, server *Config) {
			allow12(client, server)
			client.Certificates = []tls.Certificate{ca.issue(t, keyECDSA, "client.example")}
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
		}},
		{"no client certificate in TLS 1.2", func(client, server *Config) {
			allow12(client, server)
			server.ClientAuth = tls.RequireAnyClientCert
		}},
		{"a refusal by the client in TLS 1.2", func(client, server *Config) {
			allow12(client, server)
			client.ServerName = "example.net"
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := clientFor(ca), serverFor(ca.issue(t, keyEd25519, "example.org"))
			tt.change(client, server)
			p := newPair(t, client, server)
			p.hold()
			for idle := 0; idle < 3; {
				moved := p.client.tr.moved + p.server.tr.moved
				for _, s := range []*side{p.client, p.server} {
					if s.tr.in.delivered < len(s.tr.in.bytes) {
						s.tr.in.delivered++
					}
					s.tr.quota, s.tr.left = 0, 1
					want := s.glance(s.conn.Handshake())
					s.block()
					for range 4 {
						if got := s.glance(s.conn.Handshake()); got != want {
							t.Fatalf("%s: Handshake again with nothing new\n got %+v\nwant %+v%v", s.name, got, want, p)
						}
					}
					if isWant(want.err) {
						s.checkWant("Handshake", want.err)
					}
				}
				if idle++; p.client.tr.moved+p.server.tr.moved > moved {
					idle = 0
				}
			}
			for _, s := range []*side{p.client, p.server} {
				if st := s.conn.State(); st != StateConnected && st != StateFailed {
					t.Errorf("%s: stopped in state %v%v", s.name, st, p)
				}
			}
		})
	}
}

// Non-blocking socket: select() tells when. Wants is what maps to its sets.
func TestContractWants(t *testing.T) {
	check := func(what string, s *side, want Want) {
		t.Helper()
		if got := s.conn.Wants(); got != want {
			t.Errorf("%s: wants %v, not %v", what, got, want)
		}
	}
	p := standardPair(t)
	p.hold()
	check("a new client", p.client, WantWrite)
	check("a new server", p.server, WantRead)
	p.client.block()
	_ = p.client.conn.Handshake()
	check("a client whose hello is pending", p.client, WantWrite)
	p.client.unblock()
	_ = p.client.conn.Handshake()
	check("a client that waits for the server", p.client, WantRead)
	p.client.tr.auto, p.server.tr.auto = true, true
	p.deliver()
	p.handshake()
	check("a connected client", p.client, WantRead)
	check("a connected server", p.server, WantRead)

	p.server.block()
	if _, err := p.server.conn.Write([]byte("pending")); err != nil {
		t.Fatal(err)
	}
	check("a server with output", p.server, WantRead|WantWrite)
	p.server.unblock()
	if err := p.server.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	check("a server that has flushed", p.server, WantRead)
	p.closeWrite(p.client)
	check("a server that has read the end", p.server, 0)
	check("a client that has closed its half", p.client, WantRead)
	p.server.block()
	_ = p.server.conn.CloseWrite()
	check("a server with close_notify pending", p.server, WantWrite)
	if err := p.server.conn.Close(); err != nil {
		t.Fatal(err)
	}
	check("a closed server", p.server, 0)

	p = connected(t)
	p.server.inject([]byte("not a record"))
	p.server.block()
	_ = p.server.read(10)
	check("a failed server with its alert pending", p.server, WantWrite)
	p.server.unblock()
	if err := p.server.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	check("a failed server", p.server, 0)
}

// Buffering BIO (BIO pair): bytes are put in and taken out between calls.
func TestContractBufferingPair(t *testing.T) {
	ca := newTestCA(t)
	clientEnd, clientNet := Pair()
	serverEnd, serverNet := Pair()
	client := Client(clientEnd, clientFor(ca))
	server := Server(serverEnd, serverFor(ca.issue(t, keyECDSA, "example.org")))

	// carry is the caller's own transport: here it takes 7 bytes at a time.
	carry := func(from, to *PairEnd) (moved int) {
		for len(from.Peek()) > 0 {
			n, err := to.Write(from.Peek()[:min(7, len(from.Peek()))])
			if err != nil {
				t.Fatal(err)
			}
			from.Discard(n)
			moved += n
		}
		return moved
	}
	drive := func() {
		for moved := 1; moved > 0; {
			for _, c := range []*Conn{client, server} {
				if err := c.Handshake(); err != nil && err != ErrWantRead {
					t.Fatal(err)
				}
			}
			if got := clientEnd.Pending(); got != len(clientNet.Peek()) {
				t.Fatalf("Pending() = %d with %d bytes to be taken out", got, len(clientNet.Peek()))
			}
			moved = carry(clientNet, serverNet) + carry(serverNet, clientNet)
		}
	}
	drive()
	if client.State() != StateConnected || server.State() != StateConnected {
		t.Fatalf("client %v, server %v", client.State(), server.State())
	}

	// The end of the caller's transport shows behind what was put in before it.
	if _, err := client.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	carry(clientNet, serverNet)
	if err := serverNet.Close(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := server.Read(buf); err != nil || string(buf[:n]) != "last words" {
		t.Fatalf("Read = %q, %v", buf[:n], err)
	}
	if _, err := server.Read(buf); err != io.ErrUnexpectedEOF {
		t.Fatalf("Read behind the end of the transport: %v", err)
	}
	if _, err := serverNet.Write([]byte("x")); err != io.ErrClosedPipe {
		t.Errorf("Write behind Close: %v", err)
	}
}

// A pair takes no more than its limit, and goes on once bytes are taken out.
func TestContractBufferingPairLimit(t *testing.T) {
	a, b := Pair()
	n, err := a.Write(make([]byte, pairLimit+1))
	if n != pairLimit || err != ErrWouldBlock {
		t.Fatalf("Write over the limit = %d, %v", n, err)
	}
	if n, err = a.Write([]byte("x")); n != 0 || err != ErrWouldBlock {
		t.Fatalf("Write to a full pair = %d, %v", n, err)
	}
	b.Discard(2)
	if n, err = a.Write([]byte("xyz")); n != 2 || err != ErrWouldBlock {
		t.Fatalf("Write with room for two = %d, %v", n, err)
	}
	if n, err = a.Write(nil); n != 0 || err != nil {
		t.Fatalf("Write of nothing = %d, %v", n, err)
	}
	if n, err = a.Read(make([]byte, 1)); n != 0 || err != ErrWouldBlock {
		t.Fatalf("Read of the other direction = %d, %v", n, err)
	}
	all, err := io.ReadAll(io.LimitReader(b, pairLimit))
	if err != nil || len(all) != pairLimit || string(all[pairLimit-2:]) != "xy" || b.in.r != 0 {
		t.Fatalf("read %d bytes, %v", len(all), err)
	}
}

// errReset stands for an error of the transport.
var errReset = errors.New("connection reset by peer")

// Return 1: nil. Return 0, not successful but shut down controlled and by the
// specification: the peer's own ending. Return < 0, fatal at the protocol level
// or of the connection: told apart.
func TestContractReturnValues(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*pair)
		want func(*testing.T, error)
	}{
		{"1: complete", func(p *pair) { p.handshake() }, func(t *testing.T, err error) {
			if err != nil {
				t.Error(err)
			}
		}},
		{"0: the peer sent close_notify", func(p *pair) { p.client.say(record.Alert, []byte{1, 0}) }, func(t *testing.T, err error) {
			wantPeerAlert(t, "server", err, AlertCloseNotify)
			if !errors.Is(err, io.EOF) {
				t.Errorf("%v is not io.EOF", err)
			}
		}},
		{"0: the peer sent a fatal alert", func(p *pair) { p.client.say(record.Alert, []byte{2, 40}) }, func(t *testing.T, err error) {
			wantPeerAlert(t, "server", err, AlertHandshakeFailure)
			if errors.Is(err, io.EOF) {
				t.Errorf("%v is io.EOF", err)
			}
		}},
		{"<0: a protocol failure", func(p *pair) { p.server.inject([]byte("GET / HTTP/1.1\r\n")) }, func(t *testing.T, err error) {
			wantAlert(t, "server", err, AlertUnexpectedMessage)
		}},
		{"<0: the transport ended", func(p *pair) { p.client.tr.out.closed = true }, func(t *testing.T, err error) {
			if err != io.ErrUnexpectedEOF {
				t.Error(err)
			}
		}},
		{"<0: the transport failed to read", func(p *pair) { p.server.tr.readErr = errReset }, func(t *testing.T, err error) {
			if err != errReset {
				t.Error(err)
			}
		}},
		{"<0: the transport failed to write", func(p *pair) {
			_ = p.client.conn.Handshake()
			p.server.tr.writeErr = errReset
		}, func(t *testing.T, err error) {
			if err != errReset {
				t.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := standardPair(t)
			tt.do(p)
			err := p.server.conn.Handshake()
			tt.want(t, err)
			if again := p.server.conn.Handshake(); again != err {
				t.Errorf("again: %v, not %v", again, err)
			}
		})
	}
}

// deadline is a transport's passed deadline, as net.Conn's are.
type deadline struct{}

func (deadline) Error() string        { return "read pipe: i/o timeout" }
func (deadline) Timeout() bool        { return true }
func (deadline) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// SSL_get_error: what every verb returns has OpenSSL's meaning.
func TestContractErrorCode(t *testing.T) {
	read := func(p *pair) error { return p.server.read(10) }
	write := func(p *pair) error { _, err := p.server.conn.Write(make([]byte, 1<<20)); return err }
	for _, tt := range []struct {
		name string
		// before: a pair before its handshake; else a connected one.
		before bool
		call   func(*pair) error
		want   Code
	}{
		{"Handshake: complete", false, func(p *pair) error { return p.server.conn.Handshake() }, CodeNone},
		{"Handshake: no input", true, func(p *pair) error { return p.server.conn.Handshake() }, CodeWantRead},
		{"Handshake: output is full", true, func(p *pair) error { p.client.block(); return p.client.conn.Handshake() }, CodeWantWrite},
		{"Handshake: an operation is pending", true, func(p *pair) error {
			p.client.conn.ws.offload = func(func()) bool { return true }
			return p.until(p.client, "handshake", func() error {
				if err := p.client.conn.Handshake(); err != ErrWantApp {
					return err
				}
				return errors.Join(ErrWantApp) // until treats it as a result
			})
		}, CodeWantAsync},
		{"Handshake: the peer's fatal alert", true, func(p *pair) error {
			p.client.say(record.Alert, []byte{2, 40})
			return p.server.conn.Handshake()
		}, CodeSSL},
		{"Handshake: the peer's close_notify", true, func(p *pair) error {
			p.client.say(record.Alert, []byte{1, 0})
			return p.server.conn.Handshake()
		}, CodeZeroReturn},
		{"Handshake: not TLS", true, func(p *pair) error { p.server.inject(make([]byte, 5)); return p.server.conn.Handshake() }, CodeSSL},
		{"Handshake: the transport ended", true, func(p *pair) error {
			p.client.tr.out.closed = true
			return p.server.conn.Handshake()
		}, CodeSSL},
		{"Handshake: the transport failed", true, func(p *pair) error {
			p.server.tr.readErr = errReset
			return p.server.conn.Handshake()
		}, CodeSyscall},
		{"Handshake: an unusable Config", true, func(p *pair) error { return Server(p.server.tr, &Config{}).Handshake() }, CodeSSL},
		{"Handshake: a callback that failed with io.EOF", true, func(p *pair) error {
			c := Server(p.server.tr, &Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, io.EOF }})
			_ = p.client.conn.Handshake()
			return c.Handshake()
		}, CodeSSL},
		{"Read: nothing there", false, read, CodeWantRead},
		{"Read: data", false, func(p *pair) error { p.client.say(record.ApplicationData, []byte("x")); return read(p) }, CodeNone},
		{"Read: close_notify", false, func(p *pair) error { _ = p.client.conn.CloseWrite(); return read(p) }, CodeZeroReturn},
		{"Read: truncation", false, func(p *pair) error { p.client.tr.out.closed = true; return read(p) }, CodeSSL},
		{"Read: the peer's fatal alert", false, func(p *pair) error { p.client.say(record.Alert, []byte{2, 80}); return read(p) }, CodeSSL},
		{"Read: a bad record", false, func(p *pair) error { p.server.inject([]byte{23, 3, 3, 0, 17, 16: 0, 21: 0}); return read(p) }, CodeSSL},
		{"Read: the transport failed", false, func(p *pair) error { p.server.tr.readErr = errReset; return read(p) }, CodeSyscall},
		{"Read: a passed deadline", false, func(p *pair) error { p.server.tr.readErr = deadline{}; return read(p) }, CodeSyscall},
		{"Write: taken", false, func(p *pair) error { _, err := p.server.conn.Write([]byte("x")); return err }, CodeNone},
		{"Write: output is full", false, func(p *pair) error { p.server.block(); return write(p) }, CodeWantWrite},
		{"Write: the handshake waits", true, func(p *pair) error { return write(p) }, CodeWantRead},
		{"Write: the transport failed", false, func(p *pair) error { p.server.tr.writeErr = errReset; return write(p) }, CodeSyscall},
		{"Write: after CloseWrite", false, func(p *pair) error { _ = p.server.conn.CloseWrite(); return write(p) }, CodeSSL},
		{"ReadFrom: the source failed", false, func(p *pair) error {
			_, err := p.server.conn.ReadFrom(&script{err: errReset})
			return err
		}, CodeSyscall},
		{"Flush: output is full", false, func(p *pair) error {
			p.server.block()
			_, _ = p.server.conn.Write([]byte("x"))
			return p.server.conn.Flush()
		}, CodeWantWrite},
		{"CloseWrite: sent", false, func(p *pair) error { return p.server.conn.CloseWrite() }, CodeNone},
		{"CloseWrite: output is full", false, func(p *pair) error { p.server.block(); return p.server.conn.CloseWrite() }, CodeWantWrite},
		{"CloseWrite: before the handshake", true, func(p *pair) error { return p.server.conn.CloseWrite() }, CodeSSL},
		{"KeyUpdate: before the handshake", true, func(p *pair) error { return p.server.conn.KeyUpdate(false) }, CodeSSL},
		{"KeyUpdate: output is full", false, func(p *pair) error { p.server.block(); _ = write(p); return p.server.conn.KeyUpdate(false) }, CodeWantWrite},
		{"any: after Close", false, func(p *pair) error { _ = p.server.conn.Close(); return read(p) }, CodeSSL},
		{"any: from within a callback", true, func(p *pair) (err error) {
			p.client.conn.SetTrace(func(State) { err = p.client.conn.Flush() })
			p.handshake()
			return err
		}, CodeSSL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := standardPair(t)
			if !tt.before {
				p.handshake()
			}
			if err := tt.call(p); ErrorCode(err) != tt.want {
				t.Errorf("ErrorCode(%v) = %v, want %v", err, ErrorCode(err), tt.want)
			}
		})
	}
}

// The numbers and names are OpenSSL's, so that logs of ported code stay readable.
func TestContractErrorCodeNumbers(t *testing.T) {
	for code, name := range map[Code]string{
		0: "SSL_ERROR_NONE", 1: "SSL_ERROR_SSL", 2: "SSL_ERROR_WANT_READ", 3: "SSL_ERROR_WANT_WRITE",
		4: "SSL_ERROR_WANT_X509_LOOKUP", 5: "SSL_ERROR_SYSCALL", 6: "SSL_ERROR_ZERO_RETURN", 9: "SSL_ERROR_WANT_ASYNC",
		11: "SSL_ERROR_WANT_CLIENT_HELLO_CB", 12: "SSL_ERROR_WANT_RETRY_VERIFY", 77: "SSL_ERROR(77)",
	} {
		if code.String() != name {
			t.Errorf("%d is called %v, not %v", int(code), code, name)
		}
	}
}

// SSL_get_error's first argument: the connection tells what is pending.
func TestContractErrorCodeOfPendingOperations(t *testing.T) {
	for _, tt := range []struct {
		op   Operation
		want Code
	}{
		{OpInspect, CodeWantClientHelloCB}, {OpCertificate, CodeWantX509Lookup}, {OpSign, CodeWantAsync},
		{OpTicket, CodeWantAsync}, {OpSession, CodeWantAsync}, {OpVerify, CodeWantRetryVerify},
	} {
		p := newSuspended(t)
		p.untilApp()
		c := p.server.conn
		c.hs.shared().op.kind = tt.op
		if got := c.ErrorCode(ErrWantApp); got != tt.want {
			t.Errorf("%v pending: %v, want %v", tt.op, got, tt.want)
		}
		for _, err := range []error{nil, ErrWantRead, ErrWantWrite, io.EOF, errReset} {
			if got := c.ErrorCode(err); got != ErrorCode(err) {
				t.Errorf("%v pending: the code of %v is %v", tt.op, err, got)
			}
		}
		// It has ended, and the call is still to be repeated.
		p.work.run(t)
		if got := c.ErrorCode(ErrWantApp); got != tt.want {
			t.Errorf("%v ended: %v, want %v", tt.op, got, tt.want)
		}
		p.handshake()
		if got := c.ErrorCode(ErrWantApp); got != CodeWantAsync {
			t.Errorf("without an operation: %v", got)
		}
	}
}

// A deadline that has passed ends a call and not the connection: every verb can
// be repeated, and nothing is lost or sent twice.
func TestContractTimeoutsDoNotStick(t *testing.T) {
	p := standardPair(t)
	timeout := func(what string, s *side, call func() error) {
		t.Helper()
		s.tr.readErr, s.tr.writeErr = deadline{}, deadline{}
		for range 2 {
			if err := call(); err != (deadline{}) {
				t.Fatalf("%s: %v instead of a passed deadline%v", what, err, p)
			}
		}
		s.tr.readErr, s.tr.writeErr = nil, nil
	}
	timeout("client: Handshake that writes", p.client, p.client.conn.Handshake)
	timeout("server: Handshake that reads", p.server, p.server.conn.Handshake)
	_ = p.client.conn.Handshake()
	timeout("client: Handshake that reads", p.client, p.client.conn.Handshake)
	p.handshake()
	timeout("server: Read", p.server, func() error { return p.server.read(10) })
	timeout("server: CloseWrite", p.server, p.server.conn.CloseWrite)
	timeout("server: Flush", p.server, p.server.conn.Flush)
	p.send(p.client, []byte("still alive"))
	p.closeWrite(p.server)
	p.closeWrite(p.client)
}

// Over a net.Conn it is the deadline that interrupts a blocking verb.
func TestContractTimeoutOfNetConn(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	ca := newTestCA(t)
	server := Server(a, serverFor(ca.issue(t, keyECDSA, "example.org")))
	if err := a.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	err := server.Handshake()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("Handshake after the deadline: %v", err)
	}
	if err := a.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Client(b, clientFor(ca)).Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
