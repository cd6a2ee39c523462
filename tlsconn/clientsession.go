package tlsconn

import (
	"sync/atomic"
	"time"
)

// This file is what a client's sessions of both versions have in common: TLS 1.3 gives
// any number of them, each with a ticket, to a connection that is complete; TLS 1.2 one
// at most, within the handshake.

// keepsSessions tells whether a client's connections begin sessions, and go on with them.
func (c *Conn) keepsSessions() bool {
	p, _ := c.config.prepare()
	return c.config.Sessions != nil && p.sessionKey != ""
}

// newSession returns what a session says of the connection: all but its secret and its
// life.
func (hs *parties) newSession() session {
	p, _ := hs.c.config.prepare()
	s := hs.agreed()
	s.scope = p.clientScope
	if hs.session != nil {
		s.failed = hs.session.failed
	}
	if s.failed == nil {
		s.failed = new(atomic.Bool)
	}
	s.ocsp, s.scts = hs.peer.OCSPResponse, hs.peer.SignedCertificateTimestamps
	return s
}

// begin has the session's life begin: as long as the server says, and as its chain is
// good, which expires at the given time, or never if that is zero. A session that
// outlived the certificate would fail where a full handshake, with the certificate that
// the server has by then, does not.
func (s *session) begin(now time.Time, lifetime time.Duration, expires time.Time) {
	s.created, s.lifetime = now, min(lifetime, maxTicketLifetime)
	if !expires.IsZero() {
		s.lifetime = min(s.lifetime, expires.Sub(now).Truncate(time.Second))
	}
}

// resumeVerified has the chain of the session's beginning verified again.
func (hs *parties) resumeVerified() (State, error) {
	hs.chain = hs.session.chain
	evidence := Peer{OCSPResponse: hs.session.ocsp, SignedCertificateTimestamps: hs.session.scts, Resumed: true}
	return StateAwaitVerification, hs.beginVerification(hs.chain, evidence)
}
