package tlsconn

import (
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// verbs are all calls that Close and ErrReentrant have to answer.
func (c *Conn) verbs() map[string]func() error {
	return map[string]func() error{
		"Handshake":  c.Handshake,
		"Read":       func() error { _, err := c.Read(make([]byte, 10)); return err },
		"Read(nil)":  func() error { _, err := c.Read(nil); return err },
		"Peek":       func() error { _, err := c.Peek(make([]byte, 10)); return err },
		"Peek(nil)":  func() error { _, err := c.Peek(nil); return err },
		"Write":      func() error { _, err := c.Write([]byte("x")); return err },
		"Write(nil)": func() error { _, err := c.Write(nil); return err },
		"ReadFrom":   func() error { _, err := c.ReadFrom(&script{err: io.EOF}); return err },
		"Flush":      c.Flush,
		"CloseWrite": c.CloseWrite,
		"KeyUpdate":  func() error { return c.KeyUpdate(true) },
		"Close":      c.Close,
	}
}

func TestCloseWriteTwiceSendsOneCloseNotify(t *testing.T) {
	p := connected(t)
	if err := p.client.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	sent := len(p.client.tr.out.bytes)
	if err := p.client.conn.CloseWrite(); err != nil || len(p.client.tr.out.bytes) != sent {
		t.Errorf("again: %v, %d more bytes", err, len(p.client.tr.out.bytes)-sent)
	}
	for name, call := range p.client.conn.verbs() {
		if name != "Write" && name != "Write(nil)" && name != "ReadFrom" && name != "KeyUpdate" {
			continue
		}
		if err := call(); err != ErrWriteClosed {
			t.Errorf("%s after CloseWrite: %v", name, err)
		}
	}
	if len(p.client.tr.out.bytes) != sent {
		t.Error("something was sent behind close_notify")
	}
}

func TestCloseWriteWithOutputFull(t *testing.T) {
	p := connected(t)
	p.client.block()
	if _, err := p.client.conn.Write(make([]byte, 1<<20)); err != ErrWantWrite {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.client.conn.CloseWrite(); err != ErrWantWrite {
			t.Fatal(err)
		}
	}
	p.client.unblock()
	if err := p.client.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	p.drain(p.server)
	if err := p.server.read(1); err != io.EOF {
		t.Fatal(err)
	}
}

func TestHalfCloseBothWays(t *testing.T) {
	p := connected(t)
	p.closeWrite(p.client)
	p.send(p.server, pattern(50_000))
	// A KeyUpdate that asks for an answer gets none from the side that has closed.
	if err := p.server.conn.KeyUpdate(true); err != nil {
		t.Fatal(err)
	}
	sent := len(p.client.tr.out.bytes)
	p.send(p.server, []byte("under a new key"))
	if len(p.client.tr.out.bytes) != sent {
		t.Error("the client said something behind its close_notify")
	}
	p.closeWrite(p.server)
	if err := p.server.read(1); err != io.EOF {
		t.Errorf("server: the end is forgotten: %v", err)
	}
	for _, s := range []*side{p.client, p.server} {
		if w := s.conn.Wants(); w != 0 {
			t.Errorf("%s wants %v after both ends", s.name, w)
		}
	}
}

// What comes behind close_notify does not exist (RFC 8446 6.1: "Any data
// received after a closure alert has been received MUST be ignored").
func TestDataBehindCloseNotifyIsIgnored(t *testing.T) {
	p := connected(t)
	p.client.conn.queueAlert(AlertCloseNotify)
	p.client.say(record.ApplicationData, []byte("behind"))
	p.server.inject([]byte("and no TLS at all"))
	for range 3 {
		if err := p.server.read(100); err != io.EOF {
			t.Fatal(err)
		}
	}
	p.send(p.server, []byte("our direction is open"))
}

func TestCloseInEveryState(t *testing.T) {
	cast := newCast(t)
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := newScene(cast)
			s.only(version)
			s.remember()
			s.require()
			s.client.Certificates = []tls.Certificate{s.cast.client}
			closeInEveryState(t, s.client, s.server)
		})
	}
}

