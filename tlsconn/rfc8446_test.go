package tlsconn

import (
	"bytes"
	"crypto/mlkem"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A MUST of RFC 8446 for each entry, named with its section: here those about what a
// client says, in rfc8446_client_test.go about what a server says, in
// rfc8446_resume_test.go about resumption, in rfc8446_clientauth_test.go about
// certificates of clients, and in rfc8446_own_test.go about what we say. The order of
// messages is in message_test.go and records are in records_test.go. Numbers without an
// RFC are sections of RFC 8446. The one thing that an entry says is wrong; keys,
// transcript and all the rest are right.
//
// What has no entry cannot apply:
//   - 0-RTT (2.3, 4.2.10, 4.5, 8, E.5) is neither offered nor taken, which has entries.
//   - External keys and psk_ke (2.2, 4.2.9, 4.2.11, E.1) cannot be configured.
//   - Authentication after the handshake (4.2.6, 4.6.2) is neither offered nor asked for.
//   - oid_filters (4.2.5) are not sent, and none of their OIDs is recognized.
//   - Finite fields (4.2.8.1, 7.4.1), raw public keys, OpenPGP (4.4.2) and rsa_pss_pss (4.2.3)
//     are not implemented.
//   - Sequence numbers and updates of keys that take 2^48 and more (RFC 9846 4.7.3, 5.3)
//     are never reached by a sender that changes keys as 5.5 says.
//
// Where BoGo, BoringSSL's conformance suite, is of another opinion than the RFC, BoGo
// decides, as the other stacks agree with it; the entry or the engine names its test.

// helloFault is what is wrong with a ClientHello, and how the server refuses it.
type helloFault struct {
	must   string
	change func(*wire.ClientHello)
	edit   func([]byte) []byte
	alert  Alert
	text   string
}

// without returns an edit that takes an extension out of a message.
func without(typ wire.ExtensionType) func([]byte) []byte {
	return func(raw []byte) []byte {
		at := extensionsAt(raw)
		out := slices.Clone(raw[:at+2])
		for b := raw[at+2:]; len(b) > 0; {
			n := 4 + int(binary.BigEndian.Uint16(b[2:]))
			if wire.ExtensionType(binary.BigEndian.Uint16(b)) != typ {
				out = append(out, b[:n]...)
			}
			b = b[n:]
		}
		binary.BigEndian.PutUint16(out[at:], uint16(len(out)-at-2))
		return setLength(out)
	}
}

// with returns an edit that puts an extension in front of the others.
func with(typ wire.ExtensionType, body ...byte) func([]byte) []byte {
	return func(raw []byte) []byte { return addExtension(raw, typ, body) }
}

// replaced returns an edit that gives an extension another body.
func replaced(typ wire.ExtensionType, body ...byte) func([]byte) []byte {
	return func(raw []byte) []byte { return addExtension(without(typ)(raw), typ, body) }
}

var clientHelloFaults = []helloFault{
	{"4.1.2: legacy_compression_methods of one other method", func(m *wire.ClientHello) { m.CompressionMethods = []byte{1} }, nil,
		AlertIllegalParameter, "legacy_compression_methods"},
	{"4.1.2: legacy_compression_methods with null among others", func(m *wire.ClientHello) { m.CompressionMethods = []byte{1, 0} }, nil,
		AlertIllegalParameter, "legacy_compression_methods"},
	{"4.1.2: legacy_compression_methods with null twice", func(m *wire.ClientHello) { m.CompressionMethods = []byte{0, 0} }, nil,
		AlertIllegalParameter, "legacy_compression_methods"},
	{"4.1.2: legacy_session_id longer than 32 bytes", nil, func(raw []byte) []byte {
		raw = slices.Insert(slices.Clone(raw), wire.HeaderLen+2+32+1, 9)
		raw[wire.HeaderLen+2+32] = 33
		return setLength(raw)
	}, AlertDecodeError, "legacy_session_id"},
	{"4.1.2: data after the extensions", nil, func(raw []byte) []byte { return setLength(append(slices.Clone(raw), 0)) }, AlertDecodeError, ""},
	{"D.5: legacy_version of SSL 3.0", func(m *wire.ClientHello) { m.LegacyVersion = 0x0300 }, nil, AlertProtocolVersion, "0x0300"},
	{"4.2: two extensions of one type", nil, with(wire.ExtSupportedGroups, 0, 2, 0, 29), AlertDecodeError, "duplicate"},
	{"4.2: two extensions of one unknown type", nil, func(raw []byte) []byte {
		return with(0x1234)(with(0x1234)(raw))
	}, AlertDecodeError, "duplicate"},
	{"4.2.1: no supported_versions, so at most TLS 1.2", nil, without(wire.ExtSupportedVersions), AlertProtocolVersion, "no TLS 1.3"},
	{"4.2.1: no TLS 1.3 in supported_versions, whatever legacy_version says",
		func(m *wire.ClientHello) { m.LegacyVersion, m.SupportedVersions = 0x0304, []uint16{0x0303} }, nil, AlertProtocolVersion, "no TLS 1.3"},
	{"4.2.1: an empty supported_versions", nil, replaced(wire.ExtSupportedVersions, 0), AlertDecodeError, "supported_versions"},
	{"9.2: no signature_algorithms", nil, without(wire.ExtSignatureAlgorithms), AlertMissingExtension, "signature_algorithms"},
	{"9.2: no supported_groups with key_share", nil, without(wire.ExtSupportedGroups), AlertMissingExtension, "supported_groups"},
	{"9.2: no key_share with supported_groups", nil, without(wire.ExtKeyShare), AlertMissingExtension, "key_share"},
	{"4.2.3: an empty signature_algorithms", nil, replaced(wire.ExtSignatureAlgorithms, 0, 0), AlertDecodeError, "signature_algorithms"},
	{"4.2.7: half a group in supported_groups", nil, replaced(wire.ExtSupportedGroups, 0, 3, 0, 29, 0), AlertDecodeError, "supported_groups"},
	{"4.2.8: a share of a group that is not in supported_groups",
		func(m *wire.ClientHello) { m.SupportedGroups = []uint16{uint16(tls.CurveP256)} }, nil, AlertIllegalParameter, "not in supported_groups"},
	{"4.2.8: two shares of one group", func(m *wire.ClientHello) { m.KeyShares = append(m.KeyShares, m.KeyShares[0]) }, nil,
		AlertIllegalParameter, "two shares"},
	{"4.2.8: an empty share", nil, replaced(wire.ExtKeyShare, 0, 4, 0, 29, 0, 0), AlertDecodeError, "key_share"},
	{"4.2.9: pre_shared_key without psk_key_exchange_modes", func(m *wire.ClientHello) {
		earlyHello(m)
		m.PSKModes = nil
	}, nil, AlertMissingExtension, "psk_key_exchange_modes"},
	{"4.2.11: pre_shared_key that is not the last", earlyHello, func(raw []byte) []byte {
		raw = slices.Concat(raw, []byte{0x12, 0x34, 0, 0})
		at := extensionsAt(raw)
		binary.BigEndian.PutUint16(raw[at:], uint16(len(raw)-at-2))
		return setLength(raw)
	}, AlertIllegalParameter, "pre_shared_key"},
	{"4.1.1: no cipher suite in common", func(m *wire.ClientHello) {
		m.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0x1305}
	}, nil,
		AlertHandshakeFailure, "cipher suite"},
	{"4.1.1: no group in common", func(m *wire.ClientHello) {
		m.SupportedGroups = []uint16{uint16(tls.CurveP384)}
		m.KeyShares = []wire.KeyShare{{Group: uint16(tls.CurveP384), KeyExchange: []byte{4}}}
	}, nil, AlertHandshakeFailure, "group"},
	{"4.4.2.2: no signature scheme in common", func(m *wire.ClientHello) {
		m.SignatureAlgorithms = []uint16{uint16(tls.ECDSAWithP384AndSHA384), uint16(tls.PKCS1WithSHA256)}
	}, nil, AlertHandshakeFailure, "signature_algorithms"},
	{"RFC 7301 3.2: no protocol in common", func(m *wire.ClientHello) { m.ALPN = [][]byte{[]byte("h3"), []byte("http/1.1 ")} }, nil,
		AlertNoApplicationProtocol, "application protocol"},
	{"RFC 7301 3.1: an empty protocol name", nil, with(wire.ExtALPN, 0, 1, 0), AlertDecodeError, ""},
	{"RFC 7301 3.1: an empty list of protocols", nil, with(wire.ExtALPN, 0, 0), AlertDecodeError, ""},
	{"RFC 6066 3: an empty host name", nil, replaced(wire.ExtServerName, 0, 3, 0, 0, 0), AlertDecodeError, "server_name"},
	{"4.2.10: early_data with a body", func(m *wire.ClientHello) { m.PSKModes = []byte{1} }, with(wire.ExtEarlyData, 1), AlertDecodeError, "early_data"},
}

