package tlsconn

import (
	"crypto/tls"
	"fmt"
	"slices"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// This file is a client's side of resumption (RFC 8446 2.2): the session that it
// offers, and the tickets that it is given.

// awaitSession looks for a session to offer.
func (hs *client13) awaitSession() (State, error) {
	p, _ := hs.c.config.prepare()
	if p.sessionKey == "" {
		return StateSendClientHello, nil
	}
	if hs.looking == nil {
		var err error
		hs.looking, err = ask(&hs.handshake, OpSession, func(c *Completion[*Session]) {
			hs.c.config.Sessions.GetSession(p.sessionKey, c)
		})
		if err != nil {
			return 0, err
		}
	}
	found, ok, err := hs.looking.take(&hs.handshake)
	switch {
	case !ok:
		return StateAwaitSession, nil
	case err != nil:
		return 0, failed(err, AlertInternalError, "session cache")
	case found == nil || !hs.offerable(found):
		return StateSendClientHello, nil
	}
	s := found.session
	s.psk = slices.Clone(s.psk) // ours to clear
	hs.session = &s
	hs.ticket, hs.id = found.ticket, found.id
	return StateSendClientHello, nil
}

// offerable tells whether a session may continue here and now. Whom the server
// proved to be when it began is verified again once it is accepted, so there has to be
// somebody. A ticket whose ClientHello could not be encoded is of no use.
func (hs *client13) offerable(found *Session) bool {
	p, _ := hs.c.config.prepare()
	s := &found.session
	return len(s.chain) > 0 && (s.failed == nil || !s.failed.Load()) && len(found.ticket) <= maxOfferedTicket && p.continues(s) && s.fresh(p.now()) &&
		s.serverName == string(sniOf(p.serverName)) && s.scope == p.clientScope
}

// continues tells whether version and suite of a session are enabled. Of the suite a
// PSK is bound to no more than the hash (RFC 8446 4.2.11).
func (p *prepared) continues(s *session) bool {
	if s.version < p.minVersion || s.version > p.maxVersion {
		return false
	}
	if s.version == tls.VersionTLS12 {
		of := suite12ByID(s.suite)
		return of != nil && slices.Contains(p.suites12, of)
	}
	of := suiteByID(s.suite)
	return of != nil && slices.ContainsFunc(p.suites, func(s *suite) bool { return s.hash == of.hash })
}

// encodeHello encodes the ClientHello, with the age and the binder of the moment
// if a session is offered.
func (hs *client13) encodeHello() ([]byte, error) {
	m := &hs.hello
	psk := hs.session != nil && hs.session.version == tls.VersionTLS13
	if !psk {
		m.PSKIdentities, m.PSKBinders = nil, nil
	} else {
		p, _ := hs.c.config.prepare()
		// RFC 8446 4.2.11.1: the age in milliseconds plus ticket_age_add, modulo 2^32.
		age := uint32(hs.session.ageAt(p.now()).Milliseconds())
		m.PSKIdentities = []wire.PSKIdentity{{Identity: hs.ticket, ObfuscatedTicketAge: age + hs.session.ageAdd}}
		m.PSKBinders = [][]byte{make([]byte, len(hs.session.psk))}
	}
	raw := m.Append(nil)
	if len(raw) == 0 {
		return nil, fmt.Errorf("internal: %w", m.Validate())
	}
	if !psk {
		return raw, nil
	}
	suite := suiteByID(hs.session.suite)
	transcript := suite.hash.New()
	if hs.retrySuite != nil {
		// After a HelloRetryRequest the hash goes on from message_hash, and nothing that a
		// suite of another hash could not follow is offered.
		transcript = cloneHash(hs.transcript)
	}
	transcript.Write(raw[:len(raw)-m.BindersLen()])
	m.PSKBinders[0] = hs.binder(hs.c.ws.deriver(suite.hash), transcript.Sum(nil))
	return raw, wire.PatchBinders(raw, m.PSKBinders)
}

// acceptSession finds out whether the server continues the session that was
// offered.
func (hs *client13) acceptSession(sh *wire.ServerHello, suite *suite) error {
	if !sh.Has(wire.ExtPreSharedKey) {
		if hs.session != nil {
			hs.dropSession()
		}
		return nil
	}
	// RFC 8446 4.2.11: identity within the range that was offered, suite with the
	// PSK's hash, or illegal_parameter. That it was offered has been checked.
	if sh.SelectedIdentity != 0 {
		return abort(AlertIllegalParameter, "server_hello: pre_shared_key selects identity %d of 1", sh.SelectedIdentity)
	}
	if suite.hash != suiteByID(hs.session.suite).hash {
		return abort(AlertIllegalParameter, "server_hello: cipher suite %#04x has not the hash of the pre-shared key", suite.id)
	}
	hs.c.facts.resumed = true
	return nil
}

// ticketReceiver is what a client needs to make sessions of tickets, and keeps as
// long as the connection lives.
type ticketReceiver struct {
	resumption keysched.Secret
	template   session
	key        string    // in Config.Sessions
	expires    time.Time // when the server's chain does; zero if nobody demands a valid one
}

// prepareForTickets makes ready to receive tickets, if sessions are kept. The
// transcript ends with our Finished.
func (hs *client13) prepareForTickets() {
	if !hs.c.keepsSessions() {
		return
	}
	p, _ := hs.c.config.prepare()
	r := &ticketReceiver{key: p.sessionKey, template: hs.newSession(), expires: hs.peer.expires()}
	hs.d.DeriveSecret(&r.resumption, &hs.master, keysched.LabelResumption, hs.transcriptHash())
	hs.c.in.receiver = r
}

// readNewSessionTicket makes a session of a ticket, for Config.Sessions.
func (c *Conn) readNewSessionTicket(m message) error {
	var t wire.NewSessionTicket
	if err := t.Unmarshal(m.body()); err != nil {
		return decodeError(err)
	}
	if c.in.tickets++; c.in.tickets > maxNewSessionTickets {
		return abort(AlertUnexpectedMessage, "new_session_ticket: more than %d without application data", maxNewSessionTickets)
	}
	r := c.in.receiver
	// RFC 8446 4.6.1: "The value of zero indicates that the ticket should be discarded
	// immediately."
	if r == nil || t.Lifetime == 0 {
		return nil
	}
	p, _ := c.config.prepare()
	s := &Session{session: r.template, ticket: slices.Clone(t.Ticket)}
	s.begin(p.now(), time.Duration(t.Lifetime)*time.Second, r.expires)
	s.ageAdd = t.AgeAdd
	d := c.ws.deriver(c.facts.suite.hash)
	var psk keysched.Secret
	d.ResumptionPSK(&psk, &r.resumption, t.Nonce)
	s.psk = slices.Clone(psk[:d.Size()])
	clear(psk[:])
	c.config.Sessions.PutSession(r.key, s)
	return nil
}

// clear forgets the secret.
func (r *ticketReceiver) clear() {
	if r != nil {
		clear(r.resumption[:])
	}
}
