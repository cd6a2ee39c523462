package reactor

import (
	"github.com/tlsreactor/tlsreactor/poller"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// serve acts on an event of c.
func (l *Loop) serve(c *Conn, e poller.Event) {
	c.touch()
	if e.Is(poller.HungUp | poller.Failed) {
		c.hungUp = true
	}
	if e.Is(poller.CanWrite) {
		c.full = false
	}
	switch c.phase {
	case phaseConnecting:
		l.connected(c)
	case phaseHandshaking:
		l.serveHandshake(c, e.Ready)
	case phaseOpen:
		if e.Is(poller.Failed) && c.inputEnded && !e.Is(poller.CanWrite) {
			// Nothing more can come or go, and nothing else would find out.
			c.lost(poller.SocketError(int(c.fd)))
			return
		}
		l.serveOpen(c, e.Is(poller.CanWrite), e.Is(poller.CanRead))
	case phaseFlushing, phaseLingering:
		l.continueClose(c)
	case phaseClosed, phaseGone: // has no slot, so no event finds it
	}
}

// serveOpen calls the handler of an open connection: with room, after pending output has gone, if a
// write was refused; with input, if it cares to read.
func (l *Loop) serveOpen(c *Conn, room, input bool) {
	if c.reason != 0 {
		return
	}
	if room && c.pending() {
		if err := c.flush(); err != nil && err != tlsconn.ErrWantWrite {
			l.outputFailed(c, err)
		}
	}
	if room && c.awaitsRoom && c.reason == 0 && !c.pending() {
		c.awaitsRoom = false
		c.handler.Writable(c)
		c.touch()
	}
	if input && c.phase == phaseOpen && c.reason == 0 && !c.paused && !c.inputEnded {
		c.renewBudgets()
		before := c.readLeft
		c.handler.Received(c)
		c.touch()
		if c.outputBroken && !c.paused && c.readLeft == before {
			c.fail(c.err) // the handler does not care to hear the rest
		}
	}
}

// outputFailed ends the connection when output that was accepted earlier cannot be sent, unless there
// is input to be read first: a client that has sent everything and gone must be heard, although
// nobody takes the session ticket that TLS 1.3 sends it. The end of input, or the next write, then
// tells.
func (l *Loop) outputFailed(c *Conn, err error) {
	if c.awaitsRoom || c.inputEnded {
		_ = c.written(err) // told to the handler by its next call
		return
	}
	c.dropOutput()
}

// startTLS makes c a TLS connection of the role that start stands for and begins the handshake.
func (l *Loop) startTLS(c *Conn, start func(tlsconn.Transport, *tlsconn.Config) *tlsconn.Conn, config *tlsconn.Config) {
	c.tls = start((*socket)(c), config)
	c.wakeByHandle()
	l.setPhase(c, phaseHandshaking)
	c.active = l.now
	l.setTimer(c, l.handshakeEnd(c))
	c.touch()
	if t, ok := c.handler.(Tracer); ok {
		t.Handshaking(c, c.tls.State(), 0)
		t.Handshaking(c, c.tls.State(), c.tls.Wants())
		c.tls.SetTrace(func(state tlsconn.State) { t.Handshaking(c, state, 0) })
	}
}

// serveHandshake drives the handshake as far as it goes.
func (l *Loop) serveHandshake(c *Conn, ready poller.Ready) {
	if c.reason != 0 {
		return
	}
	const gone = poller.HalfClosed | poller.HungUp | poller.Failed
	if ready&gone != 0 && c.tls.Wants() == tlsconn.WantApp {
		c.lost(poller.SocketError(int(c.fd)))
		return
	}
	l.followOperation(c) // so that the next one is told from it
	switch err := c.tls.Handshake(); err {
	case nil:
		l.open(c)
	case tlsconn.ErrWantRead, tlsconn.ErrWantWrite, tlsconn.ErrWantApp:
		l.followOperation(c)
		if t, ok := c.handler.(Tracer); ok {
			t.Handshaking(c, c.tls.State(), c.tls.Wants())
		}
	default:
		c.fail(err)
	}
}

// open hands c to its handler.
func (l *Loop) open(c *Conn) {
	l.setPhase(c, phaseOpen)
	c.active = l.now
	if idle := l.reactor.config.IdleTimeout; idle > 0 {
		l.setTimer(c, l.now+idle)
	} else {
		l.clearTimer(c)
	}
	c.touch()
	if c.reason != 0 {
		return // the accept function ended it
	}
	c.handler.Opened(c)
	if l.state != loopRuns && c.reason == 0 {
		l.tellDraining(c)
	}
}

// expired acts on c's deadline, which means what c's phase says.
func (l *Loop) expired(c *Conn) {
	switch c.phase {
	case phaseConnecting:
		l.attemptExpired(c)
	case phaseHandshaking:
		l.handshakeExpired(c)
	case phaseOpen:
		switch {
		case c.outputBroken && c.paused:
			c.fail(c.err)
			return
		case c.hungUp && c.paused:
			c.lost(poller.SocketError(int(c.fd)))
			return
		}
		if due := c.active + l.reactor.config.IdleTimeout; due > l.now {
			l.setTimer(c, due)
			return
		}
		c.finish(ReasonIdle, nil)
	case phaseFlushing, phaseLingering:
		if c.pending() {
			resetOnClose(int(c.fd)) // what the peer has must not look whole
		}
		l.closeNow(c)
	case phaseClosed, phaseGone: // has no deadline
	}
}
