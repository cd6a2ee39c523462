package wire

import "slices"

// HelloRetryRequestRandom is the Random that makes a ServerHello a
// HelloRetryRequest: the SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3).
var HelloRetryRequestRandom = [32]byte{
	0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
	0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
}

// The last 8 bytes of the Random of a server that could have negotiated TLS
// 1.3 and did not: "DOWNGRD" and a byte (RFC 8446 section 4.1.3).
var (
	DowngradeTLS12 = [8]byte{'D', 'O', 'W', 'N', 'G', 'R', 'D', 1}
	DowngradeTLS11 = [8]byte{'D', 'O', 'W', 'N', 'G', 'R', 'D', 0}
)

// ServerHello is the message of RFC 8446 section 4.1.3 and, by its Random, the
// HelloRetryRequest of section 4.1.4; it has the answers of TLS 1.2 too. Every
// []byte aliases what was decoded.
type ServerHello struct {
	LegacyVersion uint16
	Random        [32]byte
	// SessionID is legacy_session_id_echo, at most 32 bytes.
	SessionID         []byte
	CipherSuite       uint16
	CompressionMethod uint8

	// Extensions are the types that were decoded, in order, unknown ones
	// included. Append does not look at it: see Answer.
	Extensions []ExtensionType
	present    extensionSet

	// SupportedVersion is the selected_version, 0 if absent.
	SupportedVersion uint16
	// KeyShare is the server's, not of a HelloRetryRequest.
	KeyShare KeyShare
	// SelectedGroup and Cookie are of a HelloRetryRequest only.
	SelectedGroup uint16
	Cookie        []byte
	// SelectedIdentity answers pre_shared_key; as 0 is the first identity,
	// Has tells whether it is there and Answer sends it.
	SelectedIdentity uint16

	// The rest answers in TLS 1.2 what EncryptedExtensions and Certificate
	// answer in TLS 1.3.

	// ALPN is the protocol chosen.
	ALPN         []byte
	PointFormats []byte
	// RenegotiationInfo is empty in an initial handshake; Answer sends it so.
	RenegotiationInfo []byte
	SCTs              [][]byte
	// ClientCertificateType is as in EncryptedExtensions.
	ClientCertificateType []byte
	// RecordSizeLimit is at least 64, or 0 without the extension.
	RecordSizeLimit uint16
}

// serverHelloOrder is the order in which Append writes extensions.
var serverHelloOrder = [...]ExtensionType{
	ExtSupportedVersions, ExtKeyShare, ExtCookie, ExtPreSharedKey,
	ExtServerName, ExtExtendedMasterSecret, ExtRenegotiationInfo, ExtSessionTicket,
	ExtStatusRequest, ExtSCT, ExtALPN, ExtClientCertificateType, ExtRecordSizeLimit,
	ExtECPointFormats,
}

// IsHelloRetryRequest reports whether the message is a HelloRetryRequest.
func (m *ServerHello) IsHelloRetryRequest() bool { return m.Random == HelloRetryRequestRandom }

// Has reports whether the extension is in the message that was decoded, or
// will be in the one that Append writes.
func (m *ServerHello) Has(t ExtensionType) bool {
	switch {
	case m.present.has(t) || m.holds(t):
		return true
	case t.bit() == 0:
		return slices.Contains(m.Extensions, t)
	}
	return false
}

// Answer makes Append write the extension even though its field is empty or
// there is none: pre_shared_key with the first identity; of TLS 1.2
// extended_master_secret, session_ticket, status_request, server_name and an
// empty renegotiation_info. Types that Append does not know it does not write.
func (m *ServerHello) Answer(t ExtensionType) { m.present.add(t) }

// holds reports whether the field of an extension has content.
func (m *ServerHello) holds(t ExtensionType) bool {
	switch t {
	case ExtSupportedVersions:
		return m.SupportedVersion != 0
	case ExtKeyShare:
		if m.IsHelloRetryRequest() {
			return m.SelectedGroup != 0
		}
		return m.KeyShare.Group != 0 || len(m.KeyShare.KeyExchange) > 0
	case ExtCookie:
		return len(m.Cookie) > 0
	case ExtPreSharedKey:
		return m.SelectedIdentity != 0
	case ExtALPN:
		return len(m.ALPN) > 0
	case ExtECPointFormats:
		return len(m.PointFormats) > 0
	case ExtRenegotiationInfo:
		return len(m.RenegotiationInfo) > 0
	case ExtSCT:
		return len(m.SCTs) > 0
	case ExtClientCertificateType:
		return len(m.ClientCertificateType) > 0
	case ExtRecordSizeLimit:
		return m.RecordSizeLimit > 0
	}
	return false
}

