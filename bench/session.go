package main

import (
	"bytes"
	"io"

	"github.com/tlsreactor/tlsreactor/reactor"
)

// Opened checks what the handshake has settled.
func (s *session) Opened(c *reactor.Conn) {
	state := c.ConnectionState()
	settled := outcome{state.Version, state.CipherSuite, state.Group, state.DidResume}
	if err := s.crew.agreed.check(settled, s.resumed); err != nil {
		s.crew.finish(err)
		return
	}
	s.job.opened(s)
}

// Received compares the echo with what was sent.
func (s *session) Received(c *reactor.Conn) {
	buffer := c.Loop().Scratch()
	for {
		n, err := c.Read(buffer)
		switch {
		case err == io.EOF && !s.ending:
			s.refuse("the server ended first")
			return
		case err != nil: // a want, or an end of which Closed tells
			return
		case n > s.missing:
			s.refuse("the server sent more than the echo")
			return
		}
		if at := len(s.message) - s.missing; !bytes.Equal(buffer[:n], s.message[at:at+n]) {
			s.refuse("the echo is not what was sent")
			return
		}
		if s.missing -= n; s.missing == 0 {
			s.job.echoed(s)
		}
	}
}

// Writable goes on with a message that the socket had no room for.
func (s *session) Writable(*reactor.Conn) { s.push() }

// Closed takes an end in order, and no other: both sides have sent close_notify.
func (s *session) Closed(_ *reactor.Conn, reason reactor.Reason, err error) {
	if reason != reactor.ReasonDone {
		s.refuse("a connection did not end with close_notify both ways, but: %v (%v)", reason, err)
		return
	}
	s.job.ended(s)
}
