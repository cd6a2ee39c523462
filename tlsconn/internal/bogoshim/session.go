package main

import (
	"bytes"
	"errors"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// process is what lives as long as the shim: the connections of a test share it.
type process struct {
	// now is the time for the engine, which only passes when the test says so.
	now time.Time
	// ticketKey is a server's, and so are stored, the states of sessions by their ids.
	ticketKey *ticketKey
	stored    map[string][]byte
	// session is the last one that a client got on the connection before, if any.
	session *tlsconn.Session
}

func newProcess(set *settings) (*process, error) {
	key, err := newTicketKey(set.ticketKey)
	return &process{now: time.Now(), ticketKey: key, stored: make(map[string][]byte)}, err
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

// store is the tlsconn.SessionStore of one connection of a server.
type store struct {
	stored  map[string][]byte
	pending *pending
	used    bool // the connection's session has an id
}

func (s *store) GetSession(id []byte, c *tlsconn.Completion[[]byte]) {
	answer(s.pending, askStored, c, func() ([]byte, error) {
		state, ok := s.stored[string(id)]
		s.used = ok
		return bytes.Clone(state), nil
	})
}

func (s *store) PutSession(id, state []byte) {
	s.used = true
	s.stored[string(id)] = bytes.Clone(state)
}

func (s *store) RemoveSession(id []byte) { delete(s.stored, string(id)) }

// errNoOffer fails a resumption whose client has nothing to resume.
var errNoOffer = errors.New("no session to offer")
