package tlsconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// halt is an operation that suspends one side of a handshake.
type halt struct {
	name    string
	role    Role
	op      Operation
	alert   Alert // of a failure that names none
	resumed bool  // it takes a session to come to it
	set     func(*scene)
}

// halts are all of them, each alone in its handshake.
var halts = []halt{
	{"inspection", RoleServer, OpInspect, AlertHandshakeFailure, false, func(s *scene) {
		s.server.InspectClientHello = s.ops.inspectLater(nil)
	}},
	{"choice of the server's certificate", RoleServer, OpCertificate, AlertInternalError, false, func(s *scene) {
		s.server.ChooseCertificate = s.ops.chooseLater(nil)
	}},
	{"server's signature", RoleServer, OpSign, AlertInternalError, false, func(s *scene) {
		s.server.Certificates = []tls.Certificate{s.ops.signLater("sign", s.ed25519)}
	}},
	{"server's ticket", RoleServer, OpTicket, AlertInternalError, true, func(s *scene) {
		s.server.Tickets = &lateTickets{s.server.Tickets, s.ops}
	}},
	{"server's session", RoleServer, OpSession, AlertInternalError, true, func(s *scene) {
		if s.server.ServerSessions == nil {
			s.named()
		}
		s.server.ServerSessions = &lateStore{s.server.ServerSessions, s.ops}
	}},
	{"verification of the client", RoleServer, OpVerify, AlertBadCertificate, false, func(s *scene) {
		s.require()
		s.client.Certificates = []tls.Certificate{s.cast.client}
		s.server.VerifyPeerLater = s.ops.judgeLater("judge")
	}},
	{"client's session", RoleClient, OpSession, AlertInternalError, true, func(s *scene) {
		s.client.Sessions = &lateSessions{s.client.Sessions, s.ops}
	}},
	{"verification of the server", RoleClient, OpVerify, AlertBadCertificate, false, func(s *scene) {
		s.client.VerifyPeerLater = s.ops.judgeLater("judge")
	}},
	{"verification of the server that resumes", RoleClient, OpVerify, AlertBadCertificate, true, func(s *scene) {
		s.client.VerifyPeerLater = s.ops.judgeLater("judge")
	}},
	{"choice of the client's certificate", RoleClient, OpCertificate, AlertInternalError, false, func(s *scene) {
		s.require()
		s.client.ChooseClientCertificate = s.ops.chooseClientLater(&s.cast.client)
	}},
	{"client's signature", RoleClient, OpSign, AlertInternalError, false, func(s *scene) {
		s.require()
		s.client.Certificates = []tls.Certificate{s.ops.signLater("sign", s.cast.client)}
	}},
}

// looksUp tells whether it is a server's look-up of a session id, which is of TLS 1.2 only.
func (h *halt) looksUp() bool { return h.role == RoleServer && h.op == OpSession }

func haltNamed(name string) *halt {
	return &halts[slices.IndexFunc(halts, func(h halt) bool { return h.name == name })]
}

// halted is a handshake that is suspended.
type halted struct {
	*pair
	ops  *operations
	side *side           // that is
	op   parkedOperation // that has not been answered
	woke *atomic.Int32   // calls of the wake function
	conn *Conn           // side's
}

// reach drives a handshake of the given version until it is suspended.
func (h *halt) reach(t *testing.T, cast *cast, version uint16) *halted {
	t.Helper()
	s := newScene(cast)
	s.only(version)
	s.remember()
	if h.looksUp() {
		s.named()
	}
	if h.resumed {
		p := s.open(t, 1)
		p.handshake()
		p.send(p.server, []byte("behind a ticket"))
		s.client, s.server = cloneConfig(s.client), cloneConfig(s.server)
	}
	h.set(s)
	w := &halted{pair: s.open(t, 0), ops: s.ops, woke: new(atomic.Int32)}
	if w.side = w.server; h.role == RoleClient {
		w.side = w.client
	}
	w.conn = w.side.conn
	w.conn.SetWake(func() { w.woke.Add(1) })
	w.pair.ops = nil // this test answers by itself
	for range 5 {
		_, _ = w.server.conn.Handshake(), w.client.conn.Handshake()
	}
	w.op = w.ops.one(t)
	if err := w.conn.Handshake(); err != ErrWantApp || w.conn.Pending() != h.op || w.conn.Wants() != WantApp {
		t.Fatalf("%v, pending %v, wants %v%v", err, w.conn.Pending(), w.conn.Wants(), w.pair)
	}
	if n := w.conn.ws.suspended; n != 1 || w.woke.Load() != 0 || w.op.abandoned() {
		t.Fatalf("%d operations count as pending, woken %d times", n, w.woke.Load())
	}
	return w
}

