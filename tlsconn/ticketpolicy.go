package tlsconn

import (
	"bytes"
	"crypto/tls"
	"time"
)

// This file is a server's side of resumption in both versions: what of a connection is
// remembered, and who gets to continue it.

// openTicket asks, once, for the state in a ticket, and takes it when it is there (ok).
func (hs *handshake) openTicket(asked **Completion[[]byte], ticket []byte) (state []byte, ok bool, err error) {
	p, _ := hs.c.config.prepare()
	return hs.stateOf(asked, OpTicket, ticket, p.tickets.OpenTicket)
}

// stateOf asks, once, for the state of a session that a client names, and takes it when it
// is there (ok).
func (hs *handshake) stateOf(asked **Completion[[]byte], kind Operation, name []byte, open func([]byte, *Completion[[]byte])) (state []byte, ok bool, err error) {
	if *asked == nil {
		name := bytes.Clone(name)
		if *asked, err = ask(hs, kind, func(c *Completion[[]byte]) { open(name, c) }); err != nil {
			return nil, true, err
		}
	}
	state, ok, err = (*asked).take(hs)
	if ok {
		*asked = nil
	}
	if err != nil {
		err = failed(err, AlertInternalError, kind.String())
	}
	return state, ok, err
}

// sessionOf returns the session that state says, if a server may resume it here and now
// and it fits the version's rules; else nil. No session gets over a trust policy
// (CVE-2025-23419, CVE-2025-68121). It clears state.
func (c *Conn) sessionOf(state []byte, fits func(*session) bool) *session {
	if len(state) == 0 {
		return nil
	}
	s, err := parseSession(state)
	clear(state)
	if err != nil {
		return nil // of another version of this program
	}
	if !c.permits(s) || !fits(s) {
		clear(s.psk)
		return nil
	}
	return s
}

// permits tells whether a session is what would be agreed on now, under the policy of
// now.
func (c *Conn) permits(s *session) bool {
	p, _ := c.config.prepare()
	f := &c.facts
	if !s.fresh(p.now()) || s.serverName != f.serverName || s.protocol != f.protocol ||
		s.scope != c.config.SessionScope || s.clientAuth != c.config.ClientAuth {
		return false
	}
	if len(s.chain) > 0 && !p.takes(s.clientType()) {
		return false
	}
	switch c.config.ClientAuth {
	case tls.RequireAnyClientCert, tls.RequireAndVerifyClientCert:
		return len(s.chain) > 0
	case tls.NoClientCert, tls.RequestClientCert, tls.VerifyClientCertIfGiven:
	}
	return true
}

// serverSession is what a server remembers of this connection, but for the secrets; ok is
// false if there is nothing to remember that would be of use.
func (hs *parties) serverSession() (s session, ok bool) {
	p, _ := hs.c.config.prepare()
	s = hs.agreed()
	s.scope, s.clientAuth = hs.c.config.SessionScope, hs.c.config.ClientAuth
	s.rawKey = len(hs.chain) > 0 && hs.peerIsRaw()
	s.created, s.lifetime = p.now(), p.ticketLifetime
	if hs.session != nil {
		// A ticket got with a ticket: it does not prolong for ever what was proved once.
		whole := maxTicketLifetime
		if s.version == tls.VersionTLS12 {
			// Nor at all where there is no new key exchange: who learns the master secret has
			// all connections of the session (RFC 5246 F.1.4).
			whole = p.ticketLifetime
		}
		left := s.authenticated.Add(whole).Sub(s.created).Truncate(time.Second)
		s.lifetime = min(s.lifetime, left)
	}
	return s, s.lifetime > 0 && s.fitsTicket()
}
