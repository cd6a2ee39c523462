package wire

import (
	"bytes"
	"strings"
	"testing"
)

func samples12() []sample {
	return []sample{
		{"hello_request", TypeHelloRequest, &HelloRequest{}},
		{"certificate of TLS 1.2", TypeCertificate, &Certificate12{Certificates: [][]byte{filled(700, 8), filled(1, 8)}}},
		{"certificate of TLS 1.2 without any", TypeCertificate, &Certificate12{}},
		{"certificate of a raw public key", TypeCertificate, &RawPublicKey12{Key: filled(91, 8)}},
		{"certificate of no raw public key", TypeCertificate, &RawPublicKey12{}},
		{"certificate_status", TypeCertificateStatus, &CertificateStatus{OCSPStaple: filled(50, 9)}},
		{"server_key_exchange", TypeServerKeyExchange, &ServerKeyExchange{
			Group: 0x0017, Point: filled(65, 4), Algorithm: 0x0403, Signature: filled(71, 3),
		}},
		{"certificate_request of TLS 1.2", TypeCertificateRequest, &CertificateRequest12{
			CertificateTypes:       []byte{ClientCertificateRSASign, ClientCertificateECDSASign, 0xE0},
			SignatureAlgorithms:    []uint16{0x0403, 0x0804},
			CertificateAuthorities: [][]byte{filled(30, 6), filled(1, 7)},
		}},
		{"certificate_request of TLS 1.2 for any authority", TypeCertificateRequest, &CertificateRequest12{
			CertificateTypes: []byte{ClientCertificateECDSASign}, SignatureAlgorithms: []uint16{0x0403},
		}},
		{"server_hello_done", TypeServerHelloDone, &ServerHelloDone{}},
		{"client_key_exchange", TypeClientKeyExchange, &ClientKeyExchange{Point: filled(32, 4)}},
		{"new_session_ticket of TLS 1.2", TypeNewSessionTicket, &NewSessionTicket12{LifetimeHint: 7200, Ticket: filled(200, 1)}},
		{"new_session_ticket of TLS 1.2 without one", TypeNewSessionTicket, &NewSessionTicket12{}},
	}
}

// newMessage12 makes a zero message of each kind that TLS 1.3 has not, or has
// in another form.
var newMessage12 = map[MessageType]func() message{
	TypeHelloRequest:       func() message { return new(HelloRequest) },
	TypeNewSessionTicket:   func() message { return new(NewSessionTicket12) },
	TypeCertificate:        func() message { return new(Certificate12) },
	TypeServerKeyExchange:  func() message { return new(ServerKeyExchange) },
	TypeCertificateRequest: func() message { return new(CertificateRequest12) },
	TypeServerHelloDone:    func() message { return new(ServerHelloDone) },
	TypeClientKeyExchange:  func() message { return new(ClientKeyExchange) },
	TypeCertificateStatus:  func() message { return new(CertificateStatus) },
}

// The parts of a server_key_exchange.
var (
	namedX25519 = "\x03\x00\x1d"
	signed      = "\x04\x03" + vec16("signature")
)

