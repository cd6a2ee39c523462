package tlsconn

import (
	"crypto/tls"
	"slices"
)

// clientCertificate chooses the certificate that a client shows: by
// ChooseClientCertificate, by GetClientCertificate, or among the Config's; none if there
// is none that is able. It is called again until ok.
func (hs *parties) clientCertificate(asked *certificateAsk, version uint16, able able) (ok bool, err error) {
	if hs.clientType == CertificateRawPublicKey {
		return hs.clientRawKey(asked, version, able)
	}
	config := hs.c.config
	if config.ChooseClientCertificate != nil {
		cert, ok, err := hs.chosen("ChooseClientCertificate", func(c *Completion[*tls.Certificate]) {
			config.ChooseClientCertificate(&CertificateRequest{asked.info(version), slices.Clone(asked.types)}, c)
		})
		switch {
		case !ok || err != nil:
			return ok, err
		case cert != nil:
			return true, hs.useChosen(cert, "ChooseClientCertificate", able)
		}
	}
	if config.GetClientCertificate != nil {
		cert, err := config.GetClientCertificate(asked.info(version))
		if err != nil {
			return true, failed(err, AlertInternalError, "GetClientCertificate")
		}
		if cert != nil {
			return true, hs.useChosen(cert, "GetClientCertificate", able)
		}
	}
	p, _ := config.prepare()
	// RFC 8446 4.4.2 and RFC 5246 7.4.6: without a suitable one an empty Certificate is sent.
	hs.cert, hs.scheme, _, _ = p.choose("", able, asked.authorities)
	if config.issuersBind && hs.cert != nil && len(asked.authorities) > 0 && !hs.cert.issuedBy(asked.authorities) {
		hs.cert = nil // nor is there another one that is: those come first
	}
	return true, nil
}

// useChosen takes the certificate of a callback; one without any Certificate in it
// stands for none.
func (hs *parties) useChosen(cert *tls.Certificate, callback string, able able) error {
	if len(cert.Certificate) == 0 {
		return nil
	}
	return hs.use(cert, callback, "certificate_request", able)
}
