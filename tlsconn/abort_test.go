package tlsconn

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

var errTooLate = errors.New("the deadline has passed")

// wantAborted checks that Abort of s ended it for good, with alert and errTooLate.
func (s *side) wantAborted(alert Alert) {
	s.t.Helper()
	first := s.conn.Handshake()
	wantAlert(s.t, s.name, first, alert)
	if !errors.Is(first, errTooLate) {
		s.t.Fatalf("%s: %v does not wrap the reason", s.name, first)
	}
	for name, call := range s.conn.verbs() {
		want := first
		switch name {
		case "Close":
			continue
		case "Flush":
			want = nil
		}
		if err := call(); err != want {
			s.t.Errorf("%s: %s after Abort: %v", s.name, name, err)
		}
	}
	if err := s.conn.Abort(AlertHandshakeFailure, nil); err != nil {
		s.t.Errorf("%s: Abort again: %v", s.name, err)
	}
	if s.conn.Wants() != 0 || s.conn.Pending() != 0 || s.conn.Buffered() != 0 || s.conn.in.buf != nil || s.conn.out.buf != nil {
		s.t.Errorf("%s: after Abort it wants %v, pending %v, or holds a buffer", s.name, s.conn.Wants(), s.conn.Pending())
	}
	if !slices.Contains(s.trace, StateFailed.String()) && !s.conn.facts.complete {
		s.t.Errorf("%s: the trace %q does not end", s.name, s.trace)
	}
	checkCleared(s.t, s.conn)
}

// Wherever a handshake is, or data flow, Abort ends it, and the peer is told: it can
// read the alert if it has the keys of the moment.
func TestAbortAtEveryStep(t *testing.T) {
	ca := newTestCA(t)
	for stage, done := 0, false; !done; stage++ {
		for _, who := range []Role{RoleClient, RoleServer} {
			p := newPair(t, clientFor(ca), serverFor(ca.issue(t, keyEd25519, "example.org")))
			uniformDelivery(p, 300)
			done = false
			for range stage {
				c, s := p.client.conn.Handshake(), p.server.conn.Handshake()
				done = c == nil && s == nil
			}
			one, other := p.client, p.server
			if who == RoleServer {
				one, other = other, one
			}
			for _, s := range []*side{one, other} {
				s.tr.readMax, s.tr.quota, s.tr.paused = 0, -1, false
			}
			state, protected := one.conn.State(), one.conn.out.on()
			if err := one.conn.Abort(AlertAccessDenied, errTooLate); err != nil {
				t.Fatalf("%s: Abort in state %v: %v", one.name, state, err)
			}
			one.wantAborted(AlertAccessDenied)
			err := other.conn.Handshake()
			if err == nil {
				err = other.read(10)
			}
			if other.conn.role == RoleServer && other.conn.facts.suite != nil && !protected {
				// A client without keys for what it has to say cannot be believed, but heard.
				wantAlert(t, other.name, err, AlertBadRecordMAC)
				if !strings.Contains(err.Error(), "unprotected alert access_denied") {
					t.Fatalf("%v does not tell what the client said", err)
				}
				continue
			}
			wantPeerAlert(t, other.name, err, AlertAccessDenied)
			if t.Failed() {
				t.Fatalf("%s aborted in state %v%v", one.name, state, p)
			}
		}
		if stage > 100 {
			t.Fatal("the handshake does not end")
		}
	}
}

func TestAbortWithOutputFull(t *testing.T) {
	p := connected(t)
	p.server.block()
	n, err := p.server.conn.Write(pattern(1 << 20))
	if err != ErrWantWrite {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.server.conn.Abort(AlertInternalError, errTooLate); err != ErrWantWrite {
			t.Fatalf("Abort with output full: %v", err)
		}
		if w := p.server.conn.Wants(); w != WantWrite {
			t.Fatalf("wants %v with the alert pending", w)
		}
	}
	p.server.unblock()
	if err := p.server.conn.Abort(AlertDecodeError, nil); err != nil {
		t.Fatal(err)
	}
	p.server.wantAborted(AlertInternalError) // the first one counts
	// What was accepted before goes out before the alert.
	p.drain(p.client)
	wantPeerAlert(t, "client", p.client.read(10), AlertInternalError)
	if string(p.client.got) != string(pattern(1 << 20)[:n]) {
		t.Fatalf("the client read %d bytes of %d", len(p.client.got), n)
	}
}

// The owner's deadline on a pending operation: the handshake ends, the answer that
// comes too late goes nowhere, and the operation no longer counts.
func TestAbortWhileAnOperationIsPending(t *testing.T) {
	p := newSuspended(t)
	p.untilApp()
	if err := p.server.conn.Abort(AlertInternalError, errTooLate); err != nil {
		t.Fatal(err)
	}
	p.server.wantAborted(AlertInternalError)
	if n := p.server.conn.ws.suspended; n != 0 {
		t.Fatalf("%d operations count as pending", n)
	}
	p.work.run(t)
	if p.woken.Load() != 0 || p.signer.signed.Load() != 0 {
		t.Fatalf("woken %d times, signed %d times after the end", p.woken.Load(), p.signer.signed.Load())
	}
	p.server.wantAborted(AlertInternalError)
	wantPeerAlert(t, "client", p.client.conn.Handshake(), AlertInternalError)
}