// forEachHalt runs a subtest for each, in both versions.
func forEachHalt(t *testing.T, test func(*testing.T, *halt, *halted)) {
	cast := newCast(t)
	for i := range halts {
		for _, version := range bothVersions {
			if halts[i].looksUp() && version != tls.VersionTLS12 {
				continue
			}
			t.Run(tls.VersionName(version)+", "+halts[i].name, func(t *testing.T) { test(t, &halts[i], halts[i].reach(t, cast, version)) })
		}
	}
}

// wantOver checks that nothing of the operation is left.
func (w *halted) wantOver(woken int32) {
	w.t.Helper()
	if n := w.woke.Load(); n != woken || w.conn.ws.suspended != 0 || w.conn.Pending() != 0 {
		w.t.Fatalf("woken %d times, %d operations count as pending, pending %v", n, w.conn.ws.suspended, w.conn.Pending())
	}
}

func TestOperationsThatAreCompletedElsewhere(t *testing.T) {
	forEachHalt(t, func(t *testing.T, _ *halt, w *halted) {
		elsewhere(w.op.complete)
		if w.conn.Pending() != 0 || w.conn.Wants() != WantApp || w.woke.Load() != 1 {
			t.Fatalf("pending %v, wants %v, woken %d times", w.conn.Pending(), w.conn.Wants(), w.woke.Load())
		}
		elsewhere(w.op.complete) // counts for nothing
		if w.op.fail(errors.New("too late")) {
			t.Error("a second answer counts")
		}
		w.handshake()
		w.send(w.client, []byte("a request"))
		w.send(w.server, []byte("an answer"))
		if w.op.abandoned() {
			t.Error("an operation that was answered is said to be abandoned")
		}
		w.wantOver(1)
	})
}

// What comes first counts, whoever comes; and wakes once.
func TestAnswersThatRace(t *testing.T) {
	forEachHalt(t, func(t *testing.T, _ *halt, w *halted) {
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				if i%2 == 0 {
					w.op.complete()
				} else {
					w.op.fail(errors.New("no"))
				}
			})
		}
		for w.conn.Handshake() == ErrWantApp && w.conn.Pending() != 0 { // asks while they answer
		}
		all.Wait()
		_, _ = w.failHandshake()
		w.wantOver(1)
	})
}

// ending is a way for a connection to end while an operation is pending.
var endings = []struct {
	name string
	end  func(*Conn) error
	want error // of every later call; nil for any that is ours
}{
	{"Close", (*Conn).Close, ErrClosed},
	{"Abort", func(c *Conn) error { return c.Abort(AlertAccessDenied, nil) }, nil},
}

// An answer beside the end of the connection, on another goroutine: whatever comes
// first, there is no race and no second life.
func TestAnswersBesideTheEnd(t *testing.T) {
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			forEachHalt(t, func(t *testing.T, _ *halt, w *halted) {
				var answering sync.WaitGroup
				answering.Go(w.op.complete)
				if err := e.end(w.conn); err != nil {
					t.Fatal(err)
				}
				answering.Wait()
				w.wantEnd(e.want)
				if n := w.woke.Load(); n > 1 {
					t.Errorf("woken %d times", n)
				}
			})
		})
	}
}

