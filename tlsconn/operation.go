package tlsconn

import (
	"strings"
	"sync/atomic"
)

// Operation is a set of kinds of work that can suspend a handshake.
type Operation uint8

// The members of Operation.
const (
	// OpSign is a signature with the own private key.
	OpSign Operation = 1 << iota
	// OpVerify is the verification of the peer's certificate chain.
	OpVerify
)

// String returns the members joined by "|", or "none".
func (o Operation) String() string {
	var names []string
	for _, m := range []struct {
		bit  Operation
		name string
	}{{OpSign, "sign"}, {OpVerify, "verify"}} {
		if o&m.bit != 0 {
			names = append(names, m.name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "|")
}

// task is one piece of work outside of the state machine, perhaps on another
// goroutine. The one that runs it writes err (and whatever work writes) and
// then stores done; the Conn reads them only after it has seen done.
type task struct {
	kind Operation
	work func() error
	err  error
	done atomic.Bool
	// gone is set when the Conn no longer cares: ending is a no-op then.
	gone atomic.Bool
	wake func()
}

// run does the work and wakes the owner. It is called once.
func (t *task) run() {
	if !t.gone.Load() {
		t.err = t.work()
	}
	t.done.Store(true)
	if !t.gone.Load() && t.wake != nil {
		t.wake()
	}
}

// start begins work of the given kind: in place, or, if it is slow and the
// Workspace has an Offload, elsewhere. The await state asks finished. work must
// touch nothing of the Conn's, which goes on living beside it.
func (hs *handshake) start(kind Operation, slow bool, work func() error) error {
	t := &task{kind: kind, work: work}
	hs.task = t
	offload := hs.c.ws.offload
	if !slow || offload == nil {
		t.run()
		return nil
	}
	t.wake = hs.wake
	if !offload(t.run) {
		hs.task = nil
		return abort(AlertInternalError, "%v: too many slow operations are waiting", kind)
	}
	return nil
}

// finished tells whether the work that start began has ended, and how. After a
// true it is forgotten.
func (hs *handshake) finished() (bool, error) {
	t := hs.task
	if !t.done.Load() {
		return false, nil
	}
	hs.task = nil
	return true, t.err
}

// Pending returns the operations that have to end before the handshake can go
// on; none outside of ErrWantApp.
func (c *Conn) Pending() Operation {
	if c.hs == nil {
		return 0
	}
	if t := c.hs.shared().task; t != nil && !t.done.Load() {
		return t.kind
	}
	return 0
}

// SetWake sets the function that is called when a pending operation has ended,
// upon which the owner repeats the call that returned ErrWantApp. It is called
// from any goroutine, at most once for each operation, possibly before the call
// that reports ErrWantApp has returned, and rarely after Close; it must not
// block nor use the Conn. Set it before the first call; without it the owner
// has to ask again on its own.
func (c *Conn) SetWake(wake func()) {
	if c.hs != nil {
		c.hs.shared().wake = wake
	}
}
