package wire

import "fmt"

// ExtensionType is the extension_type of an extension (RFC 8446 section 4.2).
type ExtensionType uint16

// The extensions that the engine speaks of, by their IANA numbers.
const (
	ExtServerName              ExtensionType = 0     // RFC 6066 section 3
	ExtStatusRequest           ExtensionType = 5     // RFC 6066 section 8
	ExtSupportedGroups         ExtensionType = 10    // RFC 8446 section 4.2.7
	ExtECPointFormats          ExtensionType = 11    // RFC 8422 section 5.1.2
	ExtSignatureAlgorithms     ExtensionType = 13    // RFC 8446 section 4.2.3
	ExtALPN                    ExtensionType = 16    // RFC 7301
	ExtSCT                     ExtensionType = 18    // RFC 6962 section 3.3.1
	ExtClientCertificateType   ExtensionType = 19    // RFC 7250 section 3
	ExtServerCertificateType   ExtensionType = 20    // RFC 7250 section 3
	ExtPadding                 ExtensionType = 21    // RFC 7685
	ExtExtendedMasterSecret    ExtensionType = 23    // RFC 7627
	ExtCompressCertificate     ExtensionType = 27    // RFC 8879
	ExtRecordSizeLimit         ExtensionType = 28    // RFC 8449
	ExtSessionTicket           ExtensionType = 35    // RFC 5077
	ExtPreSharedKey            ExtensionType = 41    // RFC 8446 section 4.2.11
	ExtEarlyData               ExtensionType = 42    // RFC 8446 section 4.2.10
	ExtSupportedVersions       ExtensionType = 43    // RFC 8446 section 4.2.1
	ExtCookie                  ExtensionType = 44    // RFC 8446 section 4.2.2
	ExtPSKModes                ExtensionType = 45    // RFC 8446 section 4.2.9
	ExtCertificateAuthorities  ExtensionType = 47    // RFC 8446 section 4.2.4
	ExtOIDFilters              ExtensionType = 48    // RFC 8446 section 4.2.5
	ExtPostHandshakeAuth       ExtensionType = 49    // RFC 8446 section 4.2.6
	ExtSignatureAlgorithmsCert ExtensionType = 50    // RFC 8446 section 4.2.3
	ExtKeyShare                ExtensionType = 51    // RFC 8446 section 4.2.8
	ExtRenegotiationInfo       ExtensionType = 65281 // RFC 5746
)

var extensionNames = map[ExtensionType]string{
	ExtServerName:              "server_name",
	ExtStatusRequest:           "status_request",
	ExtSupportedGroups:         "supported_groups",
	ExtECPointFormats:          "ec_point_formats",
	ExtSignatureAlgorithms:     "signature_algorithms",
	ExtALPN:                    "application_layer_protocol_negotiation",
	ExtSCT:                     "signed_certificate_timestamp",
	ExtClientCertificateType:   "client_certificate_type",
	ExtServerCertificateType:   "server_certificate_type",
	ExtPadding:                 "padding",
	ExtExtendedMasterSecret:    "extended_master_secret",
	ExtCompressCertificate:     "compress_certificate",
	ExtRecordSizeLimit:         "record_size_limit",
	ExtSessionTicket:           "session_ticket",
	ExtPreSharedKey:            "pre_shared_key",
	ExtEarlyData:               "early_data",
	ExtSupportedVersions:       "supported_versions",
	ExtCookie:                  "cookie",
	ExtPSKModes:                "psk_key_exchange_modes",
	ExtCertificateAuthorities:  "certificate_authorities",
	ExtOIDFilters:              "oid_filters",
	ExtPostHandshakeAuth:       "post_handshake_auth",
	ExtSignatureAlgorithmsCert: "signature_algorithms_cert",
	ExtKeyShare:                "key_share",
	ExtRenegotiationInfo:       "renegotiation_info",
}

// String returns the IANA name, or "extension(0xNNNN)" for an unknown type.
func (t ExtensionType) String() string {
	if name, ok := extensionNames[t]; ok {
		return name
	}
	return fmt.Sprintf("extension(0x%04x)", uint16(t))
}

// extensionSet is a set of the types above, one bit each: they are all below
// 63 but for renegotiation_info, which has the bit left over. It answers Has
// in one step however many extensions a peer sent.
type extensionSet uint64

// bit returns t's bit, or 0 for a type that an extensionSet does not track.
func (t ExtensionType) bit() extensionSet {
	switch {
	case t < 63:
		return 1 << t
	case t == ExtRenegotiationInfo:
		return 1 << 63
	}
	return 0
}

func (s extensionSet) has(t ExtensionType) bool { return s&t.bit() != 0 }
func (s *extensionSet) add(t ExtensionType)     { *s |= t.bit() }
func (s *extensionSet) remove(t ExtensionType)  { *s &^= t.bit() }
