package wire

// NewSessionTicket is the message of RFC 8446 section 4.6.1. Every []byte
// aliases what was decoded.
type NewSessionTicket struct {
	// Lifetime is in seconds. The RFC's maximum of 604800 is left to the engine.
	Lifetime uint32
	// AgeAdd is added to the ticket's age in milliseconds, modulo 2^32.
	AgeAdd uint32
	// Nonce has at most 255 bytes, Ticket at least one.
	Nonce  []byte
	Ticket []byte
	// Extensions are the types that were decoded, in order, unknown ones
	// included. Append writes early_data if HasEarlyData and Grease if not zero, and does
	// not look at it.
	Extensions []ExtensionType
	// Grease is an extension without content that nobody knows, to keep clients from
	// refusing what they do not know (RFC 8701 section 4.1).
	Grease ExtensionType
	// HasEarlyData tells that the ticket allows 0-RTT data, of at most
	// MaxEarlyData bytes.
	HasEarlyData bool
	MaxEarlyData uint32
}

// Unmarshal decodes the body of a new_session_ticket. After an error m is unspecified.
func (m *NewSessionTicket) Unmarshal(body []byte) error {
	*m = NewSessionTicket{Extensions: emptied(m.Extensions)}
	r := newReader(body, TypeNewSessionTicket)
	m.Lifetime = r.uint32("ticket_lifetime")
	m.AgeAdd = r.uint32("ticket_age_add")
	m.Nonce = r.opaque("ticket_nonce", 0, max8)
	m.Ticket = r.opaque("ticket", 1, max16)
	after := r.open("extensions", 0, max16)
	for !r.empty() {
		t, next := r.beginExtension(&m.Extensions)
		if t == ExtEarlyData {
			m.HasEarlyData, m.MaxEarlyData = true, r.uint32("max_early_data_size")
		} else {
			r.rest()
		}
		r.endExtension(next)
	}
	r.closeExtensions(after, m.Extensions, true)
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *NewSessionTicket) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *NewSessionTicket) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *NewSessionTicket) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeNewSessionTicket)
	w.uint32(m.Lifetime)
	w.uint32(m.AgeAdd)
	w.opaque("ticket_nonce", m.Nonce, 0, max8)
	w.opaque("ticket", m.Ticket, 1, max16)
	block := w.open(max16)
	if m.HasEarlyData {
		ext := w.beginExtension(ExtEarlyData)
		w.uint32(m.MaxEarlyData)
		w.endExtension(ext)
	}
	if m.Grease != 0 {
		w.endExtension(w.beginExtension(m.Grease))
	}
	w.close(block, "extensions", 0, max16)
	return w.finish()
}
