package wire

// CertificateEntry is one certificate of a chain and what comes with it.
type CertificateEntry struct {
	// Data is the DER encoding, never empty.
	Data []byte
	// Extensions are the types that were decoded, in order, unknown ones
	// included. Append writes the extensions whose fields are set, and does
	// not look at it.
	Extensions []ExtensionType
	// OCSPStaple is a DER-encoded OCSP response, empty without status_request.
	OCSPStaple []byte
	// SCTs are serialized timestamps (RFC 6962 section 3.3), none empty.
	SCTs [][]byte
}

// Certificate is the message of RFC 8446 section 4.4.2. Every []byte aliases
// what was decoded.
type Certificate struct {
	// Context is certificate_request_context, at most 255 bytes; empty from a server.
	Context []byte
	// Entries is the certificate_list, the sender's own certificate first; a
	// client without one sends none.
	Entries []CertificateEntry
}

// Unmarshal decodes the body of a certificate. After an error m is unspecified.
func (m *Certificate) Unmarshal(body []byte) error {
	m.reset()
	r := newReader(body, TypeCertificate)
	m.Context = r.opaque("certificate_request_context", 0, max8)
	after := r.open("certificate_list", 0, max24)
	for !r.empty() {
		if len(m.Entries) == maxCertificates {
			r.fail("certificate_list", reasonTooMany, false)
			break
		}
		m.addEntry().decode(&r)
	}
	r.close(after, "certificate_list")
	return r.finish()
}

// reset empties m. Entries keeps its capacity, which maxCertificates bounds,
// and each entry the capacity of its own lists.
func (m *Certificate) reset() {
	m.Context = nil
	m.Entries = m.Entries[:cap(m.Entries)]
	for i := range m.Entries {
		e := &m.Entries[i]
		*e = CertificateEntry{Extensions: emptied(e.Extensions), SCTs: emptied(e.SCTs)}
	}
	m.Entries = m.Entries[:0]
}

// addEntry lengthens Entries by one, whose lists keep the capacity that they had.
func (m *Certificate) addEntry() *CertificateEntry {
	if n := len(m.Entries); n < cap(m.Entries) {
		m.Entries = m.Entries[:n+1]
	} else {
		m.Entries = append(m.Entries, CertificateEntry{})
	}
	return &m.Entries[len(m.Entries)-1]
}

// decode reads an entry into e, which is empty.
func (e *CertificateEntry) decode(r *reader) {
	e.Data = r.opaque("cert_data", 1, max24)
	after := r.open("extensions", 0, max16)
	for !r.empty() {
		t, next := r.beginExtension(&e.Extensions)
		switch t {
		case ExtStatusRequest:
			e.OCSPStaple = r.certificateStatus()
		case ExtSCT:
			e.SCTs = r.timestamps(e.SCTs)
		default:
			r.rest()
		}
		r.endExtension(next)
	}
	r.closeExtensions(after, e.Extensions, false)
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *Certificate) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil. More entries
// than Unmarshal takes are refused too.
func (m *Certificate) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *Certificate) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeCertificate)
	w.opaque("certificate_request_context", m.Context, 0, max8)
	if len(m.Entries) > maxCertificates {
		w.at.fail("certificate_list", reasonTooMany, false)
	}
	list := w.open(max24)
	for i := range m.Entries {
		m.Entries[i].encode(&w)
	}
	w.close(list, "certificate_list", 0, max24)
	return w.finish()
}

func (e *CertificateEntry) encode(w *writer) {
	w.opaque("cert_data", e.Data, 1, max24)
	block := w.open(max16)
	if len(e.OCSPStaple) > 0 {
		ext := w.beginExtension(ExtStatusRequest)
		w.certificateStatus(e.OCSPStaple)
		w.endExtension(ext)
	}
	if len(e.SCTs) > 0 {
		ext := w.beginExtension(ExtSCT)
		w.timestamps(e.SCTs)
		w.endExtension(ext)
	}
	w.close(block, "extensions", 0, max16)
}
