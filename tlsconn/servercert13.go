package tlsconn

import (
	"crypto/tls"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

func (hs *server13) awaitCertificate() (State, error) {
	if !hs.hello.Has(wire.ExtSignatureAlgorithms) {
		// RFC 8446 9.2: mandatory without a pre-shared key that we take.
		return 0, abort(AlertMissingExtension, "client_hello: no %v", wire.ExtSignatureAlgorithms)
	}
	if err := hs.checkCertificateTypes(); err != nil {
		return 0, err
	}
	if err := hs.settleClientType(&hs.hello); err != nil {
		return 0, err
	}
	accepted := knownSchemes(hs.hello.SignatureAlgorithms)
	ok, err := hs.serverCertificate(&hs.received, func(c *certificate) (tls.SignatureScheme, bool) { return c.scheme(accepted) })
	if !ok || err != nil {
		return StateAwaitCertificate, err
	}
	return StateSendServerHello, nil
}

// asked are the extensions that the client wants beside a certificate.
func (hs *server13) asked() (asked accompaniment) {
	return accompaniment{ocsp: hs.hello.Has(wire.ExtStatusRequest), scts: hs.hello.Has(wire.ExtSCT)}
}

// sendCertificateRequest asks the client for a certificate, if the policy says so
// (RFC 8446 4.3.2).
func (hs *server13) sendCertificateRequest() error {
	config := hs.c.config
	if config.ClientAuth == tls.NoClientCert {
		return nil
	}
	p, _ := config.prepare()
	hs.requested = true
	cr := wire.CertificateRequest{SignatureAlgorithms: p.schemes, CertificateAuthorities: p.authorities}
	return hs.send(cr.Append(hs.flight))
}

// readClientCertificate takes the chain or the raw public key that the client shows, or
// none.
func (hs *server13) readClientCertificate(m message) (State, error) {
	var cert wire.Certificate
	if err := cert.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	chain, peer, err := chainOf(&cert, nil)
	if err != nil {
		return 0, err
	}
	hs.transcript.Write(m.raw)
	if len(chain) == 0 {
		switch hs.c.config.ClientAuth {
		case tls.RequireAnyClientCert, tls.RequireAndVerifyClientCert:
			// RFC 8446 4.4.2.4: certificate_required.
			return 0, abort(AlertCertificateRequired, "certificate: the client sent none")
		case tls.NoClientCert, tls.RequestClientCert, tls.VerifyClientCertIfGiven:
		}
		return StateExpectClientFinished, nil
	}
	hs.chain = chain
	return StateAwaitVerification, hs.beginVerification(chain, peer)
}

// readClientCertificateVerify checks that the client has the key.
func (hs *server13) readClientCertificateVerify(m message) (State, error) {
	scheme, err := hs.checkCertificateVerify(m, clientContext)
	if err != nil {
		return 0, err
	}
	hs.c.facts.clientScheme = scheme
	hs.c.facts.peer = hs.peer
	return StateExpectClientFinished, nil
}
