package tlsconn

import (
	"crypto/tls"
	"slices"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// This file is a TLS 1.2 server's side of resumption by tickets (RFC 5077).

// awaitTicket opens the ticket that the client offers.
func (hs *server12) awaitTicket() (State, error) {
	p, _ := hs.c.config.prepare()
	if hs.opening == nil {
		ticket := slices.Clone(hs.hello.SessionTicket)
		var err error
		hs.opening, err = ask(&hs.handshake, OpTicket, func(c *Completion[[]byte]) { p.tickets.OpenTicket(ticket, c) })
		if err != nil {
			return 0, err
		}
	}
	state, ok, err := hs.opening.take(&hs.handshake)
	switch {
	case !ok:
		return StateAwaitTicket, nil
	case err != nil:
		return 0, failed(err, AlertInternalError, "ticket")
	}
	s := hs.usable(state)
	if s == nil {
		return StateAwaitCertificate, nil
	}
	// RFC 7627 5.3: "If the original session used the "extended_master_secret" extension but the
	// new ClientHello does not contain it, the server MUST abort the abbreviated handshake."; the
	// other way round it is not resumed.
	if s.extended && !hs.extended {
		return 0, abort(AlertHandshakeFailure, "client_hello: no extended_master_secret, which the session was made with")
	}
	hs.session = s
	hs.c.facts.resumed = true
	hs.start(suite12ByID(s.suite))
	if len(s.chain) > 0 {
		return hs.recallClient()
	}
	return StateSendServerHello, nil
}

// usable returns the session of a ticket if it may be resumed here and now, as in TLS
// 1.3: a ticket never gets over a trust policy.
func (hs *server12) usable(state []byte) *session {
	s := hs.c.sessionOf(state)
	if s == nil {
		return nil
	}
	p, _ := hs.c.config.prepare()
	suite := suite12ByID(s.suite)
	if s.version != tls.VersionTLS12 || suite == nil || hs.extended && !s.extended ||
		!slices.Contains(p.suites12, suite) || !slices.Contains(hs.hello.CipherSuites, s.suite) {
		clear(s.psk)
		return nil
	}
	return s
}

// finishResumption ends the server's flight of a resumption (RFC 5077 3.1).
func (hs *server12) finishResumption() (State, error) {
	copy(hs.master[:], hs.session.psk)
	hs.hello, hs.helloRaw = wire.ClientHello{}, nil
	if err := hs.deriveKeys(); err != nil {
		return 0, err
	}
	return StateExpectChangeCipherSpec, hs.sendFinished()
}

// sendTicket appends the NewSessionTicket that was announced; one without a ticket if
// there is none after all.
func (hs *server12) sendTicket() error {
	p, _ := hs.c.config.prepare()
	now := p.now()
	f := &hs.c.facts
	s := session{
		version:       tls.VersionTLS12,
		suite:         f.suite.id,
		psk:           hs.master[:],
		extended:      hs.extended,
		created:       now,
		authenticated: now,
		lifetime:      p.ticketLifetime,
		serverName:    f.serverName,
		protocol:      f.protocol,
		scope:         hs.c.config.SessionScope,
		clientAuth:    hs.c.config.ClientAuth,
		chain:         hs.chain,
		rawKey:        len(hs.chain) > 0 && hs.peerIsRaw(),
	}
	var t wire.NewSessionTicket12
	if s.fitsTicket() {
		state := s.append(make([]byte, 0, s.size()))
		ticket, err := p.tickets.SealTicket(state)
		clear(state)
		if err != nil {
			return failed(err, AlertInternalError, "ticket")
		}
		t.LifetimeHint, t.Ticket = uint32(s.lifetime/time.Second), ticket
	}
	return hs.say(t.Append(hs.flight))
}
