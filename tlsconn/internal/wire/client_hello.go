package wire

import (
	"math/rand/v2"
	"slices"
)

// ClientHello is the message of RFC 8446 section 4.1.2, with the extensions
// that TLS 1.2 negotiation needs. Every []byte aliases what was decoded.
type ClientHello struct {
	LegacyVersion uint16
	Random        [32]byte
	// SessionID is legacy_session_id, at most 32 bytes.
	SessionID    []byte
	CipherSuites []uint16
	// CompressionMethods is legacy_compression_methods, never empty.
	CompressionMethods []byte

	// Extensions are the types that were decoded, in order, unknown ones
	// included. Append does not look at it: see Offer.
	Extensions []ExtensionType
	present    extensionSet
	order      []ExtensionType // of the extensions, if not clientHelloOrder
	unknown    ExtensionType   // among order

	// ServerName is the host_name of server_name, as sent: not a valid DNS
	// name for certain, but without NUL.
	ServerName []byte
	// The versions, groups and algorithms are in the client's order of preference.
	SupportedVersions       []uint16
	SupportedGroups         []uint16
	SignatureAlgorithms     []uint16
	SignatureAlgorithmsCert []uint16
	PointFormats            []byte
	// KeyShares may be empty with key_share present; Offer it to send it so.
	KeyShares []KeyShare
	// ALPN has the protocol names offered, none empty.
	ALPN   [][]byte
	Cookie []byte
	// PSKModes has psk_ke (0), psk_dhe_ke (1) and values unknown to us.
	PSKModes []byte
	// PSKIdentities and PSKBinders belong together by index.
	PSKIdentities []PSKIdentity
	PSKBinders    [][]byte
	// CertificateAuthorities are DER-encoded distinguished names.
	CertificateAuthorities [][]byte
	// RecordSizeLimit is at least 64, or 0 without the extension.
	RecordSizeLimit uint16
	// SessionTicket may be empty (a ticket is asked for); Offer it to send it so.
	SessionTicket []byte
	// RenegotiationInfo is empty in an initial handshake; Offer it to send it so.
	RenegotiationInfo []byte
	// ClientCertificateTypes are the forms in which the client can show a certificate of
	// its own, ServerCertificateTypes those in which it takes the server's, X.509 being 0
	// and a raw public key 2 (RFC 7250 section 3); empty without the extension.
	ClientCertificateTypes []byte
	ServerCertificateTypes []byte
}

// clientHelloOrder is the order in which Append writes extensions. A few old
// servers fail on a hello that ends in an empty extension, so supported_versions,
// which is in each of ours, comes late; pre_shared_key has to be the last (RFC
// 8446 section 4.2.11).
var clientHelloOrder = [...]ExtensionType{
	ExtServerName, ExtExtendedMasterSecret, ExtRenegotiationInfo, ExtSupportedGroups,
	ExtECPointFormats, ExtSessionTicket, ExtALPN, ExtStatusRequest,
	ExtSignatureAlgorithms, ExtSignatureAlgorithmsCert, ExtSCT, ExtCertificateAuthorities,
	ExtClientCertificateType, ExtServerCertificateType, ExtRecordSizeLimit, ExtPostHandshakeAuth, ExtEarlyData, ExtCookie,
	ExtKeyShare, ExtPSKModes, ExtSupportedVersions, ExtPreSharedKey,
}

// Has reports whether the extension is in the message that was decoded, or
// will be in the one that Append writes. Of status_request it answers whether
// an OCSP response is asked for; other kinds are as unknown extensions are.
func (m *ClientHello) Has(t ExtensionType) bool {
	switch {
	case m.present.has(t) || m.holds(t):
		return true
	case t.bit() == 0:
		return slices.Contains(m.Extensions, t)
	}
	return false
}

// Offer makes Append write the extension even though its field is empty or
// there is none: early_data, extended_master_secret, post_handshake_auth,
// signed_certificate_timestamp, status_request (for OCSP); session_ticket,
// renegotiation_info and key_share when empty. Types that Append does not
// know, such as padding, it does not write.
func (m *ClientHello) Offer(t ExtensionType) { m.present.add(t) }

// Permute makes Append write the extensions in an order that seed gives, with one more
// among them that has no content: unknown, which is to be of a type reserved for nobody
// (RFC 8701 section 2), and which the message does not have as far as Has is asked. The
// order stays if fields change. pre_shared_key stays the last (RFC 8446 section 4.2.11),
// and, as in the usual order, none that is empty comes last.
func (m *ClientHello) Permute(seed [32]byte, unknown ExtensionType) {
	last := len(clientHelloOrder) - 1
	m.unknown, m.order = unknown, append([]ExtensionType{unknown}, clientHelloOrder[:last]...)
	rand.New(rand.NewChaCha8(seed)).Shuffle(len(m.order), func(i, j int) {
		m.order[i], m.order[j] = m.order[j], m.order[i]
	})
	if i := slices.IndexFunc(m.order, m.holds); i >= 0 {
		m.order = append(m.order, m.order[i])
		m.order = slices.Delete(m.order, i, i+1)
	}
	m.order = append(m.order, clientHelloOrder[last])
}

