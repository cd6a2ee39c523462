package wire

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// encoder is a message whose lengths come from configuration.
type encoder interface {
	message
	Validate() error
}

// A length that its prefix cannot hold must be neither truncated nor the cause
// of a panic (CVE-2022-41724), and what the peer would refuse is not sent.
func TestAMessageThatCannotBeEncodedAppendsNothingAndSaysWhy(t *testing.T) {
	long := func(n int) []byte { return make([]byte, n) }
	clientHello := func(change func(*ClientHello)) *ClientHello {
		m := &ClientHello{CipherSuites: []uint16{0x1301}, CompressionMethods: []byte{0}}
		change(m)
		return m
	}
	const alpn = "application_layer_protocol_negotiation"
	for _, c := range []struct {
		name string
		encoder
		field, reason string
	}{
		{"a session id of 33 bytes", clientHello(func(m *ClientHello) { m.SessionID = long(33) }), "legacy_session_id", reasonLength},
		{"no cipher suite", clientHello(func(m *ClientHello) { m.CipherSuites = nil }), "cipher_suites", reasonLength},
		{"32768 cipher suites", clientHello(func(m *ClientHello) { m.CipherSuites = make([]uint16, 1<<15) }), "cipher_suites", reasonLength},
		{"no compression method", clientHello(func(m *ClientHello) { m.CompressionMethods = nil }), "legacy_compression_methods", reasonLength},
		{"a server name of 65536 bytes", clientHello(func(m *ClientHello) { m.ServerName = bytes.Repeat([]byte("x"), 1<<16) }), "server_name.host_name", reasonLength},
		{"a server name that leaves no room for its list", clientHello(func(m *ClientHello) { m.ServerName = bytes.Repeat([]byte("x"), max16) }), "server_name.server_name_list", reasonLength},
		{"a server name that leaves no room for its extension", clientHello(func(m *ClientHello) { m.ServerName = bytes.Repeat([]byte("x"), max16-3) }), "server_name", reasonLength},
		{"a server name that leaves no room for the block", clientHello(func(m *ClientHello) { m.ServerName = bytes.Repeat([]byte("x"), max16-5) }), "extensions", reasonLength},
		{"a server name with a NUL", clientHello(func(m *ClientHello) { m.ServerName = []byte("a\x00b") }), "server_name.host_name", "!contains a NUL"},
		{"a protocol of 256 bytes", clientHello(func(m *ClientHello) { m.ALPN = [][]byte{long(256)} }), alpn + ".protocol_name", reasonLength},
		{"an empty protocol", clientHello(func(m *ClientHello) { m.ALPN = [][]byte{nil} }), alpn + ".protocol_name", reasonLength},
		{"128 versions", clientHello(func(m *ClientHello) { m.SupportedVersions = make([]uint16, 128) }), "supported_versions.versions", reasonLength},
		{"a session ticket of 65536 bytes", clientHello(func(m *ClientHello) { m.SessionTicket = long(1 << 16) }), "session_ticket", reasonLength},
		{"extensions that are too long together", clientHello(func(m *ClientHello) { m.Cookie, m.SessionTicket = long(40000), long(40000) }), "extensions", reasonLength},
		{"an empty public value", clientHello(func(m *ClientHello) { m.KeyShares = []KeyShare{{Group: 29}} }), "key_share.key_exchange", reasonLength},
		{"identities without binders", clientHello(func(m *ClientHello) { m.PSKIdentities = []PSKIdentity{{Identity: long(9)}} }), "pre_shared_key.binders", reasonLength},
		{"binders without identities", clientHello(func(m *ClientHello) { m.PSKBinders = [][]byte{long(32)} }), "pre_shared_key.identities", reasonLength},
		{"fewer binders than identities", clientHello(func(m *ClientHello) {
			m.PSKIdentities, m.PSKBinders = make([]PSKIdentity, 2), [][]byte{long(32)}
			m.PSKIdentities[0].Identity, m.PSKIdentities[1].Identity = long(9), long(9)
		}), "pre_shared_key.binders", "!" + reasonBinders},
		{"a binder of 31 bytes", clientHello(func(m *ClientHello) {
			m.PSKIdentities, m.PSKBinders = []PSKIdentity{{Identity: long(9)}}, [][]byte{long(31)}
		}), "pre_shared_key.binder", reasonLength},
		{"a record size limit of 63", clientHello(func(m *ClientHello) { m.RecordSizeLimit = 63 }), "record_size_limit", "!less than 64"},
		{"an offered extension that must have content", clientHello(func(m *ClientHello) { m.Offer(ExtCookie) }), "cookie.cookie", reasonLength},

		{"a public value of 65536 bytes", &ServerHello{KeyShare: KeyShare{29, long(1 << 16)}}, "key_share.key_exchange", reasonLength},
		{"a public value that leaves no room for its extension", &ServerHello{KeyShare: KeyShare{29, long(max16)}}, "key_share", reasonLength},
		{"a cookie that leaves no room for the block", &ServerHello{Random: HelloRetryRequestRandom, Cookie: long(max16 - 2)}, "extensions", reasonLength},
		{"a session id of 33 bytes", &ServerHello{SessionID: long(33)}, "legacy_session_id_echo", reasonLength},
		{"a protocol of 256 bytes", &EncryptedExtensions{ALPN: long(256)}, alpn + ".protocol_name", reasonLength},
		{"32768 groups", &EncryptedExtensions{SupportedGroups: make([]uint16, 1<<15)}, "supported_groups.named_group_list", reasonLength},
		{"a context of 256 bytes", &CertificateRequest{Context: long(256)}, "certificate_request_context", reasonLength},
		{"an empty authority", &CertificateRequest{CertificateAuthorities: [][]byte{nil}}, "certificate_authorities.distinguished_name", reasonLength},
		{"authorities of 80000 bytes", &CertificateRequest{CertificateAuthorities: [][]byte{long(40000), long(40000)}}, "certificate_authorities.authorities", reasonLength},
		{"a context of 256 bytes", &Certificate{Context: long(256)}, "certificate_request_context", reasonLength},
		{"an empty certificate", &Certificate{Entries: make([]CertificateEntry, 1)}, "cert_data", reasonLength},
		{"a certificate of 16 MiB", &Certificate{Entries: []CertificateEntry{{Data: long(1 << 24)}}}, "cert_data", reasonLength},
		{"a chain of 16 MiB", &Certificate{Entries: []CertificateEntry{{Data: long(1 << 23)}, {Data: long(1 << 23)}}}, "certificate_list", reasonLength},
		{"a chain that leaves no room for the message", &Certificate{Context: long(255), Entries: []CertificateEntry{{Data: long(max24 - 5)}}}, "", reasonLength},
		{"101 certificates", &Certificate{Entries: make([]CertificateEntry, 101)}, "certificate_list", "too many certificates"},
		{"a staple of 64 KiB", &Certificate{Entries: []CertificateEntry{{Data: long(1), OCSPStaple: long(max16)}}}, "status_request", reasonLength},
		{"timestamps of 80000 bytes", &Certificate{Entries: []CertificateEntry{{Data: long(1), SCTs: [][]byte{long(40000), long(40000)}}}}, "signed_certificate_timestamp.sct_list", reasonLength},
		{"an empty timestamp", &Certificate{Entries: []CertificateEntry{{Data: long(1), SCTs: [][]byte{nil}}}}, "signed_certificate_timestamp.serialized_sct", reasonLength},
		{"a signature of 64 KiB", &CertificateVerify{Signature: long(1 << 16)}, "signature", reasonLength},
		{"no ticket", &NewSessionTicket{}, "ticket", reasonLength},
		{"a ticket of 64 KiB", &NewSessionTicket{Ticket: long(1 << 16)}, "ticket", reasonLength},
		{"a nonce of 256 bytes", &NewSessionTicket{Nonce: long(256), Ticket: long(1)}, "ticket_nonce", reasonLength},

		{"a record size limit of 63", &ServerHello{RecordSizeLimit: 63}, "record_size_limit", "!less than 64"},
		{"an empty certificate", &Certificate12{Certificates: [][]byte{nil}}, "certificate", reasonLength},
		{"a chain of 16 MiB", &Certificate12{Certificates: [][]byte{long(1 << 23), long(1 << 23)}}, "certificate_list", reasonLength},
		{"a chain that leaves no room for the message", &Certificate12{Certificates: [][]byte{long(max24 - 3)}}, "", reasonLength},
		{"101 certificates", &Certificate12{Certificates: slices.Repeat([][]byte{long(1)}, 101)}, "certificate_list", reasonTooMany},
		{"two certificate types", &ServerHello{ClientCertificateType: long(2)}, "client_certificate_type.client_certificate_type", reasonLength},
		{"two certificate types", &EncryptedExtensions{ClientCertificateType: long(2)}, "client_certificate_type.client_certificate_type", reasonLength},
		{"256 certificate types", &ClientHello{CipherSuites: make([]uint16, 1), CompressionMethods: long(1), ClientCertificateTypes: long(256)}, "client_certificate_type.client_certificate_types", reasonLength},
		{"a key of 16 MiB", &RawPublicKey12{Key: long(1 << 24)}, "subject_public_key_info", reasonLength},
		{"a key that leaves no room for the message", &RawPublicKey12{Key: long(max24)}, "", reasonLength},
		{"an empty OCSP response", &CertificateStatus{}, "response", reasonLength},
		{"an OCSP response that leaves no room for the message", &CertificateStatus{OCSPStaple: long(max24 - 3)}, "", reasonLength},
		{"an empty point", &ServerKeyExchange{Group: 29}, "point", reasonLength},
		{"a point of 256 bytes", &ServerKeyExchange{Group: 29, Point: long(256)}, "point", reasonLength},
		{"a signature of 64 KiB", &ServerKeyExchange{Group: 29, Point: long(32), Signature: long(1 << 16)}, "signature", reasonLength},
		{"an empty point", &ClientKeyExchange{}, "point", reasonLength},
		{"a point of 256 bytes", &ClientKeyExchange{Point: long(256)}, "point", reasonLength},
		{"no certificate type", &CertificateRequest12{SignatureAlgorithms: []uint16{0x0403}}, "certificate_types", reasonLength},
		{"256 certificate types", &CertificateRequest12{CertificateTypes: long(256), SignatureAlgorithms: []uint16{0x0403}}, "certificate_types", reasonLength},
		{"no signature algorithm", &CertificateRequest12{CertificateTypes: []byte{64}}, "supported_signature_algorithms", reasonLength},
		{"an empty authority", &CertificateRequest12{CertificateTypes: []byte{64}, SignatureAlgorithms: []uint16{0x0403}, CertificateAuthorities: [][]byte{nil}}, "distinguished_name", reasonLength},
		{"authorities of 80000 bytes", &CertificateRequest12{CertificateTypes: []byte{64}, SignatureAlgorithms: []uint16{0x0403}, CertificateAuthorities: [][]byte{long(40000), long(40000)}}, "certificate_authorities", reasonLength},
		{"a ticket of 64 KiB", &NewSessionTicket12{Ticket: long(1 << 16)}, "ticket", reasonLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.Append([]byte("before")); string(got) != "before" {
				t.Errorf("appended %d bytes", len(got)-len("before"))
			}
			var got *Error
			if !errors.As(c.Validate(), &got) {
				t.Fatalf("Validate: %v", c.Validate())
			}
			reason, illegal := strings.CutPrefix(c.reason, "!")
			if got.Field != c.field || got.Reason != reason || got.Illegal != illegal {
				t.Errorf("%+v, want %s: %s", *got, c.field, c.reason)
			}
		})
	}
}