// closeInEveryState closes both sides after one more call of each in turn, until the
// handshake is complete.
func closeInEveryState(t *testing.T, client, server *Config) {
	for stage := 0; ; stage++ {
		ws := NewWorkspace(WorkspaceConfig{})
		p := newPairIn(t, ws, ws, client, server)
		p.client.tr.quota, p.server.tr.quota = 300, 300
		p.client.tr.readMax, p.server.tr.readMax = 300, 300
		done := false
		for range stage {
			c, s := p.client.conn.Handshake(), p.server.conn.Handshake()
			done = c == nil && s == nil
		}
		if done {
			p.client.unblock()
			p.client.say(record.ApplicationData, []byte("unread"))
			_ = p.server.read(1)
			p.server.block()
			_, _ = p.server.conn.Write([]byte("unsent"))
		}
		moved := p.client.tr.moved + p.server.tr.moved
		for _, s := range []*side{p.client, p.server} {
			state := s.conn.State()
			if err := s.conn.Close(); err != nil {
				t.Fatalf("%s: Close in state %v: %v", s.name, state, err)
			}
			for name, call := range s.conn.verbs() {
				if err := call(); err != ErrClosed {
					t.Errorf("%s: %s after Close in state %v: %v", s.name, name, state, err)
				}
			}
			if err := s.conn.Abort(AlertInternalError, nil); err != ErrClosed {
				t.Errorf("%s: Abort after Close: %v", s.name, err)
			}
			if _, err := s.conn.ExportKeyingMaterial("label", nil, 10); err != ErrClosed {
				t.Errorf("%s: ExportKeyingMaterial after Close: %v", s.name, err)
			}
			if s.conn.Wants() != 0 || s.conn.Pending() != 0 || s.conn.Buffered() != 0 {
				t.Errorf("%s: closed in state %v, wants %v", s.name, state, s.conn.Wants())
			}
			if s.conn.in.buf != nil || s.conn.out.buf != nil || s.conn.hs != nil {
				t.Errorf("%s: closed in state %v, and still holds memory", s.name, state)
			}
			var zero keysched.Secret
			if s.conn.in.secret != zero || s.conn.out.secret != zero || s.conn.exporter != zero {
				t.Errorf("%s: closed in state %v, and still holds secrets", s.name, state)
			}
		}
		if p.client.tr.moved+p.server.tr.moved != moved {
			t.Error("Close touched the transport")
		}
		if ws.buffers.input != 0 {
			t.Errorf("after Close the budget is still charged with %d bytes", ws.buffers.input)
		}
		if done {
			return
		}
		if stage > 100 {
			t.Fatal("the handshake does not end")
		}
	}
}

// Errors stick: every further call returns the very same, and the alert goes out
// as soon as the transport takes it.
func TestErrorsStickAndTheAlertIsFlushed(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(*pair)
		want Alert
	}{
		{"within the handshake", func(p *pair) {
			_ = p.client.conn.Handshake()
			_ = p.server.conn.Handshake()
			p.client.conn.config.prepared.serverName = "example.net"
		}, AlertBadCertificate},
		{"after it", func(p *pair) {
			p.handshake()
			p.server.say(record.Handshake, []byte{1, 0, 0, 0})
		}, AlertUnexpectedMessage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := standardPair(t)
			tt.fail(p)
			p.client.block()
			var first error
			if p.client.conn.State() == StateConnected {
				first = p.client.read(10)
			} else {
				first = p.client.conn.Handshake()
			}
			wantAlert(t, "client", first, tt.want)
			for range 2 {
				for name, call := range p.client.conn.verbs() {
					want := first
					switch name {
					case "Close":
						continue
					case "Flush":
						want = ErrWantWrite
					}
					if err := call(); err != want {
						t.Errorf("%s after the failure: %v", name, err)
					}
				}
			}
			if w := p.client.conn.Wants(); w != WantWrite {
				t.Errorf("wants %v with the alert pending", w)
			}
			p.client.unblock()
			if err := p.client.conn.Flush(); err != nil {
				t.Errorf("Flush of the alert: %v", err)
			}
			if p.server.conn.State() == StateConnected {
				wantPeerAlert(t, "server", p.server.read(10), tt.want)
			} else {
				wantPeerAlert(t, "server", p.server.conn.Handshake(), tt.want)
			}
			sent := len(p.client.tr.out.bytes)
			if err := p.client.conn.Handshake(); err != first || len(p.client.tr.out.bytes) != sent {
				t.Errorf("the alert was sent twice, or forgotten: %v", err)
			}
			if p.client.conn.in.buf != nil || p.client.conn.out.buf != nil {
				t.Error("a failed connection holds buffers")
			}
		})
	}
}

