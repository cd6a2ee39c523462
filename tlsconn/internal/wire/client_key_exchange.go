package wire

// ClientKeyExchange is the message of TLS 1.2 (RFC 5246 section 7.4.7) for an
// ephemeral elliptic-curve key (RFC 8422 section 5.7). The implicit form, of a
// client whose certificate has a Diffie-Hellman key, is refused as empty.
type ClientKeyExchange struct {
	// Point is the client's public value in the format of the group that the
	// server chose, of 1 to 255 bytes. It aliases what was decoded.
	Point []byte
}

// Unmarshal decodes the body of a client_key_exchange. After an error m is unspecified.
func (m *ClientKeyExchange) Unmarshal(body []byte) error {
	r := newReader(body, TypeClientKeyExchange)
	m.Point = r.point()
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *ClientKeyExchange) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *ClientKeyExchange) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *ClientKeyExchange) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeClientKeyExchange)
	w.point(m.Point)
	return w.finish()
}
