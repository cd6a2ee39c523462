package tlsconn

import "strings"

// Want is a set of things that a connection needs. The owner maps WantRead and
// WantWrite to the poller's interest, and waits for the wake function on WantApp.
type Want uint8

// The members of Want.
const (
	// WantRead: the transport has to become readable. An established connection
	// always wants it until the peer has closed; the owner leaves it out of the
	// interest while it does not care to read.
	WantRead Want = 1 << iota
	// WantWrite: output is pending, or a client has yet to start.
	WantWrite
	// WantApp: an operation outside is pending, see Conn.Pending.
	WantApp
)

// String returns the members joined by "|", or "nothing".
func (w Want) String() string {
	var names []string
	for _, m := range []struct {
		bit  Want
		name string
	}{{WantRead, "read"}, {WantWrite, "write"}, {WantApp, "app"}} {
		if w&m.bit != 0 {
			names = append(names, m.name)
		}
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, "|")
}

// Wants is derived from the state and the pending output at each call, never
// stored. Within the handshake it names one thing at a time, as SSL_get_error
// does: pending output comes first, then a pending operation, then input.
func (c *Conn) Wants() Want {
	var w Want
	if c.out.pending() > 0 {
		w = WantWrite
	}
	switch {
	case c.closed || c.err != nil:
		return w
	case c.state == StateConnected:
		if !c.in.eof {
			w |= WantRead
		}
		return w
	case w != 0:
		return w
	case c.hs != nil && c.hs.shared().op != nil:
		return WantApp // also when it has ended, until a call takes the result
	case c.state.consumesMessage():
		return WantRead
	}
	return WantWrite
}
