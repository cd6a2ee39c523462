package reactor

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A distantKey is a private key that somebody else has: it only tells what it was asked for.
type distantKey struct {
	crypto.PublicKey
	asked chan question
}

func (k *distantKey) Public() crypto.PublicKey { return k.PublicKey }

func (k *distantKey) SignMessage(message []byte, _ tls.SignatureScheme, answer *tlsconn.Completion[[]byte]) {
	k.asked <- question{message, answer}
}

// A question is one request for a signature with ECDSA P-256.
type question struct {
	message []byte
	*tlsconn.Completion[[]byte]
}

// distantServer returns a server's Config whose key is asked through the channel, and what answers.
func distantServer() (config *tlsconn.Config, asked chan question, sign func(question) bool) {
	key := ecdsaKey()
	cert := issue(key)
	distant := &distantKey{key.Public(), make(chan question, 1024)}
	cert.PrivateKey = distant
	return &tlsconn.Config{Certificates: []tls.Certificate{cert}}, distant.asked, func(q question) bool {
		digest := sha256.Sum256(q.message)
		signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			panic(err)
		}
		return q.Complete(signature)
	}
}

// handshake has crypto/tls make a handshake beside the test.
func handshake(t *testing.T, addr string) (conn *tls.Conn, done chan error) {
	t.Helper()
	conn, done = tls.Client(dialTCP(t, addr), stdClientConfig), make(chan error, 1)
	go func() { done <- conn.Handshake() }()
	return conn, done
}

func TestAnswersWakeTheLoop(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
	}{
		{"with workers", Config{}},
		{"without workers", Config{Workers: -1}},
		{"with an Offload of the program's", Config{Workspace: tlsconn.WorkspaceConfig{Offload: func(func()) bool { return false }}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReactor(t, tt.config)
			config, asked, sign := distantServer()
			conn, done := handshake(t, serveEach(t, r, config, func(*Conn) Handler { return &echoes{} }))
			q := <-asked
			wantQuiet(t, r, "awaiting the answer")
			if n := r.Counters(); n.PendingOperations != 1 || n.Suspensions != 1 {
				t.Errorf("counters while it is awaited: %+v", n)
			}
			if !sign(q) || sign(q) || q.Fail(io.EOF) {
				t.Error("not the first answer alone counts")
			}
			must(t, <-done)
			exchange(t, conn, 1000)
			if n := r.Counters(); n.PendingOperations != 0 || n.Suspensions != 1 || n.HandshakesCompleted != 1 {
				t.Errorf("counters in the end: %+v", n)
			}
		})
	}
}

func TestAnswersAndEndsInAnyOrder(t *testing.T) {
	tests := []struct {
		name string
		// play gets a connection that awaits q, and brings it to its end.
		play func(t *testing.T, r *Reactor, q question, sign func(question) bool, peer *net.TCPConn)
		want Reason
	}{
		{"the answer is a failure", func(_ *testing.T, _ *Reactor, q question, _ func(question) bool, _ *net.TCPConn) {
			q.Fail(errors.New("the key is gone"))
		}, ReasonProtocol},
		{"the answer comes after the peer has reset", func(t *testing.T, r *Reactor, q question, sign func(question) bool, peer *net.TCPConn) {
			sendReset(t, peer)
			for !q.Abandoned() {
				turn(t, r)
			}
			sign(q)
		}, ReasonPeerReset},
		{"the answer comes with the peer's end", func(t *testing.T, r *Reactor, q question, sign func(question) bool, peer *net.TCPConn) {
			release := holdLoop(t, r.Loops()[0])
			sign(q)
			must(t, peer.CloseWrite())
			delivered(t, peer)
			release()
		}, ReasonTruncated},
		{"the answer waits for the loop, which has the connection closed", func(t *testing.T, r *Reactor, q question, sign func(question) bool, _ *net.TCPConn) {
			onLoop(t, r.Loops()[0], func() {
				sign(q)
				for i := range r.Loops()[0].table.slots {
					r.Loops()[0].table.slots[i].conn.Close()
				}
			})
		}, ReasonClosed},
		{"the answer comes after the reactor has ended", func(t *testing.T, r *Reactor, q question, sign func(question) bool, _ *net.TCPConn) {
			abandon(r)
			if !q.Abandoned() {
				t.Error("nobody says that the answer is not awaited any more")
			}
			sign(q)
		}, ReasonShutdown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReactor(t, Config{})
			config, asked, sign := distantServer()
			p := newProbe()
			peer := dialTCP(t, serve(t, r, config, p))
			helloAndHold(t, peer, 1<<20)
			tt.play(t, r, <-asked, sign, peer)
			if err := p.wantClosed(t, tt.want); tt.want == ReasonTruncated && err != io.ErrUnexpectedEOF {
				t.Errorf("error %v", err)
			}
			if n := r.Counters(); n.PendingOperations != 0 || n.HandshakesFailed != 1 {
				t.Errorf("counters: %+v", n)
			}
		})
	}
}

// A watched is a probe that counts how often its handshake was looked at.
type watched struct {
	*probe
	looks int
}

func (w *watched) Handshaking(*Conn, tlsconn.State, tlsconn.Want) { w.looks++ }

