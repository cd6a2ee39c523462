package reactor

import (
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A Handler is what the program does with a connection. Its methods run on the connection's loop, never
// two at a time, and must not block. One Handler may serve many connections if it keeps no state of
// theirs; state of one connection lives in a Handler of its own. A panic in it ends the program.
type Handler interface {
	// Opened says that c is ready for data: a plain connection is accepted or connected, a TLS
	// connection has completed its handshake. It is called at most once, before the other methods
	// except that Closed may come without it.
	Opened(c *Conn)

	// Received says that c.Read may have something: data, the end of input (io.EOF), or an error. It
	// is called again while there is more, so it may leave data unread; a handler that will not
	// read now calls PauseRead, or else is called on each turn. It may find nothing (ErrWantRead).
	Received(c *Conn)

	// Writable says that all pending output has been taken after a Write or ReadFrom had returned
	// ErrWantWrite. It is called once for each time that happened.
	Writable(c *Conn)

	// Closed is the last call: the socket is closed. err is nil for an orderly end and otherwise says
	// more than reason. No method of c does anything any more, but that Remote and ConnectionState go on
	// telling what they told.
	Closed(c *Conn, reason Reason, err error)
}

// A Drainer is a Handler that wants to end its connections itself when the reactor shuts down, for
// example after the answer that it is sending. Connections of other Handlers are closed, in order.
type Drainer interface {
	Handler
	// Draining asks for c to be closed soon. What is still open at Shutdown's deadline is reset.
	Draining(c *Conn)
}

// A Tracer is a Handler that follows the TLS handshake of its connection, accepted or dialed, step by step.
type Tracer interface {
	Handler
	// Handshaking is called with each state that the handshake enters, when want is 0, and whenever it
	// stops there, with what it wants: again for the same want if what came was not enough. Of c only the
	// addresses and ConnectionState may be used.
	Handshaking(c *Conn, state tlsconn.State, want tlsconn.Want)
}

// A Reason says why a connection was closed.
type Reason uint8

// The reasons. The zero Reason is none.
const (
	ReasonDone             Reason = iota + 1 // both directions were ended in order
	ReasonClosed                             // Close was called
	ReasonReset                              // Reset was called
	ReasonPeerReset                          // the peer reset the connection, or it was lost
	ReasonTruncated                          // a TLS stream ended without close_notify
	ReasonPeerAlert                          // the peer ended TLS with an alert
	ReasonProtocol                           // the peer broke the protocol, or was refused; it got an alert
	ReasonHandshakeTimeout                   // the handshake was not complete at its deadline
	ReasonOperationTimeout                   // an operation that the handshake awaited was not answered in time; the peer got an alert
	ReasonIdle                               // no byte moved for the idle timeout
	ReasonConnect                            // dialing failed or took too long
	ReasonTransport                          // any other error of the socket
	ReasonShutdown                           // the reactor ended
	reasonCount
)

var reasonNames = [reasonCount]string{
	"none", "done", "closed", "reset", "reset by peer", "truncated", "peer's alert", "protocol error",
	"handshake timeout", "operation timeout", "idle", "connect failed", "transport error", "shutdown",
}

// String returns a few words, such as "reset by peer".
func (r Reason) String() string {
	if r < reasonCount {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}
