package reactor

import (
	"github.com/tlsreactor/tlsreactor/poller"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A situation is all that a connection's poller interest depends on.
type situation struct {
	phase  phase
	wants  tlsconn.Want // what the engine, or the plain socket, needs to go on
	paused bool         // the program does not care to read
	hungUp bool         // the poller reported HungUp or Failed, and will again
}

// interestOf is the one place where wants and wishes become poller interest. watch says whether the
// descriptor shall be in the poller at all; without, it is muted.
func interestOf(s situation) (interest poller.Interest, watch bool) {
	switch s.phase {
	case phaseConnecting:
		interest = poller.Writable // the end of a non-blocking connect, connect(2)
	case phaseHandshaking:
		if s.wants&tlsconn.WantRead != 0 {
			interest |= poller.Readable
		}
		if s.wants&tlsconn.WantWrite != 0 {
			interest |= poller.Writable
		}
		if s.wants == tlsconn.WantApp {
			interest = poller.HalfClose // a client that leaves makes the operation pointless
		}
	case phaseOpen:
		if s.wants&tlsconn.WantRead != 0 && !s.paused {
			interest |= poller.Readable
		}
		if s.wants&tlsconn.WantWrite != 0 {
			interest |= poller.Writable
		}
	case phaseFlushing:
		interest = poller.Writable
	case phaseLingering:
		interest = poller.Readable
	case phaseClosed, phaseGone:
		return 0, false
	}
	return interest, interest != 0 || !s.hungUp
}
