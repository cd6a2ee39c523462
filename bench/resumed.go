package main

import (
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A purse is the load client's cache: every connection takes the session that was put in last, and
// puts the one that its own ticket is for back in. tlsconn.NewSessionCache keeps four for a server,
// which connections made 32 at a time would share with full handshakes. It belongs to the loop.
type purse struct{ sessions []*tlsconn.Session }

// GetSession answers with a session that nobody has taken before, or nil.
func (p *purse) GetSession(_ string, answer *tlsconn.Completion[*tlsconn.Session]) {
	n := len(p.sessions)
	if n == 0 {
		answer.Complete(nil)
		return
	}
	s := p.sessions[n-1]
	p.sessions = p.sessions[:n-1]
	answer.Complete(s)
}

// PutSession adds a session.
func (p *purse) PutSession(_ string, s *tlsconn.Session) { p.sessions = append(p.sessions, s) }

// prime makes n full handshakes, all at once, whose tickets resumed needs: one from each.
func (c *crew) prime(n int) error {
	c.purse.sessions = nil // between two jobs nobody else looks into it
	if err := c.connect(&handshakes{crew: c, left: n, config: c.resuming}, n); err != nil {
		return err
	}
	return c.checkTickets(n)
}

// resumed makes n handshakes that resume, a number of them at a time. Each connection gets another
// ticket, as the full handshakes have, so that in the end there are as many as before.
func (c *crew) resumed(n, parallel int) error {
	if len(c.purse.sessions) < min(n, parallel) {
		return fmt.Errorf("%d connections at a time with %d tickets", parallel, len(c.purse.sessions))
	}
	before := len(c.purse.sessions)
	if err := c.connect(&handshakes{crew: c, left: n, config: c.resuming, resumed: true}, parallel); err != nil {
		return err
	}
	return c.checkTickets(before)
}

// checkTickets counts the tickets after a job in which each connection took one at most.
func (c *crew) checkTickets(agreed int) error {
	if n := len(c.purse.sessions); n != agreed {
		return fmt.Errorf("unequal work: %d tickets are left, with one from each connection it were %d", n, agreed)
	}
	return nil
}
