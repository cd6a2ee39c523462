package reactor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A handshake may await an operation outside: a private key in another process, a worker's signature, an
// answer to a callback of the Config. What ends it is a post to the loop by handle, from any goroutine. A
// thousand answers may come at once, from a key that was away for a while, so the post only queues the
// connection, and the turn's budget of handshakes takes it from there.

// wakeByHandle has the engine tell the loop when an operation has ended. Every TLS connection gets this
// closure of 24 bytes, because any may have to wait: an InspectClientHello or GetCertificate can answer
// with a key that nobody knew of before.
func (c *Conn) wakeByHandle() {
	h := c.Handle()
	c.tls.SetWake(func() { h.loop.push(&post{token: h.token, onConn: (*Conn).operationEnded}) })
}

// operationEnded queues a handshake that can go on. A wake-up that comes late, for an operation whose end
// was seen already, finds another one pending, or nothing to wait for.
func (c *Conn) operationEnded() {
	if c.phase == phaseHandshaking && c.tls.Pending() == 0 {
		c.loop.answered = append(c.loop.answered, c.token())
	}
}

// serveAnswered goes on with up to limit of the handshakes whose operation has ended, first come first,
// and returns how many of them there were.
func (l *Loop) serveAnswered(limit int) int {
	n := min(limit, len(l.answered))
	for _, token := range l.answered[:n] {
		if c := l.table.find(token); c != nil && c.phase == phaseHandshaking {
			c.touch()
			l.serveHandshake(c, 0)
		}
	}
	l.answered = slices.Delete(l.answered, 0, n)
	return n
}

// followOperation notes what c's handshake awaits now, and gives it its deadline: the one entry that a
// connection has among the timers is the earlier of the operation's and the handshake's.
func (l *Loop) followOperation(c *Conn) {
	op := c.tls.Pending()
	if op == c.awaits {
		return
	}
	l.setAwaits(c, op)
	due := l.handshakeEnd(c)
	if op != 0 {
		due = min(due, l.now+l.reactor.config.OperationTimeout)
	}
	l.setTimer(c, due)
}

// setAwaits is the one place where Conn.awaits changes, and what counts it. Its callers see to the deadline.
func (l *Loop) setAwaits(c *Conn, op tlsconn.Operation) {
	if c.awaits != 0 {
		l.counters.pendingOperations.Add(^uint64(0)) // less one
	}
	if op != 0 {
		l.counters.pendingOperations.Add(1)
		l.counters.suspensions.Add(1)
	}
	c.awaits = op
}

// ErrOperationTimeout is why a connection ended whose handshake awaited an operation for longer than
// Config.OperationTimeout. The error that Closed gets wraps it, and says which operation.
var ErrOperationTimeout = errors.New("reactor: an operation of the handshake was not answered in time")

// handshakeEnd is the absolute deadline of c's handshake.
func (l *Loop) handshakeEnd(c *Conn) time.Duration {
	return c.active + l.reactor.config.HandshakeTimeout
}

// handshakeExpired acts on the deadline of a handshake, or on that of the operation which it awaits.
func (l *Loop) handshakeExpired(c *Conn) {
	if c.reason != 0 {
		return
	}
	op, end, patience := c.tls.Pending(), l.handshakeEnd(c), l.reactor.config.OperationTimeout
	switch {
	case l.now >= end && op != 0:
		c.finish(ReasonHandshakeTimeout, fmt.Errorf("reactor: the handshake still awaited an operation at its deadline: %v", op))
	case l.now >= end:
		c.finish(ReasonHandshakeTimeout, nil)
	case op == 0:
		l.setTimer(c, end) // the answer has come in this moment, and the wake-up is on its way
	default:
		err := fmt.Errorf("%w: %v, awaited for %v", ErrOperationTimeout, op, patience)
		_ = c.tls.Abort(tlsconn.AlertInternalError, err) // the alert is flushed once more, and told of there
		c.finish(ReasonOperationTimeout, err)
	}
}
