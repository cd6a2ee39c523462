package tlsconn

import "errors"

// errAborted stands for the reason of an Abort that came without one.
var errAborted = errors.New("aborted by the owner")

// Abort ends the connection from our side, at any time: before, within or after the
// handshake, and while an operation is pending, which it abandons. So an owner's
// deadline ends a handshake that waits for an operation. alert is queued behind the
// output that is pending already, under the keys of the moment; it has to be an error
// alert (RFC 8446 6.2), or user_canceled, which a close_notify follows (6.1).
// AlertCloseNotify is refused with ErrClosureAlert, and the connection goes on:
// CloseWrite is for that. What was received and not read is dropped.
//
// Every later call returns the *LocalAlertError that names alert and wraps reason.
// Abort itself returns nil once the transport has taken all output, ErrWantWrite
// until then (repeat it, or call Flush), or the transport's error. On a connection
// that has failed already it only flushes, and the first failure stays. After
// CloseWrite the peer is told nothing more (6.1). After Close it returns ErrClosed,
// and to a callback of the connection's own ErrReentrant.
func (c *Conn) Abort(alert Alert, reason error) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	if alert == AlertCloseNotify {
		return ErrClosureAlert
	}
	if reason == nil {
		reason = errAborted
	}
	c.fail(&LocalAlertError{Alert: alert, Err: reason})
	return c.flush()
}
