package wire

// EncryptedExtensions is the message of RFC 8446 section 4.3.1. Every []byte
// aliases what was decoded.
type EncryptedExtensions struct {
	// Extensions are the types that were decoded, in order, unknown ones
	// included. Append writes the extensions whose fields are set, and does
	// not look at it.
	Extensions []ExtensionType

	// ALPN is the protocol chosen, empty without the extension.
	ALPN []byte
	// ServerNameAck tells that the server used the server_name.
	ServerNameAck bool
	// EarlyData tells that the server accepts the client's 0-RTT data.
	EarlyData bool
	// SupportedGroups are what the server would prefer next time.
	SupportedGroups []uint16
	// ClientCertificateType is the form in which the server wants the client's
	// certificate, a single byte; empty without the extension.
	ClientCertificateType []byte
	// RecordSizeLimit is at least 64, or 0 without the extension.
	RecordSizeLimit uint16
}

// Unmarshal decodes the body of encrypted_extensions. After an error m is unspecified.
func (m *EncryptedExtensions) Unmarshal(body []byte) error {
	*m = EncryptedExtensions{
		Extensions:      emptied(m.Extensions),
		SupportedGroups: emptied(m.SupportedGroups),
	}
	r := newReader(body, TypeEncryptedExtensions)
	after := r.open("extensions", 0, max16)
	for !r.empty() {
		t, next := r.beginExtension(&m.Extensions)
		switch t {
		case ExtServerName:
			m.ServerNameAck = true
		case ExtEarlyData:
			m.EarlyData = true
		case ExtALPN:
			m.ALPN = r.protocol()
		case ExtSupportedGroups:
			m.SupportedGroups = r.uint16s(m.SupportedGroups, "named_group_list", 2, max16)
		case ExtClientCertificateType:
			m.ClientCertificateType = r.clientCertificateType()
		case ExtRecordSizeLimit:
			m.RecordSizeLimit = r.recordSizeLimit()
		default:
			r.rest()
		}
		r.endExtension(next)
	}
	r.closeExtensions(after, m.Extensions, false)
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *EncryptedExtensions) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *EncryptedExtensions) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *EncryptedExtensions) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeEncryptedExtensions)
	block := w.open(max16)
	if m.ServerNameAck {
		w.endExtension(w.beginExtension(ExtServerName))
	}
	if len(m.ALPN) > 0 {
		ext := w.beginExtension(ExtALPN)
		w.protocol(m.ALPN)
		w.endExtension(ext)
	}
	if len(m.SupportedGroups) > 0 {
		ext := w.beginExtension(ExtSupportedGroups)
		w.uint16s("named_group_list", m.SupportedGroups, 2, max16)
		w.endExtension(ext)
	}
	if len(m.ClientCertificateType) > 0 {
		ext := w.beginExtension(ExtClientCertificateType)
		w.clientCertificateType(m.ClientCertificateType)
		w.endExtension(ext)
	}
	if m.RecordSizeLimit > 0 {
		ext := w.beginExtension(ExtRecordSizeLimit)
		w.recordSizeLimit(m.RecordSizeLimit)
		w.endExtension(ext)
	}
	if m.EarlyData {
		w.endExtension(w.beginExtension(ExtEarlyData))
	}
	w.close(block, "extensions", 0, max16)
	return w.finish()
}
