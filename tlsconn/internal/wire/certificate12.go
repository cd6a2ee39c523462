package wire

// Certificate12 is the certificate message of TLS 1.2 (RFC 5246 section 7.4.2):
// neither a context nor extensions. What RFC 8446 sends beside a certificate
// comes in a CertificateStatus and in the ServerHello.
type Certificate12 struct {
	// Certificates is the certificate_list, DER encodings and none empty, the
	// sender's own first. A client without one sends none (section 7.4.6); that
	// a server's list is not empty is the engine's to check. Each aliases what
	// was decoded.
	Certificates [][]byte
}

// Unmarshal decodes the body of a certificate. After an error m is unspecified.
func (m *Certificate12) Unmarshal(body []byte) error {
	*m = Certificate12{Certificates: emptied(m.Certificates)}
	r := newReader(body, TypeCertificate)
	after := r.open("certificate_list", 0, max24)
	for !r.empty() {
		if len(m.Certificates) == maxCertificates {
			r.fail("certificate_list", reasonTooMany, false)
			break
		}
		m.Certificates = append(m.Certificates, r.opaque("certificate", 1, max24))
	}
	r.close(after, "certificate_list")
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *Certificate12) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil. More
// certificates than Unmarshal takes are refused too.
func (m *Certificate12) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *Certificate12) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeCertificate)
	if len(m.Certificates) > maxCertificates {
		w.at.fail("certificate_list", reasonTooMany, false)
	}
	w.opaques("certificate_list", m.Certificates, 0, max24, "certificate", max24)
	return w.finish()
}
