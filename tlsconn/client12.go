package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// client12 is the handshake of a TLS 1.2 client with ephemeral elliptic-curve keys (RFC
// 5246 7.3, RFC 8422), from the ServerHello on.
type client12 struct {
	handshake12
	hello    wire.ClientHello // as sent
	helloRaw []byte

	ticket, id []byte // of the session that is offered, one of them
	sessionID  []byte // the server's, which may stand for a session
	ske        wire.ServerKeyExchange
	status     bool // the server acknowledged status_request
	tickets    bool // the server announced a NewSessionTicket
	issued     []byte
	lifetime   time.Duration // of the ticket issued, and of a session that has none
	evidence   Peer
	request    *certificateAsk // the server's CertificateRequest, nil without one
}

// newClient12 takes over from the client that has sent a ClientHello for both
// versions.
func newClient12(from *client13) *client12 {
	hs := &client12{lifetime: maxTicketLifetime}
	hs.handshake = from.handshake
	switch s := from.session; {
	case s == nil:
	case s.version == tls.VersionTLS12:
		hs.session, hs.ticket, hs.id = s, from.ticket, from.id
	default:
		clear(s.psk) // of TLS 1.3: it is not resumed
	}
	hs.hello, hs.helloRaw = from.hello, from.helloRaw
	hs.randoms.Client = from.random
	return hs
}

// step implements machine.
func (hs *client12) step(m message) (State, error) {
	// The other states are of other machines, and end below.
	//exhaustive:ignore
	switch hs.c.state {
	case StateExpectServerHello:
		return hs.readServerHello(m)
	case StateExpectCertificate:
		return hs.readCertificate(m)
	case StateExpectStatusOrKeyExchange:
		if m.typ == wire.TypeCertificateStatus {
			return hs.readCertificateStatus(m)
		}
		return hs.readServerKeyExchange(m)
	case StateExpectServerKeyExchange:
		return hs.readServerKeyExchange(m)
	case StateAwaitVerification:
		return hs.awaitVerification()
	case StateExpectRequestOrDone:
		if m.typ == wire.TypeCertificateRequest {
			return hs.readCertificateRequest(m)
		}
		return hs.readServerHelloDone(m)
	case StateExpectServerHelloDone:
		return hs.readServerHelloDone(m)
	case StateAwaitCertificate:
		return hs.awaitCertificate()
	case StateSendClientCertificate:
		return hs.sendClientCertificate()
	case StateSendClientKeyExchange:
		return hs.sendClientKeyExchange()
	case StateAwaitSignature:
		return hs.awaitSignature(func() []byte { return hs.messages }, StateSendClientFinished)
	case StateSendClientFinished:
		return hs.sendClientFinished()
	case StateExpectNewSessionTicket:
		return hs.readNewSessionTicket(m)
	case StateExpectChangeCipherSpec:
		return StateExpectServerFinished, hs.changeReadKey()
	case StateExpectServerFinished:
		return hs.readServerFinished(m)
	case StateAwaitFlush:
		return hs.awaitFlush()
	}
	return hs.c.state, fmt.Errorf("internal: step of a TLS 1.2 client in state %v", hs.c.state)
}

// serverHello12Extensions are what a ServerHello of TLS 1.2 may answer with.
var serverHello12Extensions = []wire.ExtensionType{
	wire.ExtServerName, wire.ExtExtendedMasterSecret, wire.ExtRenegotiationInfo, wire.ExtSessionTicket, wire.ExtStatusRequest,
	wire.ExtSCT, wire.ExtALPN, wire.ExtECPointFormats, wire.ExtRecordSizeLimit, wire.ExtClientCertificateType,
}

