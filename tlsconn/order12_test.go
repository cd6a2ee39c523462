package tlsconn

import (
	"bytes"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// changeOfKeys is change_cipher_spec in an order: a record of its own type, no message.
const changeOfKeys wire.MessageType = 0xcc

// hello12 says a client's hello that offers extensions, and the known session if there is
// one.
func (p *puppet) hello12(types ...wire.ExtensionType) {
	p.t.Helper()
	if p.plainMaster {
		p.edit = inTurn(withoutExtended, p.edit)
	}
	offer := func(m *wire.ClientHello) {
		for _, typ := range types {
			m.Offer(typ)
		}
	}
	if len(p.tickets) > 0 {
		p.twelve.session = p.tickets[0].Ticket
		p.twelve.resumeServer(offer)
		return
	}
	p.twelve.clientHello(offer)
}

// inTurn is one edit, and then another if there is one.
func inTurn(first, second func([]byte) []byte) func([]byte) []byte {
	if second == nil {
		return first
	}
	return func(raw []byte) []byte { return second(first(raw)) }
}

// answer12 says a server's hello that answers extensions, and resumes if it resumes.
func (p *puppet) answer12(resumes bool, types ...wire.ExtensionType) {
	p.t.Helper()
	p.twelve.serverHello(func(m *wire.ServerHello) {
		if p.plainMaster {
			withoutEMS(m)
		}
		if resumes {
			m.SessionID = p.hello.SessionID
		}
		for _, typ := range types {
			m.Answer(typ)
		}
	})
	if resumes {
		p.resume12()
	}
}

// hearAnswer12 takes a ServerHello, and goes on with the session if the server does.
func (p *puppet) hearAnswer12() {
	p.t.Helper()
	if m := p.twelve.hearServerHello(); len(m.SessionID) > 0 && bytes.Equal(m.SessionID, p.hello.SessionID) {
		p.resume12()
	}
}

// resume12 takes on the master secret of the known session.
func (p *puppet) resume12() {
	copy(p.twelve.master[:], p.tickets[0].psk)
	p.twelve.expand()
}

// line12 is a line of TLS 1.2.
func line12(from Role, typ wire.MessageType, at State, say, hear func(*puppet12)) line {
	return line{from, typ, at, func(p *puppet) { say(p.twelve) }, func(p *puppet) { hear(p.twelve) }}
}

// says12 and hears12 are what most lines do.
func says12[M any](say func(*puppet12, func(*M))) func(*puppet12) {
	return func(p *puppet12) { say(p, nil) }
}

func hears12(typ wire.MessageType) func(*puppet12) { return func(p *puppet12) { p.hear(typ) } }

// clientHellos12 and serverHellos12 are the hellos of a play, with extensions that matter.
func clientHellos12(types ...wire.ExtensionType) line {
	return line12(RoleClient, wire.TypeClientHello, StateExpectClientHello,
		func(p *puppet12) { p.hello12(types...) }, (*puppet12).hearClientHello)
}

func serverHellos12(resumes bool, types ...wire.ExtensionType) line {
	return line12(RoleServer, wire.TypeServerHello, StateExpectServerHello,
		func(p *puppet12) { p.answer12(resumes, types...) }, func(p *puppet12) { p.hearAnswer12() })
}

// The lines of a play in TLS 1.2 (RFC 5246 7.3, RFC 5077 3.1), in the RFCs' words.
var (
	clientHello12 = clientHellos12()
	askingHello12 = clientHellos12(wire.ExtSessionTicket)
	statusHello12 = clientHellos12(wire.ExtStatusRequest)
	everyHello12  = clientHellos12(wire.ExtSessionTicket, wire.ExtStatusRequest)

	namingHello12 = line12(RoleClient, wire.TypeClientHello, StateExpectClientHello, func(p *puppet12) {
		p.clientHello(func(m *wire.ClientHello) { m.SessionID = p.tickets[0].Ticket })
	}, (*puppet12).hearClientHello)

	serverHello12      = serverHellos12(false)
	ticketHello12      = serverHellos12(false, wire.ExtSessionTicket)
	staplingHello12    = serverHellos12(false, wire.ExtStatusRequest)
	everyServerHello12 = serverHellos12(false, wire.ExtSessionTicket, wire.ExtStatusRequest)
	resumedHello12     = serverHellos12(true)
	renewedHello12     = serverHellos12(true, wire.ExtSessionTicket)

	certificate12 = line12(RoleServer, wire.TypeCertificate, StateExpectCertificate,
		says12((*puppet12).certificate), hears12(wire.TypeCertificate))
	certificateStatus = line12(RoleServer, wire.TypeCertificateStatus, StateExpectStatusOrKeyExchange, func(p *puppet12) {
		p.say((&wire.CertificateStatus{OCSPStaple: []byte("a response")}).Append(nil))
	}, hears12(wire.TypeCertificateStatus))
	serverKeyExchange = line12(RoleServer, wire.TypeServerKeyExchange, StateExpectServerKeyExchange,
		says12((*puppet12).serverKeyExchange), (*puppet12).hearServerKeyExchange)
	serverKeyExchangeForStatus = line12(RoleServer, wire.TypeServerKeyExchange, StateExpectStatusOrKeyExchange,
		says12((*puppet12).serverKeyExchange), (*puppet12).hearServerKeyExchange)
	certificateReq12 = line12(RoleServer, wire.TypeCertificateRequest, StateExpectRequestOrDone,
		says12((*puppet12).certificateRequest), hears12(wire.TypeCertificateRequest))
	serverHelloDone = line12(RoleServer, wire.TypeServerHelloDone, StateExpectRequestOrDone,
		(*puppet12).serverHelloDone, hears12(wire.TypeServerHelloDone))
	serverHelloDoneAfterRequest = line12(RoleServer, wire.TypeServerHelloDone, StateExpectServerHelloDone,
		(*puppet12).serverHelloDone, hears12(wire.TypeServerHelloDone))
	newSessionTicket12 = line12(RoleServer, wire.TypeNewSessionTicket, StateExpectNewSessionTicket,
		says12((*puppet12).newSessionTicket), (*puppet12).hearNewSessionTicket)
	serverChange = line12(RoleServer, changeOfKeys, StateExpectChangeCipherSpec,
		(*puppet12).changeCipherSpec, func(p *puppet12) { p.drive() })
	serverFinished12 = line12(RoleServer, wire.TypeFinished, StateExpectServerFinished,
		says12((*puppet12).finished), (*puppet12).hearFinished)

	clientCertificate12 = line12(RoleClient, wire.TypeCertificate, StateExpectCertificate,
		says12((*puppet12).certificate), hears12(wire.TypeCertificate))
	emptyCertificate12 = line12(RoleClient, wire.TypeCertificate, StateExpectCertificate, func(p *puppet12) {
		p.certificate(func(m *wire.Certificate12) { m.Certificates = nil })
	}, hears12(wire.TypeCertificate))
	clientKeyExchange = line12(RoleClient, wire.TypeClientKeyExchange, StateExpectClientKeyExchange,
		says12((*puppet12).clientKeyExchange), (*puppet12).hearClientKeyExchange)
	clientCertificateVer12 = line12(RoleClient, wire.TypeCertificateVerify, StateExpectCertificateVerify,
		says12((*puppet12).certificateVerify), hears12(wire.TypeCertificateVerify))
	clientChange = line12(RoleClient, changeOfKeys, StateExpectChangeCipherSpec,
		(*puppet12).changeCipherSpec, func(p *puppet12) { p.drive() })
	clientFinished12 = line12(RoleClient, wire.TypeFinished, StateExpectClientFinished,
		says12((*puppet12).finished), (*puppet12).hearFinished)
)

// legalOrders12 are all orders of messages that TLS 1.2 allows (RFC 5246 7.3, RFC 5077
// 3.1, RFC 6066 8) with our suites; every other one is refused. What a server may leave
// out that ours does not (a status after all, another ticket) only a client meets.
var legalOrders12 = []legalOrder{
	{"TLS 1.2: full handshake", bothRoles, of12, []line{
		clientHello12,
		serverHello12, certificate12, serverKeyExchange, serverHelloDone,
		clientKeyExchange, clientChange, clientFinished12,
		serverChange, serverFinished12,
	}},
	{"TLS 1.2: without extended_master_secret", bothRoles, of12 | withPlainMaster, []line{
		clientHello12,
		serverHello12, certificate12, serverKeyExchange, serverHelloDone,
		clientKeyExchange, clientChange, clientFinished12,
		serverChange, serverFinished12,
	}},
	{"TLS 1.2: a ticket", bothRoles, of12 | withAsking, []line{
		askingHello12,
		ticketHello12, certificate12, serverKeyExchange, serverHelloDone,
		clientKeyExchange, clientChange, clientFinished12,
		newSessionTicket12, serverChange, serverFinished12,
	}},
	{"TLS 1.2: no ticket for a client that wants one", []Role{RoleClient}, of12 | withAsking, []line{
		askingHello12,
		serverHello12, certificate12, serverKeyExchange, serverHelloDone,
		clientKeyExchange, clientChange, clientFinished12,
		serverChange, serverFinished12,
	}},
	{"TLS 1.2: an OCSP response", bothRoles, of12 | withStatus, []line{
		statusHello12,
		staplingHello12, certificate12, certificateStatus, serverKeyExchange, serverHelloDone,
		clientKeyExchange, clientChange, clientFinished12,
		serverChange, serverFinished12,
	}},
	{"TLS 1.2: an OCSP response that was announced and does not come", []Role{RoleClient}, of12 | withStatus, []line{
		statusHello12,
		staplingHello12, certificate12, serverKeyExchangeForStatus, serverHelloDone,
		clientKeyExchange, clientChange, clientFinished12,
		serverChange, serverFinished12,
	}},
	{"TLS 1.2: a certificate is requested and not shown", bothRoles, of12 | withRequest, []line{
		clientHello12,
		serverHello12, certificate12, serverKeyExchange, certificateReq12, serverHelloDoneAfterRequest,
		emptyCertificate12, clientKeyExchange, clientChange, clientFinished12,
		serverChange, serverFinished12,
	}},
	{"TLS 1.2: a certificate is requested and shown", bothRoles, of12 | withRequest | withShown, []line{
		clientHello12,
		serverHello12, certificate12, serverKeyExchange, certificateReq12, serverHelloDoneAfterRequest,
		clientCertificate12, clientKeyExchange, clientCertificateVer12, clientChange, clientFinished12,
		serverChange, serverFinished12,
	}},
	{"TLS 1.2: everything there is", bothRoles, of12 | withAsking | withStatus | withRequest | withShown, []line{
		everyHello12,
		everyServerHello12, certificate12, certificateStatus, serverKeyExchange, certificateReq12, serverHelloDoneAfterRequest,
		clientCertificate12, clientKeyExchange, clientCertificateVer12, clientChange, clientFinished12,
		newSessionTicket12, serverChange, serverFinished12,
	}},
	{"TLS 1.2: resumption", bothRoles, of12 | withSession, []line{
		askingHello12,
		renewedHello12, newSessionTicket12, serverChange, serverFinished12,
		clientChange, clientFinished12,
	}},
	{"TLS 1.2: resumption without another ticket", []Role{RoleClient}, of12 | withSession, []line{
		askingHello12,
		resumedHello12, serverChange, serverFinished12,
		clientChange, clientFinished12,
	}},
	{"TLS 1.2: resumption without extended_master_secret", bothRoles, of12 | withSession | withPlainMaster, []line{
		askingHello12,
		renewedHello12, newSessionTicket12, serverChange, serverFinished12,
		clientChange, clientFinished12,
	}},
	{"TLS 1.2: resumption by a session id", bothRoles, of12 | withSession | withID, []line{
		namingHello12,
		resumedHello12, serverChange, serverFinished12,
		clientChange, clientFinished12,
	}},
	{"TLS 1.2: resumption by a server that requests certificates of others", bothRoles, of12 | withSession | withRequest | withShown, []line{
		askingHello12,
		renewedHello12, newSessionTicket12, serverChange, serverFinished12,
		clientChange, clientFinished12,
	}},
	{"TLS 1.2: the session is not taken", bothRoles, of12 | withSession | withoutIt, []line{
		askingHello12,
		ticketHello12, certificate12, serverKeyExchange, serverHelloDone,
		clientKeyExchange, clientChange, clientFinished12,
		newSessionTicket12, serverChange, serverFinished12,
	}},
	{"TLS 1.2: the session is not taken, and a certificate is shown", bothRoles, of12 | withSession | withoutIt | withRequest | withShown, []line{
		askingHello12,
		ticketHello12, certificate12, serverKeyExchange, certificateReq12, serverHelloDoneAfterRequest,
		clientCertificate12, clientKeyExchange, clientCertificateVer12, clientChange, clientFinished12,
		newSessionTicket12, serverChange, serverFinished12,
	}},
}

// everyLegalOrder is those of both versions.
var everyLegalOrder = slices.Concat(legalOrders, legalOrders12)
