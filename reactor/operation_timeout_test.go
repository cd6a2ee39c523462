package reactor

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// timeouts are those of the tests below.
func timeouts(clock *fakeClock) Config {
	return Config{Clock: clock.Now, HandshakeTimeout: 10 * time.Second, OperationTimeout: 3 * time.Second}
}

func TestOperationThatIsNotAnsweredEndsAtItsDeadline(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, timeouts(clock))
	config, asked, sign := distantServer()
	p := newProbe()
	conn, done := handshake(t, serve(t, r, config, p))
	q := <-asked
	turn(t, r) // the loop has seen that it waits
	clock.advance(t, r, 3*time.Second-1)
	if len(p.closed) > 0 {
		t.Fatalf("closed too early: %v", <-p.closed)
	}
	clock.advance(t, r, 1)
	// The client learns that it is not its own fault.
	if err := <-done; err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("the client's error: %v, want the alert internal_error", err)
	}
	conn.Close() // it ends in order: the alert, FIN, and then the peer's
	err := p.wantClosed(t, ReasonOperationTimeout)
	if !errors.Is(err, ErrOperationTimeout) || !strings.Contains(err.Error(), "sign") || !strings.Contains(err.Error(), "3s") {
		t.Errorf("error %v, want which operation and how long", err)
	}
	if !q.Abandoned() {
		t.Error("whoever has the key is not told that nobody waits")
	}
	sign(q)
	turn(t, r)
	if n := r.Counters(); n.PendingOperations != 0 || n.HandshakesFailed != 1 || n.Closed[ReasonOperationTimeout] != 1 {
		t.Errorf("counters: %+v", n)
	}
}

// The handshake's own deadline stays where it is, before the operation's and after it.
func TestOperationDoesNotExtendTheHandshake(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, timeouts(clock))
	config, asked, sign := distantServer()
	t.Run("the operation begins shortly before the handshake's deadline", func(t *testing.T) {
		p := newProbe()
		accepted := make(chan struct{})
		peer := dialTCP(t, serveEach(t, r, config, func(*Conn) Handler { close(accepted); return p }))
		<-accepted
		turn(t, r)
		clock.advance(t, r, 8*time.Second)
		helloAndHold(t, peer, 1<<20)
		<-asked
		turn(t, r)
		clock.advance(t, r, 2*time.Second-1)
		if len(p.closed) > 0 {
			t.Fatalf("closed too early: %v", <-p.closed)
		}
		clock.advance(t, r, 1)
		if err := p.wantClosed(t, ReasonHandshakeTimeout); err == nil || !strings.Contains(err.Error(), "sign") {
			t.Errorf("error %v, want which operation was pending", err)
		}
	})
	t.Run("the operation is answered and the client goes on sleeping", func(t *testing.T) {
		p := newProbe()
		peer := dialTCP(t, serve(t, r, config, p))
		helloAndHold(t, peer, 1<<20)
		q := <-asked
		turn(t, r)
		clock.advance(t, r, 2*time.Second)
		sign(q)
		// The flight is here: without the signature there are no more than ServerHello,
		// EncryptedExtensions and Certificate, which stay unsealed.
		_, err := io.ReadFull(peer, make([]byte, 400))
		must(t, err)
		turn(t, r)
		clock.advance(t, r, 8*time.Second-1)
		if len(p.closed) > 0 {
			t.Fatalf("closed too early: %v", <-p.closed)
		}
		clock.advance(t, r, 1)
		if err := p.wantClosed(t, ReasonHandshakeTimeout); err != nil {
			t.Errorf("error %v, although nothing of ours was pending", err)
		}
	})
}

// The deadline is each operation's own.
func TestEachOperationHasTheWholeTime(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, timeouts(clock))
	config, asked, sign := distantServer()
	inspections := make(chan *tlsconn.Completion[*tlsconn.Config], 1)
	config.InspectClientHello = func(_ *tlsconn.ClientHello, answer *tlsconn.Completion[*tlsconn.Config]) {
		inspections <- answer
	}
	conn, done := handshake(t, serveEach(t, r, config, func(*Conn) Handler { return &echoes{} }))
	inspection := <-inspections
	turn(t, r)
	clock.advance(t, r, 2*time.Second)
	inspection.Complete(nil)
	q := <-asked
	turn(t, r)
	clock.advance(t, r, 2*time.Second)
	sign(q)
	must(t, <-done)
	exchange(t, conn, 1000)
	if n := r.Counters(); n.Suspensions != 2 || n.PendingOperations != 0 {
		t.Errorf("counters: %+v", n)
	}
}

// The deadline and the answer come in one turn: the answer counts.
func TestAnswerInTheMomentOfTheDeadline(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, timeouts(clock))
	config, asked, sign := distantServer()
	conn, done := handshake(t, serveEach(t, r, config, func(*Conn) Handler { return &echoes{} }))
	q := <-asked
	turn(t, r)
	release := holdLoop(t, r.Loops()[0])
	sign(q)
	clock.mu.Lock()
	clock.now = clock.now.Add(3 * time.Second)
	clock.mu.Unlock()
	release()
	must(t, <-done)
	exchange(t, conn, 1000)
}

// What is closed already has no deadline to miss, although its timer comes up in the same turn.
func TestClosedHandshakeHasNoOperationToEnd(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, timeouts(clock))
	config, asked, _ := distantServer()
	p := newProbe()
	var c *Conn
	peer := dialTCP(t, serveEach(t, r, config, func(accepted *Conn) Handler { c = accepted; return p }))
	helloAndHold(t, peer, 1<<20)
	<-asked
	turn(t, r)
	release := holdLoop(t, c.Loop())
	must(t, c.Loop().Post(func() { c.Close() }))
	clock.mu.Lock()
	clock.now = clock.now.Add(3 * time.Second)
	clock.mu.Unlock()
	release()
	p.wantClosed(t, ReasonClosed)
}