// holds reports whether the field of an extension has content.
func (m *ClientHello) holds(t ExtensionType) bool {
	switch t {
	case ExtServerName:
		return len(m.ServerName) > 0
	case ExtSupportedVersions:
		return len(m.SupportedVersions) > 0
	case ExtSupportedGroups:
		return len(m.SupportedGroups) > 0
	case ExtSignatureAlgorithms:
		return len(m.SignatureAlgorithms) > 0
	case ExtSignatureAlgorithmsCert:
		return len(m.SignatureAlgorithmsCert) > 0
	case ExtECPointFormats:
		return len(m.PointFormats) > 0
	case ExtKeyShare:
		return len(m.KeyShares) > 0
	case ExtALPN:
		return len(m.ALPN) > 0
	case ExtCookie:
		return len(m.Cookie) > 0
	case ExtPSKModes:
		return len(m.PSKModes) > 0
	case ExtPreSharedKey:
		return len(m.PSKIdentities) > 0 || len(m.PSKBinders) > 0
	case ExtCertificateAuthorities:
		return len(m.CertificateAuthorities) > 0
	case ExtRecordSizeLimit:
		return m.RecordSizeLimit > 0
	case ExtSessionTicket:
		return len(m.SessionTicket) > 0
	case ExtRenegotiationInfo:
		return len(m.RenegotiationInfo) > 0
	case ExtClientCertificateType:
		return len(m.ClientCertificateTypes) > 0
	case ExtServerCertificateType:
		return len(m.ServerCertificateTypes) > 0
	}
	return false
}

// reset empties m and keeps the capacity of its lists.
func (m *ClientHello) reset() {
	*m = ClientHello{
		CipherSuites:            emptied(m.CipherSuites),
		Extensions:              emptied(m.Extensions),
		SupportedVersions:       emptied(m.SupportedVersions),
		SupportedGroups:         emptied(m.SupportedGroups),
		SignatureAlgorithms:     emptied(m.SignatureAlgorithms),
		SignatureAlgorithmsCert: emptied(m.SignatureAlgorithmsCert),
		KeyShares:               emptied(m.KeyShares),
		ALPN:                    emptied(m.ALPN),
		PSKIdentities:           emptied(m.PSKIdentities),
		PSKBinders:              emptied(m.PSKBinders),
		CertificateAuthorities:  emptied(m.CertificateAuthorities),
	}
}

// Unmarshal decodes the body of a client_hello. After an error m is unspecified.
func (m *ClientHello) Unmarshal(body []byte) error {
	m.reset()
	r := newReader(body, TypeClientHello)
	m.LegacyVersion = r.uint16("legacy_version")
	copy(m.Random[:], r.take("random", len(m.Random)))
	m.SessionID = r.opaque("legacy_session_id", 0, 32)
	m.CipherSuites = r.uint16s(m.CipherSuites, "cipher_suites", 2, max16-1)
	m.CompressionMethods = r.opaque("legacy_compression_methods", 1, max8)
	if r.empty() {
		// "The presence of extensions can be detected by determining whether
		// there are bytes following the compression_methods field" (RFC 8446
		// section 4.1.2): such a hello is one of TLS 1.2.
		return r.finish()
	}
	after := r.open("extensions", 0, max16)
	for !r.empty() {
		t, next := r.beginExtension(&m.Extensions)
		if t == ExtPreSharedKey && len(next) > 0 {
			// "Servers MUST check that it is the last extension and otherwise
			// fail the handshake with an illegal_parameter alert" (4.2.11).
			r.fail("", "not the last extension", true)
		}
		m.decodeExtension(t, &r)
		r.endExtension(next)
	}
	r.closeExtensions(after, m.Extensions, false)
	return r.finish()
}

