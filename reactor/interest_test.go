package reactor

import (
	"testing"

	"github.com/tlsreactor/tlsreactor/poller"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

func TestInterestOf(t *testing.T) {
	const (
		r, w, app = tlsconn.WantRead, tlsconn.WantWrite, tlsconn.WantApp
		in, out   = poller.Readable, poller.Writable
	)
	for _, c := range []struct {
		name  string
		s     situation
		want  poller.Interest
		watch bool
	}{
		{"a connect in progress ends with writability", situation{phase: phaseConnecting}, out, true},
		{"a handshake that wants to read", situation{phase: phaseHandshaking, wants: r}, in, true},
		{"a handshake that wants to write", situation{phase: phaseHandshaking, wants: w}, out, true},
		{"a handshake is read although the program paused",
			situation{phase: phaseHandshaking, wants: r, paused: true}, in, true},
		{"a handshake that awaits an operation only cares whether the peer leaves",
			situation{phase: phaseHandshaking, wants: app}, poller.HalfClose, true},
		{"an idle connection is read", situation{phase: phaseOpen, wants: r}, in, true},
		{"pending output", situation{phase: phaseOpen, wants: r | w}, in | out, true},
		{"a paused connection is not read", situation{phase: phaseOpen, wants: r, paused: true}, 0, true},
		{"a paused connection flushes", situation{phase: phaseOpen, wants: r | w, paused: true}, out, true},
		{"after the end of input there is nothing to read", situation{phase: phaseOpen}, 0, true},
		{"a hang-up while nothing is wanted mutes", situation{phase: phaseOpen, hungUp: true}, 0, false},
		{"a hang-up of a paused connection mutes",
			situation{phase: phaseOpen, wants: r, paused: true, hungUp: true}, 0, false},
		{"a hang-up is heard again when reading is wanted",
			situation{phase: phaseOpen, wants: r, hungUp: true}, in, true},
		{"a hang-up does not keep output from failing",
			situation{phase: phaseOpen, wants: w, paused: true, hungUp: true}, out, true},
		{"a closing connection first flushes", situation{phase: phaseFlushing, wants: w}, out, true},
		{"a closing connection then discards, though paused",
			situation{phase: phaseLingering, paused: true, hungUp: true}, in, true},
		{"a closed connection is in no poller", situation{phase: phaseClosed, wants: r}, 0, false},
		{"nor is one that is gone", situation{phase: phaseGone}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, watch := interestOf(c.s)
			if got != c.want || watch != c.watch {
				t.Errorf("interestOf(%+v) = %v, %v; want %v, %v", c.s, got, watch, c.want, c.watch)
			}
		})
	}
}
