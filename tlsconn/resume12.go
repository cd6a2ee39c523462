package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"slices"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// This file is a TLS 1.2 server's side of resumption: by tickets (RFC 5077), and by
// session ids (RFC 5246 7.3) for clients that are given no ticket.

// sessionID names a session in Config.ServerSessions. RFC 5246 7.4.1.2 leaves what it is to
// the server: random and of the greatest length there is, so that none is guessed.
type sessionID [32]byte

// lookForSession is the state in which the session that the client offers is looked for,
// if there is one. RFC 5077 3.4: beside a ticket the id is the client's own, and only for
// telling that the ticket was accepted.
func (hs *server12) lookForSession() State {
	config := hs.c.config
	switch {
	case !config.SessionTicketsDisabled && len(hs.hello.SessionTicket) > 0:
		return StateAwaitTicket
	case config.ServerSessions != nil && len(hs.hello.SessionID) == len(sessionID{}):
		return StateAwaitSession
	}
	return StateAwaitCertificate
}

// awaitTicket opens the ticket that the client offers.
func (hs *server12) awaitTicket() (State, error) {
	state, ok, err := hs.openTicket(&hs.asked, hs.hello.SessionTicket)
	if !ok || err != nil {
		return StateAwaitTicket, err
	}
	return hs.resume(state)
}

// awaitSession looks up the session that the client names.
func (hs *server12) awaitSession() (State, error) {
	state, ok, err := hs.stateOf(&hs.asked, OpSession, hs.hello.SessionID, hs.c.config.ServerSessions.GetSession)
	if !ok || err != nil {
		return StateAwaitSession, err
	}
	return hs.resume(state)
}

// resume takes the session that state says, if it may be resumed here and now.
func (hs *server12) resume(state []byte) (State, error) {
	s := hs.c.sessionOf(state, hs.fits)
	if s == nil {
		return StateAwaitCertificate, nil
	}
	// RFC 7627 5.3: "If the original session used the "extended_master_secret" extension but the
	// new ClientHello does not contain it, the server MUST abort the abbreviated handshake."; the
	// other way round it is not resumed.
	if s.extended && !hs.extended {
		clear(s.psk)
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

// fits tells whether a session can continue with its own suite (RFC 5246 7.4.1.2).
func (hs *server12) fits(s *session) bool {
	p, _ := hs.c.config.prepare()
	suite := suite12ByID(s.suite)
	return s.version == tls.VersionTLS12 && suite != nil && (s.extended || !hs.extended) &&
		slices.Contains(p.suites12, suite) && slices.Contains(hs.hello.CipherSuites, s.suite)
}

// promise says in the ServerHello what the client will be able to resume with, if it is
// anything: a ticket if it knows tickets, also when it resumes, or else an id. RFC 5077
// 3.4: who issues a ticket "SHOULD include an empty Session ID".
func (hs *server12) promise(sh *wire.ServerHello) {
	config := hs.c.config
	hs.issues = hs.hello.Has(wire.ExtSessionTicket) && !config.SessionTicketsDisabled
	if hs.issues {
		sh.Answer(wire.ExtSessionTicket)
	}
	switch {
	case hs.session != nil:
		sh.SessionID = hs.hello.SessionID // RFC 5246 7.4.1.3, RFC 5077 3.4: the client tells a resumption by it
		if hs.lookForSession() == StateAwaitSession {
			hs.id = (*sessionID)(bytes.Clone(sh.SessionID))
		}
	case !hs.issues && config.ServerSessions != nil:
		hs.id = new(sessionID)
		rand.Read(hs.id[:]) // never fails: it ends the program rather
		sh.SessionID = hs.id[:]
	}
}

// finishResumption ends the server's flight of a resumption (RFC 5246 7.3, RFC 5077 3.1).
func (hs *server12) finishResumption() (State, error) {
	copy(hs.master[:], hs.session.psk)
	hs.hello, hs.helloRaw = wire.ClientHello{}, nil
	if err := hs.deriveKeys(); err != nil {
		return 0, err
	}
	if hs.issues {
		if err := hs.sendTicket(); err != nil {
			return 0, err
		}
	}
	return StateExpectChangeCipherSpec, hs.sendFinished()
}

// state is what a ticket or a store keeps of this connection, and for how long; nil if
// there is nothing to remember. The caller clears it.
func (hs *server12) state() (state []byte, lifetime time.Duration) {
	s, ok := hs.serverSession()
	if !ok {
		return nil, 0
	}
	s.psk, s.extended = hs.master[:], hs.extended
	return s.append(make([]byte, 0, s.size())), s.lifetime
}

// sendTicket appends the NewSessionTicket that was announced; without a ticket in it if
// there is none after all (RFC 5077 3.3).
func (hs *server12) sendTicket() error {
	var t wire.NewSessionTicket12
	if state, lifetime := hs.state(); state != nil {
		p, _ := hs.c.config.prepare()
		ticket, err := p.tickets.SealTicket(state)
		clear(state)
		if err != nil {
			return failed(err, AlertInternalError, "ticket")
		}
		t.LifetimeHint, t.Ticket = uint32(lifetime/time.Second), ticket
	}
	return hs.say(t.Append(hs.flight))
}

// store keeps the session under the id that the client was given, once its Finished has
// shown that both know the same secret.
func (hs *server12) store() {
	if state, _ := hs.state(); state != nil {
		hs.c.config.ServerSessions.PutSession(hs.id[:], state)
		clear(state)
	}
}