// wantEnd checks that the connection stays at its end.
func (w *halted) wantEnd(want error) {
	w.t.Helper()
	first := w.conn.Handshake()
	var local *LocalAlertError
	if want != nil && first != want || want == nil && !errors.As(first, &local) {
		w.t.Fatalf("after the end: %v", first)
	}
	if again := w.conn.Handshake(); again != first || w.conn.ws.suspended != 0 || w.conn.Wants() != 0 || w.conn.Pending() != 0 {
		w.t.Fatalf("after the end: %v and %v, wants %v, pending %v", first, again, w.conn.Wants(), w.conn.Pending())
	}
}

// An answer after the end of the connection has no effect, and who is to give it
// can see that nobody waits.
func TestAnswersAfterTheEnd(t *testing.T) {
	for _, e := range endings {
		for how, answer := range map[string]func(*halted){
			"completed": func(w *halted) { w.op.complete() },
			"failed":    func(w *halted) { w.op.fail(errors.New("no")) },
		} {
			t.Run(e.name+", "+how, func(t *testing.T) {
				forEachHalt(t, func(t *testing.T, _ *halt, w *halted) {
					if err := e.end(w.conn); err != nil {
						t.Fatal(err)
					}
					if !w.op.abandoned() {
						t.Error("the operation is not abandoned")
					}
					sent := len(w.side.tr.out.bytes)
					answer(w)
					w.wantEnd(e.want)
					w.wantOver(0)
					if len(w.side.tr.out.bytes) != sent {
						t.Error("something was sent after the end")
					}
				})
			})
		}
	}
}

// The peer ends the handshake while a signature is pending: its alert is found as
// the output fails, and the signature that comes later has no effect.
func TestAnswerAfterAnAlertOfThePeer(t *testing.T) {
	w := haltNamed("server's signature").reach(t, newCast(t), tls.VersionTLS13)
	w.client.conn.queueAlert(AlertHandshakeFailure)
	if err := w.client.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	c := w.conn
	c.queueChangeCipherSpec() // any output will do
	w.server.tr.writeErr = io.ErrClosedPipe
	err := c.Handshake()
	wantPeerAlert(t, "server", err, AlertHandshakeFailure)
	if !w.op.abandoned() {
		t.Error("the operation is not abandoned")
	}
	w.op.complete()
	if again := c.Handshake(); again != err {
		t.Errorf("after the answer: %v", again)
	}
	w.wantOver(0)
}

// Each kind of operation has an alert for failures that name none.
func TestFailuresOfOperations(t *testing.T) {
	reason := errors.New("the database is down")
	named := &LocalAlertError{Alert: AlertAccessDenied, Err: reason}
	for name, tt := range map[string]struct {
		err   error
		alert Alert // 0 for the operation's own
	}{
		"without an alert":             {reason, 0},
		"with one":                     {named, AlertAccessDenied},
		"with one, wrapped":            {fmt.Errorf("look-up: %w", named), AlertAccessDenied},
		"without a reason":             {nil, 0},
		"with what looks like a want":  {ErrWantRead, 0},
		"with what looks like the end": {fmt.Errorf("database: %w", io.EOF), 0},
	} {
		t.Run(name, func(t *testing.T) {
			forEachHalt(t, func(t *testing.T, h *halt, w *halted) {
				elsewhere(func() { w.op.fail(tt.err) })
				w.op.complete()
				alert := tt.alert
				if alert == 0 {
					alert = h.alert
				}
				err := w.conn.Handshake()
				wantAlert(t, w.side.name, err, alert)
				if isWant(tt.err) && errors.Is(err, tt.err) || errors.Is(err, io.EOF) {
					t.Errorf("%v passes for %v", err, tt.err)
				} else if !isWant(tt.err) && !errors.Is(tt.err, io.EOF) && tt.err != nil && !errors.Is(err, reason) {
					t.Errorf("%v does not tell the reason", err)
				}
				if ErrorCode(err) != CodeSSL {
					t.Errorf("ErrorCode = %v", ErrorCode(err))
				}
				w.wantEnd(nil)
				w.wantOver(1)
				if h.op == OpSession && h.role == RoleClient {
					return // the server does not even know of a client
				}
				if h.role == RoleServer {
					wantPeerAlert(t, "client", w.pair.end(w.client), alert)
				} else {
					wantPeerAlert(t, "server", w.pair.end(w.server), alert)
				}
			})
		})
	}
}

