package probe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// An attempt is the Handler, and the Tracer, of the connection to one address. The first that connects is
// the winner, and goes on to the handshake.
type attempt struct {
	*prober
	at     netip.AddrPort
	number int // from 1
	conn   *reactor.Conn

	state  tlsconn.State // that the handshake is in, or failed in
	open   bool          // the handshake is complete
	failed bool          // it never will be

	want  tlsconn.Want // that was told last, in this state
	alike int          // how often in a row it came
}

var _ reactor.Tracer = (*attempt)(nil)

// Handshaking implements reactor.Tracer. The first state comes when the socket is connected.
func (a *attempt) Handshaking(c *reactor.Conn, state tlsconn.State, want tlsconn.Want) {
	if a.winner == nil {
		a.won()
	}
	if want != 0 {
		a.wants(want)
		return
	}
	if a.alike > maxRepeats {
		a.tell(wanted{a.stamp("want"), a.want.String(), a.alike - maxRepeats - 1})
	}
	a.want, a.alike = 0, 0
	a.tell(entered{a.stamp("state"), state.String()})
	a.reached[state] = a.elapsed()
	if state == tlsconn.StateFailed {
		a.failed = true
		return
	}
	a.state = state
}

// won makes the attempt the winner and gives the others up.
func (a *attempt) won() {
	a.winner = a
	a.connectedAt = a.elapsed()
	a.tell(attempted{stamp: a.stamp("connected"), Address: a.at.String()})
	for _, other := range a.trying {
		if other != a {
			a.tell(attempted{stamp: a.stamp("abandoned"), Address: other.at.String()})
			other.conn.Reset()
		}
	}
	a.trying = nil
}

// wants tells a want, but not too often the same: the last of many tells how many there were.
func (a *attempt) wants(want tlsconn.Want) {
	if want != a.want {
		a.want, a.alike = want, 0
	}
	if a.alike++; a.alike <= maxRepeats {
		a.tell(wanted{stamp: a.stamp("want"), Want: want.String()})
	}
}

// Opened implements reactor.Handler: the handshake is complete.
func (a *attempt) Opened(c *reactor.Conn) {
	a.open = true
	a.describe()
	if !a.asked || c.ConnectionState().Version == tls.VersionTLS12 {
		a.verdict()
		return
	}
	// A server of TLS 1.3 says only now what it thinks of our having no certificate (RFC 8446 4.4.2.4):
	// with an alert, or not at all.
	c.CloseWrite()
	a.after(verdictTime, a.verdict)
}

// Received implements reactor.Handler. What the server sends by itself is of no interest.
func (a *attempt) Received(c *reactor.Conn) {
	for {
		if _, err := c.Read(c.Loop().Scratch()); err != nil {
			return
		}
	}
}

// Writable implements reactor.Handler. Nothing is written.
func (a *attempt) Writable(*reactor.Conn) {}

// Closed implements reactor.Handler.
func (a *attempt) Closed(c *reactor.Conn, reason reactor.Reason, err error) {
	switch {
	case a.ended:
	case a.winner == nil:
		a.trying = slices.DeleteFunc(a.trying, func(other *attempt) bool { return other == a })
		why := reason.String()
		if err != nil {
			why = rootCause(err).Error()
		}
		a.failures = append(a.failures, fmt.Sprintf("%v: %s", a.at, why))
		a.tell(attempted{stamp: a.stamp("failed"), Address: a.at.String(), Error: why})
		if a.number == a.tries || len(a.trying) == 0 {
			a.tryNext() // else the Connection Attempt Delay of a later one is running
		}
	case a.winner != a:
	case !a.open:
		a.describe()
		a.finish(a.explain(reason, err))
	default:
		if alert, ok := errors.AsType[*tlsconn.PeerAlertError](err); ok {
			a.finish(StatusRefused, fmt.Sprintf("the server refused after the handshake with the alert %v%s", alert.Alert, meaning(alert.Alert)))
			return
		}
		a.verdict()
	}
}
