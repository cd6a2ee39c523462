package wire

import (
	"encoding/binary"
	"errors"
	"regexp"
	"strings"
	"testing"
)

// vec8, vec16 and vec24 are vectors whose content is the parts.
func vec8(parts ...string) string {
	v := strings.Join(parts, "")
	return string([]byte{byte(len(v))}) + v
}

func vec16(parts ...string) string {
	v := strings.Join(parts, "")
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(v)))) + v
}

func vec24(parts ...string) string {
	v := strings.Join(parts, "")
	return string([]byte{byte(len(v) >> 16), byte(len(v) >> 8), byte(len(v))}) + v
}

func ext(t ExtensionType, body string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(t))) + vec16(body)
}

// The bodies of messages around the given extensions.
var (
	zeros32 = strings.Repeat("\x00", 32)

	clientHelloFields = "\x03\x03" + zeros32 + vec8() + vec16("\x13\x01") + vec8("\x00")
	serverHelloFields = "\x03\x03" + zeros32 + vec8() + "\x13\x01" + "\x00"
	retryFields       = "\x03\x03" + string(HelloRetryRequestRandom[:]) + vec8() + "\x13\x01" + "\x00"
)

func clientHelloWith(exts ...string) string { return clientHelloFields + vec16(exts...) }
func serverHelloWith(exts ...string) string { return serverHelloFields + vec16(exts...) }
func retryWith(exts ...string) string       { return retryFields + vec16(exts...) }
func encryptedWith(exts ...string) string   { return vec16(exts...) }
func requestWith(exts ...string) string     { return vec8() + vec16(exts...) }
func certificateWith(exts ...string) string { return vec8() + vec24(vec24("DER")+vec16(exts...)) }
func ticketWith(exts ...string) string {
	return zeros32[:8] + vec8("n") + vec16("ticket") + vec16(exts...)
}

var (
	identity = vec16("id") + "\x00\x00\x00\x00"
	binder   = vec8(zeros32)
)

// newMessage makes a zero message of each kind.
var newMessage = map[MessageType]func() message{
	TypeClientHello:         func() message { return new(ClientHello) },
	TypeServerHello:         func() message { return new(ServerHello) },
	TypeNewSessionTicket:    func() message { return new(NewSessionTicket) },
	TypeEndOfEarlyData:      func() message { return new(EndOfEarlyData) },
	TypeEncryptedExtensions: func() message { return new(EncryptedExtensions) },
	TypeCertificate:         func() message { return new(Certificate) },
	TypeCertificateRequest:  func() message { return new(CertificateRequest) },
	TypeCertificateVerify:   func() message { return new(CertificateVerify) },
	TypeKeyUpdate:           func() message { return new(KeyUpdate) },
}

// malformedBody is a body that is refused. The field and the reason are those
// of the error; an illegal one is marked by an exclamation mark in front of its
// reason.
type malformedBody struct {
	name          string
	kind          MessageType
	body          string
	field, reason string
}

