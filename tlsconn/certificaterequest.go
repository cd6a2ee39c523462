package tlsconn

import (
	"crypto/tls"
	"slices"
)

// CertificateRequest is what Config.ChooseClientCertificate and Config.ChooseRawPublicKey
// are asked about: what the server demands of a client's certificate or key.
type CertificateRequest struct {
	// CertificateRequestInfo is the request in crypto/tls's form. Of a server of TLS 1.2
	// the SignatureSchemes are those only whose keys are of one of CertificateTypes.
	*tls.CertificateRequestInfo
	// CertificateTypes are the kinds of keys that a server of TLS 1.2 takes, most preferred
	// first, by their IANA numbers (RFC 5246 7.4.4: 1 is rsa_sign, 64 ecdsa_sign), those
	// included that nobody here has, as SSL_get0_certificate_types gives them. Nil in TLS
	// 1.3, which goes by SignatureSchemes alone.
	CertificateTypes []byte
}

// certificateAsk is what a CertificateRequest says, as copies.
type certificateAsk struct {
	schemes     []uint16
	types       []byte // of TLS 1.2
	authorities [][]byte
	accompaniment
}

// info makes what GetClientCertificate is asked with, of copies.
func (a *certificateAsk) info(version uint16) *tls.CertificateRequestInfo {
	info := &tls.CertificateRequestInfo{SignatureSchemes: schemesOfRFC(a.schemes), Version: version}
	for _, name := range a.authorities {
		info.AcceptableCAs = append(info.AcceptableCAs, slices.Clone(name))
	}
	return info
}