func TestAbortRefusesCloseNotify(t *testing.T) {
	p := standardPair(t)
	for _, before := range []bool{true, false} {
		if err := p.client.conn.Abort(AlertCloseNotify, errTooLate); err != ErrClosureAlert || p.client.conn.ErrorCode(err) != CodeSSL {
			t.Fatalf("before the handshake %v: %v", before, err)
		}
		p.send(p.client, []byte("no harm done"))
	}
}

// RFC 9846 6.1: user_canceled "MUST be followed by a close_notify".
func TestAbortOfAHandshakeThatTheUserCancels(t *testing.T) {
	p := standardPair(t)
	_ = p.client.conn.Handshake()
	if err := p.server.conn.Abort(AlertUserCanceled, errTooLate); err != nil {
		t.Fatal(err)
	}
	p.server.wantAborted(AlertUserCanceled)
	if got, want := p.server.tr.out.bytes, []byte{21, 3, 3, 0, 2, 1, 90, 21, 3, 3, 0, 2, 1, 0}; !slices.Equal(got, want) {
		t.Fatalf("sent % x, want % x", got, want)
	}
	wantPeerAlert(t, "client", p.client.conn.Handshake(), AlertCloseNotify)
}

// RFC 8446 5.1: the version of a record is 0x0303 but for an initial ClientHello.
func TestAbortBeforeTheClientHello(t *testing.T) {
	p := standardPair(t)
	if err := p.client.conn.Abort(AlertInternalError, errTooLate); err != nil {
		t.Fatal(err)
	}
	if got, want := p.client.tr.out.bytes, []byte{21, 3, 3, 0, 2, 2, 80}; !slices.Equal(got, want) {
		t.Fatalf("sent % x, want % x", got, want)
	}
	p.client.wantAborted(AlertInternalError)
}

func TestAbortOfAnEndedConnection(t *testing.T) {
	t.Run("that has failed", func(t *testing.T) {
		p := connected(t)
		p.server.inject([]byte("not a record"))
		first := p.server.read(10)
		if err := p.server.conn.Abort(AlertInternalError, errTooLate); err != nil {
			t.Fatal(err)
		}
		if err := p.server.read(10); err != first || errors.Is(err, errTooLate) {
			t.Fatalf("then %v, not %v", err, first)
		}
	})
	t.Run("whose Config cannot be used", func(t *testing.T) {
		c := Server(discard{}, &Config{})
		if err := c.Abort(AlertInternalError, errTooLate); err != nil {
			t.Fatal(err)
		}
		var config configError
		if err := c.Handshake(); !errors.As(err, &config) {
			t.Fatal(err)
		}
	})
	t.Run("whose transport fails", func(t *testing.T) {
		p := connected(t)
		p.server.tr.writeErr = errReset
		for range 2 {
			if err := p.server.conn.Abort(AlertInternalError, errTooLate); err != errReset {
				t.Fatal(err)
			}
		}
		wantAlert(t, "server", p.server.read(10), AlertInternalError)
	})
	t.Run("whose transport's deadline has passed", func(t *testing.T) {
		p := connected(t)
		p.server.tr.writeErr = deadline{}
		if err := p.server.conn.Abort(AlertInternalError, errTooLate); err != (deadline{}) {
			t.Fatal(err)
		}
		p.server.tr.writeErr = nil
		if err := p.server.conn.Abort(AlertInternalError, errTooLate); err != nil {
			t.Fatal(err)
		}
		wantPeerAlert(t, "client", p.client.read(10), AlertInternalError)
	})
	t.Run("after CloseWrite", func(t *testing.T) {
		p := connected(t)
		p.closeWrite(p.server)
		sent := len(p.server.tr.out.bytes)
		if err := p.server.conn.Abort(AlertInternalError, errTooLate); err != nil {
			t.Fatal(err)
		}
		p.server.wantAborted(AlertInternalError)
		if n := len(p.server.tr.out.bytes) - sent; n != 0 {
			t.Fatalf("%d bytes behind close_notify", n)
		}
	})
}

// A reason that is a want, or the end of a stream, does not pass for one.
func TestReasonOfAnAbort(t *testing.T) {
	for _, reason := range []error{nil, ErrWantRead, ErrWantApp, io.EOF} {
		p := connected(t)
		p.client.say(record.ApplicationData, []byte("unread"))
		if err := p.server.conn.Abort(AlertInternalError, reason); err != nil {
			t.Fatal(err)
		}
		err := p.server.read(10)
		wantAlert(t, "server", err, AlertInternalError)
		if isWant(err) || errors.Is(err, io.EOF) || errors.Is(err, ErrWantRead) || errors.Is(err, ErrWantApp) || ErrorCode(err) != CodeSSL {
			t.Fatalf("reason %v makes %v", reason, err)
		}
	}
}
