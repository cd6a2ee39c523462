package wire

// The ClientCertificateTypes of keys that sign (RFC 5246 section 7.4.4, RFC
// 8422 section 5.5). An EdDSA key counts as ecdsa_sign (section 3.1).
const (
	ClientCertificateRSASign   = 1
	ClientCertificateECDSASign = 64
)

// CertificateRequest12 is the certificate_request message of TLS 1.2 (RFC 5246
// section 7.4.4). Every []byte aliases what was decoded.
type CertificateRequest12 struct {
	// CertificateTypes has at least one ClientCertificateType, unknown ones included.
	CertificateTypes []byte
	// SignatureAlgorithms are SignatureSchemes, which the pairs of hash and
	// signature of RFC 5246 became; at least one. The RFC's own vector has lost
	// its floor in print; <2..2^16-2>, as in a ClientHello, is what peers hold to.
	SignatureAlgorithms []uint16
	// CertificateAuthorities are DER-encoded distinguished names; with none,
	// any authority will do.
	CertificateAuthorities [][]byte
}

// Unmarshal decodes the body of a certificate_request. After an error m is unspecified.
func (m *CertificateRequest12) Unmarshal(body []byte) error {
	*m = CertificateRequest12{
		SignatureAlgorithms:    emptied(m.SignatureAlgorithms),
		CertificateAuthorities: emptied(m.CertificateAuthorities),
	}
	r := newReader(body, TypeCertificateRequest)
	m.CertificateTypes = r.opaque("certificate_types", 1, max8)
	m.SignatureAlgorithms = r.signatureSchemes(m.SignatureAlgorithms)
	m.CertificateAuthorities = r.opaques(m.CertificateAuthorities,
		"certificate_authorities", 0, max16, "distinguished_name", max16)
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *CertificateRequest12) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *CertificateRequest12) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *CertificateRequest12) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeCertificateRequest)
	w.opaque("certificate_types", m.CertificateTypes, 1, max8)
	w.signatureSchemes(m.SignatureAlgorithms)
	w.opaques("certificate_authorities", m.CertificateAuthorities, 0, max16, "distinguished_name", max16)
	return w.finish()
}