var malformed12 = []malformedBody{
	// Messages without a body.
	{"a byte", TypeHelloRequest, "\x01", "", reasonTrailing},
	{"a byte", TypeServerHelloDone, "\x00", "", reasonTrailing},

	// Certificate (RFC 5246 section 7.4.2).
	{"an empty body", TypeCertificate, "", "certificate_list", reasonTruncated},
	{"an empty certificate", TypeCertificate, vec24(vec24()), "certificate", reasonLength},
	{"a certificate longer than the list", TypeCertificate, vec24("\x00\x00\x04DER"), "certificate", reasonTruncated},
	{"a list longer than the message", TypeCertificate, "\x00\x00\x07" + vec24("DER"), "certificate_list", reasonTruncated},
	{"a byte behind the last certificate", TypeCertificate, vec24(vec24("DER"), "\x00"), "certificate", reasonTruncated},
	{"a byte behind the list", TypeCertificate, vec24(vec24("DER")) + "\x00", "", reasonTrailing},
	{"the form of TLS 1.3", TypeCertificate, certificateWith(), "", reasonTrailing},
	{"a chain of 101 certificates", TypeCertificate, vec24(strings.Repeat(vec24("D"), 101)), "certificate_list", reasonTooMany},

	// CertificateStatus (RFC 6066 section 8).
	{"a status that is not OCSP", TypeCertificateStatus, "\x02" + vec24("x"), "status_type", "!not ocsp"},
	{"an empty OCSP response", TypeCertificateStatus, "\x01" + vec24(), "response", reasonLength},
	{"no OCSP response", TypeCertificateStatus, "\x01", "response", reasonTruncated},
	{"a byte behind the OCSP response", TypeCertificateStatus, "\x01" + vec24("x") + "\x00", "", reasonTrailing},

	// ServerKeyExchange (RFC 8422 section 5.4).
	{"an explicit prime", TypeServerKeyExchange, "\x01" + vec8("p"), "curve_type", "!not named_curve"},
	{"an explicit curve of characteristic 2", TypeServerKeyExchange, "\x02\x00\x01", "curve_type", "!not named_curve"},
	{"a curve type that nobody knows", TypeServerKeyExchange, "\x00\x00\x1d" + vec8("point") + signed, "curve_type", "!not named_curve"},
	{"an empty body", TypeServerKeyExchange, "", "curve_type", reasonTruncated},
	{"half a named curve", TypeServerKeyExchange, "\x03\x00", "namedcurve", reasonTruncated},
	{"an empty point", TypeServerKeyExchange, namedX25519 + vec8() + signed, "point", reasonLength},
	{"a point longer than the message", TypeServerKeyExchange, namedX25519 + "\x20point", "point", reasonTruncated},
	{"no algorithm", TypeServerKeyExchange, namedX25519 + vec8("point"), "algorithm", reasonTruncated},
	{"a signature without its algorithm", TypeServerKeyExchange, namedX25519 + vec8("point") + vec16("sig"), "signature", reasonTruncated},
	{"a signature longer than the message", TypeServerKeyExchange, namedX25519 + vec8("point") + "\x04\x03\x00\x04sig", "signature", reasonTruncated},
	{"a byte behind the signature", TypeServerKeyExchange, namedX25519 + vec8("point") + signed + "\x00", "", reasonTrailing},

	// CertificateRequest (RFC 5246 section 7.4.4).
	{"an empty body", TypeCertificateRequest, "", "certificate_types", reasonTruncated},
	{"no certificate type", TypeCertificateRequest, vec8() + vec16("\x04\x03") + vec16(), "certificate_types", reasonLength},
	{"no signature algorithm", TypeCertificateRequest, vec8("\x40") + vec16() + vec16(), "supported_signature_algorithms", reasonLength},
	{"half a signature algorithm", TypeCertificateRequest, vec8("\x40") + vec16("\x04\x03\x04") + vec16(), "supported_signature_algorithms", reasonOdd},
	{"no list of signature algorithms, as in TLS 1.1", TypeCertificateRequest, vec8("\x40") + vec16(), "supported_signature_algorithms", reasonLength},
	{"no list of authorities", TypeCertificateRequest, vec8("\x40") + vec16("\x04\x03"), "certificate_authorities", reasonTruncated},
	{"an empty authority", TypeCertificateRequest, vec8("\x40") + vec16("\x04\x03") + vec16(vec16("x"), vec16()), "distinguished_name", reasonLength},
	{"a byte behind the last authority", TypeCertificateRequest, vec8("\x40") + vec16("\x04\x03") + vec16(vec16("x"), "\x00"), "distinguished_name", reasonTruncated},
	{"a byte behind the authorities", TypeCertificateRequest, vec8("\x40") + vec16("\x04\x03") + vec16(vec16("x")) + "\x00", "", reasonTrailing},
	{"the form of TLS 1.3", TypeCertificateRequest, requestWith(ext(ExtSignatureAlgorithms, vec16("\x04\x03"))), "certificate_types", reasonLength},

	// ClientKeyExchange (RFC 8422 section 5.7).
	{"an empty body, the implicit form", TypeClientKeyExchange, "", "point", reasonTruncated},
	{"an empty point", TypeClientKeyExchange, vec8(), "point", reasonLength},
	{"a point longer than the message", TypeClientKeyExchange, "\x06point", "point", reasonTruncated},
	{"a byte behind the point", TypeClientKeyExchange, vec8("point") + "\x00", "", reasonTrailing},
	{"an encrypted premaster secret", TypeClientKeyExchange, vec16(zeros32), "point", reasonLength},

	// NewSessionTicket (RFC 5077 section 3.3).
	{"half a lifetime", TypeNewSessionTicket, "\x00\x00", "ticket_lifetime_hint", reasonTruncated},
	{"no ticket", TypeNewSessionTicket, zeros32[:4], "ticket", reasonTruncated},
	{"a ticket longer than the message", TypeNewSessionTicket, zeros32[:4] + "\x00\x07ticket", "ticket", reasonTruncated},
	{"a byte behind the ticket", TypeNewSessionTicket, zeros32[:4] + vec16("ticket") + "\x00", "", reasonTrailing},
	{"a byte behind an empty ticket", TypeNewSessionTicket, zeros32[:4] + vec16() + "\x00", "", reasonTrailing},
}

func TestMalformedMessagesOfTLS12AreRefused(t *testing.T) { refused(t, malformed12, newMessage12) }

