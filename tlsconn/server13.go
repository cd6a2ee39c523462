package tlsconn

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// server13 is the handshake of a TLS 1.3 server (RFC 8446 A.2).
type server13 struct {
	handshake13
	hello    wire.ClientHello // parsed from helloRaw
	helloRaw []byte           // the last ClientHello, our copy
	group    tls.CurveID      // asked for in a HelloRetryRequest, 0 without one
	cert     *certificate
	scheme   tls.SignatureScheme
	signing  *Completion[[]byte]
	// signature is what CertificateVerify shows.
	signature []byte
}

func newServer13(c *Conn) *server13 {
	hs := new(server13)
	hs.c = c
	return hs
}

// step implements machine.
func (hs *server13) step(m message) (State, error) {
	switch hs.c.state {
	case StateExpectClientHello:
		return hs.readClientHello(m)
	case StateSendHelloRetryRequest:
		return hs.sendHelloRetryRequest()
	case StateExpectSecondClientHello:
		return hs.readSecondClientHello(m)
	case StateAwaitCertificate:
		return hs.awaitCertificate()
	case StateSendServerHello:
		return hs.sendServerHello()
	case StateAwaitSignature:
		return hs.awaitSignature()
	case StateSendServerFinished:
		return hs.sendServerFinished()
	case StateExpectClientFinished:
		return hs.readClientFinished(m)
	case StateSendClientHello, StateExpectServerHello, StateExpectSecondServerHello, StateExpectEncryptedExtensions,
		StateExpectCertificateOrRequest, StateExpectCertificate, StateAwaitVerification, StateExpectCertificateVerify,
		StateExpectServerFinished, StateSendClientFinished, StateAwaitFlush, StateConnected, StateFailed:
	}
	return hs.c.state, fmt.Errorf("internal: step of a server in state %v", hs.c.state)
}

// copyHello parses a ClientHello from a copy of its own, as later steps need it.
func (hs *server13) copyHello(m message) error {
	hs.helloRaw = append([]byte(nil), m.raw...)
	if err := hs.hello.Unmarshal(hs.helloRaw[wire.HeaderLen:]); err != nil {
		return decodeError(err)
	}
	return nil
}

func (hs *server13) readClientHello(m message) (State, error) {
	if err := hs.copyHello(m); err != nil {
		return 0, err
	}
	p, _ := hs.c.config.prepare() // its error was told when the Conn was made
	if err := hs.checkHello(); err != nil {
		return 0, err
	}
	suite := p.selectSuite(hs.hello.CipherSuites)
	if suite == nil {
		return 0, abort(AlertHandshakeFailure, "client_hello: no cipher suite in common")
	}
	protocol, err := selectProtocol(hs.c.config.NextProtos, hs.hello.ALPN)
	if err != nil {
		return 0, err
	}
	group, _, ok := selectGroup(p.groups, &hs.hello)
	if !ok {
		return 0, abort(AlertHandshakeFailure, "client_hello: no group in common")
	}

	hs.start13(suite)
	hs.transcript.Write(m.raw)
	hs.random = hs.hello.Random
	f := &hs.c.facts
	f.serverName, f.protocol, f.group = string(hs.hello.ServerName), protocol, group
	// RFC 8446 4.2.10: a server that does not take the 0-RTT data which may follow
	// skips it, until records open again or a second ClientHello comes.
	hs.c.in.skipping = hs.hello.Has(wire.ExtEarlyData)
	if shareOf(&hs.hello, group) == nil {
		return StateSendHelloRetryRequest, nil
	}
	return StateAwaitCertificate, nil
}

// sendHelloRetryRequest asks for a share of the group that was selected (RFC
// 8446 4.1.4).
func (hs *server13) sendHelloRetryRequest() (State, error) {
	if err := hs.c.endOfFlight(); err != nil {
		return 0, err
	}
	hs.group = hs.c.facts.group
	hs.c.facts.retried = true
	hs.retryTranscript()
	hrr := wire.ServerHello{
		LegacyVersion:    tls.VersionTLS12,
		Random:           wire.HelloRetryRequestRandom,
		SessionID:        hs.hello.SessionID,
		CipherSuite:      hs.c.facts.suite.id,
		SupportedVersion: tls.VersionTLS13,
		SelectedGroup:    uint16(hs.group),
	}
	if err := hs.send(hrr.Append(hs.flight)); err != nil {
		return 0, err
	}
	hs.seal()
	hs.compatibility()
	hs.hello = wire.ClientHello{} // while the client thinks, helloRaw is enough
	return StateExpectSecondClientHello, nil
}

// compatibility sends the server's change_cipher_spec of RFC 8446 D.4: once,
// after its first handshake message, if the client wants to look like TLS 1.2.
func (hs *server13) compatibility() {
	if len(hs.hello.SessionID) > 0 {
		hs.c.queueChangeCipherSpec()
	}
}