// readServerHello takes the ServerHello of a server that chose TLS 1.2.
func (hs *client12) readServerHello(m message) (State, error) {
	var sh wire.ServerHello
	if err := sh.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	suite, err := hs.checkServerHello(&sh)
	if err != nil {
		return 0, err
	}
	hs.randoms.Server = sh.Random
	hs.extended = sh.Has(wire.ExtExtendedMasterSecret)
	hs.status, hs.tickets = sh.Has(wire.ExtStatusRequest), sh.Has(wire.ExtSessionTicket)
	hs.sessionID = slices.Clone(sh.SessionID)
	for _, sct := range sh.SCTs {
		hs.evidence.SignedCertificateTimestamps = append(hs.evidence.SignedCertificateTimestamps, slices.Clone(sct))
	}
	if err := hs.c.settleProtocol("server_hello", sh.ALPN); err != nil {
		return 0, err
	}
	if sh.RecordSizeLimit > 0 {
		hs.c.out.limitFragment(int(sh.RecordSizeLimit)) // RFC 8449 4: in TLS 1.2 it counts no type
	}
	if hs.echoed(&sh) {
		if err := hs.checkResumption(suite); err != nil {
			return 0, err
		}
	} else if hs.session != nil {
		hs.dropSession()
	}
	if err := hs.learnClientType("server_hello", sh.ClientCertificateType); err != nil {
		return 0, err
	}
	hs.start12(suite, hs.session == nil)
	hs.log(hs.helloRaw)
	hs.log(m.raw)
	hs.hello, hs.helloRaw = wire.ClientHello{}, nil
	if hs.session == nil {
		return StateExpectCertificate, nil
	}
	hs.c.facts.resumed = true
	copy(hs.master[:], hs.session.psk)
	if err := hs.deriveKeys(); err != nil {
		return 0, err
	}
	return hs.resumeVerified()
}

// echoed tells whether the server sends the session id that we sent.
func (hs *client12) echoed(sh *wire.ServerHello) bool {
	return len(sh.SessionID) > 0 && bytes.Equal(sh.SessionID, hs.hello.SessionID)
}

// checkServerHello refuses what no ServerHello of TLS 1.2 may say, and returns the suite.
func (hs *client12) checkServerHello(sh *wire.ServerHello) (*suite, error) {
	if sh.LegacyVersion != tls.VersionTLS12 {
		return nil, abort(AlertProtocolVersion, "server_hello: the server has no TLS 1.2, only %s", tls.VersionName(sh.LegacyVersion))
	}
	for _, e := range sh.Extensions {
		switch {
		case e == wire.ExtSupportedGroups:
			// Not the server's to send, but some do.
		case e == wire.ExtRenegotiationInfo && len(sh.RenegotiationInfo) > 0:
			return nil, abort(AlertHandshakeFailure, "server_hello: renegotiation_info is not empty")
		case !hs.hello.Has(e) || !slices.Contains(serverHello12Extensions, e):
			return nil, abort(AlertUnsupportedExtension, "server_hello: %v was not offered", e)
		}
	}
	if !sh.Has(wire.ExtRenegotiationInfo) && !hs.c.config.AllowMissingRenegotiationInfo {
		// RFC 5746 4.1: such clients "MUST generate a fatal "handshake_failure" alert".
		return nil, abort(AlertHandshakeFailure, "server_hello: no renegotiation_info: the server may renegotiate insecurely (Config.AllowMissingRenegotiationInfo)")
	}
	if sh.Has(wire.ExtECPointFormats) && !slices.Contains(sh.PointFormats, 0) {
		return nil, abort(AlertIllegalParameter, "server_hello: ec_point_formats is without uncompressed")
	}
	if sh.CompressionMethod != 0 {
		return nil, abort(AlertIllegalParameter, "server_hello: compression_method is %d", sh.CompressionMethod)
	}
	if hs.session == nil && hs.echoed(sh) {
		// RFC 8446 4.1.3 has only TLS 1.3 echo an id that stands for no session.
		return nil, abort(AlertIllegalParameter, "server_hello: session_id of no session of ours is echoed")
	}
	suite := suite12ByID(sh.CipherSuite)
	if suite == nil || !slices.Contains(hs.hello.CipherSuites, sh.CipherSuite) {
		return nil, abort(AlertIllegalParameter, "server_hello: cipher suite %#04x was not offered", sh.CipherSuite)
	}
	return suite, nil
}

// checkResumption refuses a session that continues as another (RFC 5246 7.4.1.3, RFC
// 7627 5.3).
func (hs *client12) checkResumption(suite *suite) error {
	switch s := hs.session; {
	case s.suite != suite.id:
		return abort(AlertIllegalParameter, "server_hello: cipher suite is not that of the session")
	case s.extended && !hs.extended:
		return abort(AlertHandshakeFailure, "server_hello: no extended_master_secret, which the session has")
	case !s.extended && hs.extended:
		return abort(AlertHandshakeFailure, "server_hello: extended_master_secret, which the session has not")
	}
	return nil
}

func (hs *client12) readCertificate(m message) (State, error) {
	chain, err := hs.readChain(m)
	if err != nil {
		return 0, err
	}
	if len(chain) == 0 {
		return 0, abort(AlertDecodeError, "certificate: the server sent none")
	}
	if err := hs.checkKeyKind(chain[0]); err != nil {
		return 0, err
	}
	hs.chain = chain
	if hs.status {
		return StateExpectStatusOrKeyExchange, nil
	}
	return StateExpectServerKeyExchange, nil
}

