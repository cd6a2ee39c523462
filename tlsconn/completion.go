package tlsconn

import "sync/atomic"

// Completion is the one-shot answer of an operation that a callback of the Config
// has been asked for: the callback completes it before it returns, or keeps it and
// has it completed later, from any goroutine; until then the connection's calls
// return ErrWantApp. The first of Complete and Fail counts, later ones do nothing,
// and neither does one that comes after the connection has ended.
type Completion[T any] struct {
	suspension
	value T
}

// Complete answers with value, which the connection may keep. It reports whether
// this was the first answer. It wakes the connection's owner (Conn.SetWake).
func (c *Completion[T]) Complete(value T) bool { return c.finish(value, nil) }

// Fail ends the operation, and with it the handshake, with err. If err is or wraps
// a *LocalAlertError its alert is sent, else that of the operation's documentation.
func (c *Completion[T]) Fail(err error) bool {
	if err == nil {
		err = errNoReason
	}
	var none T
	return c.finish(none, err)
}

// Abandoned reports whether nobody waits for the answer any more, since the
// connection has ended: work on it can stop.
func (c *Completion[T]) Abandoned() bool { return phase(c.phase.Load()) == phaseAbandoned }

func (c *Completion[T]) finish(value T, err error) bool {
	if !c.claimed.CompareAndSwap(false, true) {
		return false
	}
	c.value, c.err = value, err
	for {
		was := phase(c.phase.Load())
		if was == phaseAbandoned {
			return true // and stays so: nobody will take it
		}
		if c.phase.CompareAndSwap(uint32(was), uint32(phaseEnded)) {
			if was == phaseWaiting && c.wake != nil {
				c.wake()
			}
			return true
		}
	}
}

// take returns the answer once it is there (ok), and ends the operation.
func (c *Completion[T]) take(hs *handshake) (value T, ok bool, err error) {
	if !c.ended() {
		return value, false, nil
	}
	hs.forget()
	return c.value, true, c.err
}

// suspension is the part of a Completion that the engine sees whatever its type.
// The goroutine that claims it writes the answer and then stores phaseEnded; the
// Conn reads the answer only after it has seen that.
type suspension struct {
	kind    Operation
	claimed atomic.Bool
	phase   atomic.Uint32
	err     error
	wake    func()
}

// phase is how far an operation is.
type phase uint32

const (
	phaseAsking    phase = iota // the callback has not returned: who answers need not wake anybody
	phaseWaiting                // the Conn's calls return ErrWantApp
	phaseEnded                  // the answer is there
	phaseAbandoned              // nobody wants it any more
)

func (s *suspension) ended() bool { return phase(s.phase.Load()) == phaseEnded }
