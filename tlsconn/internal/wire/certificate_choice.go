package wire

// What guides the choice of a certificate, in a ClientHello and in a
// CertificateRequest alike.

// signatureSchemes appends "SignatureScheme
// supported_signature_algorithms<2..2^16-2>" to dst (RFC 8446 section 4.2.3).
func (r *reader) signatureSchemes(dst []uint16) []uint16 {
	return r.uint16s(dst, "supported_signature_algorithms", 2, max16-1)
}

func (w *writer) signatureSchemes(schemes []uint16) {
	w.uint16s("supported_signature_algorithms", schemes, 2, max16-1)
}

// authorities appends "DistinguishedName authorities<3..2^16-1>" to dst (RFC
// 8446 section 4.2.4).
func (r *reader) authorities(dst [][]byte) [][]byte {
	return r.opaques(dst, "authorities", 3, max16, "distinguished_name", max16)
}

func (w *writer) authorities(names [][]byte) {
	w.opaques("authorities", names, 3, max16, "distinguished_name", max16)
}
