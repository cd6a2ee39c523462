package tlsconn

import (
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// server12 is the handshake of a TLS 1.2 server with ephemeral elliptic-curve keys (RFC
// 5246 7.3, RFC 8422), from the choice of the parameters on.
type server12 struct {
	handshake12
	received
	asked *Completion[[]byte] // for the session that the client offers

	key        *ephemeralKey
	id         *sessionID // that the session is or will be found by; nil for none
	issues     bool       // a NewSessionTicket was announced
	legacyInfo bool       // the client knows renegotiation_info
}

func newServer12(from *serverStart) *server12 {
	hs := new(server12)
	hs.handshake, hs.received = from.handshake, from.received
	hs.randoms.Client = hs.hello.Random
	return hs
}

// kept implements machine.
func (hs *server12) kept() int { return len(hs.helloRaw) + hs.handshake12.kept() }

// step implements machine.
func (hs *server12) step(m message) (State, error) {
	// The other states are of other machines, and end below.
	//exhaustive:ignore
	switch hs.c.state {
	case StateSelectParameters:
		return hs.selectParameters()
	case StateAwaitTicket:
		return hs.awaitTicket()
	case StateAwaitSession:
		return hs.awaitSession()
	case StateAwaitCertificate:
		return hs.awaitCertificate()
	case StateSendServerHello:
		return hs.sendServerHello()
	case StateAwaitSignature:
		return hs.awaitSignature(hs.signedKeyExchange, StateSendServerHelloDone)
	case StateSendServerHelloDone:
		return hs.sendServerHelloDone()
	case StateExpectCertificate:
		return hs.readClientCertificate(m)
	case StateAwaitVerification:
		return hs.awaitClient(StateExpectClientKeyExchange)
	case StateExpectClientKeyExchange:
		return hs.readClientKeyExchange(m)
	case StateExpectCertificateVerify:
		return hs.readClientCertificateVerify(m)
	case StateExpectChangeCipherSpec:
		return StateExpectClientFinished, hs.changeReadKey()
	case StateExpectClientFinished:
		return hs.readClientFinished(m)
	case StateSendServerFinished:
		return hs.sendServerFinished()
	case StateAwaitFlush:
		return hs.awaitFlush()
	}
	return hs.c.state, fmt.Errorf("internal: step of a TLS 1.2 server in state %v", hs.c.state)
}

// checkHello refuses a ClientHello that TLS 1.2 forbids, whatever is selected.
func (hs *server12) checkHello() error {
	m := &hs.hello
	// RFC 5246 7.4.1.2: "This vector MUST contain, and all implementations MUST support,
	// CompressionMethod.null."
	if !slices.Contains(m.CompressionMethods, 0) {
		return abort(AlertIllegalParameter, "client_hello: compression_methods is without null")
	}
	// RFC 8422 5.1: "If the Supported Point Formats Extension is indeed sent, it MUST contain the
	// value 0 (uncompressed)", and 5.1.2: or illegal_parameter.
	if m.Has(wire.ExtECPointFormats) && !slices.Contains(m.PointFormats, 0) {
		return abort(AlertIllegalParameter, "client_hello: ec_point_formats is without uncompressed")
	}
	// RFC 5746 3.6: empty in an initial handshake, or it ends, as 3.4 says with handshake_failure.
	if len(m.RenegotiationInfo) > 0 {
		return abort(AlertHandshakeFailure, "client_hello: renegotiation_info is not empty")
	}
	hs.legacyInfo = m.Has(wire.ExtRenegotiationInfo) || slices.Contains(m.CipherSuites, wire.EmptyRenegotiationInfoSCSV)
	hs.extended = m.Has(wire.ExtExtendedMasterSecret)
	return nil
}

// selectParameters chooses what does not depend on a session.
func (hs *server12) selectParameters() (State, error) {
	if err := hs.checkHello(); err != nil {
		return 0, err
	}
	protocol, err := selectProtocol(hs.c.config.NextProtos, hs.hello.ALPN)
	if err != nil {
		return 0, err
	}
	hs.c.facts.protocol = protocol
	return hs.lookForSession(), nil
}

// selectGroup12 chooses our most preferred curve of those in common, 0 for none. With a
// client that does not say we would be "free to choose any" (RFC 8422 4), but nobody who
// has our suites leaves it out: we choose none.
func selectGroup12(ours []tls.CurveID, m *wire.ClientHello) tls.CurveID {
	for _, g := range ours {
		if kemOf(g) != nil {
			continue // of TLS 1.3 only
		}
		if slices.Contains(m.SupportedGroups, uint16(g)) {
			return g
		}
	}
	return 0
}

// awaitCertificate chooses certificate and suite together, as the suite names the kind
// of key.
func (hs *server12) awaitCertificate() (State, error) {
	p, _ := hs.c.config.prepare()
	accepted := knownSchemes(hs.hello.SignatureAlgorithms)
	if !hs.hello.Has(wire.ExtSignatureAlgorithms) {
		// RFC 5246 7.4.1.4.1 has SHA-1 stand for none, with which nobody may sign any more (RFC
		// 9155), and "Clients MUST include the signature_algorithms extension" (RFC 9155 2).
		return 0, abort(AlertHandshakeFailure, "client_hello: no signature_algorithms")
	}
	if hs.c.facts.group = selectGroup12(p.groups, &hs.hello); hs.c.facts.group == 0 {
		return 0, abort(AlertHandshakeFailure, "client_hello: no group in common")
	}
	if err := hs.checkCertificateTypes(); err != nil {
		return 0, err
	}
	if err := hs.settleClientType(&hs.hello); err != nil {
		return 0, err
	}
	able := able12(accepted)
	var tried, suited, curved bool // any certificate: to tell what there is too little of
	ok, err := hs.serverCertificate(&hs.received, func(c *certificate) (tls.SignatureScheme, bool) {
		tried = true
		if p.selectSuite(p.suites12, hs.hello.CipherSuites, c.suits) == nil {
			return 0, false
		}
		suited = true
		// RFC 8422 5.3: "the public key in the server's certificate MUST respect the client's
		// choice of elliptic curves".
		if curve := curveOf(c.public); curve != 0 && !slices.Contains(hs.hello.SupportedGroups, uint16(curve)) {
			return 0, false
		}
		curved = true
		return able(c)
	})
	switch {
	case !ok:
		return StateAwaitCertificate, nil
	case err != nil && tried && !suited:
		return 0, abort(AlertHandshakeFailure, "client_hello: no cipher suite in common")
	case err != nil && tried && !curved:
		return 0, abort(AlertHandshakeFailure, "client_hello: supported_groups is without the curve of a certificate's key")
	case err != nil:
		return 0, err
	}
	hs.start(p.selectSuite(p.suites12, hs.hello.CipherSuites, hs.cert.suits))
	return StateSendServerHello, nil
}

// suits tells whether a certificate's key is of the kind that a suite of TLS 1.2 names.
func (c *certificate) suits(s *suite) bool { return s.rsa == c.isRSA() }

// start begins the transcript with the ClientHello.
func (hs *server12) start(s *suite) {
	hs.start12(s, hs.session == nil && hs.c.config.ClientAuth != tls.NoClientCert)
	hs.log(hs.helloRaw)
}

// sendServerHello appends the flight: to the end in a resumption, else up to the
// ServerKeyExchange, which has to be signed.
func (hs *server12) sendServerHello() (State, error) {
	if err := hs.c.endOfFlight(); err != nil {
		return 0, err
	}
	p, _ := hs.c.config.prepare()
	f := &hs.c.facts
	hs.randoms.Server = newRandom()
	if p.maxVersion > tls.VersionTLS12 {
		// RFC 8446 4.1.3: so that a client of TLS 1.3 sees who took its offer out.
		copy(hs.randoms.Server[24:], wire.DowngradeTLS12[:])
	}
	sh := wire.ServerHello{
		LegacyVersion: tls.VersionTLS12,
		Random:        hs.randoms.Server,
		CipherSuite:   f.suite.id,
		ALPN:          []byte(f.protocol),
	}
	if hs.legacyInfo {
		sh.Answer(wire.ExtRenegotiationInfo)
	}
	if hs.extended {
		sh.Answer(wire.ExtExtendedMasterSecret)
	}
	if hs.hello.Has(wire.ExtECPointFormats) {
		sh.PointFormats = []byte{0}
	}
	if limit := hs.hello.RecordSizeLimit; limit > 0 {
		hs.c.out.limitFragment(int(limit)) // RFC 8449 4: in TLS 1.2 it counts no type
		sh.RecordSizeLimit = record.MaxPlaintext
	}
	hs.promise(&sh)
	if hs.session != nil {
		if err := hs.say(sh.Append(hs.flight)); err != nil {
			return 0, err
		}
		return hs.finishResumption()
	}
	asked := accompaniment{ocsp: hs.hello.Has(wire.ExtStatusRequest) && len(hs.cert.ocsp) > 0}
	if asked.ocsp {
		sh.Answer(wire.ExtStatusRequest)
	}
	if hs.hello.Has(wire.ExtSCT) {
		sh.SCTs = hs.cert.scts
	}
	if hs.named && f.serverName != "" {
		sh.Answer(wire.ExtServerName)
	}
	sh.ClientCertificateType = hs.clientTypeAnswer(&hs.hello)
	if err := hs.say(sh.Append(hs.flight)); err != nil {
		return 0, err
	}
	if err := hs.say((&wire.Certificate12{Certificates: hs.cert.chain}).Append(hs.flight)); err != nil {
		return 0, err
	}
	if asked.ocsp {
		if err := hs.say((&wire.CertificateStatus{OCSPStaple: hs.cert.ocsp}).Append(hs.flight)); err != nil {
			return 0, err
		}
	}
	var err error
	if hs.key, err = newEphemeralKey(f.group); err != nil {
		return 0, fmt.Errorf("internal: key share: %w", err)
	}
	hs.hello, hs.helloRaw = wire.ClientHello{}, nil
	return StateAwaitSignature, nil
}

// keyExchange is our ServerKeyExchange, but for the signature.
func (hs *server12) keyExchange() wire.ServerKeyExchange {
	return wire.ServerKeyExchange{Group: uint16(hs.c.facts.group), Point: hs.key.public()}
}

func (hs *server12) signedKeyExchange() []byte {
	ske := hs.keyExchange()
	return hs.signedParams(&ske)
}

func (hs *server12) sendServerHelloDone() (State, error) {
	hs.c.facts.scheme = hs.scheme
	ske := hs.keyExchange()
	ske.Algorithm, ske.Signature = uint16(hs.scheme), hs.signature
	if err := hs.say(ske.Append(hs.flight)); err != nil {
		return 0, err
	}
	next := StateExpectClientKeyExchange
	if hs.c.config.ClientAuth != tls.NoClientCert {
		p, _ := hs.c.config.prepare()
		next = StateExpectCertificate
		cr := wire.CertificateRequest12{
			CertificateTypes:       []byte{wire.ClientCertificateECDSASign, wire.ClientCertificateRSASign},
			SignatureAlgorithms:    p.schemes,
			CertificateAuthorities: p.authorities,
		}
		if err := hs.say(cr.Append(hs.flight)); err != nil {
			return 0, err
		}
	}
	if err := hs.say((&wire.ServerHelloDone{}).Append(hs.flight)); err != nil {
		return 0, err
	}
	hs.seal()
	return next, nil
}

// readClientKeyExchange makes the master secret.
func (hs *server12) readClientKeyExchange(m message) (State, error) {
	var cke wire.ClientKeyExchange
	if err := cke.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	shared, err := hs.key.secret(cke.Point)
	if err != nil {
		return 0, abort(AlertIllegalParameter, "client_key_exchange: %v: %w", hs.c.facts.group, err)
	}
	hs.key = nil
	hs.log(m.raw)
	if err := hs.deriveMaster(shared); err != nil {
		return 0, err
	}
	if hs.peer != nil {
		return StateExpectCertificateVerify, nil
	}
	hs.stopLogging()
	return StateExpectChangeCipherSpec, nil
}

func (hs *server12) readClientFinished(m message) (State, error) {
	if err := hs.checkFinished(m); err != nil {
		return 0, err
	}
	if err := hs.c.endOfFlight(); err != nil {
		return 0, err
	}
	if hs.session != nil {
		hs.complete(hs.id, nil)
		return StateConnected, nil
	}
	return StateSendServerFinished, nil
}

func (hs *server12) sendServerFinished() (State, error) {
	if hs.id != nil {
		hs.store()
	}
	if hs.issues {
		if err := hs.sendTicket(); err != nil {
			return 0, err
		}
	}
	if err := hs.sendFinished(); err != nil {
		return 0, err
	}
	hs.complete(hs.id, nil)
	return StateAwaitFlush, nil // the client waits for it
}
