package tlsconn

import (
	"crypto/tls"
	"slices"
	"sync"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// line is one message of a legal order: who says it, and in which state the
// other side has to be to accept it.
type line struct {
	from Role
	typ  wire.MessageType
	at   State
	say  func(*puppet) // by a puppet of that role
	hear func(*puppet) // from a Conn of that role
}

// The lines of a play, in the RFC's words.
var (
	clientHello = line{RoleClient, wire.TypeClientHello, StateExpectClientHello,
		func(p *puppet) { p.clientHello(nil) }, (*puppet).hearClientHello}
	secondClientHello = line{RoleClient, wire.TypeClientHello, StateExpectSecondClientHello,
		func(p *puppet) { p.secondClientHello(nil) }, (*puppet).hearClientHello}
	helloRetryRequest = line{RoleServer, wire.TypeServerHello, StateExpectServerHello,
		func(p *puppet) { p.helloRetryRequest(nil) }, (*puppet).hearServerHello}
	serverHello = line{RoleServer, wire.TypeServerHello, StateExpectServerHello,
		func(p *puppet) { p.serverHello(nil) }, (*puppet).hearServerHello}
	serverHelloAfterRetry = line{RoleServer, wire.TypeServerHello, StateExpectSecondServerHello,
		func(p *puppet) { p.serverHello(nil) }, (*puppet).hearServerHello}
	encryptedExt = line{RoleServer, wire.TypeEncryptedExtensions, StateExpectEncryptedExtensions,
		func(p *puppet) { p.encryptedExtensions(nil) }, func(p *puppet) { p.hear(wire.TypeEncryptedExtensions) }}
	certificateReq = line{RoleServer, wire.TypeCertificateRequest, StateExpectCertificateOrRequest,
		func(p *puppet) { p.certificateRequest(nil) }, func(p *puppet) { p.hear(wire.TypeCertificateRequest) }}
	certificateMsg = line{RoleServer, wire.TypeCertificate, StateExpectCertificateOrRequest,
		func(p *puppet) { p.certificate(nil) }, func(p *puppet) { p.hear(wire.TypeCertificate) }}
	certificateAfterRequest = line{RoleServer, wire.TypeCertificate, StateExpectCertificate,
		func(p *puppet) { p.certificate(nil) }, func(p *puppet) { p.hear(wire.TypeCertificate) }}
	certificateVer = line{RoleServer, wire.TypeCertificateVerify, StateExpectCertificateVerify,
		func(p *puppet) { p.certificateVerify(nil) }, func(p *puppet) { p.hear(wire.TypeCertificateVerify) }}
	serverFinished = line{RoleServer, wire.TypeFinished, StateExpectServerFinished,
		func(p *puppet) { p.serverFinished(nil) }, (*puppet).hearServerFinished}
	clientCertificate = line{RoleClient, wire.TypeCertificate, StateExpectCertificate,
		func(p *puppet) { p.certificate(nil) }, (*puppet).hearClientCertificate}
	emptyCertificate = line{RoleClient, wire.TypeCertificate, StateExpectCertificate,
		(*puppet).noCertificate, (*puppet).hearClientCertificate}
	clientCertificateVer = line{RoleClient, wire.TypeCertificateVerify, StateExpectCertificateVerify,
		func(p *puppet) { p.certificateVerify(nil) }, func(p *puppet) { p.hear(wire.TypeCertificateVerify) }}
	clientFinished = line{RoleClient, wire.TypeFinished, StateExpectClientFinished,
		func(p *puppet) { p.clientFinished(nil) }, (*puppet).hearClientFinished}
	resumingHello = line{RoleClient, wire.TypeClientHello, StateExpectClientHello,
		func(p *puppet) { p.clientHello(offering(p.tickets[0])) }, (*puppet).hearResumingHello}
	secondResumingHello = line{RoleClient, wire.TypeClientHello, StateExpectSecondClientHello,
		func(p *puppet) { p.secondClientHello(nil) }, (*puppet).hearResumingHello}
	serverHelloResumed = line{RoleServer, wire.TypeServerHello, StateExpectServerHello,
		func(p *puppet) { p.serverHello(p.resuming(p.tickets[0])) }, (*puppet).hearServerHello}
	serverHelloResumedAfterRetry = line{RoleServer, wire.TypeServerHello, StateExpectSecondServerHello,
		func(p *puppet) { p.serverHello(p.resuming(p.tickets[0])) }, (*puppet).hearServerHello}
	serverKeyUpdate = line{RoleServer, wire.TypeKeyUpdate, StateConnected,
		func(p *puppet) { p.keyUpdate(false) }, nil}
	clientKeyUpdate = line{RoleClient, wire.TypeKeyUpdate, StateConnected,
		func(p *puppet) { p.keyUpdate(false) }, nil}
	newSessionTicket = line{RoleServer, wire.TypeNewSessionTicket, StateConnected, func(p *puppet) {
		p.say((&wire.NewSessionTicket{Lifetime: 60, Ticket: []byte("ticket")}).Append(nil))
	}, nil}
)

// legalOrder is one of them.
type legalOrder struct {
	mode  string
	roles []Role // that the Conn can have
	how   handshakeMode
	order []line
}

// handshakeMode is what sends a handshake another way, bit by bit.
type handshakeMode uint16

const (
	withRetry       handshakeMode = 1 << iota // the server asks for another share
	withRequest                               // and for a certificate
	withShown                                 // which the client has
	withSession                               // the client has a session
	withoutIt                                 // that the server does not take
	of12                                      // it is one of TLS 1.2, of a Conn that knows TLS 1.3 too
	withAsking                                // of TLS 1.2: the client wants a ticket
	withStatus                                // of TLS 1.2: the client wants an OCSP response
	withPlainMaster                           // of TLS 1.2: the puppet has no extended_master_secret
	withID                                    // of TLS 1.2: the session has an id, no ticket
)

// version is what a handshake of the mode comes to.
func (how handshakeMode) version() uint16 {
	if how&of12 != 0 {
		return tls.VersionTLS12
	}
	return tls.VersionTLS13
}

// configure sets a Conn up for the mode.
func (how handshakeMode) configure(role Role, c *Config) {
	if how&of12 != 0 {
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
	}
	if how&withStatus != 0 {
		c.RequestOCSP = true
		c.Certificates = stapled(c.Certificates)
	}
	if how&withAsking != 0 && role == RoleClient {
		c.Sessions = new(lastSession)
	}
	if how&withRetry != 0 && role == RoleServer {
		onlyP256(c)
	}
	if how&withRequest != 0 && role == RoleServer {
		c.ClientAuth = tls.RequestClientCert
	}
	if how&withShown != 0 && role == RoleClient {
		cert := puppetCertificate()
		c.GetClientCertificate = shows(&cert) // of which a session knows nothing
	}
	switch {
	case how&withSession == 0:
	case role == RoleClient:
		c.InsecureSkipVerify = true // the session's chain is not of this test's CA
		known := knownSessionOf(how, puppetCertificate().Certificate)
		if p, err := cloneConfig(c).prepare(); err == nil {
			known.scope = p.clientScope // it is of the client that has this certificate
		}
		c.Sessions = &lastSession{session: &Session{session: known, ticket: []byte(knownTicket)}}
		if how&withID != 0 {
			c.Sessions = &lastSession{session: &Session{session: known, id: []byte(knownID)}}
		}
	case how&withID != 0:
		known := knownSessionOf(how, nil)
		known.clientAuth = c.ClientAuth
		c.ServerSessions = NewSessionStore(0)
		c.ServerSessions.PutSession([]byte(knownID), known.append(nil))
	case how&withoutIt == 0:
		c.Tickets = knownTickets{how, c.ClientAuth}
	default:
		c.Tickets = knownTickets{how, tls.RequireAnyClientCert} // of another policy
	}
}

// stapled returns copies of certificates that have an OCSP response.
func stapled(certs []tls.Certificate) []tls.Certificate {
	certs = slices.Clone(certs)
	for i := range certs {
		certs[i].OCSPStaple = []byte("a response")
	}
	return certs
}

// meet makes a Conn of the given role for the mode, and its puppet.
func (how handshakeMode) meet(t testing.TB, connRole Role) *puppet {
	t.Helper()
	p := newPuppet(t, connRole.other(), func(c *Config) { how.configure(connRole, c) })
	p.tickets = knownTicketOf(how)
	if how&of12 != 0 {
		p.twelve, p.plainMaster = puppet12Of(p), how&withPlainMaster != 0
	}
	return p
}

// puppetCertificate is one for a Conn that nobody verifies.
var puppetCertificate = sync.OnceValue(func() tls.Certificate {
	return newTestCA(quitter{}).issue(quitter{}, keyEd25519, "example.org")
})

var bothRoles = []Role{RoleServer, RoleClient}

// legalOrders are all orders of messages that TLS 1.3 allows (RFC 8446 2, 4 and
// appendix A) but for 0-RTT and what we never ask for; every other one is refused.
// In an order that only a puppet plays (hear is nil), the Conn is of the other role.
var legalOrders = []legalOrder{
	{"full handshake", bothRoles, 0, []line{
		clientHello,
		serverHello, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
	}},
	{"hello retry request", bothRoles, withRetry, []line{
		clientHello,
		helloRetryRequest,
		secondClientHello,
		serverHelloAfterRetry, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
	}},
	{"a certificate is requested and not shown", bothRoles, withRequest, []line{
		clientHello,
		serverHello, encryptedExt, certificateReq, certificateAfterRequest, certificateVer, serverFinished,
		emptyCertificate, clientFinished,
	}},
	{"a certificate is requested and shown", bothRoles, withRequest | withShown, []line{
		clientHello,
		serverHello, encryptedExt, certificateReq, certificateAfterRequest, certificateVer, serverFinished,
		clientCertificate, clientCertificateVer, clientFinished,
	}},
	{"hello retry request, and a certificate is shown", bothRoles, withRetry | withRequest | withShown, []line{
		clientHello,
		helloRetryRequest,
		secondClientHello,
		serverHelloAfterRetry, encryptedExt, certificateReq, certificateAfterRequest, certificateVer, serverFinished,
		clientCertificate, clientCertificateVer, clientFinished,
	}},
	{"resumption", bothRoles, withSession, []line{
		resumingHello,
		serverHelloResumed, encryptedExt, serverFinished,
		clientFinished,
	}},
	{"resumption by a server that requests certificates of others", bothRoles, withSession | withRequest | withShown, []line{
		resumingHello,
		serverHelloResumed, encryptedExt, serverFinished,
		clientFinished,
	}},
	{"resumption with a hello retry request", bothRoles, withSession | withRetry, []line{
		resumingHello,
		helloRetryRequest,
		secondResumingHello,
		serverHelloResumedAfterRetry, encryptedExt, serverFinished,
		clientFinished,
	}},
	{"the session is not taken", bothRoles, withSession | withoutIt, []line{
		resumingHello,
		serverHello, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
	}},
	{"the session is not taken, and a certificate is shown", bothRoles, withSession | withoutIt | withRequest | withShown, []line{
		resumingHello,
		serverHello, encryptedExt, certificateReq, certificateAfterRequest, certificateVer, serverFinished,
		clientCertificate, clientCertificateVer, clientFinished,
	}},
	{"after the handshake, from the server", []Role{RoleClient}, 0, []line{
		clientHello,
		serverHello, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
		newSessionTicket, serverKeyUpdate, serverKeyUpdate, newSessionTicket,
	}},
	{"after a resumption, from the server", []Role{RoleClient}, withSession, []line{
		resumingHello,
		serverHelloResumed, encryptedExt, serverFinished,
		clientFinished,
		serverKeyUpdate, newSessionTicket, newSessionTicket, serverKeyUpdate,
	}},
	{"after the handshake, from the client", []Role{RoleServer}, 0, []line{
		clientHello,
		serverHello, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
		clientKeyUpdate, clientKeyUpdate,
	}},
	{"after a resumption, from the client", []Role{RoleServer}, withSession, []line{
		resumingHello,
		serverHelloResumed, encryptedExt, serverFinished,
		clientFinished,
		clientKeyUpdate, clientKeyUpdate,
	}},
}

// play puts a puppet against a Conn of the given role and has both say the first
// n lines; before is called ahead of each of the puppet's.
func (o *legalOrder) play(t testing.TB, connRole Role, n int, before func(*puppet, line)) *puppet {
	t.Helper()
	p := o.how.meet(t, connRole)
	for _, l := range o.order[:n] {
		if l.from == connRole {
			l.hear(p)
			continue
		}
		if before != nil {
			before(p, l)
		}
		l.say(p)
	}
	p.drive()
	return p
}

// other is the role of the peer.
func (r Role) other() Role {
	if r == RoleServer {
		return RoleClient
	}
	return RoleServer
}