func (hs *client12) readCertificateStatus(m message) (State, error) {
	var cs wire.CertificateStatus
	if err := cs.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	hs.evidence.OCSPResponse = slices.Clone(cs.OCSPStaple)
	hs.log(m.raw)
	return StateExpectServerKeyExchange, nil
}

// readServerKeyExchange takes the server's share; its signature is checked with the key
// of the certificate, once that is verified.
func (hs *client12) readServerKeyExchange(m message) (State, error) {
	body := slices.Clone(m.body()) // the message is lent
	if err := hs.ske.Unmarshal(body); err != nil {
		return 0, decodeError(err)
	}
	p, _ := hs.c.config.prepare()
	group := tls.CurveID(hs.ske.Group)
	if !slices.Contains(p.groups, group) || kemOf(group) != nil {
		return 0, abort(AlertIllegalParameter, "server_key_exchange: group %#04x was not offered", hs.ske.Group)
	}
	hs.c.facts.group = group
	hs.log(m.raw)
	return StateAwaitVerification, hs.beginVerification(hs.chain, hs.evidence)
}

func (hs *client12) awaitVerification() (State, error) {
	ok, err := hs.verified()
	switch {
	case !ok:
		return StateAwaitVerification, nil
	case err != nil:
		return 0, err
	}
	f := &hs.c.facts
	if hs.session != nil {
		f.peer = hs.peer
		return hs.expectTicket(), nil
	}
	p, _ := hs.c.config.prepare()
	f.scheme = tls.SignatureScheme(hs.ske.Algorithm)
	key := hs.peer.Certificates[0].PublicKey
	if err := verifySignature(tls.VersionTLS12, key, f.scheme, p.schemes, hs.signedParams(&hs.ske), hs.ske.Signature); err != nil {
		return 0, err
	}
	f.peer = hs.peer
	return StateExpectRequestOrDone, nil
}

func (hs *client12) readServerHelloDone(m message) (State, error) {
	if len(m.body()) > 0 {
		return 0, abort(AlertDecodeError, "server_hello_done: %d bytes", len(m.body()))
	}
	if err := hs.c.endOfFlight(); err != nil {
		return 0, err
	}
	hs.log(m.raw)
	if hs.request != nil {
		return StateAwaitCertificate, nil
	}
	hs.stopLogging()
	return StateSendClientKeyExchange, nil
}

// sendClientKeyExchange makes the master secret.
func (hs *client12) sendClientKeyExchange() (State, error) {
	key, err := newEphemeralKey(hs.c.facts.group)
	if err != nil {
		return 0, fmt.Errorf("internal: key share: %w", err)
	}
	shared, err := key.secret(hs.ske.Point)
	if err != nil {
		return 0, abort(AlertIllegalParameter, "server_key_exchange: %v: %w", hs.c.facts.group, err)
	}
	if err := hs.say((&wire.ClientKeyExchange{Point: key.public()}).Append(hs.flight)); err != nil {
		return 0, err
	}
	if err := hs.deriveMaster(shared); err != nil {
		return 0, err
	}
	if hs.cert != nil {
		return StateAwaitSignature, nil
	}
	return StateSendClientFinished, nil
}

func (hs *client12) sendClientFinished() (State, error) {
	if hs.cert != nil && hs.session == nil {
		hs.c.facts.clientScheme = hs.scheme
		cv := wire.CertificateVerify{Algorithm: uint16(hs.scheme), Signature: hs.signature}
		hs.stopLogging()
		if err := hs.say(cv.Append(hs.flight)); err != nil {
			return 0, err
		}
	}
	if err := hs.sendFinished(); err != nil {
		return 0, err
	}
	if hs.session != nil {
		hs.finish()
		return StateAwaitFlush, nil
	}
	return hs.expectTicket(), nil
}

// expectTicket is the state after which the server's Finished is due.
func (hs *client12) expectTicket() State {
	if hs.tickets {
		return StateExpectNewSessionTicket
	}
	return StateExpectChangeCipherSpec
}

func (hs *client12) readServerFinished(m message) (State, error) {
	if err := hs.checkFinished(m); err != nil {
		return 0, err
	}
	if err := hs.c.endOfFlight(); err != nil {
		return 0, err
	}
	if hs.session != nil {
		return StateSendClientFinished, nil
	}
	hs.finish()
	return StateConnected, nil
}
