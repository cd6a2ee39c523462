package tlsconn

import (
	"bytes"
	"errors"
	"testing"
)

// leakySealer keeps what it is lent, to look at it after the call, and fails or not.
type leakySealer struct {
	lent   []byte
	copied []byte
	err    error
}

func (l *leakySealer) SealTicket(state []byte) ([]byte, error) {
	l.lent, l.copied = state, bytes.Clone(state)
	return []byte("a ticket"), l.err
}

func (l *leakySealer) OpenTicket(_ []byte, answer *Completion[[]byte]) { answer.Complete(l.copied) }

// The state of a ticket holds the PSK: nothing of it is left behind, on no way out.
func TestTicketStateIsCleared(t *testing.T) {
	for _, err := range []error{nil, errors.New("no key")} {
		r := newResumption(t)
		sealer := &leakySealer{err: err}
		r.server.Tickets = sealer
		p := newPair(t, cloneConfig(&r.client), cloneConfig(&r.server))
		_, serverErr := p.failHandshake()
		if !errors.Is(serverErr, err) {
			t.Fatal(serverErr)
		}
		if len(sealer.lent) == 0 || cap(sealer.lent) != len(sealer.lent) {
			t.Errorf("%d bytes of state, with room for %d", len(sealer.lent), cap(sealer.lent))
		}
		if !bytes.Equal(sealer.lent, make([]byte, len(sealer.lent))) {
			t.Errorf("with error %v: the state is left as it was", err)
		}
		if err != nil {
			continue
		}
		p.drain(p.client)
		r.want("the next connection", true)
		// That one took the state out of its ticket, and sealed another.
		r.server.SessionScope = "another"
		opened := sealer.copied
		r.want("under another policy", false)
		if !bytes.Equal(opened, make([]byte, len(opened))) {
			t.Error("the state that was refused is left as it was")
		}
	}
}
