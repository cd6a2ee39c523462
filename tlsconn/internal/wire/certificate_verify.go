package wire

// CertificateVerify is the message of RFC 8446 section 4.4.3 and, with the same
// form but another content that is signed, of RFC 5246 section 7.4.8.
type CertificateVerify struct {
	// Algorithm is a SignatureScheme.
	Algorithm uint16
	// Signature aliases what was decoded; its form is the algorithm's.
	Signature []byte
}

// Unmarshal decodes the body of a certificate_verify. After an error m is unspecified.
func (m *CertificateVerify) Unmarshal(body []byte) error {
	r := newReader(body, TypeCertificateVerify)
	m.Algorithm = r.uint16("algorithm")
	m.Signature = r.opaque("signature", 0, max16)
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *CertificateVerify) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *CertificateVerify) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *CertificateVerify) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeCertificateVerify)
	w.uint16(m.Algorithm)
	w.opaque("signature", m.Signature, 0, max16)
	return w.finish()
}
