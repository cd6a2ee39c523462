package wire

// KeyUpdate is the message of RFC 8446 section 4.6.3.
type KeyUpdate struct {
	// RequestUpdate asks the receiver to update its sending keys as well.
	RequestUpdate bool
}

// Unmarshal decodes the body of a key_update. Of the values of request_update
// but 0 and 1 the RFC says: "If an implementation receives any other value, it
// MUST terminate the connection with an illegal_parameter alert."
func (m *KeyUpdate) Unmarshal(body []byte) error {
	r := newReader(body, TypeKeyUpdate)
	v := r.uint8("request_update")
	r.end("")
	if v > 1 {
		r.fail("request_update", "neither 0 nor 1", true)
	}
	m.RequestUpdate = v == 1
	return r.finish()
}

// Append appends the whole message to b.
func (m *KeyUpdate) Append(b []byte) []byte {
	v := byte(0)
	if m.RequestUpdate {
		v = 1
	}
	return append(AppendHeader(b, TypeKeyUpdate, 1), v)
}
