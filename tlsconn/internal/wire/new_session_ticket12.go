package wire

// NewSessionTicket12 is the new_session_ticket message of TLS 1.2 (RFC 5077
// section 3.3), which comes before the server's ChangeCipherSpec and belongs to the transcript.
type NewSessionTicket12 struct {
	// LifetimeHint is in seconds; 0 leaves the lifetime to the client.
	LifetimeHint uint32
	// Ticket aliases what was decoded. It may be empty: a server that "does not
	// want to include a ticket after it has included the SessionTicket extension
	// in the ServerHello" sends it so.
	Ticket []byte
}

// Unmarshal decodes the body of a new_session_ticket. After an error m is unspecified.
func (m *NewSessionTicket12) Unmarshal(body []byte) error {
	r := newReader(body, TypeNewSessionTicket)
	m.LifetimeHint = r.uint32("ticket_lifetime_hint")
	m.Ticket = r.opaque("ticket", 0, max16)
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *NewSessionTicket12) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *NewSessionTicket12) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *NewSessionTicket12) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeNewSessionTicket)
	w.uint32(m.LifetimeHint)
	w.opaque("ticket", m.Ticket, 0, max16)
	return w.finish()
}