// Unmarshal decodes the body of a server_hello. After an error m is unspecified.
func (m *ServerHello) Unmarshal(body []byte) error {
	*m = ServerHello{Extensions: emptied(m.Extensions), SCTs: emptied(m.SCTs)}
	r := newReader(body, TypeServerHello)
	m.LegacyVersion = r.uint16("legacy_version")
	copy(m.Random[:], r.take("random", len(m.Random)))
	m.SessionID = r.opaque("legacy_session_id_echo", 0, 32)
	m.CipherSuite = r.uint16("cipher_suite")
	m.CompressionMethod = r.uint8("legacy_compression_method")
	if r.empty() && !m.IsHelloRetryRequest() {
		return r.finish() // TLS 1.2 allows no block at all (RFC 5246 section 7.4.1.3)
	}
	after := r.open("extensions", 0, max16)
	for !r.empty() {
		t, next := r.beginExtension(&m.Extensions)
		m.decodeExtension(t, &r)
		r.endExtension(next)
	}
	r.closeExtensions(after, m.Extensions, m.IsHelloRetryRequest())
	return r.finish()
}

func (m *ServerHello) decodeExtension(t ExtensionType, r *reader) {
	m.present.add(t)
	switch t {
	case ExtSupportedVersions:
		m.SupportedVersion = r.uint16("selected_version")
	case ExtKeyShare:
		if m.IsHelloRetryRequest() {
			m.SelectedGroup = r.uint16("selected_group")
		} else {
			m.KeyShare = r.keyShare()
		}
	case ExtCookie:
		m.Cookie = r.opaque("cookie", 1, max16)
	case ExtPreSharedKey:
		m.SelectedIdentity = r.uint16("selected_identity")
	case ExtALPN:
		m.ALPN = r.protocol()
	case ExtECPointFormats:
		m.PointFormats = r.opaque("ec_point_format_list", 1, max8)
	case ExtRenegotiationInfo:
		m.RenegotiationInfo = r.opaque("renegotiated_connection", 0, max8)
	case ExtSCT:
		m.SCTs = r.timestamps(m.SCTs)
	case ExtClientCertificateType:
		m.ClientCertificateType = r.clientCertificateType()
	case ExtRecordSizeLimit:
		m.RecordSizeLimit = r.recordSizeLimit()
	case ExtServerName, ExtExtendedMasterSecret, ExtSessionTicket, ExtStatusRequest:
		// Empty: the caller refuses any byte.
	default:
		r.rest()
	}
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *ServerHello) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *ServerHello) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *ServerHello) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeServerHello)
	w.uint16(m.LegacyVersion)
	w.b = append(w.b, m.Random[:]...)
	w.opaque("legacy_session_id_echo", m.SessionID, 0, 32)
	w.uint16(m.CipherSuite)
	w.uint8(m.CompressionMethod)
	block := w.open(max16)
	for _, t := range serverHelloOrder {
		if m.Has(t) {
			ext := w.beginExtension(t)
			m.encodeExtension(t, &w)
			w.endExtension(ext)
		}
	}
	if m.IsHelloRetryRequest() {
		w.close(block, "extensions", 0, max16)
	} else {
		w.closeOptionalBlock(block)
	}
	return w.finish()
}

func (m *ServerHello) encodeExtension(t ExtensionType, w *writer) {
	switch t {
	case ExtSupportedVersions:
		w.uint16(m.SupportedVersion)
	case ExtKeyShare:
		if m.IsHelloRetryRequest() {
			w.uint16(m.SelectedGroup)
		} else {
			w.keyShare(m.KeyShare)
		}
	case ExtCookie:
		w.opaque("cookie", m.Cookie, 1, max16)
	case ExtPreSharedKey:
		w.uint16(m.SelectedIdentity)
	case ExtALPN:
		w.protocol(m.ALPN)
	case ExtECPointFormats:
		w.opaque("ec_point_format_list", m.PointFormats, 1, max8)
	case ExtRenegotiationInfo:
		w.opaque("renegotiated_connection", m.RenegotiationInfo, 0, max8)
	case ExtSCT:
		w.timestamps(m.SCTs)
	case ExtClientCertificateType:
		w.clientCertificateType(m.ClientCertificateType)
	case ExtRecordSizeLimit:
		w.recordSizeLimit(m.RecordSizeLimit)
	case ExtServerName, ExtExtendedMasterSecret, ExtSessionTicket, ExtStatusRequest:
		// Empty.
	}
}
