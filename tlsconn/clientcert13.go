package tlsconn

import (
	"crypto/tls"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

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

// awaitCertificate chooses the certificate to show.
func (hs *client13) awaitCertificate() (State, error) {
	accepted := knownSchemes(hs.request.schemes)
	able := func(c *certificate) (tls.SignatureScheme, bool) { return c.scheme(accepted) }
	ok, err := hs.clientCertificate(hs.request, tls.VersionTLS13, able)
	if !ok || err != nil {
		return StateAwaitCertificate, err
	}
	return StateSendClientCertificate, nil
}

// sendClientCertificate answers the server's request, with no certificate if need be.
func (hs *client13) sendClientCertificate() (State, error) {
	if hs.cert == nil {
		return StateSendClientFinished, hs.send((&wire.Certificate{}).Append(hs.flight))
	}
	return StateAwaitSignature, hs.send(hs.cert.appendMessage(hs.flight, hs.request.accompaniment))
}