func (m *ClientHello) decodeExtension(t ExtensionType, r *reader) {
	m.present.add(t)
	switch t {
	case ExtServerName:
		m.ServerName = r.hostName()
	case ExtStatusRequest:
		if !r.statusRequest() {
			m.present.remove(t) // as good as unknown
		}
	case ExtSupportedVersions:
		m.SupportedVersions = r.uint16s(m.SupportedVersions, "versions", 2, 254)
	case ExtSupportedGroups:
		m.SupportedGroups = r.uint16s(m.SupportedGroups, "named_group_list", 2, max16)
	case ExtSignatureAlgorithms:
		m.SignatureAlgorithms = r.signatureSchemes(m.SignatureAlgorithms)
	case ExtSignatureAlgorithmsCert:
		m.SignatureAlgorithmsCert = r.signatureSchemes(m.SignatureAlgorithmsCert)
	case ExtECPointFormats:
		m.PointFormats = r.opaque("ec_point_format_list", 1, max8)
	case ExtKeyShare:
		m.KeyShares = r.keyShares(m.KeyShares)
	case ExtALPN:
		m.ALPN = r.protocols(m.ALPN)
	case ExtCookie:
		m.Cookie = r.opaque("cookie", 1, max16)
	case ExtPSKModes:
		m.PSKModes = r.opaque("ke_modes", 1, max8)
	case ExtPreSharedKey:
		m.PSKIdentities, m.PSKBinders = r.offeredPSKs(m.PSKIdentities, m.PSKBinders)
	case ExtCertificateAuthorities:
		m.CertificateAuthorities = r.authorities(m.CertificateAuthorities)
	case ExtRecordSizeLimit:
		m.RecordSizeLimit = r.recordSizeLimit()
	case ExtSessionTicket:
		m.SessionTicket = r.rest() // the body is the ticket (RFC 5077 section 3.2)
	case ExtRenegotiationInfo:
		m.RenegotiationInfo = r.opaque("renegotiated_connection", 0, max8)
	case ExtClientCertificateType:
		m.ClientCertificateTypes = r.clientCertificateTypes()
	case ExtServerCertificateType:
		m.ServerCertificateTypes = r.opaque("server_certificate_types", 1, max8)
	case ExtSCT, ExtExtendedMasterSecret, ExtPostHandshakeAuth, ExtEarlyData:
		// Empty: the caller refuses any byte.
	default:
		r.rest()
	}
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *ClientHello) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *ClientHello) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *ClientHello) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeClientHello)
	w.uint16(m.LegacyVersion)
	w.b = append(w.b, m.Random[:]...)
	w.opaque("legacy_session_id", m.SessionID, 0, 32)
	w.uint16s("cipher_suites", m.CipherSuites, 2, max16-1)
	w.opaque("legacy_compression_methods", m.CompressionMethods, 1, max8)
	block := w.open(max16)
	order := m.order
	if order == nil {
		order = clientHelloOrder[:]
	}
	for _, t := range order {
		if m.Has(t) || m.order != nil && t == m.unknown {
			ext := w.beginExtension(t)
			m.encodeExtension(t, &w)
			w.endExtension(ext)
		}
	}
	w.closeOptionalBlock(block)
	return w.finish()
}

func (m *ClientHello) encodeExtension(t ExtensionType, w *writer) {
	switch t {
	case ExtServerName:
		w.hostName(m.ServerName)
	case ExtStatusRequest:
		w.statusRequest()
	case ExtSupportedVersions:
		w.uint16s("versions", m.SupportedVersions, 2, 254)
	case ExtSupportedGroups:
		w.uint16s("named_group_list", m.SupportedGroups, 2, max16)
	case ExtSignatureAlgorithms:
		w.signatureSchemes(m.SignatureAlgorithms)
	case ExtSignatureAlgorithmsCert:
		w.signatureSchemes(m.SignatureAlgorithmsCert)
	case ExtECPointFormats:
		w.opaque("ec_point_format_list", m.PointFormats, 1, max8)
	case ExtKeyShare:
		w.keyShares(m.KeyShares)
	case ExtALPN:
		w.protocols(m.ALPN)
	case ExtCookie:
		w.opaque("cookie", m.Cookie, 1, max16)
	case ExtPSKModes:
		w.opaque("ke_modes", m.PSKModes, 1, max8)
	case ExtPreSharedKey:
		w.offeredPSKs(m.PSKIdentities, m.PSKBinders)
	case ExtCertificateAuthorities:
		w.authorities(m.CertificateAuthorities)
	case ExtRecordSizeLimit:
		w.recordSizeLimit(m.RecordSizeLimit)
	case ExtSessionTicket:
		w.b = append(w.b, m.SessionTicket...)
	case ExtRenegotiationInfo:
		w.opaque("renegotiated_connection", m.RenegotiationInfo, 0, max8)
	case ExtClientCertificateType:
		w.opaque("client_certificate_types", m.ClientCertificateTypes, 1, max8)
	case ExtServerCertificateType:
		w.opaque("server_certificate_types", m.ServerCertificateTypes, 1, max8)
	case ExtSCT, ExtExtendedMasterSecret, ExtPostHandshakeAuth, ExtEarlyData:
		// Empty.
	}
}
