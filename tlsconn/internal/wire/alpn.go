package wire

// The ProtocolNameList of RFC 7301 section 3.1: "opaque ProtocolName<1..2^8-1>",
// and in it "ProtocolName protocol_name_list<2..2^16-1>".

// protocols appends the names that a client offers to dst.
func (r *reader) protocols(dst [][]byte) [][]byte {
	return r.opaques(dst, "protocol_name_list", 2, max16, "protocol_name", max8)
}

func (w *writer) protocols(names [][]byte) {
	w.opaques("protocol_name_list", names, 2, max16, "protocol_name", max8)
}

// protocol reads the server's answer, which "MUST contain exactly one ProtocolName".
func (r *reader) protocol() []byte {
	after := r.open("protocol_name_list", 2, max16)
	name := r.opaque("protocol_name", 1, max8)
	r.close(after, "protocol_name_list")
	return name
}

func (w *writer) protocol(name []byte) {
	list := w.open(max16)
	w.opaque("protocol_name", name, 1, max8)
	w.close(list, "protocol_name_list", 2, max16)
}
