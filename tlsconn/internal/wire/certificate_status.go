package wire

// What may accompany a certificate: an OCSP response (RFC 6066 section 8) and
// signed certificate timestamps (RFC 6962 section 3.3).

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
