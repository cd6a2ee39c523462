package tlsconn

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"slices"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// checkKeyKind refuses a leaf whose key is not of the kind that the suite names, or on a
// curve that we did not offer (RFC 8422 5.3: it "MUST respect the client's choice of
// elliptic curves"). The Certificate alone tells that, so nothing further is waited for:
// the leaf is parsed here, which costs microseconds, and once more by its verification,
// which belongs to a worker.
func (hs *client12) checkKeyKind(leaf []byte) error {
	certs, err := certificatesOf([][]byte{leaf})
	if err != nil {
		return err
	}
	isRSA := false
	switch key := certs[0].PublicKey.(type) {
	case nil: // of an algorithm that x509 does not know; verifySignature tells
		return nil
	case *rsa.PublicKey:
		isRSA = true
	case *ecdsa.PublicKey:
		p, _ := hs.c.config.prepare()
		if group := curveOf(key); group != 0 && !slices.Contains(p.groups, group) {
			return abort(AlertIllegalParameter, "certificate: its key is on %v, which was not offered", group)
		}
	}
	if isRSA != hs.c.facts.suite.rsa {
		return abort(AlertIllegalParameter, "certificate: its key is not of the kind that the cipher suite names")
	}
	return nil
}

func (hs *client12) readCertificateRequest(m message) (State, error) {
	var cr wire.CertificateRequest12
	if err := cr.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	ask := &certificateAsk{
		schemes: ofTypes(slices.Clone(cr.SignatureAlgorithms), cr.CertificateTypes),
		types:   slices.Clone(cr.CertificateTypes),
	}
	for _, name := range cr.CertificateAuthorities {
		ask.authorities = append(ask.authorities, slices.Clone(name))
	}
	hs.request = ask
	hs.log(m.raw)
	return StateExpectServerHelloDone, nil
}

// awaitCertificate chooses the certificate to show.
func (hs *client12) awaitCertificate() (State, error) {
	ok, err := hs.clientCertificate(hs.request, tls.VersionTLS12, able12(knownSchemes(hs.request.schemes)))
	if !ok || err != nil {
		return StateAwaitCertificate, err
	}
	return StateSendClientCertificate, nil
}

// ofTypes returns those schemes whose keys are of a kind that certificate_types names
// (RFC 5246 7.4.4, RFC 8422 3.1: Ed25519 counts as ECDSA): what is left is all that the
// server accepts, for our own choice and for a callback's.
func ofTypes(schemes []uint16, types []byte) []uint16 {
	return slices.DeleteFunc(schemes, func(s uint16) bool {
		kind := byte(wire.ClientCertificateECDSASign)
		if scheme := tls.SignatureScheme(s); isPSS(scheme) || isPKCS1(scheme) {
			kind = wire.ClientCertificateRSASign
		}
		return !slices.Contains(types, kind)
	})
}

// sendClientCertificate answers the server's request, with no certificate if need be.
func (hs *client12) sendClientCertificate() (State, error) {
	var m wire.Certificate12
	switch {
	case hs.cert == nil:
		hs.stopLogging()
	case hs.clientType == CertificateRawPublicKey:
		key := wire.RawPublicKey12{Key: hs.cert.chain[0]}
		return StateSendClientKeyExchange, hs.say(key.Append(hs.flight))
	default:
		m.Certificates = hs.cert.chain
	}
	return StateSendClientKeyExchange, hs.say(m.Append(hs.flight))
}

// readNewSessionTicket takes the ticket that was announced (RFC 5077 3.3).
func (hs *client12) readNewSessionTicket(m message) (State, error) {
	var t wire.NewSessionTicket12
	if err := t.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	hs.log(m.raw)
	hs.issued = slices.Clone(t.Ticket)
	if t.LifetimeHint > 0 { // RFC 5077 3.3: zero is unspecified
		hs.lifetime = time.Duration(t.LifetimeHint) * time.Second
	}
	return StateExpectChangeCipherSpec, nil
}

// finish leaves the session with Config.Sessions, and the rest with the connection.
func (hs *client12) finish() {
	if !hs.c.keepsSessions() {
		hs.complete(nil, nil)
		return
	}
	p, _ := hs.c.config.prepare()
	s := &Session{session: hs.newSession(), ticket: hs.issued}
	hs.complete(nil, s.failed)
	s.psk, s.extended = slices.Clone(hs.master[:]), hs.extended
	s.begin(p.now(), hs.lifetime, hs.peer.expires())
	switch {
	case len(hs.issued) > 0:
	case hs.session != nil:
		// A session of TLS 1.2 goes on being good: the cache gets it back.
		s.created, s.lifetime = hs.session.created, hs.session.lifetime
		s.ticket, s.id = hs.ticket, hs.id
	case len(hs.sessionID) > 0:
		s.id = hs.sessionID
	default:
		return
	}
	hs.c.config.Sessions.PutSession(p.sessionKey, s)
}
