package tlsconn

import (
	"crypto/tls"
	"errors"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// awaitCertificate chooses the server's certificate: by ChooseCertificate, by
// GetCertificate, or among the Config's.
func (hs *server13) awaitCertificate() (State, error) {
	if !hs.hello.Has(wire.ExtSignatureAlgorithms) {
		// RFC 8446 9.2: mandatory without a pre-shared key that we take.
		return 0, abort(AlertMissingExtension, "client_hello: no %v", wire.ExtSignatureAlgorithms)
	}
	config := hs.c.config
	if config.ChooseCertificate != nil {
		if hs.choosing == nil {
			hs.named = true
			var err error
			hs.choosing, err = ask(&hs.handshake, OpCertificate, func(c *Completion[*tls.Certificate]) {
				config.ChooseCertificate(hs.clientHello(), c)
			})
			if err != nil {
				return 0, err
			}
		}
		cert, ok, err := hs.choosing.take(&hs.handshake)
		switch {
		case !ok:
			return StateAwaitCertificate, nil
		case err != nil:
			return 0, failed(err, AlertInternalError, "ChooseCertificate")
		case cert != nil:
			return StateSendServerHello, hs.use(cert, "ChooseCertificate")
		}
	}
	if config.GetCertificate != nil {
		hs.named = true
		cert, err := config.GetCertificate(helloInfo(hs.c, &hs.hello))
		if err != nil {
			return 0, failed(err, AlertInternalError, "GetCertificate")
		}
		if cert != nil {
			return StateSendServerHello, hs.use(cert, "GetCertificate")
		}
	}
	return StateSendServerHello, hs.chooseOurs()
}

// use takes the certificate of a callback.
func (hs *server13) use(cert *tls.Certificate, callback string) (err error) {
	if hs.cert, err = newCertificate(cert); err != nil {
		return abort(AlertInternalError, "%s: the certificate %w", callback, err)
	}
	var ok bool
	if hs.scheme, ok = hs.cert.scheme(knownSchemes(hs.hello.SignatureAlgorithms)); !ok {
		return abort(AlertHandshakeFailure, "client_hello: signature_algorithms has none that the certificate's key can make")
	}
	return nil
}

// chooseOurs chooses among the Config's certificates.
func (hs *server13) chooseOurs() error {
	p, _ := hs.c.config.prepare()
	if len(p.certificates) == 0 {
		// RFC 6066 3: unrecognized_name, for a name that we do not serve.
		return abort(AlertUnrecognizedName, "client_hello: no certificate for server_name %q", hs.c.facts.serverName)
	}
	var err error
	var byName bool
	accepted := knownSchemes(hs.hello.SignatureAlgorithms)
	hs.cert, hs.scheme, byName, err = p.choose(hs.c.facts.serverName, accepted, hs.hello.CertificateAuthorities)
	hs.named = hs.named || byName
	switch {
	case errors.Is(err, errNoIssuer):
		return abort(AlertHandshakeFailure, "client_hello: certificate_authorities has no issuer of a certificate")
	case err != nil:
		return abort(AlertHandshakeFailure, "client_hello: signature_algorithms has none that a certificate's key can make")
	}
	return nil
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

// readClientCertificate takes the chain that the client shows, or none.
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

// awaitVerification waits for the verdict on the client's chain: the one that it
// shows, or the one of the session that it wants to resume.
func (hs *server13) awaitVerification() (State, error) {
	ok, err := hs.verified()
	switch {
	case !ok:
		return StateAwaitVerification, nil
	case hs.session != nil && err != nil:
		// Whom we no longer trust does not resume; it may show another certificate.
		hs.dropSession()
		return StateAwaitCertificate, nil
	case hs.session != nil:
		hs.c.facts.peer = hs.peer
		return StateSendServerHello, nil
	case err != nil:
		return 0, err
	}
	return StateExpectCertificateVerify, nil
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