func TestTheLongestMessagesAreEncodedAndDecoded(t *testing.T) {
	clientHello := &ClientHello{SessionID: make([]byte, 32), CipherSuites: make([]uint16, 1<<15-1),
		CompressionMethods: make([]byte, 255), ServerName: bytes.Repeat([]byte("x"), max16-9)}
	for _, m := range []encoder{
		clientHello,
		&ServerHello{Random: HelloRetryRequestRandom, Cookie: make([]byte, max16-6)},
		&EncryptedExtensions{SupportedGroups: make([]uint16, (max16-6)/2)},
		&Certificate{Entries: []CertificateEntry{{Data: make([]byte, max24-9)}}},
		&Certificate{Entries: []CertificateEntry{{Data: make([]byte, 1), OCSPStaple: make([]byte, max16-8)}}},
		&CertificateVerify{Signature: make([]byte, max16)},
		&NewSessionTicket{Nonce: make([]byte, 255), Ticket: make([]byte, max16)},
		&Certificate12{Certificates: [][]byte{make([]byte, max24-6)}},
		&RawPublicKey12{Key: make([]byte, max24-3)},
		&CertificateStatus{OCSPStaple: make([]byte, max24-4)},
		&ServerKeyExchange{Point: make([]byte, 255), Signature: make([]byte, max16)},
		&ClientKeyExchange{Point: make([]byte, 255)},
		&CertificateRequest12{CertificateTypes: make([]byte, 255), SignatureAlgorithms: make([]uint16, 1<<15-1),
			CertificateAuthorities: [][]byte{make([]byte, max16-2)}},
		&NewSessionTicket12{Ticket: make([]byte, max16)},
	} {
		if err := m.Validate(); err != nil {
			t.Errorf("%T: %v", m, err)
			continue
		}
		if err := m.Unmarshal(m.Append(nil)[HeaderLen:]); err != nil {
			t.Errorf("%T: %v", m, err)
		}
	}
}

func TestEverySampleIsValid(t *testing.T) {
	for _, s := range samples() {
		if m, ok := s.message.(encoder); ok {
			if err := m.Validate(); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		}
	}
}

func TestHeadersAreBounded(t *testing.T) {
	if got := AppendHeader([]byte("b"), TypeFinished, 0x010203); string(got) != "b\x14\x01\x02\x03" {
		t.Errorf("%x", got)
	}
	for _, n := range []int{-1, 1 << 24} {
		if got := AppendHeader([]byte("b"), TypeFinished, n); string(got) != "b" {
			t.Errorf("a body of %d bytes: %x", n, got)
		}
	}
	long := make([]byte, 1<<24)
	if got := AppendFinished([]byte("b"), long); string(got) != "b" {
		t.Errorf("a finished of 16 MiB took %d bytes", len(got))
	}
}
