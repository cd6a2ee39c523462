package reactor

import "github.com/tlsreactor/tlsreactor/tlsconn"

// touch marks c to be settled at the end of the turn: some verb or event may have changed what it
// wants.
func (c *Conn) touch() {
	if !c.touched && c.phase != phaseGone {
		c.touched = true
		c.loop.touched = append(c.loop.touched, c)
	}
}

// renewBudgets gives c what it may read and write in this turn, at its first use in the turn.
func (c *Conn) renewBudgets() {
	if c.turn != c.loop.turn {
		c.turn = c.loop.turn
		c.readLeft, c.writeLeft = turnReadBytes, turnWriteBytes
	}
}

// hasWork reports whether c has something to do that epoll will not tell: decrypted bytes, whole
// records or the end of input in the engine, or room for output that only a spent budget kept from use.
func (c *Conn) hasWork() bool {
	if c.phase != phaseOpen || c.reason != 0 {
		return false
	}
	return c.owesWritable() || c.hasInput()
}

// owesWritable reports whether a write was refused that has room now.
func (c *Conn) owesWritable() bool {
	return c.awaitsRoom && !c.pending() && (c.tls != nil || !c.full)
}

// hasInput reports whether the engine has input that the handler cares to read: data, or the end of it.
// An engine that wants no input any more, while Read has not said so yet, has met the end behind
// the data that it returned last.
func (c *Conn) hasInput() bool {
	if c.tls == nil || c.paused || c.inputEnded {
		return false
	}
	return c.tls.Buffered() > 0 || c.tls.Wants()&tlsconn.WantRead == 0
}

// enqueue puts c on the ready list, to be served in the next turn.
func (l *Loop) enqueue(c *Conn) {
	if !c.queued {
		c.queued = true
		l.ready = append(l.ready, c.token())
	}
}

// serveReady serves those that were on the ready list when it began; what they put there waits for the
// next turn, so that none is served twice before the others.
func (l *Loop) serveReady() {
	serving := l.ready
	l.ready, l.served = l.served[:0], serving
	for _, token := range serving {
		c := l.table.find(token)
		if c == nil {
			continue
		}
		c.queued = false
		if c.hasWork() {
			l.serveOpen(c, c.owesWritable(), c.hasInput())
		}
	}
}