func TestMisuseDoesNotStick(t *testing.T) {
	p := standardPair(t)
	for name, call := range map[string]func() error{
		"CloseWrite": p.client.conn.CloseWrite,
		"KeyUpdate":  func() error { return p.client.conn.KeyUpdate(false) },
		"ExportKeyingMaterial": func() error {
			_, err := p.client.conn.ExportKeyingMaterial("label", nil, 32)
			return err
		},
	} {
		if err := call(); err != ErrHandshakeIncomplete {
			t.Errorf("%s before the handshake: %v", name, err)
		}
	}
	p.send(p.client, []byte("no harm done"))
}

func TestExporterRefusesWhatItCannotMake(t *testing.T) {
	p := connected(t)
	c := p.client.conn
	for name, call := range map[string]func() ([]byte, error){
		"a label that is too long": func() ([]byte, error) {
			return c.ExportKeyingMaterial(strings.Repeat("l", keysched.MaxLabel+1), nil, 32)
		},
		"a negative length": func() ([]byte, error) { return c.ExportKeyingMaterial("label", nil, -1) },
		"too much":          func() ([]byte, error) { return c.ExportKeyingMaterial("label", nil, 1<<20) },
	} {
		if out, err := call(); err == nil || out != nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if out, err := c.ExportKeyingMaterial(strings.Repeat("l", keysched.MaxLabel), nil, 0); err != nil || len(out) != 0 {
		t.Errorf("the longest label and nothing to make: %v", err)
	}
}

// callbackSource is a source that uses the connection that reads it.
type callbackSource func()

func (f callbackSource) Read([]byte) (int, error) { f(); return 0, io.EOF }

// callbackLog is a key log that uses the connection that writes it.
type callbackLog func()

func (f callbackLog) Write(p []byte) (int, error) { f(); return len(p), nil }

func TestCallbacksCannotUseTheirConnection(t *testing.T) {
	ca := newTestCA(t)
	client, server := clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org"))
	var p *pair
	called := map[string]int{}
	try := func(callback string, s **Conn) {
		called[callback]++
		for name, call := range (*s).verbs() {
			if err := call(); err != ErrReentrant {
				t.Errorf("%s from within %s: %v", name, callback, err)
			}
		}
		if err := (*s).Abort(AlertInternalError, nil); err != ErrReentrant {
			t.Errorf("Abort from within %s: %v", callback, err)
		}
		(*s).Wants()
		(*s).ConnectionState()
	}
	var clientConn, serverConn *Conn
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		try("GetCertificate", &serverConn)
		return nil, nil
	}
	client.VerifyPeer = func(*Peer) error { try("VerifyPeer", &clientConn); return nil }
	client.KeyLogWriter = callbackLog(func() { try("KeyLogWriter", &clientConn) })
	p = newPair(t, client, server)
	clientConn, serverConn = p.client.conn, p.server.conn
	clientConn.SetTrace(func(State) { try("SetTrace of the client", &clientConn) })
	serverConn.SetTrace(func(State) { try("SetTrace of the server", &serverConn) })
	p.handshake()
	if _, err := clientConn.ReadFrom(callbackSource(func() { try("a source", &clientConn) })); err != nil {
		t.Error(err)
	}
	for _, callback := range []string{"GetCertificate", "VerifyPeer", "KeyLogWriter", "SetTrace of the client", "SetTrace of the server", "a source"} {
		if called[callback] == 0 {
			t.Errorf("%s was not called", callback)
		}
	}
	p.send(p.client, []byte("no harm done"))
}

func TestTraceEndsWithTheFailure(t *testing.T) {
	p := standardPair(t)
	p.server.inject([]byte("GET / HTTP/1.1\r\n\r\n"))
	err := p.server.conn.Handshake()
	wantAlert(t, "server", err, AlertUnexpectedMessage)
	if len(p.server.trace) == 0 || p.server.trace[len(p.server.trace)-1] != StateFailed.String() {
		t.Errorf("the trace is %q", p.server.trace)
	}
	if !errors.Is(err, errors.Unwrap(err)) {
		t.Error("the reason is not wrapped")
	}
}
