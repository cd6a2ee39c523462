package tlsconn

import (
	"crypto/tls"
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// client13 is the handshake of a TLS 1.3 client (RFC 8446 A.1).
type client13 struct {
	handshake13
	hello      wire.ClientHello // as sent last
	helloRaw   []byte           // the same, encoded; until the transcript has begun
	shares     []*clientShare
	retrySuite *suite // the suite of the HelloRetryRequest, nil without one

	looking *Completion[*Session]
	ticket  []byte          // of the session that is offered
	id      []byte          // of TLS 1.2, instead of a ticket
	request *certificateAsk // the server's CertificateRequest, nil without one
}

func newClient13(c *Conn) *client13 {
	hs := new(client13)
	hs.c = c
	return hs
}

// step implements machine.
func (hs *client13) step(m message) (State, error) {
	// The other states are of other machines, and end below.
	//exhaustive:ignore
	switch hs.c.state {
	case StateAwaitSession:
		return hs.awaitSession()
	case StateSendClientHello:
		return hs.sendClientHello()
	case StateExpectServerHello, StateExpectSecondServerHello:
		return hs.readServerHello(m)
	case StateExpectEncryptedExtensions:
		return hs.readEncryptedExtensions(m)
	case StateExpectCertificateOrRequest:
		if m.typ == wire.TypeCertificateRequest {
			return hs.readCertificateRequest(m)
		}
		return hs.readCertificate(m)
	case StateExpectCertificate:
		return hs.readCertificate(m)
	case StateAwaitVerification:
		return hs.awaitVerification()
	case StateExpectCertificateVerify:
		return hs.readCertificateVerify(m)
	case StateExpectServerFinished:
		return hs.readServerFinished(m)
	case StateAwaitCertificate:
		return hs.awaitCertificate()
	case StateSendClientCertificate:
		return hs.sendClientCertificate()
	case StateAwaitSignature:
		return hs.awaitSignature(hs.signed, StateSendClientFinished)
	case StateSendClientFinished:
		return hs.sendClientFinished()
	case StateAwaitFlush:
		return hs.awaitFlush()
	}
	return hs.c.state, fmt.Errorf("internal: step of a client in state %v", hs.c.state)
}

func (hs *client13) sendClientHello() (State, error) {
	config := hs.c.config
	p, _ := config.prepare() // its error was told when the Conn was made
	hs.random = newRandom()
	m := &hs.hello
	*m = wire.ClientHello{
		LegacyVersion:       tls.VersionTLS12,
		Random:              hs.random,
		CompressionMethods:  []byte{0},
		ServerName:          sniOf(p.serverName),
		SignatureAlgorithms: p.schemes,

		ClientCertificateTypes: p.clientTypes,
	}
	if p.maxVersion == tls.VersionTLS13 {
		m.SupportedVersions = append(m.SupportedVersions, tls.VersionTLS13)
		for _, s := range p.suites {
			m.CipherSuites = append(m.CipherSuites, s.id)
		}
	}
	if p.maxVersion == tls.VersionTLS13 || hs.session != nil {
		// RFC 8446 D.4: a non-empty session id, to look like a resumption of TLS 1.2; and one
		// goes with a ticket of that (RFC 5077 3.4: its echo tells that it was accepted).
		id := newRandom()
		m.SessionID = id[:]
	}
	if p.minVersion == tls.VersionTLS12 {
		hs.offer12(p)
	}
	if config.FallbackSCSV {
		m.CipherSuites = append(m.CipherSuites, wire.FallbackSCSV)
	}
	for _, g := range p.groups {
		if p.maxVersion == tls.VersionTLS13 || kemOf(g) == nil { // KEMs are of TLS 1.3 alone
			m.SupportedGroups = append(m.SupportedGroups, uint16(g))
		}
	}
	for _, proto := range config.NextProtos {
		m.ALPN = append(m.ALPN, []byte(proto))
	}
	if config.RequestOCSP {
		m.Offer(wire.ExtStatusRequest)
	}
	if config.RequestSCTs {
		m.Offer(wire.ExtSCT)
	}
	// RFC 8449 4: we take whatever there can be, and may be told to send less. In TLS 1.2
	// there is no type to be counted: "an endpoint MUST NOT send a value higher than the
	// protocol-defined maximum record size".
	m.RecordSizeLimit = record.MaxPlaintext
	if p.maxVersion == tls.VersionTLS13 {
		m.RecordSizeLimit++
	}
	hs.c.facts.serverName = string(m.ServerName)
	if p.maxVersion == tls.VersionTLS13 {
		if err := hs.makeShares(p.keyShares); err != nil {
			return 0, err
		}
		if hs.c.keepsSessions() {
			m.PSKModes = []byte{pskModeDHE} // also without a session: it asks for tickets
		}
	}
	if config.Grease {
		hs.grease()
	}
	// The transcript's hash is known with the ServerHello only.
	var err error
	if hs.helloRaw, err = hs.encodeHello(); err != nil {
		return 0, err
	}
	hs.flight = append(hs.flight, hs.helloRaw...)
	hs.seal()
	return StateExpectServerHello, nil
}

// offer12 adds to the ClientHello what makes it one of TLS 1.2 as well.
func (hs *client13) offer12(p *prepared) {
	m := &hs.hello
	if p.maxVersion == tls.VersionTLS13 {
		m.SupportedVersions = append(m.SupportedVersions, tls.VersionTLS12)
	}
	for _, s := range p.suites12 {
		m.CipherSuites = append(m.CipherSuites, s.id)
	}
	m.Offer(wire.ExtExtendedMasterSecret)
	m.Offer(wire.ExtRenegotiationInfo) // RFC 5746 3.4: empty
	m.PointFormats = []byte{0}
	if hs.c.keepsSessions() {
		m.Offer(wire.ExtSessionTicket) // RFC 5077 3.2: empty, to ask for one
	}
	if hs.session != nil && hs.session.version == tls.VersionTLS12 {
		m.SessionTicket = hs.ticket
		if len(hs.id) > 0 {
			m.SessionID = hs.id
		}
	}
}

// makeShares makes a key share for each of the groups.
func (hs *client13) makeShares(groups []tls.CurveID) error {
	var x25519 ecdhKey // the hybrid's, which serves for X25519 alone too
	for _, g := range groups {
		var classical ecdhKey
		if g == tls.X25519 {
			classical = x25519
		}
		s, err := newClientShare(g, classical)
		if err != nil {
			return fmt.Errorf("internal: key share: %w", err)
		}
		if g == tls.X25519MLKEM768 {
			x25519 = s.ecdh
		}
		hs.shares = append(hs.shares, s)
		hs.hello.KeyShares = append(hs.hello.KeyShares, wire.KeyShare{Group: uint16(g), KeyExchange: s.public()})
	}
	if len(groups) == 0 {
		hs.hello.Offer(wire.ExtKeyShare) // RFC 8446 4.2.8: empty, to have the server choose
	}
	return nil
}

// readCertificate takes the server's chain and has it verified.
func (hs *client13) readCertificate(m message) (State, error) {
	var cert wire.Certificate
	if err := cert.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	if len(cert.Entries) == 0 {
		// RFC 8446 4.4.2.4: "If the server supplies an empty Certificate message, the
		// client MUST abort the handshake with a decode_error alert."
		return 0, abort(AlertDecodeError, "certificate: the server sent none")
	}
	var asked []wire.ExtensionType
	if hs.c.config.RequestOCSP {
		asked = append(asked, wire.ExtStatusRequest)
	}
	if hs.c.config.RequestSCTs {
		asked = append(asked, wire.ExtSCT)
	}
	chain, peer, err := chainOf(&cert, asked)
	if err != nil {
		return 0, err
	}
	hs.transcript.Write(m.raw)
	hs.chain = chain
	return StateAwaitVerification, hs.beginVerification(chain, peer)
}

func (hs *client13) awaitVerification() (State, error) {
	ok, err := hs.verified()
	switch {
	case !ok:
		return StateAwaitVerification, nil
	case err != nil:
		return 0, err
	case hs.session != nil:
		hs.c.facts.peer = hs.peer
		return StateExpectServerFinished, nil
	}
	return StateExpectCertificateVerify, nil
}

func (hs *client13) readCertificateVerify(m message) (State, error) {
	scheme, err := hs.checkCertificateVerify(m, serverContext)
	if err != nil {
		return 0, err
	}
	f := &hs.c.facts
	f.scheme, f.peer = scheme, hs.peer
	return StateExpectServerFinished, nil
}

func (hs *client13) readServerFinished(m message) (State, error) {
	if err := hs.checkFinished(m, &hs.serverHandshake); err != nil {
		return 0, err
	}
	if err := hs.deriveApplication(); err != nil {
		return 0, err
	}
	if err := hs.c.setReadSecret(&hs.serverApplication); err != nil {
		return 0, err
	}
	if hs.request != nil {
		return StateAwaitCertificate, nil
	}
	return StateSendClientFinished, nil
}

func (hs *client13) sendClientFinished() (State, error) {
	if hs.cert != nil {
		if err := hs.sendCertificateVerify(); err != nil {
			return 0, err
		}
		hs.c.facts.clientScheme = hs.scheme
	}
	if err := hs.sendFinished(&hs.clientHandshake); err != nil {
		return 0, err
	}
	hs.prepareForTickets()
	hs.setWriteSecret(&hs.clientApplication)
	return StateAwaitFlush, nil
}

// clearSecrets implements machine.
func (hs *client13) clearSecrets() {
	hs.handshake13.clearSecrets()
	hs.shares = nil // private keys: the collector's, as the library offers no clearing
}
