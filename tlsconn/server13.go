package tlsconn

import (
	"crypto/tls"
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// server13 is the handshake of a TLS 1.3 server (RFC 8446 A.2), from the choice of
// the parameters on.
type server13 struct {
	handshake13
	received
	retryGroup tls.CurveID // asked for in a HelloRetryRequest, 0 without one
	offer      pskOffer

	requested bool // a CertificateRequest was sent
	// expected is the client's Finished, known beforehand if the transcript up to it is.
	expected []byte
}

func newServer13(from *serverStart) *server13 {
	hs := new(server13)
	hs.handshake, hs.received = from.handshake, from.received
	hs.random = hs.hello.Random
	return hs
}

// kept implements machine.
func (hs *server13) kept() int { return len(hs.helloRaw) + hs.parties.kept() }

// step implements machine.
func (hs *server13) step(m message) (State, error) {
	// The other states are of other machines, and end below.
	//exhaustive:ignore
	switch hs.c.state {
	case StateSelectParameters:
		return hs.selectParameters()
	case StateSendHelloRetryRequest:
		return hs.sendHelloRetryRequest()
	case StateExpectSecondClientHello:
		return hs.readSecondClientHello(m)
	case StateAwaitTicket:
		return hs.awaitTicket()
	case StateAwaitCertificate:
		return hs.awaitCertificate()
	case StateSendServerHello:
		return hs.sendServerHello()
	case StateAwaitSignature:
		return hs.awaitSignature(hs.signed, StateSendServerFinished)
	case StateSendServerFinished:
		return hs.sendServerFinished()
	case StateExpectCertificate:
		return hs.readClientCertificate(m)
	case StateAwaitVerification:
		return hs.awaitClient(StateExpectCertificateVerify)
	case StateExpectCertificateVerify:
		return hs.readClientCertificateVerify(m)
	case StateExpectClientFinished:
		return hs.readClientFinished(m)
	}
	return hs.c.state, fmt.Errorf("internal: step of a server in state %v", hs.c.state)
}

// selectParameters chooses what does not depend on a session.
func (hs *server13) selectParameters() (State, error) {
	if err := hs.checkHello(); err != nil {
		return 0, err
	}
	// RFC 8446 4.2.10: a server that does not take the 0-RTT data which may follow
	// skips it, until records open again or a second ClientHello comes.
	hs.c.in.skipping = hs.hello.Has(wire.ExtEarlyData)
	p, _ := hs.c.config.prepare() // its error was told when the Conn was made
	suite := p.selectSuite(p.suites, hs.hello.CipherSuites, anySuite)
	if suite == nil {
		return 0, abort(AlertHandshakeFailure, "client_hello: no cipher suite in common")
	}
	protocol, err := selectProtocol(hs.c.config.NextProtos, hs.hello.ALPN)
	if err != nil {
		return 0, err
	}
	group, ok := selectGroup(p.groups, &hs.hello)
	if !ok {
		return 0, abort(AlertHandshakeFailure, "client_hello: no group in common")
	}
	f := &hs.c.facts
	f.protocol, f.group = protocol, group
	hs.begin(suite)
	hs.hashHello()
	if hs.hello.Has(wire.ExtPreSharedKey) && hs.takesTickets() {
		return StateAwaitTicket, nil
	}
	return hs.decided()
}

// hashHello adds the ClientHello to the transcript, and keeps what its binders are
// computed over.
func (hs *server13) hashHello() {
	binders := len(hs.helloRaw) - hs.hello.BindersLen()
	hs.transcript.Write(hs.helloRaw[:binders])
	copy(hs.offer.binderHash[:], hs.transcriptHash())
	hs.transcript.Write(hs.helloRaw[binders:])
}

// decided goes on once it is known whether a session is resumed.
func (hs *server13) decided() (State, error) {
	switch {
	case shareOf(&hs.hello, hs.c.facts.group) == nil:
		return StateSendHelloRetryRequest, nil
	case hs.session == nil:
		return StateAwaitCertificate, nil
	case len(hs.session.chain) > 0:
		return hs.recallClient()
	}
	return StateSendServerHello, nil
}

// sendHelloRetryRequest asks for a share of the group that was selected (RFC
// 8446 4.1.4).
func (hs *server13) sendHelloRetryRequest() (State, error) {
	if err := hs.c.endOfFlight(); err != nil {
		return 0, err
	}
	hs.retryGroup = hs.c.facts.group
	hs.c.facts.retried = true
	hs.retryTranscript()
	hrr := wire.ServerHello{
		LegacyVersion:    tls.VersionTLS12,
		Random:           wire.HelloRetryRequestRandom,
		SessionID:        hs.hello.SessionID,
		CipherSuite:      hs.c.facts.suite.id,
		SupportedVersion: tls.VersionTLS13,
		SelectedGroup:    uint16(hs.retryGroup),
	}
	if err := hs.send(hrr.Append(hs.flight)); err != nil {
		return 0, err
	}
	hs.seal()
	hs.c.queueChangeCipherSpec()
	hs.hello = wire.ClientHello{} // while the client thinks, helloRaw is enough
	return StateExpectSecondClientHello, nil
}

func (hs *server13) readSecondClientHello(m message) (State, error) {
	var first wire.ClientHello
	if err := first.Unmarshal(hs.helloRaw[wire.HeaderLen:]); err != nil {
		return 0, fmt.Errorf("internal: first client_hello: %w", err)
	}
	if err := hs.receive(m); err != nil {
		return 0, err
	}
	if err := hs.checkHello(); err != nil {
		return 0, err
	}
	if err := hs.checkSecondHello(&first); err != nil {
		return 0, err
	}
	hs.c.in.skipping = false
	hs.hashHello()
	if hs.session != nil {
		if err := hs.resumeAgain(&first); err != nil {
			return 0, err
		}
	}
	return hs.decided()
}

// sendServerHello makes the shared secret, turns on protection and appends the
// flight: to the end in a resumption, else up to the Certificate.
func (hs *server13) sendServerHello() (State, error) {
	f := &hs.c.facts
	public, shared, err := respond(f.group, shareOf(&hs.hello, f.group))
	if err == errShare {
		return 0, abort(AlertIllegalParameter, "client_hello: key_share: %v: %w", f.group, err)
	} else if err != nil {
		return 0, fmt.Errorf("internal: key share: %w", err)
	}
	sh := wire.ServerHello{
		LegacyVersion:    tls.VersionTLS12,
		Random:           newRandom(),
		SessionID:        hs.hello.SessionID,
		CipherSuite:      f.suite.id,
		SupportedVersion: tls.VersionTLS13,
		KeyShare:         wire.KeyShare{Group: uint16(f.group), KeyExchange: public},
	}
	if hs.session != nil {
		sh.SelectedIdentity = uint16(hs.offer.identity)
		sh.Answer(wire.ExtPreSharedKey)
	}
	if err := hs.send(sh.Append(hs.flight)); err != nil {
		return 0, err
	}
	if err := hs.deriveHandshake(shared); err != nil {
		return 0, err
	}
	if !f.retried {
		// RFC 8446 D.4: after the first handshake message. Also to a client without a
		// session id, which has to drop it all the same.
		hs.seal()
		hs.c.queueChangeCipherSpec()
	}
	hs.setWriteSecret(&hs.serverHandshake)
	if err := hs.c.setReadSecret(&hs.clientHandshake); err != nil {
		return 0, err
	}
	ee := wire.EncryptedExtensions{ALPN: []byte(f.protocol), ServerNameAck: hs.named && f.serverName != "" && hs.session == nil}
	if hs.session == nil {
		ee.ClientCertificateType = hs.clientTypeAnswer(&hs.hello)
	}
	if limit := hs.hello.RecordSizeLimit; limit > 0 {
		// RFC 8449 4: it counts the content type; ours is the greatest that there is.
		hs.c.out.limitFragment(int(limit) - 1)
		ee.RecordSizeLimit = record.MaxPlaintext + 1
	}
	if err := hs.send(ee.Append(hs.flight)); err != nil {
		return 0, err
	}
	if hs.session != nil {
		hs.forgetHello()
		return StateSendServerFinished, nil
	}
	if err := hs.sendCertificateRequest(); err != nil {
		return 0, err
	}
	if err := hs.send(hs.cert.appendMessage(hs.flight, hs.asked())); err != nil {
		return 0, err
	}
	hs.forgetHello()
	return StateAwaitSignature, nil
}

// forgetHello lets go of what is answered: whoever never sends a Finished makes
// us hold no more than that takes.
func (hs *server13) forgetHello() {
	hs.offer.modes = hs.offersDHE()
	hs.hello, hs.helloRaw = wire.ClientHello{}, nil
}

func (hs *server13) sendServerFinished() (State, error) {
	if hs.session == nil {
		if err := hs.sendCertificateVerify(); err != nil {
			return 0, err
		}
		hs.c.facts.scheme = hs.scheme
	}
	if err := hs.sendFinished(&hs.serverHandshake); err != nil {
		return 0, err
	}
	if err := hs.deriveApplication(); err != nil {
		return 0, err
	}
	hs.setWriteSecret(&hs.serverApplication)
	if hs.requested {
		return StateExpectCertificate, nil
	}
	// What the client has yet to say is known, so the tickets can go out at once (RFC
	// 8446 4.6.1): to a client that reads our Finished anyway they cost no more.
	hs.expected = wire.AppendFinished(nil, hs.finishedMAC(&hs.clientHandshake))
	hs.transcript.Write(hs.expected)
	return StateExpectClientFinished, hs.sendTickets()
}

func (hs *server13) readClientFinished(m message) (State, error) {
	if hs.expected != nil {
		if err := equalFinished(m.body(), hs.expected[wire.HeaderLen:]); err != nil {
			return 0, err
		}
	} else if err := hs.checkFinished(m, &hs.clientHandshake); err != nil {
		return 0, err
	}
	if err := hs.c.setReadSecret(&hs.clientApplication); err != nil {
		return 0, err
	}
	if hs.requested {
		return StateConnected, hs.sendTickets()
	}
	return StateConnected, nil
}
