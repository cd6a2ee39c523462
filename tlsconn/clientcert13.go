package tlsconn

import (
	"crypto/tls"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// certificateAsk is what a CertificateRequest says, as copies.
type certificateAsk struct {
	schemes     []uint16
	authorities [][]byte
	accompaniment
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
	ask := &certificateAsk{
		schemes:       slices.Clone(cr.SignatureAlgorithms),
		accompaniment: accompaniment{ocsp: cr.StatusRequest, scts: cr.SCT},
	}
	for _, name := range cr.CertificateAuthorities {
		ask.authorities = append(ask.authorities, slices.Clone(name))
	}
	hs.request = ask
	hs.transcript.Write(m.raw)
	return StateExpectCertificate, nil
}

// awaitCertificate chooses the certificate to show: by ChooseClientCertificate, by
// GetClientCertificate, or among the Config's.
func (hs *client13) awaitCertificate() (State, error) {
	config := hs.c.config
	if config.ChooseClientCertificate != nil {
		if hs.choosing == nil {
			var err error
			hs.choosing, err = ask(&hs.handshake, OpCertificate, func(c *Completion[*tls.Certificate]) {
				config.ChooseClientCertificate(hs.requestInfo(), c)
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
			return 0, failed(err, AlertInternalError, "ChooseClientCertificate")
		case cert != nil:
			return StateSendClientCertificate, hs.useChosen(cert, "ChooseClientCertificate")
		}
	}
	if config.GetClientCertificate != nil {
		cert, err := config.GetClientCertificate(hs.requestInfo())
		if err != nil {
			return 0, failed(err, AlertInternalError, "GetClientCertificate")
		}
		if cert != nil {
			return StateSendClientCertificate, hs.useChosen(cert, "GetClientCertificate")
		}
	}
	p, _ := config.prepare()
	// RFC 8446 4.4.2: without a suitable one an empty Certificate is sent.
	authorities := hs.request.authorities
	hs.cert, hs.scheme, _, _ = p.choose("", hs.able(), authorities)
	if config.issuersBind && hs.cert != nil && len(authorities) > 0 && !hs.cert.issuedBy(authorities) {
		hs.cert = nil // nor is there another one that is: those come first
	}
	return StateSendClientCertificate, nil
}

// requestInfo makes what callbacks are asked with, of copies.
func (hs *client13) requestInfo() *tls.CertificateRequestInfo {
	info := &tls.CertificateRequestInfo{
		SignatureSchemes: schemesOfRFC(hs.request.schemes),
		Version:          tls.VersionTLS13,
	}
	for _, name := range hs.request.authorities {
		info.AcceptableCAs = append(info.AcceptableCAs, slices.Clone(name))
	}
	return info
}

// able tells which certificates the server accepts.
func (hs *client13) able() able {
	accepted := knownSchemes(hs.request.schemes)
	return func(c *certificate) (tls.SignatureScheme, bool) { return c.scheme(accepted) }
}

// useChosen takes the certificate of a callback; one without any Certificate in it
// stands for none.
func (hs *client13) useChosen(cert *tls.Certificate, callback string) error {
	if len(cert.Certificate) == 0 {
		return nil
	}
	return hs.use(cert, callback, "certificate_request", hs.able())
}

// sendClientCertificate answers the server's request, with no certificate if need be.
func (hs *client13) sendClientCertificate() (State, error) {
	if hs.cert == nil {
		return StateSendClientFinished, hs.send((&wire.Certificate{}).Append(hs.flight))
	}
	return StateAwaitSignature, hs.send(hs.cert.appendMessage(hs.flight, hs.request.accompaniment))
}
