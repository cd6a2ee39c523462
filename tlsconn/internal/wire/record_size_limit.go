package wire

// minRecordSizeLimit is the floor of record_size_limit: "Endpoints MUST NOT
// send a "record_size_limit" extension with a value smaller than 64. An endpoint
// MUST treat receipt of a smaller value as a fatal error and generate an
// "illegal_parameter" alert." (RFC 8449 section 4). It makes a field of zero mean
// an absent extension.
const minRecordSizeLimit = 64

const reasonRecordSizeLimit = "less than 64"

func (r *reader) recordSizeLimit() uint16 {
	v := r.uint16("record_size_limit")
	if v < minRecordSizeLimit {
		r.fail("", reasonRecordSizeLimit, true)
	}
	return v
}

func (w *writer) recordSizeLimit(v uint16) {
	w.uint16(v)
	if v < minRecordSizeLimit {
		w.at.fail("", reasonRecordSizeLimit, true)
	}
}
