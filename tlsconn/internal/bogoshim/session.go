package main

import (
	"errors"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// process is what lives as long as the shim: the connections of a test share it.
type process struct {
	// now is the time for the engine, which only passes when the test says so.
	now time.Time
	// ticketKey is a server's.
	ticketKey *ticketKey
	// session is the last one that a client got on the connection before, if any.
	session *tlsconn.Session
}

func newProcess(set *settings) (*process, error) {
	key, err := newTicketKey(set.ticketKey)
	return &process{now: time.Now(), ticketKey: key}, err
}

func (p *process) time() time.Time { return p.now }

// sessionName is what all sessions are kept under.
const sessionName = "the runner"

// sessions is the tlsconn.SessionCache of one connection of a client: it offers
// the session of the connection before, and keeps the last one that it gets.
type sessions struct {
	offer, got *tlsconn.Session
	pending    *pending
}

func (s *sessions) GetSession(key string, c *tlsconn.Completion[*tlsconn.Session]) {
	answer(s.pending, askSession, c, func() (*tlsconn.Session, error) {
		if key != sessionName {
			return nil, broken("a session of %q was asked for", key)
		}
		return s.offer, nil
	})
}

func (s *sessions) PutSession(_ string, session *tlsconn.Session) { s.got = session }

// errNoOffer fails a resumption whose client has nothing to resume.
var errNoOffer = errors.New("no session to offer")