func TestUnusualMessagesOfTLS12AreAccepted(t *testing.T) {
	for _, c := range []struct {
		name string
		kind MessageType
		body string
	}{
		{"a chain of 100 certificates", TypeCertificate, vec24(strings.Repeat(vec24("D"), 100))},
		{"no certificate", TypeCertificate, vec24()},
		{"an empty ticket", TypeNewSessionTicket, zeros32[:4] + vec16()},
		{"certificate types and algorithms that nobody knows", TypeCertificateRequest, vec8("\x0a\xe0") + vec16("\x0a\x0a") + vec16()},
		{"a group that nobody knows", TypeServerKeyExchange, "\x03\x0a\x0a" + vec8("point") + signed},
		{"an empty signature", TypeServerKeyExchange, namedX25519 + vec8("point") + "\x04\x03" + vec16()},
		{"a point of 255 bytes", TypeClientKeyExchange, vec8(strings.Repeat("p", 255))},
	} {
		t.Run(c.kind.String()+" with "+c.name, func(t *testing.T) {
			if err := newMessage12[c.kind]().Unmarshal([]byte(c.body)); err != nil {
				t.Error(err)
			}
		})
	}
}

// RFC 8422 section 5.4: the signature is over the bytes that were sent.
func TestTheParamsThatAreSignedAreTheBytesDecoded(t *testing.T) {
	for _, params := range []string{
		namedX25519 + vec8(string(filled(32, 1))),
		"\x03\x00\x17" + vec8("\x04"+string(filled(64, 1))),
		"\x03\x0a\x0a" + vec8("p"),
		"\x03\xff\xff" + vec8(strings.Repeat("p", 255)),
	} {
		var m ServerKeyExchange
		if err := m.Unmarshal([]byte(params + signed)); err != nil {
			t.Fatal(err)
		}
		if got := m.AppendParams([]byte("randoms")); string(got) != "randoms"+params {
			t.Errorf("%x, want %x", got, params)
		}
	}
}

func TestParamsThatCannotBeEncodedAppendNothing(t *testing.T) {
	for _, n := range []int{0, 256} {
		m := ServerKeyExchange{Group: 29, Point: make([]byte, n)}
		if got := m.AppendParams([]byte("randoms")); string(got) != "randoms" {
			t.Errorf("a point of %d bytes: %x", n, got)
		}
	}
}

func TestParamsAreAppendedWithoutAllocating(t *testing.T) {
	m := ServerKeyExchange{Group: 29, Point: filled(32, 1)}
	buffer := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(20, func() { m.AppendParams(buffer) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A peer's record_size_limit of TLS 1.2 is in its ServerHello (RFC 8449 section 4).
func TestARecordSizeLimitOfAServerHelloIsBounded(t *testing.T) {
	refused(t, []malformedBody{
		{"a record size limit of 63", TypeServerHello, serverHelloWith(ext(ExtRecordSizeLimit, "\x00\x3f")), "record_size_limit", "!less than 64"},
		{"a record size limit of one byte", TypeServerHello, serverHelloWith(ext(ExtRecordSizeLimit, "\x40")), "record_size_limit.record_size_limit", reasonTruncated},
		{"a record size limit of three bytes", TypeServerHello, serverHelloWith(ext(ExtRecordSizeLimit, "\x40\x00\x00")), "record_size_limit", reasonTrailing},
	}, newMessage)
}

// The values of RFC 5746 section 3.3 and RFC 7507 section 2.
func TestSignalingSuitesAreThoseOfTheRFCs(t *testing.T) {
	if EmptyRenegotiationInfoSCSV != 0x00FF || FallbackSCSV != 0x5600 {
		t.Errorf("%#04x and %#04x", EmptyRenegotiationInfoSCSV, FallbackSCSV)
	}
	m := ClientHello{LegacyVersion: 0x0303, CipherSuites: []uint16{0xC02B, EmptyRenegotiationInfoSCSV, FallbackSCSV}, CompressionMethods: []byte{0}}
	if b := m.Append(nil); !bytes.Contains(b, []byte{0x00, 0x06, 0xC0, 0x2B, 0x00, 0xFF, 0x56, 0x00}) {
		t.Errorf("encoded as %x", b)
	}
}

// TLS 1.2 has another form of the same message for a raw public key.
func TestMalformedRawPublicKeysOfTLS12AreRefused(t *testing.T) {
	refused(t, []malformedBody{
		{"an empty body", TypeCertificate, "", "subject_public_key_info", reasonTruncated},
		{"a key longer than the message", TypeCertificate, "\x00\x00\x04DER", "subject_public_key_info", reasonTruncated},
		{"a byte behind the key", TypeCertificate, vec24("DER") + "\x00", "", reasonTrailing},
		{"the form of TLS 1.3", TypeCertificate, certificateWith(), "", reasonTrailing},
	}, map[MessageType]func() message{TypeCertificate: func() message { return new(RawPublicKey12) }})
}