var malformed = []malformedBody{
	// Fields of the messages.
	{"a session id of 33 bytes", TypeClientHello,
		"\x03\x03" + zeros32 + vec8(zeros32, "x") + vec16("\x13\x01") + vec8("\x00"), "legacy_session_id", reasonLength},
	{"no cipher suite", TypeClientHello, "\x03\x03" + zeros32 + vec8() + vec16() + vec8("\x00"), "cipher_suites", reasonLength},
	{"half a cipher suite", TypeClientHello, "\x03\x03" + zeros32 + vec8() + vec16("\x13\x01\x13") + vec8("\x00"), "cipher_suites", reasonOdd},
	{"no compression method", TypeClientHello, "\x03\x03" + zeros32 + vec8() + vec16("\x13\x01") + vec8(), "legacy_compression_methods", reasonLength},
	{"an extension block longer than the message", TypeClientHello, clientHelloFields + "\x00\x04", "extensions", reasonTruncated},
	{"bytes behind the extension block", TypeClientHello, clientHelloWith() + "\x00", "", reasonTrailing},
	{"half an extension type", TypeClientHello, clientHelloWith("\x00"), "extensions", reasonTruncated},
	{"an extension without a length", TypeClientHello, clientHelloWith("\x00\x0a"), "extensions", reasonTruncated},
	{"an extension longer than its block", TypeClientHello, clientHelloWith("\x00\x0a\x00\x01"), "extensions", reasonTruncated},
	{"an echoed session id of 33 bytes", TypeServerHello,
		"\x03\x03" + zeros32 + vec8(zeros32, "x") + "\x13\x01\x00", "legacy_session_id_echo", reasonLength},
	{"a HelloRetryRequest without an extension block", TypeServerHello, retryFields, "extensions", reasonTruncated},
	{"no extension block", TypeEncryptedExtensions, "", "extensions", reasonTruncated},
	{"no extension block", TypeCertificateRequest, vec8(), "extensions", reasonTruncated},
	{"no extension block", TypeNewSessionTicket, zeros32[:8] + vec8() + vec16("t"), "extensions", reasonTruncated},
	{"an empty ticket", TypeNewSessionTicket, zeros32[:8] + vec8() + vec16() + vec16(), "ticket", reasonLength},
	{"an empty certificate", TypeCertificate, vec8() + vec24(vec24(), vec16()), "cert_data", reasonLength},
	{"a certificate without its extensions", TypeCertificate, vec8() + vec24(vec24("DER")), "extensions", reasonTruncated},
	{"a byte behind the last certificate", TypeCertificate, vec8() + vec24(vec24("DER"), vec16(), "\x00"), "cert_data", reasonTruncated},
	{"a chain of 101 certificates", TypeCertificate, vec8() + vec24(strings.Repeat(vec24("D")+vec16(), 101)), "certificate_list", "too many certificates"},
	{"a signature longer than the message", TypeCertificateVerify, "\x04\x03\x00\x02x", "signature", reasonTruncated},
	{"an empty body", TypeKeyUpdate, "", "request_update", reasonTruncated},
	{"two bytes", TypeKeyUpdate, "\x00\x00", "", reasonTrailing},
	{"a request_update of 2", TypeKeyUpdate, "\x02", "request_update", "!neither 0 nor 1"},
	{"a byte", TypeEndOfEarlyData, "\x00", "", reasonTrailing},

	// Duplicates (RFC 8446 section 4.2), in each block.
	{"a known extension twice", TypeClientHello, clientHelloWith(ext(ExtSCT, ""), ext(0x0A0A, ""), ext(ExtSCT, "")), "signed_certificate_timestamp", "duplicate extension"},
	{"an unknown extension twice", TypeClientHello, clientHelloWith(ext(0x0A0A, ""), ext(ExtSCT, ""), ext(0x0A0A, "x")), "extension(0x0a0a)", "duplicate extension"},
	{"an extension twice", TypeServerHello, serverHelloWith(ext(ExtSupportedVersions, "\x03\x04"), ext(ExtSupportedVersions, "\x03\x04")), "supported_versions", "duplicate extension"},
	{"an extension twice in a HelloRetryRequest", TypeServerHello, retryWith(ext(ExtKeyShare, "\x00\x1d"), ext(ExtKeyShare, "\x00\x1d")), "key_share", "!duplicate extension"},
	{"an extension twice", TypeEncryptedExtensions, encryptedWith(ext(ExtEarlyData, ""), ext(ExtEarlyData, "")), "early_data", "duplicate extension"},
	{"an extension twice", TypeCertificateRequest, requestWith(ext(ExtOIDFilters, ""), ext(ExtOIDFilters, "")), "oid_filters", "duplicate extension"},
	{"an extension twice in one entry", TypeCertificate, certificateWith(ext(0x1234, ""), ext(0x1234, "")), "extension(0x1234)", "duplicate extension"},
	{"an extension twice", TypeNewSessionTicket, ticketWith(ext(0x1234, ""), ext(0x1234, "")), "extension(0x1234)", "!duplicate extension"},

	// server_name (RFC 6066 section 3).
	{"no list of names", TypeClientHello, clientHelloWith(ext(ExtServerName, "")), "server_name.server_name_list", reasonTruncated},
	{"an empty list of names", TypeClientHello, clientHelloWith(ext(ExtServerName, vec16())), "server_name.server_name_list", reasonLength},
	{"an empty name", TypeClientHello, clientHelloWith(ext(ExtServerName, vec16("\x00", vec16()))), "server_name.host_name", reasonLength},
	{"two host names", TypeClientHello, clientHelloWith(ext(ExtServerName, vec16("\x00", vec16("a"), "\x00", vec16("a")))), "server_name.host_name", "!more than one"},
	{"names of another type only", TypeClientHello, clientHelloWith(ext(ExtServerName, vec16("\x01", vec16("a")))), "server_name.host_name", "!missing"},
	{"a name with a NUL", TypeClientHello, clientHelloWith(ext(ExtServerName, vec16("\x00", vec16("a\x00.example")))), "server_name.host_name", "!contains a NUL"},
	{"a byte behind the last name", TypeClientHello, clientHelloWith(ext(ExtServerName, vec16("\x00", vec16("a"), "\x00"))), "server_name.host_name", reasonTruncated},
	{"a byte behind the names", TypeClientHello, clientHelloWith(ext(ExtServerName, vec16("\x00", vec16("a"))+"\x00")), "server_name", reasonTrailing},
	{"a server that echoes the name", TypeEncryptedExtensions, encryptedWith(ext(ExtServerName, vec16("\x00", vec16("a")))), "server_name", reasonTrailing},
	{"a server that echoes the name", TypeServerHello, serverHelloWith(ext(ExtServerName, "x")), "server_name", reasonTrailing},

	// client_certificate_type (RFC 7250 section 3).
	{"no list of certificate types", TypeClientHello, clientHelloWith(ext(ExtClientCertificateType, "")), "client_certificate_type.client_certificate_types", reasonTruncated},
	{"an empty list of certificate types", TypeClientHello, clientHelloWith(ext(ExtClientCertificateType, vec8())), "client_certificate_type.client_certificate_types", "!" + reasonLength},
	{"a list of certificate types longer than its extension", TypeClientHello, clientHelloWith(ext(ExtClientCertificateType, "\x02\x02")), "client_certificate_type.client_certificate_types", reasonTruncated},
	{"a byte behind the certificate types", TypeClientHello, clientHelloWith(ext(ExtClientCertificateType, vec8("\x02")+"\x00")), "client_certificate_type", reasonTrailing},
	{"no certificate type", TypeEncryptedExtensions, encryptedWith(ext(ExtClientCertificateType, "")), "client_certificate_type.client_certificate_type", reasonTruncated},
	{"a list instead of a certificate type", TypeEncryptedExtensions, encryptedWith(ext(ExtClientCertificateType, vec8("\x02"))), "client_certificate_type", reasonTrailing},
	{"no certificate type", TypeServerHello, serverHelloWith(ext(ExtClientCertificateType, "")), "client_certificate_type.client_certificate_type", reasonTruncated},
	{"two certificate types", TypeServerHello, serverHelloWith(ext(ExtClientCertificateType, "\x00\x02")), "client_certificate_type", reasonTrailing},

	// Vectors of 16-bit values.
	{"no version", TypeClientHello, clientHelloWith(ext(ExtSupportedVersions, vec8())), "supported_versions.versions", reasonLength},
	{"half a version", TypeClientHello, clientHelloWith(ext(ExtSupportedVersions, vec8("\x03\x04\x03"))), "supported_versions.versions", reasonOdd},
	{"versions of 255 bytes", TypeClientHello, clientHelloWith(ext(ExtSupportedVersions, vec8(strings.Repeat("x", 255)))), "supported_versions.versions", reasonLength},
	{"a byte behind the versions", TypeClientHello, clientHelloWith(ext(ExtSupportedVersions, vec8("\x03\x04")+"\x00")), "supported_versions", reasonTrailing},
	{"half a selected version", TypeServerHello, serverHelloWith(ext(ExtSupportedVersions, "\x03")), "supported_versions.selected_version", reasonTruncated},
	{"two selected versions", TypeServerHello, serverHelloWith(ext(ExtSupportedVersions, "\x03\x04\x03\x03")), "supported_versions", reasonTrailing},
	{"no group", TypeClientHello, clientHelloWith(ext(ExtSupportedGroups, vec16())), "supported_groups.named_group_list", reasonLength},
	{"half a group", TypeClientHello, clientHelloWith(ext(ExtSupportedGroups, vec16("\x00"))), "supported_groups.named_group_list", reasonLength},
	{"a group and a half", TypeClientHello, clientHelloWith(ext(ExtSupportedGroups, vec16("\x00\x1d\x00"))), "supported_groups.named_group_list", reasonOdd},
	{"a byte behind the groups", TypeClientHello, clientHelloWith(ext(ExtSupportedGroups, vec16("\x00\x1d")+"\x00")), "supported_groups", reasonTrailing},
	{"no group", TypeEncryptedExtensions, encryptedWith(ext(ExtSupportedGroups, vec16())), "supported_groups.named_group_list", reasonLength},
	{"no signature algorithm", TypeClientHello, clientHelloWith(ext(ExtSignatureAlgorithms, vec16())), "signature_algorithms.supported_signature_algorithms", reasonLength},
	{"half a signature algorithm", TypeClientHello, clientHelloWith(ext(ExtSignatureAlgorithmsCert, vec16("\x04\x03\x04"))), "signature_algorithms_cert.supported_signature_algorithms", reasonOdd},
	{"a byte behind the algorithms", TypeCertificateRequest, requestWith(ext(ExtSignatureAlgorithms, vec16("\x04\x03")+"\x00")), "signature_algorithms", reasonTrailing},

	// key_share (RFC 8446 section 4.2.8).
	{"an empty public value", TypeClientHello, clientHelloWith(ext(ExtKeyShare, vec16("\x00\x1d", vec16()))), "key_share.key_exchange", reasonLength},
	{"a byte behind the last share", TypeClientHello, clientHelloWith(ext(ExtKeyShare, vec16("\x00\x1d", vec16("x"), "\x00"))), "key_share.group", reasonTruncated},
	{"a byte behind the shares", TypeClientHello, clientHelloWith(ext(ExtKeyShare, vec16("\x00\x1d", vec16("x"))+"\x00")), "key_share", reasonTrailing},
	{"an empty public value", TypeServerHello, serverHelloWith(ext(ExtKeyShare, "\x00\x1d"+vec16())), "key_share.key_exchange", reasonLength},
	{"a byte behind the share", TypeServerHello, serverHelloWith(ext(ExtKeyShare, "\x00\x1d"+vec16("x")+"\x00")), "key_share", reasonTrailing},
	{"a share in a HelloRetryRequest", TypeServerHello, retryWith(ext(ExtKeyShare, "\x00\x1d"+vec16("x"))), "key_share", reasonTrailing},
	{"half a group in a HelloRetryRequest", TypeServerHello, retryWith(ext(ExtKeyShare, "\x00")), "key_share.selected_group", reasonTruncated},

	// ALPN (RFC 7301 section 3.1).
	{"no protocol", TypeClientHello, clientHelloWith(ext(ExtALPN, vec16())), "application_layer_protocol_negotiation.protocol_name_list", reasonLength},
	{"an empty protocol", TypeClientHello, clientHelloWith(ext(ExtALPN, vec16(vec8("h2"), vec8()))), "application_layer_protocol_negotiation.protocol_name", reasonLength},
	{"a protocol longer than the list", TypeClientHello, clientHelloWith(ext(ExtALPN, vec16(vec8("h2"), "\x02h"))), "application_layer_protocol_negotiation.protocol_name", reasonTruncated},
	{"a byte behind the protocols", TypeClientHello, clientHelloWith(ext(ExtALPN, vec16(vec8("h2"))+"\x00")), "application_layer_protocol_negotiation", reasonTrailing},
	{"two protocols chosen", TypeEncryptedExtensions, encryptedWith(ext(ExtALPN, vec16(vec8("h2"), vec8("x")))), "application_layer_protocol_negotiation.protocol_name_list", reasonTrailing},
	{"an empty protocol chosen", TypeEncryptedExtensions, encryptedWith(ext(ExtALPN, vec16(vec8(), vec8("x")))), "application_layer_protocol_negotiation.protocol_name", reasonLength},
	{"two protocols chosen", TypeServerHello, serverHelloWith(ext(ExtALPN, vec16(vec8("h2"), vec8("x")))), "application_layer_protocol_negotiation.protocol_name_list", reasonTrailing},
	{"a byte behind the protocol chosen", TypeServerHello, serverHelloWith(ext(ExtALPN, vec16(vec8("h2"))+"\x00")), "application_layer_protocol_negotiation", reasonTrailing},

	// pre_shared_key (RFC 8446 section 4.2.11).
	{"pre_shared_key before the last extension", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(identity)+vec16(binder)), ext(ExtSCT, "")), "pre_shared_key", "!not the last extension"},
	{"two identities and one binder", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(identity, identity)+vec16(binder))), "pre_shared_key.binders", "!" + reasonBinders},
	{"one identity and two binders", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(identity)+vec16(binder, binder))), "pre_shared_key.binders", "!" + reasonBinders},
	{"no identity", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16()+vec16(binder))), "pre_shared_key.identities", reasonLength},
	{"an empty identity", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(vec16(), zeros32[:5])+vec16(binder))), "pre_shared_key.identity", reasonLength},
	{"an identity without its age", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(vec16("long id"))+vec16(binder))), "pre_shared_key.obfuscated_ticket_age", reasonTruncated},
	{"no binder", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(identity)+vec16())), "pre_shared_key.binders", reasonLength},
	{"no list of binders", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(identity))), "pre_shared_key.binders", reasonTruncated},
	{"a byte behind the last binder", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(identity)+vec16(binder, "\x00"))), "pre_shared_key.binders", "!" + reasonBinders},
	{"a byte behind the binders", TypeClientHello, clientHelloWith(ext(ExtPreSharedKey, vec16(identity)+vec16(binder)+"\x00")), "pre_shared_key", reasonTrailing},
	{"a selected identity of one byte", TypeServerHello, serverHelloWith(ext(ExtPreSharedKey, "\x00")), "pre_shared_key.selected_identity", reasonTruncated},
	{"a selected identity of three bytes", TypeServerHello, serverHelloWith(ext(ExtPreSharedKey, "\x00\x00\x00")), "pre_shared_key", reasonTrailing},

	// Extensions of bytes.
	{"an empty cookie", TypeClientHello, clientHelloWith(ext(ExtCookie, vec16())), "cookie.cookie", reasonLength},
	{"a byte behind the cookie", TypeClientHello, clientHelloWith(ext(ExtCookie, vec16("c")+"\x00")), "cookie", reasonTrailing},
	{"an empty cookie", TypeServerHello, retryWith(ext(ExtCookie, vec16())), "cookie.cookie", reasonLength},
	{"no PSK mode", TypeClientHello, clientHelloWith(ext(ExtPSKModes, vec8())), "psk_key_exchange_modes.ke_modes", reasonLength},
	{"a byte behind the PSK modes", TypeClientHello, clientHelloWith(ext(ExtPSKModes, vec8("\x01")+"\x00")), "psk_key_exchange_modes", reasonTrailing},
	{"no point format", TypeClientHello, clientHelloWith(ext(ExtECPointFormats, vec8())), "ec_point_formats.ec_point_format_list", reasonLength},
	{"a byte behind the point formats", TypeServerHello, serverHelloWith(ext(ExtECPointFormats, vec8("\x00")+"\x00")), "ec_point_formats", reasonTrailing},
	{"a byte behind renegotiation_info", TypeClientHello, clientHelloWith(ext(ExtRenegotiationInfo, vec8()+"\x00")), "renegotiation_info", reasonTrailing},
	{"no renegotiated_connection", TypeServerHello, serverHelloWith(ext(ExtRenegotiationInfo, "")), "renegotiation_info.renegotiated_connection", reasonTruncated},
	{"a record size limit of 63", TypeClientHello, clientHelloWith(ext(ExtRecordSizeLimit, "\x00\x3f")), "record_size_limit", "!less than 64"},
	{"a record size limit of three bytes", TypeEncryptedExtensions, encryptedWith(ext(ExtRecordSizeLimit, "\x40\x00\x00")), "record_size_limit", reasonTrailing},
	{"no authority", TypeClientHello, clientHelloWith(ext(ExtCertificateAuthorities, vec16())), "certificate_authorities.authorities", reasonLength},
	{"an empty authority", TypeCertificateRequest, requestWith(ext(ExtCertificateAuthorities, vec16(vec16(), vec16("x")))), "certificate_authorities.distinguished_name", reasonLength},
	{"a byte behind the last authority", TypeCertificateRequest, requestWith(ext(ExtCertificateAuthorities, vec16(vec16("x"), "\x00"))), "certificate_authorities.distinguished_name", reasonTruncated},
	{"a byte behind the authorities", TypeCertificateRequest, requestWith(ext(ExtCertificateAuthorities, vec16(vec16("x"))+"\x00")), "certificate_authorities", reasonTrailing},

	// Certificate status and timestamps.
	{"an empty status_request", TypeClientHello, clientHelloWith(ext(ExtStatusRequest, "")), "status_request.status_type", reasonTruncated},
	{"an empty responder id", TypeClientHello, clientHelloWith(ext(ExtStatusRequest, "\x01"+vec16(vec16())+vec16())), "status_request.responder_id", reasonLength},
	{"a byte behind the last responder id", TypeClientHello, clientHelloWith(ext(ExtStatusRequest, "\x01"+vec16(vec16("x"), "\x00")+vec16())), "status_request.responder_id", reasonTruncated},
	{"no OCSP extensions", TypeClientHello, clientHelloWith(ext(ExtStatusRequest, "\x01"+vec16())), "status_request.request_extensions", reasonTruncated},
	{"a byte behind the status_request", TypeClientHello, clientHelloWith(ext(ExtStatusRequest, "\x01"+vec16()+vec16()+"\x00")), "status_request", reasonTrailing},
	{"a status_request with a body", TypeCertificateRequest, requestWith(ext(ExtStatusRequest, "\x01"+vec16()+vec16())), "status_request", reasonTrailing},
	{"a status that is not OCSP", TypeCertificate, certificateWith(ext(ExtStatusRequest, "\x02"+vec24("x"))), "status_request.status_type", "!not ocsp"},
	{"an empty OCSP response", TypeCertificate, certificateWith(ext(ExtStatusRequest, "\x01"+vec24())), "status_request.response", reasonLength},
	{"a byte behind the OCSP response", TypeCertificate, certificateWith(ext(ExtStatusRequest, "\x01"+vec24("x")+"\x00")), "status_request", reasonTrailing},
	{"no timestamp", TypeCertificate, certificateWith(ext(ExtSCT, vec16())), "signed_certificate_timestamp.sct_list", reasonLength},
	{"an empty timestamp", TypeCertificate, certificateWith(ext(ExtSCT, vec16(vec16("x"), vec16()))), "signed_certificate_timestamp.serialized_sct", reasonLength},
	{"a byte behind the timestamps", TypeServerHello, serverHelloWith(ext(ExtSCT, vec16(vec16("x"))+"\x00")), "signed_certificate_timestamp", reasonTrailing},

	// Extensions without a body.
	{"early_data with a body", TypeClientHello, clientHelloWith(ext(ExtEarlyData, "\x00")), "early_data", reasonTrailing},
	{"extended_master_secret with a body", TypeClientHello, clientHelloWith(ext(ExtExtendedMasterSecret, "\x00")), "extended_master_secret", reasonTrailing},
	{"post_handshake_auth with a body", TypeClientHello, clientHelloWith(ext(ExtPostHandshakeAuth, "\x00")), "post_handshake_auth", reasonTrailing},
	{"a request for timestamps with a body", TypeClientHello, clientHelloWith(ext(ExtSCT, "\x00")), "signed_certificate_timestamp", reasonTrailing},
	{"a request for timestamps with a body", TypeCertificateRequest, requestWith(ext(ExtSCT, "\x00")), "signed_certificate_timestamp", reasonTrailing},
	{"extended_master_secret with a body", TypeServerHello, serverHelloWith(ext(ExtExtendedMasterSecret, "\x00")), "extended_master_secret", reasonTrailing},
	{"session_ticket with a body", TypeServerHello, serverHelloWith(ext(ExtSessionTicket, "\x00")), "session_ticket", reasonTrailing},
	{"status_request with a body", TypeServerHello, serverHelloWith(ext(ExtStatusRequest, "\x00")), "status_request", reasonTrailing},
	{"early_data with a body", TypeEncryptedExtensions, encryptedWith(ext(ExtEarlyData, "\x00")), "early_data", reasonTrailing},
	{"a max_early_data_size of three bytes", TypeNewSessionTicket, ticketWith(ext(ExtEarlyData, "\x00\x00\x00")), "early_data.max_early_data_size", reasonTruncated},
	{"a max_early_data_size of five bytes", TypeNewSessionTicket, ticketWith(ext(ExtEarlyData, "\x00\x00\x00\x00\x00")), "early_data", reasonTrailing},
}

