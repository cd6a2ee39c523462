package reactor

import (
	"slices"

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

// followOperation notes what c's handshake awaits now.
func (l *Loop) followOperation(c *Conn) {
	if op := c.tls.Pending(); op != c.awaits {
		l.setAwaits(c, op)
	}
}

// setAwaits is the one place where Conn.awaits changes, and what counts it.
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
