package reactor

import (
	"errors"
	"io"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// finish decides that c ends, and why; the first reason stays. It is carried out when c is settled, so
// it may be called from anywhere.
func (c *Conn) finish(reason Reason, err error) {
	if c.reason == 0 {
		c.reason, c.err = reason, err
		c.touch()
	}
}

// fail ends c for an error, and returns it.
func (c *Conn) fail(err error) error {
	c.finish(reasonOf(err), err)
	return err
}

// lost ends c because the poller reported its peer gone; err is the socket's error, if it has one.
func (c *Conn) lost(err error) {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	c.fail(err)
}

// reasonOf sorts the errors of an established connection and of a handshake.
func reasonOf(err error) Reason {
	var peer *tlsconn.PeerAlertError
	var local *tlsconn.LocalAlertError
	switch {
	case err == io.ErrUnexpectedEOF:
		return ReasonTruncated
	case errors.As(err, &peer):
		return ReasonPeerAlert
	case errors.As(err, &local):
		return ReasonProtocol
	case isReset(err):
		return ReasonPeerReset
	}
	return ReasonTransport
}

// reset closes c at once, with an RST.
func (c *Conn) reset(reason Reason, err error) {
	if c.phase >= phaseClosed {
		return
	}
	c.finish(reason, err)
	if c.fd >= 0 {
		resetOnClose(int(c.fd))
	}
	c.loop.closeNow(c)
}

// beginClose starts to carry out the end that finish decided.
func (l *Loop) beginClose(c *Conn) {
	c.awaitsRoom = false
	switch {
	case c.phase == phaseConnecting:
		l.closeNow(c)
		return
	case c.phase == phaseHandshaking && c.reason != ReasonProtocol && c.reason != ReasonOperationTimeout:
		// Without keys there is nothing to say in order; an alert of ours is the exception.
		l.closeNow(c)
		return
	}
	if c.reason == ReasonIdle && l.reactor.config.IdleResets {
		resetOnClose(int(c.fd))
		l.closeNow(c)
		return
	}
	switch c.reason {
	case ReasonPeerReset, ReasonTruncated, ReasonPeerAlert, ReasonTransport,
		ReasonHandshakeTimeout, ReasonConnect, ReasonReset, ReasonShutdown:
		l.closeNow(c) // nobody takes what we could send, or it was decided not to send
		return
	case ReasonProtocol, ReasonOperationTimeout: // the engine has queued its alert
	case ReasonDone, ReasonClosed, ReasonIdle:
		if c.tls != nil && !c.outputEnded {
			// An error shows again in the flush, or is the engine's own, which has queued its alert.
			_ = c.tls.CloseWrite()
		}
	}
	l.setPhase(c, phaseFlushing)
	l.setTimer(c, l.now+l.reactor.config.CloseTimeout)
	l.continueClose(c)
}

// continueClose goes on with an orderly close: all output, FIN, then input is discarded until the peer's
// FIN. The deadline that was set for the phase ends it in any case.
func (l *Loop) continueClose(c *Conn) {
	if c.phase == phaseFlushing {
		switch err := c.flush(); {
		case err == tlsconn.ErrWantWrite:
			return
		case err != nil || shutdownWrite(int(c.fd)) != nil:
			l.closeNow(c)
			return
		}
		l.setPhase(c, phaseLingering)
		l.setTimer(c, l.now+lingerTime)
	}
	for c.discarded < lingerBytes {
		n, err := (*socket)(c).Read(l.scratch[:])
		c.discarded += int32(n)
		if err == tlsconn.ErrWouldBlock && !c.inputEnded {
			return
		}
		if err != nil {
			break
		}
	}
	l.closeNow(c)
}

// closeNow closes the descriptor and frees the slot. The handler learns of it when c is settled, outside
// of any other call.
func (l *Loop) closeNow(c *Conn) {
	if c.phase >= phaseClosed {
		return
	}
	l.unwatch(c)
	if c.fd >= 0 {
		closeDescriptor(int(c.fd))
		c.fd = -1
	}
	if c.dialing != nil {
		c.dialing.abandon()
		c.dialing = nil
	}
	l.clearTimer(c)
	l.table.remove(c)
	if c.accepted {
		l.reactor.accepted.Add(-1)
	}
	l.setPhase(c, phaseClosed)
	c.touch()
}

// bury makes the last call for c.
func (l *Loop) bury(c *Conn) {
	c.phase = phaseGone
	if c.tls != nil {
		_ = c.tls.Close() // fails only if it was closed before, or is in use, and no verb is running here
	}
	c.dropOutput()
	l.counters.closed[c.reason].Add(1)
	c.handler.Closed(c, c.reason, c.err)
}