func (hs *server13) readSecondClientHello(m message) (State, error) {
	var first wire.ClientHello
	if err := first.Unmarshal(hs.helloRaw[wire.HeaderLen:]); err != nil {
		return 0, fmt.Errorf("internal: first client_hello: %w", err)
	}
	if err := hs.copyHello(m); err != nil {
		return 0, err
	}
	if err := hs.checkHello(); err != nil {
		return 0, err
	}
	if err := hs.checkSecondHello(&first); err != nil {
		return 0, err
	}
	hs.c.in.skipping = false
	hs.transcript.Write(m.raw)
	return StateAwaitCertificate, nil
}

// awaitCertificate chooses the certificate. Asking GetCertificate may take an
// outside answer one day; now it is there at once.
func (hs *server13) awaitCertificate() (State, error) {
	p, _ := hs.c.config.prepare()
	accepted := knownSchemes(hs.hello.SignatureAlgorithms)
	if get := hs.c.config.GetCertificate; get != nil {
		cert, err := get(helloInfo(hs.c, &hs.hello))
		if err != nil {
			return 0, abort(AlertInternalError, "GetCertificate: %w", err)
		}
		if cert != nil {
			if hs.cert, err = newCertificate(cert); err != nil {
				return 0, abort(AlertInternalError, "GetCertificate: the certificate %w", err)
			}
			var ok bool
			if hs.scheme, ok = hs.cert.scheme(accepted); !ok {
				return 0, abort(AlertHandshakeFailure, "client_hello: signature_algorithms has none that the certificate's key can make")
			}
			return StateSendServerHello, nil
		}
	}
	if len(p.certificates) == 0 {
		// RFC 6066 3: unrecognized_name, for a name that we do not serve.
		return 0, abort(AlertUnrecognizedName, "client_hello: no certificate for server_name %q", hs.c.facts.serverName)
	}
	if hs.cert, hs.scheme = p.choose(hs.c.facts.serverName, accepted); hs.cert == nil {
		return 0, abort(AlertHandshakeFailure, "client_hello: signature_algorithms has none that a certificate's key can make")
	}
	return StateSendServerHello, nil
}

// sendServerHello makes the shared secret, turns on protection and appends the
// flight up to the Certificate; then it has the CertificateVerify signed.
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
		SessionID:        hs.hello.SessionID,
		CipherSuite:      f.suite.id,
		SupportedVersion: tls.VersionTLS13,
		KeyShare:         wire.KeyShare{Group: uint16(f.group), KeyExchange: public},
	}
	rand.Read(sh.Random[:]) // never fails: it ends the program rather
	if err := hs.send(sh.Append(hs.flight)); err != nil {
		return 0, err
	}
	if err := hs.deriveHandshake(shared); err != nil {
		return 0, err
	}
	if !f.retried {
		hs.seal()
		hs.compatibility()
	}
	hs.setWriteSecret(&hs.serverHandshake)
	if err := hs.c.setReadSecret(&hs.clientHandshake); err != nil {
		return 0, err
	}
	ee := wire.EncryptedExtensions{ALPN: []byte(f.protocol), ServerNameAck: f.serverName != ""}
	if err := hs.send(ee.Append(hs.flight)); err != nil {
		return 0, err
	}
	if err := hs.send(append(hs.flight, hs.cert.message...)); err != nil {
		return 0, err
	}
	// Whoever never sends a Finished makes us hold no more than that takes.
	hs.hello, hs.helloRaw = wire.ClientHello{}, nil
	hs.signing, err = startSignature(&hs.handshake, hs.cert, hs.scheme, serverContext)
	return StateAwaitSignature, err
}

func (hs *server13) awaitSignature() (State, error) {
	signature, ok, err := hs.signing.take(&hs.handshake)
	switch {
	case !ok:
		return StateAwaitSignature, nil
	case err != nil:
		return 0, failed(err, AlertInternalError, "private key")
	}
	hs.signature = signature
	return StateSendServerFinished, nil
}

func (hs *server13) sendServerFinished() (State, error) {
	hs.c.facts.scheme = hs.scheme
	cv := wire.CertificateVerify{Algorithm: uint16(hs.scheme), Signature: hs.signature}
	if err := hs.send(cv.Append(hs.flight)); err != nil {
		return 0, err
	}
	if err := hs.sendFinished(&hs.serverHandshake); err != nil {
		return 0, err
	}
	if err := hs.deriveApplication(); err != nil {
		return 0, err
	}
	hs.setWriteSecret(&hs.serverApplication)
	return StateExpectClientFinished, nil
}

func (hs *server13) readClientFinished(m message) (State, error) {
	if err := hs.checkFinished(m, &hs.clientHandshake); err != nil {
		return 0, err
	}
	if err := hs.c.setReadSecret(&hs.clientApplication); err != nil {
		return 0, err
	}
	return StateConnected, nil
}
