package tlsconn

import (
	"bytes"
	"crypto/tls"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// This file holds what puppets need for client certificates, and for a resumption
// without a first connection.

// meetAsked has a Conn that is a server ask for a certificate, and one that is a
// client have one to show.
func meetAsked(t testing.TB, connRole Role) *puppet {
	if connRole == RoleServer {
		return newPuppet(t, RoleClient, func(c *Config) { c.ClientAuth = tls.RequestClientCert })
	}
	p := newPuppet(t, RoleServer, nil)
	p.conn.config.Certificates = []tls.Certificate{p.cert}
	p.shown = true
	return p.again(nil)
}

// knownTicket is the ticket of a session that a Conn and a puppet know without ever
// having met.
const knownTicket = "the ticket of the session"

// knownSession is what both remember of it.
func knownSession(chain [][]byte) session {
	return session{
		version: tls.VersionTLS13, suite: tls.TLS_AES_128_GCM_SHA256, psk: bytes.Repeat([]byte{0x5a}, 32),
		created: testTime, authenticated: testTime, lifetime: time.Hour, serverName: "example.org", chain: chain,
	}
}

// knownTicketOf is the puppet's part of it, if there is one in the mode.
func knownTicketOf(how handshakeMode) []puppetTicket {
	if how&withSession == 0 {
		return nil
	}
	return []puppetTicket{{
		NewSessionTicket: wire.NewSessionTicket{Ticket: []byte(knownTicket)},
		suite:            suiteAES128,
		psk:              knownSession(nil).psk,
	}}
}

// knownTickets is a TicketProtector that knows one ticket and makes none.
type knownTickets struct{ policy tls.ClientAuthType }

// OpenTicket implements TicketProtector.
func (k knownTickets) OpenTicket(ticket []byte, answer *Completion[[]byte]) {
	if string(ticket) != knownTicket {
		answer.Complete(nil)
		return
	}
	s := knownSession(nil)
	s.clientAuth = k.policy
	answer.Complete(s.append(nil))
}

// SealTicket implements TicketProtector.
func (k knownTickets) SealTicket([]byte) ([]byte, error) { return nil, nil }

// hearResumingHello takes a ClientHello that offers the known session.
func (p *puppet) hearResumingHello() {
	p.t.Helper()
	p.hearClientHello()
	p.wantOffer(p.tickets[0], 0)
}

// noCertificate is the answer of a client that shows none.
func (p *puppet) noCertificate() {
	p.t.Helper()
	p.certificate(func(m *wire.Certificate) { m.Entries = nil })
}

// hearClientCertificate takes what the Conn shows.
func (p *puppet) hearClientCertificate() {
	p.t.Helper()
	p.requested = false // hearClientFinished need not
	p.hear(wire.TypeCertificate)
}
