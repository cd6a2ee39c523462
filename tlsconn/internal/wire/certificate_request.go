package wire

// CertificateRequest is the message of RFC 8446 section 4.3.2. Every []byte
// aliases what was decoded.
type CertificateRequest struct {
	// Context is certificate_request_context, at most 255 bytes; empty in a handshake.
	Context []byte
	// Extensions are the types that were decoded, in order, unknown ones
	// included. Append writes the extensions whose fields are set, and does
	// not look at it.
	Extensions []ExtensionType

	SignatureAlgorithms     []uint16
	SignatureAlgorithmsCert []uint16
	// CertificateAuthorities are DER-encoded distinguished names.
	CertificateAuthorities [][]byte
	// StatusRequest asks for an OCSP response, SCT for timestamps, beside the certificate.
	StatusRequest, SCT bool
}

// Unmarshal decodes the body of a certificate_request. After an error m is unspecified.
func (m *CertificateRequest) Unmarshal(body []byte) error {
	*m = CertificateRequest{
		Extensions:              emptied(m.Extensions),
		SignatureAlgorithms:     emptied(m.SignatureAlgorithms),
		SignatureAlgorithmsCert: emptied(m.SignatureAlgorithmsCert),
		CertificateAuthorities:  emptied(m.CertificateAuthorities),
	}
	r := newReader(body, TypeCertificateRequest)
	m.Context = r.opaque("certificate_request_context", 0, max8)
	after := r.open("extensions", 0, max16)
	for !r.empty() {
		t, next := r.beginExtension(&m.Extensions)
		switch t {
		case ExtSignatureAlgorithms:
			m.SignatureAlgorithms = r.signatureSchemes(m.SignatureAlgorithms)
		case ExtSignatureAlgorithmsCert:
			m.SignatureAlgorithmsCert = r.signatureSchemes(m.SignatureAlgorithmsCert)
		case ExtCertificateAuthorities:
			m.CertificateAuthorities = r.authorities(m.CertificateAuthorities)
		case ExtStatusRequest:
			m.StatusRequest = true // "an empty status_request extension" (RFC 8446 section 4.4.2.1)
		case ExtSCT:
			m.SCT = true
		default:
			r.rest()
		}
		r.endExtension(next)
	}
	r.closeExtensions(after, m.Extensions, false)
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *CertificateRequest) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *CertificateRequest) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *CertificateRequest) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeCertificateRequest)
	w.opaque("certificate_request_context", m.Context, 0, max8)
	block := w.open(max16)
	if m.StatusRequest {
		w.endExtension(w.beginExtension(ExtStatusRequest))
	}
	if m.SCT {
		w.endExtension(w.beginExtension(ExtSCT))
	}
	if len(m.SignatureAlgorithms) > 0 {
		ext := w.beginExtension(ExtSignatureAlgorithms)
		w.signatureSchemes(m.SignatureAlgorithms)
		w.endExtension(ext)
	}
	if len(m.SignatureAlgorithmsCert) > 0 {
		ext := w.beginExtension(ExtSignatureAlgorithmsCert)
		w.signatureSchemes(m.SignatureAlgorithmsCert)
		w.endExtension(ext)
	}
	if len(m.CertificateAuthorities) > 0 {
		ext := w.beginExtension(ExtCertificateAuthorities)
		w.authorities(m.CertificateAuthorities)
		w.endExtension(ext)
	}
	w.close(block, "extensions", 0, max16)
	return w.finish()
}