func TestServerRefusesAClientHello(t *testing.T) {
	for _, f := range clientHelloFaults {
		t.Run(f.must, func(t *testing.T) {
			p := newPuppet(t, RoleClient, nil)
			p.edit = f.edit
			p.clientHello(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
}

// grease are reserved values of RFC 8701 2.
const grease = 0x8a8a

var clientHelloVariants = []struct {
	must   string
	change func(*wire.ClientHello)
	edit   func([]byte) []byte
}{
	{"RFC 8701 3: GREASE wherever a client may put it", func(m *wire.ClientHello) {
		m.CipherSuites = slices.Insert(m.CipherSuites, 0, uint16(grease))
		m.SupportedVersions = slices.Insert(m.SupportedVersions, 0, uint16(grease))
		m.SupportedGroups = slices.Insert(m.SupportedGroups, 0, uint16(grease))
		m.SignatureAlgorithms = slices.Insert(slices.Clone(m.SignatureAlgorithms), 0, uint16(grease))
		m.KeyShares = slices.Insert(m.KeyShares, 0, wire.KeyShare{Group: grease, KeyExchange: []byte{0}})
		m.ALPN = [][]byte{{0x8a, 0x8a}, []byte("http/1.1")}
		m.PSKModes = []byte{0x0b, 1}
	}, func(raw []byte) []byte { return with(0x2a2a)(with(0xdada, 0)(raw)) }},
	{"4.1.2: unknown extensions are ignored, however many", nil, func(raw []byte) []byte {
		for typ := range 500 {
			raw = addExtension(raw, wire.ExtensionType(0x2000+typ), make([]byte, typ%7))
		}
		return raw
	}},
	{"4.1.2: unknown cipher suites are ignored", func(m *wire.ClientHello) {
		m.CipherSuites = append([]uint16{0, 0xff, 0x5600, 0x1304, 0x1399}, m.CipherSuites...)
	}, nil},
	{"4.2.1: unknown versions are ignored, in any order", func(m *wire.ClientHello) {
		m.SupportedVersions = []uint16{0x7f1c, 0x0302, 0x0303, 0x0304, 0x0305}
	}, nil},
	{"4.2.1: legacy_version is not what counts: TLS 1.0", func(m *wire.ClientHello) { m.LegacyVersion = 0x0301 }, nil},
	{"4.2.1: legacy_version is not what counts: beyond TLS 1.3", func(m *wire.ClientHello) { m.LegacyVersion = 0xffff }, nil},
	{"D.4: an empty legacy_session_id", func(m *wire.ClientHello) { m.SessionID = nil }, nil},
	{"4.2.11: a pre_shared_key that is not ours, with early_data", earlyHello, nil},
	{"4.2.2: a cookie nobody asked for", func(m *wire.ClientHello) { m.Cookie = []byte("cookie") }, nil},
	{"4.2.3: signature_algorithms_cert", func(m *wire.ClientHello) { m.SignatureAlgorithmsCert = []uint16{0x0201, 0x0401} }, nil},
	{"4.2.6: post_handshake_auth", func(m *wire.ClientHello) { m.Offer(wire.ExtPostHandshakeAuth) }, nil},
	{"RFC 6066 3: no server_name", func(m *wire.ClientHello) { m.ServerName = nil }, nil},
	{"RFC 7685: padding", nil, with(wire.ExtPadding, make([]byte, 300)...)},
	{"RFC 7301 3.2: the server's preference", func(m *wire.ClientHello) { m.ALPN = [][]byte{[]byte("h2"), []byte("http/1.1")} }, nil},
	{"RFC 5077, 7627, 5746, 8422, 6962: what a client of TLS 1.2 says besides", func(m *wire.ClientHello) {
		m.Offer(wire.ExtSessionTicket)
		m.Offer(wire.ExtExtendedMasterSecret)
		m.Offer(wire.ExtRenegotiationInfo)
		m.Offer(wire.ExtStatusRequest)
		m.Offer(wire.ExtSCT)
		m.PointFormats = []byte{0, 1, 2}
	}, nil},
	{"4.2.8: a share that the server has no use for, invalid as it may be", func(m *wire.ClientHello) {
		m.SupportedGroups = append(m.SupportedGroups, uint16(tls.CurveP521))
		m.KeyShares = append(m.KeyShares, wire.KeyShare{Group: uint16(tls.CurveP521), KeyExchange: []byte("not a point")})
	}, nil},
}

// What a server must take as it comes, it answers with nothing but what 4.1.3,
// 4.2 and 4.3.1 allow it to answer.
func TestServerAcceptsAClientHello(t *testing.T) {
	for _, v := range clientHelloVariants {
		t.Run(v.must, func(t *testing.T) {
			p := newPuppet(t, RoleClient, nil)
			p.edit = v.edit
			p.clientHello(v.change)
			p.hearServerHello()
			if sh := p.sh; sh.LegacyVersion != 0x0303 || !bytes.Equal(sh.SessionID, p.hello.SessionID) || sh.CompressionMethod != 0 ||
				!slices.Equal(sh.Extensions, []wire.ExtensionType{wire.ExtSupportedVersions, wire.ExtKeyShare}) {
				t.Fatalf("server_hello: %+v", sh)
			}
			var ee wire.EncryptedExtensions
			if err := ee.Unmarshal(p.hear(wire.TypeEncryptedExtensions)[wire.HeaderLen:]); err != nil {
				t.Fatal(err)
			}
			want := []wire.ExtensionType{}
			if p.hello.ServerName != nil {
				want = append(want, wire.ExtServerName)
			}
			if p.hello.ALPN != nil {
				want = append(want, wire.ExtALPN)
			}
			if !slices.Equal(ee.Extensions, want) || p.hello.ALPN != nil && string(ee.ALPN) != "http/1.1" {
				t.Fatalf("encrypted_extensions: %+v", ee)
			}
			p.hear(wire.TypeCertificate)
			p.hear(wire.TypeCertificateVerify)
			p.hearServerFinished()
			p.finish(serverHandshake)
		})
	}
}

// 4.1.2: in its second ClientHello the client "MUST send the same ClientHello
// without modification, except" for what the HelloRetryRequest asks.
func TestServerRefusesASecondClientHello(t *testing.T) {
	for _, f := range []helloFault{
		{"another random", func(m *wire.ClientHello) { m.Random[31] ^= 1 }, nil, AlertIllegalParameter, "random"},
		{"another legacy_session_id", func(m *wire.ClientHello) { m.SessionID = bytes.Repeat([]byte{8}, 32) }, nil, AlertIllegalParameter, "legacy_session_id"},
		{"no legacy_session_id", func(m *wire.ClientHello) { m.SessionID = nil }, nil, AlertIllegalParameter, "legacy_session_id"},
		{"another cipher suite besides", func(m *wire.ClientHello) { m.CipherSuites = append(m.CipherSuites, 0x1302) }, nil, AlertIllegalParameter, "cipher_suites"},
		{"another cipher suite instead", func(m *wire.ClientHello) { m.CipherSuites = []uint16{0x1302} }, nil, AlertIllegalParameter, "cipher_suites"},
		{"another server_name", func(m *wire.ClientHello) { m.ServerName = []byte("evil.example") }, nil, AlertIllegalParameter, "server_name"},
		{"no server_name", func(m *wire.ClientHello) { m.ServerName = nil }, nil, AlertIllegalParameter, "server_name"},
		{"other supported_groups", func(m *wire.ClientHello) { slices.Reverse(m.SupportedGroups) }, nil, AlertIllegalParameter, "supported_groups"},
		{"other signature_algorithms", func(m *wire.ClientHello) { m.SignatureAlgorithms = m.SignatureAlgorithms[1:] }, nil, AlertIllegalParameter, "signature_algorithms"},
		{"other protocols", func(m *wire.ClientHello) { m.ALPN = [][]byte{[]byte("http/1.1")} }, nil, AlertIllegalParameter, "application_layer"},
		{"other versions", func(m *wire.ClientHello) { m.SupportedVersions = []uint16{0x0303} }, nil, AlertProtocolVersion, "supported_versions"},
		{"another legacy_version", func(m *wire.ClientHello) { m.LegacyVersion = 0x0302 }, nil, AlertIllegalParameter, "legacy_version"},
		{"more versions besides", func(m *wire.ClientHello) { m.SupportedVersions = []uint16{0x0304, 0x0303} }, nil, AlertIllegalParameter, "supported_versions"},
		{"signature_algorithms_cert besides", func(m *wire.ClientHello) { m.SignatureAlgorithmsCert = []uint16{0x0401} }, nil, AlertIllegalParameter, "signature_algorithms_cert"},
		{"ec_point_formats besides", func(m *wire.ClientHello) { m.PointFormats = []byte{0} }, nil, AlertIllegalParameter, "ec_point_formats"},
		{"psk_key_exchange_modes besides", func(m *wire.ClientHello) { m.PSKModes = []byte{1} }, nil, AlertIllegalParameter, "psk_key_exchange_modes"},
		{"certificate_authorities besides", func(m *wire.ClientHello) { m.CertificateAuthorities = [][]byte{[]byte("0\x00")} }, nil, AlertIllegalParameter, "certificate_authorities"},
		{"record_size_limit besides", func(m *wire.ClientHello) { m.RecordSizeLimit = 100 }, nil, AlertIllegalParameter, "record_size_limit"},
		{"another session_ticket", func(m *wire.ClientHello) { m.SessionTicket = []byte{1} }, nil, AlertIllegalParameter, "session_ticket"},
		{"an empty session_ticket besides", func(m *wire.ClientHello) { m.Offer(wire.ExtSessionTicket) }, nil, AlertIllegalParameter, "session_ticket"},
		{"renegotiation_info besides", func(m *wire.ClientHello) { m.Offer(wire.ExtRenegotiationInfo) }, nil, AlertIllegalParameter, "renegotiation_info"},
		{"another renegotiation_info", func(m *wire.ClientHello) { m.RenegotiationInfo = []byte{1} }, nil, AlertIllegalParameter, "renegotiation_info"},
		{"status_request besides", func(m *wire.ClientHello) { m.Offer(wire.ExtStatusRequest) }, nil, AlertIllegalParameter, "status_request"},
		{"signed_certificate_timestamp besides", func(m *wire.ClientHello) { m.Offer(wire.ExtSCT) }, nil, AlertIllegalParameter, "signed_certificate_timestamp"},
		{"extended_master_secret besides", func(m *wire.ClientHello) { m.Offer(wire.ExtExtendedMasterSecret) }, nil, AlertIllegalParameter, "extended_master_secret"},
		{"post_handshake_auth besides", func(m *wire.ClientHello) { m.Offer(wire.ExtPostHandshakeAuth) }, nil, AlertIllegalParameter, "post_handshake_auth"},
		{"a cookie that nobody gave it", func(m *wire.ClientHello) { m.Cookie = []byte{1} }, nil, AlertIllegalParameter, "cookie"},
		{"another compression", func(m *wire.ClientHello) { m.CompressionMethods = []byte{1} }, nil, AlertIllegalParameter, "compression"},
		{"early_data (4.2.10: not after a HelloRetryRequest)", func(m *wire.ClientHello) { earlyHello(m) }, nil, AlertIllegalParameter, "early_data"},
		{"the first key_share again", func(m *wire.ClientHello) { m.KeyShares = nil }, replaced(wire.ExtKeyShare, slices.Concat([]byte{0, 36, 0, 29, 0, 32}, make([]byte, 32))...),
			AlertIllegalParameter, "key_share"},
		{"both key_shares (4.2.8: a single one)", func(m *wire.ClientHello) {
			m.KeyShares = append(m.KeyShares, wire.KeyShare{Group: uint16(tls.X25519), KeyExchange: make([]byte, 32)})
		}, nil, AlertIllegalParameter, "key_share"},
		{"an empty key_share", nil, replaced(wire.ExtKeyShare, 0, 0), AlertIllegalParameter, "key_share"},
		{"no key_share", nil, without(wire.ExtKeyShare), AlertMissingExtension, "key_share"},
		{"two extensions of one type (4.2)", nil, with(wire.ExtKeyShare, 0, 0), AlertDecodeError, "duplicate"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := newPuppet(t, RoleClient, onlyP256)
			p.clientHello(nil)
			p.hearServerHello()
			if !p.sh.IsHelloRetryRequest() || p.sh.SelectedGroup != uint16(tls.CurveP256) || !bytes.Equal(p.sh.SessionID, p.hello.SessionID) ||
				!slices.Equal(p.sh.Extensions, []wire.ExtensionType{wire.ExtSupportedVersions, wire.ExtKeyShare}) {
				t.Fatalf("hello_retry_request: %+v", p.sh)
			}
			p.edit = f.edit
			p.secondClientHello(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
}

// What is added to a ClientHello is compared, too.
func TestEachFieldOfASecondClientHelloIsCompared(t *testing.T) {
	// What may change, what has one value, and what follows from the rest.
	exempt := []string{"KeyShares", "PSKIdentities", "PSKBinders", "CompressionMethods", "Extensions"}
	fields := reflect.TypeFor[wire.ClientHello]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if !f.IsExported() || slices.Contains(exempt, f.Name) {
			continue
		}
		var first, second wire.ClientHello
		switch v := reflect.ValueOf(&second).Elem().Field(i).Addr().Interface().(type) {
		case *uint16:
			*v = 1
		case *[32]byte:
			v[31] = 1
		case *[]byte:
			*v = []byte{1}
		case *[]uint16:
			*v = []uint16{1}
		case *[][]byte:
			*v = [][]byte{{1}}
		default:
			t.Fatalf("%s is of type %v", f.Name, f.Type)
		}
		if changedField(&first, &second) == "" {
			t.Errorf("%s may change", f.Name)
		}
	}
}

// 4.1.2 lets padding change, 4.2.2 and the extensions to come have the HelloRetryRequest
// say what else; and what a server does not know it ignores (encrypted_client_hello is
// one that changes, RFC 9849 6.1).
func TestServerAcceptsASecondClientHello(t *testing.T) {
	for name, edit := range map[string]func([]byte) []byte{
		"without a change":                     nil,
		"with padding":                         with(wire.ExtPadding, make([]byte, 300)...),
		"with an unknown extension":            with(grease, 1),
		"with other unknown ones":              func(raw []byte) []byte { return with(0x1234)(without(0x2a2a)(raw)) },
		"with an unknown one that has changed": replaced(0x2a2a, 2),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPuppet(t, RoleClient, onlyP256)
			p.edit = with(0x2a2a, 1)
			p.clientHello(nil)
			p.hearServerHello()
			p.edit = with(0x2a2a, 1)
			if edit != nil {
				p.edit = func(raw []byte) []byte { return edit(with(0x2a2a, 1)(raw)) }
			}
			p.secondClientHello(nil)
			p.finishServer(t)
		})
	}
}

// 4.1.4: a client whose shares are all of no use, even none, is asked for one; 4.2.8:
// then it may not be asked again, and 4.1.1: the suite does not change.
func TestServerAsksForOneOfTheClientsGroups(t *testing.T) {
	p := newPuppet(t, RoleClient, nil)
	p.edit = replaced(wire.ExtKeyShare, 0, 0)
	p.clientHello(nil)
	p.hearServerHello()
	if !p.sh.IsHelloRetryRequest() || p.sh.SelectedGroup != uint16(tls.X25519) {
		t.Fatalf("%+v", p.sh)
	}
	suite := p.sh.CipherSuite
	p.secondClientHello(nil)
	p.finishServer(t)
	if p.sh.CipherSuite != suite || p.sh.KeyShare.Group != uint16(tls.X25519) || !p.conn.ConnectionState().HelloRetryRequest {
		t.Fatalf("%+v", p.sh)
	}
}

// invalidShares are key_exchange values that are not valid for their group
// (4.2.8.1, 4.2.8.2, 7.4.2), from a client or from a server.
func invalidShares(t testing.TB, fromServer bool) map[tls.CurveID]map[string][]byte {
	fromHex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	point := func(g tls.CurveID) []byte {
		key, err := newECDHKey(g)
		if err != nil {
			t.Fatal(err)
		}
		return key.public()
	}
	lowOrder := map[string][]byte{
		"zero (7.4.2: an all-zero secret)": make([]byte, 32),
		"one":                              append([]byte{1}, make([]byte, 31)...),
		"a point of order 8":               fromHex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
		"the other point of order 8":       fromHex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
		"p-1":                              fromHex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		"p, which is zero":                 fromHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		"p+1, which is one":                fromHex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
	}
	all := map[tls.CurveID]map[string][]byte{tls.X25519: {
		"31 bytes":         make([]byte, 31),
		"33 bytes":         append(point(tls.X25519), 0),
		"a point of P-256": point(tls.CurveP256),
	}, tls.X25519MLKEM768: {}}
	kem := make([]byte, mlkem.CiphertextSize768)
	if !fromServer {
		key, err := mlkem.GenerateKey768()
		if err != nil {
			t.Fatal(err)
		}
		kem = key.EncapsulationKey().Bytes()
		outOfRange := slices.Clone(kem)
		outOfRange[0], outOfRange[1] = 0xff, outOfRange[1]|0x0f // a coefficient of 4095, over q
		all[tls.X25519MLKEM768]["an ML-KEM key with a coefficient out of range"] = slices.Concat(outOfRange, point(tls.X25519))
	}
	for name, p := range lowOrder {
		all[tls.X25519][name] = p
		all[tls.X25519MLKEM768]["with X25519 of "+name] = slices.Concat(kem, p)
	}
	all[tls.X25519MLKEM768]["the ML-KEM half alone"] = kem
	all[tls.X25519MLKEM768]["the X25519 half alone"] = point(tls.X25519)
	all[tls.X25519MLKEM768]["a byte less"] = slices.Concat(kem, point(tls.X25519)[1:])
	all[tls.X25519MLKEM768]["a byte more"] = slices.Concat(kem, point(tls.X25519), []byte{0})
	for _, g := range []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521} {
		p := point(g)
		half := (len(p) - 1) / 2
		offCurve := slices.Clone(p)
		offCurve[len(p)-1] ^= 1
		tooLarge := append([]byte{4}, bytes.Repeat([]byte{0xff}, 2*half)...)
		all[g] = map[string][]byte{
			"a point off the curve":         offCurve,
			"coordinates over the prime":    tooLarge,
			"the point at infinity":         {0},
			"all zeros":                     make([]byte, len(p)),
			"a compressed point (4.2.8.2)":  append([]byte{2 + p[len(p)-1]&1}, p[1:1+half]...),
			"a hybrid form":                 append([]byte{6 + p[len(p)-1]&1}, p[1:]...),
			"a point without its form byte": p[1:],
			"a byte more":                   append(slices.Clone(p), 0),
			"a byte less":                   p[:len(p)-1],
		}
	}
	return all
}

// 4.2.8.1, 4.2.8.2, 7.4.2: "peers MUST validate each other's public value", "MUST
// check whether the computed Diffie-Hellman shared secret is the all-zero value
// and abort if so".
func TestInvalidKeyShares(t *testing.T) {
	for g, shares := range invalidShares(t, false) {
		for name, share := range shares {
			t.Run(fmt.Sprintf("to a server, %v: %s", g, name), func(t *testing.T) {
				p := newPuppet(t, RoleClient, func(c *Config) { c.CurvePreferences = []tls.CurveID{g} })
				p.clientHello(func(m *wire.ClientHello) {
					m.SupportedGroups = []uint16{uint16(g)}
					m.KeyShares = []wire.KeyShare{{Group: uint16(g), KeyExchange: share}}
				})
				p.wantAlert(AlertIllegalParameter, "key_share")
			})
		}
	}
	for g, shares := range invalidShares(t, true) {
		for name, share := range shares {
			t.Run(fmt.Sprintf("to a client, %v: %s", g, name), func(t *testing.T) {
				p := newPuppet(t, RoleServer, func(c *Config) { c.CurvePreferences = []tls.CurveID{g} })
				p.hearClientHello()
				p.serverHello(func(m *wire.ServerHello) { m.KeyShare.KeyExchange = share })
				p.read = puppetKey{} // the client has no keys to answer with
				p.wantAlert(AlertIllegalParameter, "key_share")
			})
		}
	}
}

// 4.4.4: "Recipients of Finished messages MUST verify that the contents are
// correct and if incorrect MUST terminate the connection with a "decrypt_error"".
func TestWrongFinished(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		for name, change := range map[string]func(*[]byte){
			"the first bit":     func(mac *[]byte) { (*mac)[0] ^= 0x80 },
			"the last bit":      func(mac *[]byte) { (*mac)[31] ^= 1 },
			"a byte less":       func(mac *[]byte) { *mac = (*mac)[:31] },
			"a byte more":       func(mac *[]byte) { *mac = append(*mac, 0) },
			"nothing":           func(mac *[]byte) { *mac = nil },
			"all zeros":         func(mac *[]byte) { clear(*mac) },
			"that of SHA-384's": func(mac *[]byte) { *mac = make([]byte, 48) },
		} {
			t.Run(fmt.Sprintf("of a %v: %s", role, name), func(t *testing.T) {
				var p *puppet
				if role == RoleClient {
					p = serverHandshake.puppet(t)
					p.clientFinished(change)
				} else {
					p = clientAwaitingCertificate(t)
					p.certificate(nil)
					p.certificateVerify(nil)
					p.serverFinished(change)
				}
				p.wantAlert(AlertDecryptError, "finished")
			})
		}
	}
}

func TestKeyUpdates(t *testing.T) {
	for _, s := range connectedStages {
		for name, c := range map[string]struct {
			body  []byte
			alert Alert
		}{
			"4.6.3: another value": {[]byte{2}, AlertIllegalParameter},
			"4: an empty one":      {nil, AlertDecodeError},
			"4: two bytes":         {[]byte{0, 0}, AlertDecodeError},
		} {
			t.Run(fmt.Sprintf("%s, to %v", name, s), func(t *testing.T) {
				p := s.puppet(t)
				p.say(append(wire.AppendHeader(nil, wire.TypeKeyUpdate, len(c.body)), c.body...))
				p.wantAlert(c.alert, "key_update")
			})
		}
		t.Run(fmt.Sprintf("4.6.3: an answer is due before the next data, of %v", s), func(t *testing.T) {
			p := s.puppet(t)
			p.keyUpdate(true)
			p.hearKeyUpdate()
			if _, err := p.conn.Write([]byte("after")); err != nil {
				t.Fatal(err)
			}
			if p.take(); string(p.received) != "after" {
				t.Fatalf("received %q", p.received)
			}
			p.wantData("new keys")
		})
		t.Run(fmt.Sprintf("4.6.3: no answer is due, of %v", s), func(t *testing.T) {
			p := s.puppet(t)
			p.keyUpdate(false)
			p.wantData("new keys")
			if p.seen != len(p.tr.out.bytes) {
				t.Fatal("answered")
			}
		})
		t.Run(fmt.Sprintf("4.6.3: our own asks, of %v", s), func(t *testing.T) {
			p := s.puppet(t)
			if err := p.conn.KeyUpdate(true); err != nil {
				t.Fatal(err)
			}
			if raw := p.hear(wire.TypeKeyUpdate); raw[wire.HeaderLen] != 1 {
				t.Fatal("does not ask")
			}
		})
		t.Run(fmt.Sprintf("4.6.3: a record under the old key after it, to %v", s), func(t *testing.T) {
			p := s.puppet(t)
			old := p.write
			p.keyUpdate(false)
			p.write = old
			p.write.seq++
			p.record(record.ApplicationData, []byte("old"), 0)
			p.wantAlert(AlertBadRecordMAC)
		})
	}
}

// Errors carry no bytes of the peer unescaped (CVE-2025-58189's kind): a log line stays one.
func TestErrorsDoNotEchoThePeer(t *testing.T) {
	evil := "evil\nlevel=ERROR msg=\x1b[31m"
	for name, p := range map[string]*puppet{
		"a server_name without a certificate": newPuppet(t, RoleClient, func(c *Config) {
			c.Certificates = nil
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
		}),
		"a protocol": newPuppet(t, RoleClient, nil),
	} {
		p.clientHello(func(m *wire.ClientHello) {
			m.ServerName = []byte(evil)
			m.ALPN = [][]byte{[]byte(evil)}
		})
		if p.drive(); p.err == nil || isWant(p.err) || strings.ContainsAny(p.err.Error(), "\n\x1b") {
			t.Errorf("%s: %q", name, p.err)
		}
	}
}