// The next connection has the slot and the descriptor of the one that went, and awaits an operation of its
// own kind; the answer to the old one must not reach it.
func TestAnswerToADeadConnectionDoesNotTouchTheNext(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	config, asked, sign := distantServer()
	var conns []*Conn
	second := &watched{probe: newProbe()}
	first := newProbe()
	addr := serveEach(t, r, config, func(c *Conn) Handler {
		if conns = append(conns, c); len(conns) == 1 {
			return first
		}
		return second
	})
	peer := dialTCP(t, addr)
	helloAndHold(t, peer, 1<<20)
	old := <-asked
	var fd int32
	onLoop(t, l, func() { fd = conns[0].fd })

	// The wake-up is posted while the connection lives, and found by the loop when it does not.
	// The next peer is connected before, so that the loop is who gets the freed descriptor.
	release := holdLoop(t, l)
	must(t, l.Post(func() { conns[0].Reset() }))
	sign(old)
	_, done := handshake(t, addr)
	release()
	first.wantClosed(t, ReasonReset)
	q := <-asked
	looks := 0
	onLoop(t, l, func() {
		if c := conns[1]; c.slot != conns[0].slot || c.fd != fd {
			t.Errorf("slot %d and descriptor %d, want those of the first, %d and %d", c.slot, c.fd, conns[0].slot, fd)
		}
		looks = second.looks
	})
	if old.Complete(nil) || old.Fail(nil) {
		t.Error("a second answer counts")
	}
	// And a wake-up that comes as late as can be.
	must(t, Handle{l, conns[0].token()}.Post((*Conn).operationEnded))
	turn(t, r)
	onLoop(t, l, func() {
		if second.looks != looks || conns[1].awaits != tlsconn.OpSign {
			t.Errorf("looked at %d times more, awaiting %v", second.looks-looks, conns[1].awaits)
		}
	})
	sign(q)
	must(t, <-done)
}

// A wake-up for an operation whose end the loop has seen without it finds another one pending.
func TestLateWakeUpDoesNotDriveTheHandshake(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	config, asked, sign := distantServer()
	p := newProbe()
	var c *Conn
	_, done := handshake(t, serveEach(t, r, config, func(accepted *Conn) Handler { c = accepted; return p }))
	q := <-asked
	onLoop(t, l, func() {
		c.operationEnded()
		if len(l.answered) != 0 {
			t.Error("queued, although the operation is pending")
		}
	})
	sign(q)
	must(t, <-done)
	<-p.opened
	onLoop(t, l, func() {
		c.operationEnded()
		if len(l.answered) != 0 {
			t.Error("queued, although the handshake is complete")
		}
	})
}

// All answers come at once; the handshakes go on within the budget of a turn.
func TestAnswersAreServedWithinTheBudgetOfHandshakes(t *testing.T) {
	r := newReactor(t, Config{Clock: newFakeClock().Now}) // the budget of time is never spent
	l := r.Loops()[0]
	config, asked, sign := distantServer()
	addr := serveEach(t, r, config, func(*Conn) Handler { return &echoes{} })
	const storm = 3 * turnHandshakes
	var done []chan error
	var questions []question
	for range storm {
		_, d := handshake(t, addr)
		done = append(done, d)
	}
	for range storm {
		questions = append(questions, <-asked)
	}
	turn(t, r) // they are seen to wait
	release := holdLoop(t, l)
	for _, q := range questions {
		sign(q)
	}
	over := false
	most, last := 0, 0
	var count func()
	count = func() { // once a turn, before its handshakes
		left := len(l.answered)
		most, last = max(most, last-left), left
		if !over {
			l.Post(count)
		}
	}
	must(t, l.Post(count))
	release()
	for _, d := range done {
		must(t, <-d)
	}
	onLoop(t, l, func() {
		over = true
		if most > turnHandshakes || most == 0 {
			t.Errorf("%d handshakes went on in one turn, the budget is %d", most, turnHandshakes)
		}
	})
}

// Goroutines answer, fail and answer again while peers come, stay and go.
func TestAnswersBesideComingAndGoing(t *testing.T) {
	r := newReactor(t, Config{Loops: 2})
	config, asked, sign := distantServer()
	addr := serveEach(t, r, config, func(*Conn) Handler { return &echoes{} })
	var answering, asking sync.WaitGroup
	for i := range 3 {
		answering.Go(func() {
			for q := range asked {
				if i == 0 {
					q.Fail(errors.New("not today"))
				}
				sign(q)
				q.Fail(nil)
			}
		})
	}
	for i := range 4 {
		asking.Go(func() {
			for range 25 {
				raw, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				conn := tls.Client(raw, stdClientConfig)
				if i == 0 {
					go conn.Handshake()
				} else if conn.Handshake() == nil {
					conn.CloseWrite()
				}
				raw.Close()
			}
		})
	}
	asking.Wait()
	for n := r.Counters(); n.Accepted < 100 || n.ClosedTotal() < n.Accepted; n = r.Counters() {
		turn(t, r)
	}
	close(asked)
	answering.Wait()
	if n := r.Counters(); n.PendingOperations != 0 {
		t.Errorf("%d operations are pending without a connection", n.PendingOperations)
	}
}
