package wire

// What may accompany a certificate: an OCSP response (RFC 6066 section 8) and
// signed certificate timestamps (RFC 6962 section 3.3). TLS 1.3 has the former
// in an extension of the certificate, TLS 1.2 in a message of its own.

// CertificateStatus is the message of TLS 1.2 with an OCSP response (RFC 6066
// section 8), right behind the server's Certificate.
type CertificateStatus struct {
	// OCSPStaple is a DER-encoded OCSP response, never empty. It aliases what
	// was decoded.
	OCSPStaple []byte
}

// Unmarshal decodes the body of a certificate_status. After an error m is unspecified.
func (m *CertificateStatus) Unmarshal(body []byte) error {
	r := newReader(body, TypeCertificateStatus)
	m.OCSPStaple = r.certificateStatus()
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *CertificateStatus) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *CertificateStatus) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *CertificateStatus) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeCertificateStatus)
	w.certificateStatus(m.OCSPStaple)
	return w.finish()
}

// statusOCSP is the CertificateStatusType ocsp.
const statusOCSP = 1

// statusRequest reads a CertificateStatusRequest and reports whether it asks
// for OCSP. The responders and the OCSP extensions that a client may name are
// checked for form and dropped: a staple is what the operator supplied. A
// request of another type has no form that is known, and is skipped.
func (r *reader) statusRequest() (ocsp bool) {
	if r.uint8("status_type") != statusOCSP {
		r.rest()
		return false
	}
	after := r.open("responder_id_list", 0, max16)
	for !r.empty() {
		r.opaque("responder_id", 1, max16)
	}
	r.close(after, "responder_id_list")
	r.opaque("request_extensions", 0, max16)
	return true
}

// statusRequest writes a request for OCSP that leaves the responder open.
func (w *writer) statusRequest() {
	w.uint8(statusOCSP)
	w.uint16(0) // responder_id_list
	w.uint16(0) // request_extensions
}

// certificateStatus reads a CertificateStatus: "opaque OCSPResponse<1..2^24-1>".
// No other type can be requested, so none can be the answer.
func (r *reader) certificateStatus() []byte {
	if r.uint8("status_type") != statusOCSP {
		r.fail("status_type", "not ocsp", true)
	}
	return r.opaque("response", 1, max24)
}

func (w *writer) certificateStatus(response []byte) {
	w.uint8(statusOCSP)
	w.opaque("response", response, 1, max24)
}

// timestamps appends a SignedCertificateTimestampList to dst.
func (r *reader) timestamps(dst [][]byte) [][]byte {
	return r.opaques(dst, "sct_list", 1, max16, "serialized_sct", max16)
}

func (w *writer) timestamps(scts [][]byte) {
	w.opaques("sct_list", scts, 1, max16, "serialized_sct", max16)
}