func TestMalformedMessagesAreRefused(t *testing.T) { refused(t, malformed, newMessage) }

func refused(t *testing.T, bodies []malformedBody, newMessage map[MessageType]func() message) {
	for _, c := range bodies {
		t.Run(c.kind.String()+" with "+c.name, func(t *testing.T) {
			reason, illegal := strings.CutPrefix(c.reason, "!")
			want := Error{Message: c.kind, Field: c.field, Reason: reason, Illegal: illegal}
			var got *Error
			if err := newMessage[c.kind]().Unmarshal([]byte(c.body)); !errors.As(err, &got) {
				t.Fatalf("%v, want %v", err, &want)
			}
			if *got != want {
				t.Errorf("%+v, want %+v", *got, want)
			}
			// Log injection: what a peer sent must not be in the text of an error.
			if !plainText.MatchString(got.Error()) {
				t.Errorf("%q is not made of names and numbers alone", got)
			}
		})
	}
}

var plainText = regexp.MustCompile(`^[a-z0-9_]+: ([a-z0-9_.()]+: )?[A-Za-z0-9_ ]+$`)

// Everything the malformed bodies are made of is right by itself: the same
// builders make bodies that are accepted.
func TestUnusualMessagesAreAccepted(t *testing.T) {
	for _, c := range []struct {
		name string
		kind MessageType
		body string
	}{
		{"an empty extension block", TypeClientHello, clientHelloWith()},
		{"an empty extension block", TypeServerHello, serverHelloWith()},
		{"an empty extension block in a HelloRetryRequest", TypeServerHello, retryWith()},
		{"GREASE and unknown extensions", TypeClientHello, clientHelloWith(ext(0x0A0A, ""), ext(0x1234, "junk"), ext(0xFAFA, "\x00"))},
		{"GREASE and unknown extensions", TypeServerHello, serverHelloWith(ext(0x0A0A, ""), ext(0x1234, "junk"))},
		{"GREASE and unknown extensions", TypeEncryptedExtensions, encryptedWith(ext(0x0A0A, ""), ext(0x1234, "junk"))},
		{"GREASE and unknown extensions", TypeCertificateRequest, requestWith(ext(0x0A0A, ""), ext(0x1234, "junk"))},
		{"GREASE and unknown extensions", TypeCertificate, certificateWith(ext(0x0A0A, ""), ext(0x1234, "junk"))},
		{"GREASE and unknown extensions", TypeNewSessionTicket, ticketWith(ext(0x0A0A, ""), ext(0x1234, "junk"))},
		{"an extension that is not of this message", TypeEncryptedExtensions, encryptedWith(ext(ExtKeyShare, "junk"))},
		{"a name of another type beside the host name", TypeClientHello, clientHelloWith(ext(ExtServerName, vec16("\x07", vec16(), "\x00", vec16("a"))))},
		{"a status_request of another type", TypeClientHello, clientHelloWith(ext(ExtStatusRequest, "\x02junk"))},
		{"responders and OCSP extensions", TypeClientHello, clientHelloWith(ext(ExtStatusRequest, "\x01"+vec16(vec16("id"))+vec16("exts")))},
		{"the same extension in two certificates", TypeCertificate, vec8() + vec24(strings.Repeat(vec24("D")+vec16(ext(ExtSCT, vec16(vec16("x")))), 2))},
		{"a chain of 100 certificates", TypeCertificate, vec8() + vec24(strings.Repeat(vec24("D")+vec16(), 100))},
		{"an empty signature", TypeCertificateVerify, "\x04\x03" + vec16()},
	} {
		t.Run(c.kind.String()+" with "+c.name, func(t *testing.T) {
			if err := newMessage[c.kind]().Unmarshal([]byte(c.body)); err != nil {
				t.Error(err)
			}
		})
	}
}
