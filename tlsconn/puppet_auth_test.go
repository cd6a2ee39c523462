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

// knownID is its name where it has one instead.
const knownID = "the session's id, of 32 bytes..."

// knownSessionOf is what both remember of it in the mode.
func knownSessionOf(how handshakeMode, chain [][]byte) session {
	s := knownSession(chain)
	if how&of12 != 0 {
		s.version, s.suite, s.psk, s.extended = tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, bytes.Repeat([]byte{0x5a}, 48), how&withPlainMaster == 0
	}
	return s
}

// knownSession is the one of TLS 1.3.
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
	name := knownTicket
	if how&withID != 0 {
		name = knownID
	}
	return []puppetTicket{{
		NewSessionTicket: wire.NewSessionTicket{Ticket: []byte(name)},
		suite:            suiteAES128,
		psk:              knownSessionOf(how, nil).psk,
	}}
}

// knownTickets is a TicketProtector that knows one ticket and makes none.
type knownTickets struct {
	how    handshakeMode
	policy tls.ClientAuthType
}

// OpenTicket implements TicketProtector.
func (k knownTickets) OpenTicket(ticket []byte, answer *Completion[[]byte]) {
	if string(ticket) != knownTicket {
		answer.Complete(nil)
		return
	}
	s := knownSessionOf(k.how, nil)
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
