package tlsconn

import (
	"crypto/tls"
	"errors"
	"slices"
)

// able tells whether a certificate can be used with a peer, and the scheme to sign with.
type able func(*certificate) (tls.SignatureScheme, bool)

// checkCertificateTypes refuses a client that takes no certificate of our form. Without
// the extension it takes X.509 (RFC 7250 4.1).
func (r *received) checkCertificateTypes() error {
	if types := r.hello.ServerCertificateTypes; len(types) > 0 && !slices.Contains(types, byte(CertificateX509)) {
		// RFC 7250 4.2 has unsupported_certificate for it; BoGo and those who follow it
		// say handshake_failure.
		return abort(AlertHandshakeFailure, "client_hello: server_certificate_type has no X.509")
	}
	return nil
}

// serverCertificate chooses a server's certificate: by ChooseCertificate, by
// GetCertificate, or among the Config's. It is called again until ok.
func (hs *parties) serverCertificate(r *received, able able) (ok bool, err error) {
	config := hs.c.config
	if config.ChooseCertificate != nil {
		cert, ok, err := hs.chosen("ChooseCertificate", func(c *Completion[*tls.Certificate]) {
			r.named = true
			config.ChooseCertificate(r.info(hs.c), c)
		})
		switch {
		case !ok || err != nil:
			return ok, err
		case cert != nil:
			return true, hs.use(cert, "ChooseCertificate", "client_hello", able)
		}
	}
	if config.GetCertificate != nil {
		r.named = true
		cert, err := config.GetCertificate(helloInfo(hs.c, &r.hello))
		if err != nil {
			return true, failed(err, AlertInternalError, "GetCertificate")
		}
		if cert != nil {
			return true, hs.use(cert, "GetCertificate", "client_hello", able)
		}
	}
	return true, hs.chooseOurs(r, able)
}

// chosen asks a callback for a certificate, once, and takes its answer when that is there (ok).
func (hs *parties) chosen(callback string, begin func(*Completion[*tls.Certificate])) (cert *tls.Certificate, ok bool, err error) {
	if hs.choosing == nil {
		if hs.choosing, err = ask(&hs.handshake, OpCertificate, begin); err != nil {
			return nil, true, err
		}
	}
	if cert, ok, err = hs.choosing.take(&hs.handshake); err != nil {
		err = failed(err, AlertInternalError, callback)
	}
	return cert, ok, err
}

// use takes the certificate that a callback answered with to what asked says.
func (hs *parties) use(cert *tls.Certificate, callback, asked string, able able) (err error) {
	if hs.cert, err = newCertificate(cert); err != nil {
		return abort(AlertInternalError, "%s: the certificate %w", callback, err)
	}
	var ok bool
	if hs.scheme, ok = able(hs.cert); !ok {
		return abort(AlertHandshakeFailure, "%s: signature_algorithms has none that the certificate's key can make", asked)
	}
	return nil
}

// chooseOurs chooses among the Config's certificates.
func (hs *parties) chooseOurs(r *received, able able) error {
	p, _ := hs.c.config.prepare()
	if len(p.certificates) == 0 {
		// RFC 6066 3: unrecognized_name, for a name that we do not serve.
		return abort(AlertUnrecognizedName, "client_hello: no certificate for server_name %q", hs.c.facts.serverName)
	}
	var err error
	var byName bool
	hs.cert, hs.scheme, byName, err = p.choose(hs.c.facts.serverName, able, r.hello.CertificateAuthorities)
	r.named = r.named || byName
	switch {
	case errors.Is(err, errNoIssuer):
		return abort(AlertHandshakeFailure, "client_hello: certificate_authorities has no issuer of a certificate")
	case err != nil:
		return abort(AlertHandshakeFailure, "client_hello: signature_algorithms has none that a certificate's key can make")
	}
	return nil
}
