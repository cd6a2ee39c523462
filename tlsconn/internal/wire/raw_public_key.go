package wire

// The negotiation of raw public keys of clients (RFC 7250), and the message of
// TLS 1.2 that shows one. TLS 1.3 has them in a Certificate.

// clientCertificateTypes reads "CertificateType client_certificate_types<1..2^8-1>".
// An empty list says what leaving the extension out says, so that it is refused
// as BoGo has it: as a value that is not allowed.
func (r *reader) clientCertificateTypes() []byte {
	types := r.opaque("client_certificate_types", 0, max8)
	if len(types) == 0 && r.at.err == nil {
		r.fail("client_certificate_types", reasonLength, true)
	}
	return types
}

// clientCertificateType reads the "CertificateType client_certificate_type" of
// a server's answer.
func (r *reader) clientCertificateType() []byte { return r.take("client_certificate_type", 1) }

func (w *writer) clientCertificateType(selected []byte) {
	if len(selected) != 1 {
		w.at.fail("client_certificate_type", reasonLength, false)
	}
	w.b = append(w.b, selected...)
}

// RawPublicKey12 is the certificate message of TLS 1.2 for the certificate type
// RawPublicKey (RFC 7250 section 3): a key in the place of the certificate_list.
type RawPublicKey12 struct {
	// Key is the DER-encoded SubjectPublicKeyInfo, which aliases what was
	// decoded. The RFC lets it not be empty and gives a client that has none no
	// other way to say so: here, as in BoringSSL, it is, which is what an empty
	// certificate_list looks like.
	Key []byte
}

// Unmarshal decodes the body of a certificate. After an error m is unspecified.
func (m *RawPublicKey12) Unmarshal(body []byte) error {
	r := newReader(body, TypeCertificate)
	m.Key = r.opaque("subject_public_key_info", 0, max24)
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *RawPublicKey12) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *RawPublicKey12) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *RawPublicKey12) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeCertificate)
	w.opaque("subject_public_key_info", m.Key, 0, max24)
	return w.finish()
}
