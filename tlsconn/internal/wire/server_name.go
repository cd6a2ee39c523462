package wire

import "bytes"

// nameTypeHost is the one NameType ever assigned, host_name (RFC 6066 section 3).
const nameTypeHost = 0

// hostName reads a ServerNameList and returns its host_name. Names of other
// types are skipped, as the RFC has each begin with a 16-bit length so that
// they can be. A list without a host_name names nothing, and one with two is
// forbidden ("MUST NOT contain more than one name of the same name_type"):
// two parsers would each choose another.
func (r *reader) hostName() []byte {
	var host []byte
	after := r.open("server_name_list", 1, max16)
	for !r.empty() {
		if r.uint8("name_type") != nameTypeHost {
			r.opaque("name", 0, max16)
			continue
		}
		name := r.opaque("host_name", 1, max16)
		if host != nil {
			r.fail("host_name", "more than one", true)
		}
		host = name
	}
	r.close(after, "server_name_list")
	if host == nil {
		r.fail("host_name", "missing", true)
	}
	// A NUL ends a name for C callees (a backend, a log) and not for ours.
	if bytes.IndexByte(host, 0) >= 0 {
		r.fail("host_name", "contains a NUL", true)
	}
	return host
}

// hostName writes a ServerNameList of one host_name.
func (w *writer) hostName(name []byte) {
	list := w.open(max16)
	w.uint8(nameTypeHost)
	w.opaque("host_name", name, 1, max16)
	if bytes.IndexByte(name, 0) >= 0 {
		w.at.fail("host_name", "contains a NUL", true)
	}
	w.close(list, "server_name_list", 1, max16)
}
