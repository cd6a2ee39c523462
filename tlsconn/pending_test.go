package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// crowd is many servers of one Workspace, each of which has a client.
type crowd struct {
	t     *testing.T
	s     *scene
	ws    *Workspace
	pairs []*pair
}

// newCrowd makes one whose Workspace lets limit operations be pending.
func newCrowd(t *testing.T, limit int) *crowd {
	s := newScene(newCast(t))
	haltNamed("server's signature").set(s)
	return &crowd{t: t, s: s, ws: NewWorkspace(WorkspaceConfig{PendingOperations: limit})}
}

// join drives one more server to its signature.
func (c *crowd) join() (*pair, error) {
	c.t.Helper()
	p := newPairIn(c.t, NewWorkspace(WorkspaceConfig{}), c.ws, c.s.client, c.s.server)
	_ = p.client.conn.Handshake()
	c.pairs = append(c.pairs, p)
	return p, p.server.conn.Handshake()
}

// Each pending operation holds a handshake's memory for as long as somebody else
// likes: one too many fails, whatever is asked, and takes nobody else along.
func TestPendingOperationsAreBounded(t *testing.T) {
	c := newCrowd(t, 2)
	for i := range 2 {
		if _, err := c.join(); err != ErrWantApp {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	p, err := c.join()
	wantAlert(t, "the third", err, AlertInternalError)
	wantPeerAlert(t, "its client", p.client.conn.Handshake(), AlertInternalError)
	ops := c.s.ops.take()
	if len(ops) != 3 || !ops[2].abandoned() || ops[0].abandoned() || ops[1].abandoned() {
		t.Fatalf("%d operations were asked, or the wrong one is abandoned", len(ops))
	}
	for _, op := range ops {
		op.complete()
	}
	for _, p := range c.pairs[:2] {
		p.handshake()
	}
	if c.ws.suspended != 0 {
		t.Errorf("%d operations count as pending", c.ws.suspended)
	}
	if _, err := c.join(); err != ErrWantApp {
		t.Errorf("when there is room again: %v", err)
	}
}

// An operation that ends within its callback counts for nothing, even if no other
// may be pending.
func TestAnswersAtOnceAreNotBounded(t *testing.T) {
	c := newCrowd(t, 1)
	if _, err := c.join(); err != ErrWantApp {
		t.Fatal(err)
	}
	c.s.ops.eager = true
	p, err := c.join()
	if err != ErrWantRead {
		t.Fatalf("%v%v", err, p)
	}
	p.handshake()
	if c.ws.suspended != 1 {
		t.Errorf("%d operations count as pending", c.ws.suspended)
	}
}

// The count of pending operations goes back to zero in whatever order and way they
// and their connections end.
func TestPendingOperationsAreCountedBack(t *testing.T) {
	ways := []struct {
		name string
		end  func(*pair, parkedOperation)
	}{
		{"completed", func(p *pair, op parkedOperation) { op.complete(); p.handshake() }},
		{"failed", func(p *pair, op parkedOperation) { op.fail(errors.New("no")); _ = p.server.conn.Handshake() }},
		{"closed", func(p *pair, op parkedOperation) { _ = p.server.conn.Close(); op.complete() }},
		{"completed and closed", func(p *pair, op parkedOperation) { op.complete(); _ = p.server.conn.Close() }},
		{"aborted", func(p *pair, op parkedOperation) { _ = p.server.conn.Abort(AlertInternalError, nil) }},
		{"failed and aborted", func(p *pair, op parkedOperation) {
			op.fail(errors.New("no"))
			_ = p.server.conn.Abort(AlertInternalError, nil)
			_ = p.server.conn.Close()
		}},
	}
	orders := [][]int{{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {2, 0, 4, 1, 5, 3}, {3, 3, 0, 2, 2, 4}, {1, 5, 1, 5, 0, 0}}
	for _, order := range orders {
		for _, backwards := range []bool{false, true} { // the last one asked first, or the other way round
			t.Run(fmt.Sprint(order, backwards), func(t *testing.T) {
				c := newCrowd(t, len(order))
				for range order {
					if _, err := c.join(); err != ErrWantApp {
						t.Fatal(err)
					}
				}
				ops := c.s.ops.take()
				if backwards {
					slices.Reverse(ops)
					slices.Reverse(c.pairs)
				}
				for i, way := range order {
					if c.ws.suspended != len(order)-i {
						t.Fatalf("before the %d. ending: %d operations count as pending", i, c.ws.suspended)
					}
					ways[way].end(c.pairs[i], ops[i])
				}
				if c.ws.suspended != 0 {
					t.Fatalf("%d operations count as pending at the end", c.ws.suspended)
				}
			})
		}
	}
}

// What the peer sends while an operation is pending stays where it is: it is
// neither read nor lost, and takes no memory.
func TestInputWhileAnOperationIsPending(t *testing.T) {
	forEachHalt(t, func(t *testing.T, h *halt, w *halted) {
		tr, c := w.side.tr, w.conn
		mark, held, state := tr.in.read, c.ws.buffers.input, c.State()
		flood := bytes.Repeat([]byte{23, 3, 3, 0x40, 0}, 1<<17)
		queued := len(tr.in.bytes)
		tr.in.bytes = append(tr.in.bytes, flood...)
		tr.in.delivered = len(tr.in.bytes)
		for range 50 {
			if err := c.Handshake(); err != ErrWantApp {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("x")); err != ErrWantApp {
				t.Fatal(err)
			}
		}
		if tr.in.read != mark || c.ws.buffers.input != held || c.State() != state {
			t.Fatalf("read %d bytes, and holds %d bytes instead of %d, in state %v", tr.in.read-mark, c.ws.buffers.input, held, c.State())
		}
		// What had come before is not lost.
		tr.in.bytes, tr.in.delivered = tr.in.bytes[:queued], queued
		w.op.complete()
		w.handshake()
		w.send(w.client, []byte("a request"))
		w.send(w.server, []byte("an answer"))
	})
}

// What arrived in the same read as the message that an operation is about waits
// with it, and is judged in the state that follows.
func TestInputBehindAPendingOperation(t *testing.T) {
	w := haltNamed("verification of the server").reach(t, newCast(t), tls.VersionTLS13) // a client that has got the server's whole flight
	if w.conn.in.buf == nil && w.conn.in.messages == nil {
		t.Fatal("nothing waits behind the certificate")
	}
	w.op.complete()
	if err := w.conn.Handshake(); err != nil {
		t.Fatalf("%v%v", err, w.pair)
	}
	w.handshake()

	// A server whose client says something wrong behind its ClientHello.
	w = haltNamed("inspection").reach(t, newCast(t), tls.VersionTLS13)
	w.client.tr.out.bytes = append(w.client.tr.out.bytes, 22, 3, 3, 0, 4, 20, 0, 0, 0) // an unprotected Finished
	w.client.tr.out.delivered = len(w.client.tr.out.bytes)
	if err := w.conn.Handshake(); err != ErrWantApp {
		t.Fatal(err)
	}
	w.op.complete()
	wantAlert(t, "server", w.until(w.server, "handshake", w.conn.Handshake), AlertBadRecordMAC)
}

// A transport that ends while an operation is pending is found out behind it.
func TestTransportThatEndsWhileAnOperationIsPending(t *testing.T) {
	forEachHalt(t, func(t *testing.T, h *halt, w *halted) {
		w.side.tr.in.closed = true
		if err := w.conn.Handshake(); err != ErrWantApp {
			t.Fatal(err)
		}
		w.op.complete()
		err := w.conn.Handshake()
		for range 5 {
			if err == nil {
				err = w.side.read(100) // the handshake was complete with what had come
			}
		}
		if err == nil || isWant(err) {
			t.Fatalf("%v%v", err, w.pair)
		}
		w.wantOver(1)
	})
}
