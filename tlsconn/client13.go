package tlsconn

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// client13 is the handshake of a TLS 1.3 client (RFC 8446 A.1).
type client13 struct {
	handshake13
	hello      wire.ClientHello // as sent last
	helloRaw   []byte           // the same, encoded; until the transcript has begun
	sessionID  [32]byte
	shares     []*clientShare
	retrySuite *suite // the suite of the HelloRetryRequest, nil without one

	certificateRequested bool
}

func newClient13(c *Conn) *client13 {
	hs := new(client13)
	hs.c = c
	return hs
}

// step implements machine.
func (hs *client13) step(m message) (State, error) {
	switch hs.c.state {
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
	case StateSendClientFinished:
		return hs.sendClientFinished()
	case StateAwaitFlush:
		return hs.awaitFlush()
	case StateExpectClientHello, StateSendHelloRetryRequest, StateExpectSecondClientHello, StateAwaitCertificate,
		StateSendServerHello, StateAwaitSignature, StateSendServerFinished, StateExpectClientFinished,
		StateConnected, StateFailed:
	}
	return hs.c.state, fmt.Errorf("internal: step of a client in state %v", hs.c.state)
}

func (hs *client13) sendClientHello() (State, error) {
	p, _ := hs.c.config.prepare() // its error was told when the Conn was made
	rand.Read(hs.random[:])       // never fails: it ends the program rather
	rand.Read(hs.sessionID[:])
	m := &hs.hello
	*m = wire.ClientHello{
		LegacyVersion: tls.VersionTLS12,
		Random:        hs.random,
		// RFC 8446 D.4: a non-empty session id, to look like a resumption of TLS 1.2.
		SessionID:           hs.sessionID[:],
		CompressionMethods:  []byte{0},
		ServerName:          sniOf(p.serverName),
		SupportedVersions:   []uint16{tls.VersionTLS13},
		SignatureAlgorithms: offeredSchemes,
	}
	for _, s := range p.suites {
		m.CipherSuites = append(m.CipherSuites, s.id)
	}
	for _, g := range p.groups {
		m.SupportedGroups = append(m.SupportedGroups, uint16(g))
	}
	for _, proto := range hs.c.config.NextProtos {
		m.ALPN = append(m.ALPN, []byte(proto))
	}
	if err := hs.makeShares(p.groups); err != nil {
		return 0, err
	}
	hs.c.facts.serverName = string(m.ServerName)
	// The transcript's hash is known with the ServerHello only.
	hs.helloRaw = m.Append(nil)
	if len(hs.helloRaw) == 0 {
		return 0, fmt.Errorf("internal: %w", m.Validate())
	}
	hs.flight = append(hs.flight, hs.helloRaw...)
	hs.seal()
	return StateExpectServerHello, nil
}

// makeShares makes a key share for the first group, and for X25519 as well if
// that group is its hybrid and both are enabled: most servers have one or the other.
func (hs *client13) makeShares(groups []tls.CurveID) error {
	wanted := groups[:1]
	if groups[0] == tls.X25519MLKEM768 {
		for _, g := range groups {
			if g == tls.X25519 {
				wanted = []tls.CurveID{groups[0], g}
			}
		}
	}
	var classical *ecdh.PrivateKey
	for _, g := range wanted {
		s, err := newClientShare(g, classical)
		if err != nil {
			return fmt.Errorf("internal: key share: %w", err)
		}
		classical = s.ecdh
		hs.shares = append(hs.shares, s)
		hs.hello.KeyShares = append(hs.hello.KeyShares, wire.KeyShare{Group: uint16(g), KeyExchange: s.public()})
	}
	return nil
}

func (hs *client13) readCertificateRequest(m message) (State, error) {
	var cr wire.CertificateRequest
	if err := cr.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	// RFC 8446 4.3.2: "This field SHALL be zero length unless used for ... post-handshake".
	if len(cr.Context) != 0 {
		return 0, abort(AlertIllegalParameter, "certificate_request: context is not empty in a handshake")
	}
	if len(cr.SignatureAlgorithms) == 0 {
		return 0, abort(AlertMissingExtension, "certificate_request: no signature_algorithms")
	}
	for _, e := range cr.Extensions {
		// RFC 8446 4.3.2: "Clients MUST ignore unrecognized extensions"; but by 4.2 one
		// that is recognized has to belong here.
		if slices.Contains(notOfRequests, e) {
			return 0, abort(AlertIllegalParameter, "certificate_request: %v does not belong here", e)
		}
	}
	hs.certificateRequested = true
	hs.transcript.Write(m.raw)
	return StateExpectCertificate, nil
}

// readCertificate takes the server's chain and has it verified. What the task
// needs is its own copy: the message is lent.
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
	chain, peer, err := chainOf(&cert, nil)
	if err != nil {
		return 0, err
	}
	hs.transcript.Write(m.raw)
	return StateAwaitVerification, hs.beginVerification(chain, peer)
}

func (hs *client13) awaitVerification() (State, error) {
	ok, err := hs.verified()
	switch {
	case !ok:
		return StateAwaitVerification, nil
	case err != nil:
		return 0, err
	}
	return StateExpectCertificateVerify, nil
}

func (hs *client13) readCertificateVerify(m message) (State, error) {
	var cv wire.CertificateVerify
	if err := cv.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	scheme := tls.SignatureScheme(cv.Algorithm)
	if err := verifySignature(hs.peer.Certificates[0].PublicKey, scheme, signedMessage(serverContext, hs.transcriptHash()), cv.Signature); err != nil {
		return 0, err
	}
	f := &hs.c.facts
	f.scheme = scheme
	f.peer = hs.peer
	hs.transcript.Write(m.raw)
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
	return StateSendClientFinished, nil
}

func (hs *client13) sendClientFinished() (State, error) {
	if hs.certificateRequested {
		// RFC 8446 4.4.2: "If the client has no suitable certificate ... it MUST send a
		// Certificate message containing no certificates".
		if err := hs.send((&wire.Certificate{}).Append(hs.flight)); err != nil {
			return 0, err
		}
	}
	if err := hs.sendFinished(&hs.clientHandshake); err != nil {
		return 0, err
	}
	hs.setWriteSecret(&hs.clientApplication)
	return StateAwaitFlush, nil
}

// awaitFlush makes Handshake return nil only once the server can know that the
// handshake is complete, as SSL_do_handshake does.
func (hs *client13) awaitFlush() (State, error) {
	if hs.c.out.pending() > 0 {
		return StateAwaitFlush, nil
	}
	return StateConnected, nil
}

// clearSecrets implements machine.
func (hs *client13) clearSecrets() {
	hs.handshake13.clearSecrets()
	hs.shares = nil // private keys: the collector's, as the library offers no clearing
}