// end reads until the connection ends.
func (p *pair) end(s *side) error {
	p.t.Helper()
	return p.until(s, "read to the end", func() error {
		for {
			if err := s.read(100); err != nil {
				return err
			}
		}
	})
}

// A peer that a server no longer trusts does not resume, and may yet show that it
// deserves it.
func TestFailedVerificationOfAResumedClient(t *testing.T) {
	cast := newCast(t)
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) { failVerificationOfAResumedClient(t, cast, version) })
	}
}

func failVerificationOfAResumedClient(t *testing.T, cast *cast, version uint16) {
	s := newScene(cast)
	s.only(version)
	s.remember()
	s.require()
	s.client.Certificates = []tls.Certificate{s.cast.client}
	p := s.open(t, 1)
	p.handshake()
	p.send(p.server, []byte("behind a ticket"))
	s.server = cloneConfig(s.server)
	asked := 0
	s.server.VerifyPeerLater = func(peer *Peer, answer *Completion[struct{}]) {
		asked++
		park(s.ops, "judge", answer, func() {
			if peer.Resumed {
				answer.Fail(errors.New("this session was revoked"))
			}
			answer.Complete(struct{}{})
		})
	}
	p = s.open(t, 2)
	p.handshake()
	p.send(p.server, []byte("an answer"))
	if got, want := p.server.facts(), "resumed false, signed Ed25519 and Ed25519, 1 certificates in 1 chains"; got != want || asked != 2 {
		t.Errorf("asked %d times:\n got %s\nwant %s", asked, got, want)
	}
}

// An answer within the callback makes nobody wait, and wakes nobody.
func TestAnswersWithinTheCallback(t *testing.T) {
	cast := newCast(t)
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) { answerWithinTheCallback(t, cast, version) })
	}
}

func answerWithinTheCallback(t *testing.T, cast *cast, version uint16) {
	s := newScene(cast)
	s.only(version)
	s.ops.eager = true
	s.everyCallback()
	for n := range uint64(2) {
		p := s.open(t, n)
		p.client.conn.SetWake(func() { t.Error("the client is woken") })
		p.server.conn.SetWake(func() { t.Error("the server is woken") })
		for range 10 {
			for _, s := range []*side{p.client, p.server} {
				if err := s.conn.Handshake(); err == ErrWantApp {
					t.Fatalf("%s: has to wait%v", s.name, p)
				}
			}
		}
		p.handshake()
		p.send(p.server, []byte("an answer"))
	}
}

// Completions are good for one answer also where no connection waits.
func TestCompletionTakesOneAnswer(t *testing.T) {
	completed, failed := new(Completion[int]), new(Completion[int])
	if !completed.Complete(1) || completed.Complete(2) || completed.Fail(nil) || completed.value != 1 || completed.err != nil {
		t.Errorf("%+v", completed)
	}
	if !failed.Fail(nil) || failed.Complete(2) || failed.Fail(io.EOF) || failed.value != 0 || failed.err != errNoReason {
		t.Errorf("%+v", failed)
	}
}

// Who asks whether its work is still wanted hears the same after it has answered.
func TestAbandonedStays(t *testing.T) {
	p := newSuspended(t)
	var kept *Completion[[]byte]
	p.untilApp()
	kept = p.server.conn.hs.(*server13).signing
	_ = p.server.conn.Close()
	if !kept.Abandoned() || !kept.Complete(nil) || !kept.Abandoned() || kept.Complete(nil) {
		t.Error("an answer after Close changes what Abandoned says, or counts twice")
	}
}

func TestTicketKeysWithoutAClockGoByTheWallClock(t *testing.T) {
	keys := NewTicketKeys(nil)
	ticket, err := keys.SealTicket([]byte("state"))
	if err != nil || len(ticket) == 0 {
		t.Fatalf("%d bytes, %v", len(ticket), err)
	}
	c := new(Completion[[]byte])
	keys.OpenTicket(ticket, c)
	if string(c.value) != "state" {
		t.Errorf("opened %q", c.value)
	}
}
