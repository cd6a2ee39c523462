package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A MUST of RFC 8446 for each entry, as far as the order of messages
// (message_test.go) and the records (records_test.go) do not show it, each named
// with its section. Numbers without an RFC are sections of RFC 8446. The one thing
// that an entry says is wrong; keys, transcript and all the rest are right.

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
func invalidShares(t *testing.T, fromServer bool) map[tls.CurveID]map[string][]byte {
	fromHex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	point := func(g tls.CurveID) []byte {
		key, err := curve(g).GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key.PublicKey().Bytes()
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

// replyFault is what is wrong with one of a server's messages.
type replyFault[M any] struct {
	must   string
	change func(*M)
	edit   func([]byte) []byte
	alert  Alert
	text   string
}

var serverHelloFaults = []replyFault[wire.ServerHello]{
	{"4.1.3: legacy_version other than 0x0303", func(m *wire.ServerHello) { m.LegacyVersion = 0x0304 }, nil, AlertIllegalParameter, "legacy_version"},
	{"D.5: legacy_version of SSL 3.0", func(m *wire.ServerHello) { m.LegacyVersion = 0x0300 }, nil, AlertProtocolVersion, "0x0300"},
	{"4.1.3: legacy_session_id_echo of another", func(m *wire.ServerHello) { m.SessionID = bytes.Repeat([]byte{1}, 32) }, nil, AlertIllegalParameter, "legacy_session_id_echo"},
	{"4.1.3: no legacy_session_id_echo", func(m *wire.ServerHello) { m.SessionID = nil }, nil, AlertIllegalParameter, "legacy_session_id_echo"},
	{"4.1.3: a cipher suite of TLS 1.2", func(m *wire.ServerHello) { m.CipherSuite = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 }, nil, AlertIllegalParameter, "cipher suite"},
	{"4.1.3: a cipher suite that nobody offered", func(m *wire.ServerHello) { m.CipherSuite = 0x1304 }, nil, AlertIllegalParameter, "cipher suite"},
	{"4.1.3: legacy_compression_method", func(m *wire.ServerHello) { m.CompressionMethod = 1 }, nil, AlertIllegalParameter, "legacy_compression_method"},
	{"4.1.3: the downgrade sentinel of TLS 1.2", func(m *wire.ServerHello) {
		m.SupportedVersion = 0
		copy(m.Random[24:], wire.DowngradeTLS12[:])
	}, nil, AlertIllegalParameter, "downgrade"},
	{"4.1.3: the downgrade sentinel of TLS 1.1 and below", func(m *wire.ServerHello) {
		m.SupportedVersion, m.LegacyVersion = 0, 0x0302
		copy(m.Random[24:], wire.DowngradeTLS11[:])
	}, nil, AlertIllegalParameter, "downgrade"},
	{"4.2.1: TLS 1.2, which was not offered", nil, without(wire.ExtSupportedVersions), AlertProtocolVersion, "no TLS 1.3"},
	{"4.2.1: a selected_version before TLS 1.3", func(m *wire.ServerHello) { m.SupportedVersion = 0x0303 }, nil, AlertIllegalParameter, "supported_versions"},
	{"4.2.1: a selected_version that was not offered", func(m *wire.ServerHello) { m.SupportedVersion = 0x0305 }, nil, AlertIllegalParameter, "supported_versions"},
	{"4.2: an extension that was not offered", nil, with(grease), AlertUnsupportedExtension, "0x8a8a"},
	{"4.2: pre_shared_key, which was not offered", nil, with(wire.ExtPreSharedKey, 0, 0), AlertUnsupportedExtension, "pre_shared_key"},
	{"4.2: server_name, which belongs elsewhere", nil, with(wire.ExtServerName), AlertIllegalParameter, "server_name"},
	{"4.2: application_layer_protocol_negotiation, which belongs elsewhere", nil, with(wire.ExtALPN, 0, 3, 2, 'h', '2'), AlertIllegalParameter, "application_layer"},
	{"4.2: a cookie, which belongs elsewhere", nil, with(wire.ExtCookie, 0, 1, 1), AlertIllegalParameter, "cookie"},
	{"4.2: two extensions of one type", nil, with(wire.ExtSupportedVersions, 3, 4), AlertDecodeError, "duplicate"},
	{"9.2: no key_share", nil, without(wire.ExtKeyShare), AlertMissingExtension, "key_share"},
	{"4.2.8: a group that was offered without a share", func(m *wire.ServerHello) { m.KeyShare.Group = uint16(tls.CurveP256) }, nil, AlertIllegalParameter, "no share of group 0x0017"},
	{"4.2.8: a group that was not offered", func(m *wire.ServerHello) { m.KeyShare.Group = uint16(tls.CurveP384) }, nil, AlertIllegalParameter, "no share of group 0x0018"},
	{"4.1.3: data after the extensions", nil, func(raw []byte) []byte { return setLength(append(slices.Clone(raw), 0)) }, AlertDecodeError, ""},
	{"4.1.3: a truncated message", nil, func(raw []byte) []byte { return setLength(raw[:len(raw)-1]) }, AlertDecodeError, ""},
}

func TestClientRefusesAServerHello(t *testing.T) {
	for _, f := range serverHelloFaults {
		t.Run(f.must, func(t *testing.T) {
			p := clientHelloSent.puppet(t)
			p.edit = f.edit
			p.serverHello(f.change)
			p.read = puppetKey{} // the client has no keys to answer with
			p.wantAlert(f.alert, f.text)
		})
	}
}

func TestClientRefusesAHelloRetryRequest(t *testing.T) {
	for _, f := range []replyFault[wire.ServerHello]{
		{"4.1.4: one that changes nothing", nil, without(wire.ExtKeyShare), AlertIllegalParameter, "no change"},
		{"4.2.8: a group that was not offered", func(m *wire.ServerHello) { m.SelectedGroup = uint16(tls.CurveP384) }, nil, AlertIllegalParameter, "was not offered"},
		{"4.2.8: a group whose share was sent", func(m *wire.ServerHello) { m.SelectedGroup = uint16(tls.X25519) }, nil, AlertIllegalParameter, "whose share it has"},
		{"4.1.4: a cipher suite that was not offered", func(m *wire.ServerHello) { m.CipherSuite = 0x1304 }, nil, AlertIllegalParameter, "cipher suite"},
		{"4.1.4: legacy_session_id_echo of another", func(m *wire.ServerHello) { m.SessionID = nil }, nil, AlertIllegalParameter, "legacy_session_id_echo"},
		{"4.1.4: legacy_version", func(m *wire.ServerHello) { m.LegacyVersion = 0x0302 }, nil, AlertIllegalParameter, "legacy_version"},
		{"4.1.4: legacy_compression_method", func(m *wire.ServerHello) { m.CompressionMethod = 1 }, nil, AlertIllegalParameter, "legacy_compression_method"},
		{"4.2.1: a selected_version that was not offered", func(m *wire.ServerHello) { m.SupportedVersion = 0x0303 }, nil, AlertIllegalParameter, "supported_versions"},
		{"4.1.4: no supported_versions", nil, without(wire.ExtSupportedVersions), AlertProtocolVersion, "no TLS 1.3"},
		{"4.1.4: an extension that was not offered", nil, with(grease), AlertUnsupportedExtension, "0x8a8a"},
		{"4.2: server_name, which belongs elsewhere", nil, with(wire.ExtServerName), AlertIllegalParameter, "server_name"},
		{"4.2.2: an empty cookie", nil, with(wire.ExtCookie, 0, 0), AlertDecodeError, "cookie"},
		{"4.2: two extensions of one type", nil, with(wire.ExtSupportedVersions, 3, 4), AlertIllegalParameter, "duplicate"},
		{"4.2.8: a key_share of a ServerHello", nil, replaced(wire.ExtKeyShare, 0, 23, 0, 1, 4), AlertDecodeError, "key_share"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := clientHelloSent.puppet(t)
			p.edit = f.edit
			p.helloRetryRequest(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
}

// 4.1.2, 4.2.2, 4.2.8: the second ClientHello is the first with the share that was
// asked for, and the cookie.
func TestClientAnswersAHelloRetryRequest(t *testing.T) {
	long := bytes.Repeat([]byte("cookie"), 5000)
	for _, f := range []struct {
		must   string
		change func(*wire.ServerHello)
		group  tls.CurveID
		cookie []byte
	}{
		{"a group", nil, tls.CurveP256, nil},
		{"a group and a cookie", func(m *wire.ServerHello) { m.Cookie = []byte("cookie") }, tls.CurveP256, []byte("cookie")},
		{"a cookie alone", func(m *wire.ServerHello) { m.SelectedGroup, m.Cookie = 0, []byte{1} }, tls.X25519, []byte{1}},
		{"a long cookie", func(m *wire.ServerHello) { m.Cookie = long }, tls.CurveP256, long},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := clientHelloSent.puppet(t)
			first := p.hello
			first.Extensions = nil
			p.helloRetryRequest(f.change)
			p.hello = wire.ClientHello{}
			p.hearClientHello()
			second := p.hello
			if len(second.KeyShares) != 1 || second.KeyShares[0].Group != uint16(f.group) || !bytes.Equal(second.Cookie, f.cookie) {
				t.Fatalf("shares %v, cookie %q", second.KeyShares, second.Cookie)
			}
			if f.group == tls.X25519 && !bytes.Equal(second.KeyShares[0].KeyExchange, first.KeyShares[0].KeyExchange) {
				t.Fatal("the share was changed without need")
			}
			second.KeyShares, first.KeyShares, second.Cookie = nil, nil, nil
			if got, want := second.Append(nil), first.Append(nil); second.Random != first.Random || len(got) > len(want)+4+6 || !slices.Equal(second.CipherSuites, first.CipherSuites) ||
				!bytes.Equal(second.SessionID, first.SessionID) || !bytes.Equal(second.ServerName, first.ServerName) || !slices.Equal(second.SupportedGroups, first.SupportedGroups) ||
				!slices.Equal(second.SignatureAlgorithms, first.SignatureAlgorithms) || !slices.EqualFunc(second.ALPN, first.ALPN, bytes.Equal) {
				t.Fatalf("the second hello differs in more:\n%+v\n%+v", first, second)
			}
			p.finish(clientHelloSent)
		})
	}
}

func TestClientRefusesWhatFollowsAHelloRetryRequest(t *testing.T) {
	retried := func(t *testing.T) *puppet {
		p := clientHelloSent.puppet(t)
		p.helloRetryRequest(nil)
		p.hearClientHello()
		return p
	}
	t.Run("4.1.4: a second one, with unexpected_message", func(t *testing.T) {
		p := retried(t)
		p.helloRetryRequest(func(m *wire.ServerHello) { m.SelectedGroup = uint16(tls.X25519) })
		p.wantAlert(AlertUnexpectedMessage, "second")
	})
	for _, f := range []replyFault[wire.ServerHello]{
		{"4.1.4: another cipher suite", func(m *wire.ServerHello) { m.CipherSuite = tls.TLS_AES_256_GCM_SHA384 }, nil, AlertIllegalParameter, "cipher suite is not that of"},
		{"4.2.8: another group than was asked for", func(m *wire.ServerHello) { m.KeyShare.Group = uint16(tls.X25519) }, nil, AlertIllegalParameter, "no share of group"},
		{"4.1.4: another selected_version", func(m *wire.ServerHello) { m.SupportedVersion = 0x0303 }, nil, AlertIllegalParameter, "supported_versions"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := retried(t)
			p.serverHello(f.change)
			p.read = puppetKey{}
			p.wantAlert(f.alert, f.text)
		})
	}
}

func TestClientRefusesEncryptedExtensions(t *testing.T) {
	for _, f := range []struct {
		must  string
		edit  func([]byte) []byte
		alert Alert
		text  string
	}{
		{"4.2: an extension that was not offered", with(wire.ExtRecordSizeLimit, 1, 0), AlertUnsupportedExtension, "record_size_limit"},
		{"4.2: GREASE, which nobody offered", with(grease), AlertUnsupportedExtension, "0x8a8a"},
		{"4.2.10: early_data, which was not offered", with(wire.ExtEarlyData), AlertUnsupportedExtension, "early_data"},
		{"4.3.1: key_share, which belongs elsewhere", with(wire.ExtKeyShare, 0, 29, 0, 1, 1), AlertIllegalParameter, "key_share"},
		{"4.3.1: supported_versions, which belongs elsewhere", with(wire.ExtSupportedVersions, 3, 4), AlertIllegalParameter, "supported_versions"},
		{"4.3.1: signature_algorithms, which belongs elsewhere", with(wire.ExtSignatureAlgorithms, 0, 2, 4, 3), AlertIllegalParameter, "signature_algorithms"},
		{"4.3.1: a cookie, which belongs elsewhere", with(wire.ExtCookie, 0, 1, 1), AlertIllegalParameter, "cookie"},
		{"4.2: two extensions of one type", with(wire.ExtServerName), AlertDecodeError, "duplicate"},
		{"RFC 6066 3: server_name with a body", replaced(wire.ExtServerName, 0), AlertDecodeError, "server_name"},
		{"RFC 7301 3.1: a protocol that was not offered", with(wire.ExtALPN, 0, 3, 2, 'h', '3'), AlertIllegalParameter, "protocol"},
		{"RFC 7301 3.1: two protocols", with(wire.ExtALPN, 0, 6, 2, 'h', '2', 2, 'h', '2'), AlertDecodeError, "application_layer"},
		{"RFC 7301 3.1: no protocol", with(wire.ExtALPN, 0, 0), AlertDecodeError, "application_layer"},
		{"RFC 7301 3.1: an empty protocol", with(wire.ExtALPN, 0, 1, 0), AlertDecodeError, "application_layer"},
		{"4.3.1: data after the extensions", func(raw []byte) []byte { return setLength(append(slices.Clone(raw), 0)) }, AlertDecodeError, ""},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := clientHandshake.puppet(t)
			p.edit = f.edit
			p.encryptedExtensions(nil)
			p.wantAlert(f.alert, f.text)
		})
	}
	t.Run("RFC 7301 3.1: a protocol where none was offered", func(t *testing.T) {
		p := newPuppet(t, RoleServer, func(c *Config) { c.NextProtos = nil })
		p.hearClientHello()
		p.serverHello(nil)
		p.encryptedExtensions(func(m *wire.EncryptedExtensions) { m.ALPN = []byte("h2") })
		p.wantAlert(AlertUnsupportedExtension, "application_layer")
	})
	t.Run("RFC 6066 3: server_name where none was offered", func(t *testing.T) {
		p := newPuppet(t, RoleServer, func(c *Config) { c.ServerName = "192.0.2.1" })
		p.hearClientHello()
		if p.hello.ServerName != nil {
			t.Fatalf("offers %q", p.hello.ServerName)
		}
		p.serverHello(nil)
		p.encryptedExtensions(nil)
		p.wantAlert(AlertUnsupportedExtension, "server_name")
	})
	t.Run("4.2.7: supported_groups is allowed, and a protocol that was offered", func(t *testing.T) {
		p := clientHandshake.puppet(t)
		p.encryptedExtensions(func(m *wire.EncryptedExtensions) {
			m.ALPN, m.SupportedGroups = []byte("h2"), []uint16{grease, uint16(tls.CurveP521)}
		})
		p.certificate(nil)
		p.certificateVerify(nil)
		p.serverFinished(nil)
		p.hearClientFinished()
		if p.wantConnected(); p.conn.ConnectionState().NegotiatedProtocol != "h2" {
			t.Fatal(p.conn.ConnectionState().NegotiatedProtocol)
		}
	})
}

// addRequestExtension puts an extension into a CertificateRequest without a context.
func addRequestExtension(typ wire.ExtensionType, body ...byte) func([]byte) []byte {
	return func(raw []byte) []byte {
		at := wire.HeaderLen + 1
		ext := append(binary.BigEndian.AppendUint16(nil, uint16(typ)), byte(len(body)>>8), byte(len(body)))
		out := slices.Insert(slices.Clone(raw), at+2, append(ext, body...)...)
		binary.BigEndian.PutUint16(out[at:], uint16(len(out)-at-2))
		return setLength(out)
	}
}

func TestClientAndCertificateRequests(t *testing.T) {
	for _, f := range []replyFault[wire.CertificateRequest]{
		{"4.3.2: a context in a handshake", func(m *wire.CertificateRequest) { m.Context = []byte{1} }, nil, AlertIllegalParameter, "context"},
		{"4.3.2: no signature_algorithms", func(m *wire.CertificateRequest) { m.SignatureAlgorithms = nil }, nil, AlertMissingExtension, "signature_algorithms"},
		{"4.2: two extensions of one type", nil, addRequestExtension(wire.ExtSignatureAlgorithms, 0, 2, 4, 3), AlertDecodeError, "duplicate"},
		{"4.2: key_share, which belongs elsewhere", nil, addRequestExtension(wire.ExtKeyShare, 0, 29), AlertIllegalParameter, "key_share"},
		{"4.2: server_name, which belongs elsewhere", nil, addRequestExtension(wire.ExtServerName), AlertIllegalParameter, "server_name"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := clientAwaitingCertificate(t)
			p.edit = f.edit
			p.certificateRequest(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
	t.Run("4.3.2: unrecognized extensions and GREASE are ignored", func(t *testing.T) {
		p := clientAwaitingCertificate(t)
		p.edit = addRequestExtension(grease, 1, 2, 3)
		p.certificateRequest(func(m *wire.CertificateRequest) {
			m.SignatureAlgorithms = append([]uint16{grease}, offeredSchemes...)
			m.SignatureAlgorithmsCert, m.StatusRequest, m.SCT = []uint16{grease}, true, true
			m.CertificateAuthorities = [][]byte{[]byte("0\x00")}
		})
		p.certificate(nil)
		p.certificateVerify(nil)
		p.serverFinished(nil)
		p.hearClientFinished()
		p.wantConnected()
	})
}

func TestClientRefusesACertificate(t *testing.T) {
	for _, f := range []replyFault[wire.Certificate]{
		{"4.4.2.4: an empty list", func(m *wire.Certificate) { m.Entries = nil }, nil, AlertDecodeError, "none"},
		{"4.4.2: a context in a handshake", func(m *wire.Certificate) { m.Context = []byte{1} }, nil, AlertIllegalParameter, "context"},
		{"4.4.2: an empty certificate", nil, func(raw []byte) []byte {
			return setLength(append(raw[:wire.HeaderLen:wire.HeaderLen], 0, 0, 0, 5, 0, 0, 0, 0, 0))
		}, AlertDecodeError, "cert_data"},
		{"4.4.2: an OCSP response that was not asked for", func(m *wire.Certificate) { m.Entries[0].OCSPStaple = []byte{1} }, nil, AlertUnsupportedExtension, "status_request"},
		{"4.4.2: timestamps that were not asked for", func(m *wire.Certificate) { m.Entries[0].SCTs = [][]byte{{1}} }, nil, AlertUnsupportedExtension, "signed_certificate_timestamp"},
		{"4.4.2.4: what is not a certificate", func(m *wire.Certificate) { m.Entries[0].Data = []byte("0\x03junk") }, nil, AlertBadCertificate, "entry 0"},
		{"4.4.2.4: what is not a certificate further up the chain", func(m *wire.Certificate) {
			m.Entries = append(m.Entries, wire.CertificateEntry{Data: []byte{0}})
		}, nil, AlertBadCertificate, "entry 1"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := clientAwaitingCertificate(t)
			p.edit = f.edit
			p.certificate(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
}

func TestClientRefusesACertificateVerify(t *testing.T) {
	type M = wire.CertificateVerify
	resign := func(p *puppet, context string) func(*M) {
		return func(m *M) {
			m.Signature, _ = sign(p.cert.PrivateKey.(crypto.Signer), tls.SignatureScheme(m.Algorithm), signedMessage(context, p.sum()))
		}
	}
	for _, f := range []struct {
		must   string
		kind   keyKind
		change func(*puppet) func(*M)
		alert  Alert
		text   string
	}{
		{"4.4.3: a signature with a bit changed", keyECDSA, func(*puppet) func(*M) { return func(m *M) { m.Signature[9] ^= 1 } }, AlertDecryptError, "does not verify"},
		{"4.4.3: a signature of Ed25519 with a bit changed", keyEd25519, func(*puppet) func(*M) { return func(m *M) { m.Signature[9] ^= 1 } }, AlertDecryptError, "does not verify"},
		{"4.4.3: a signature of RSA with a bit changed", keyRSA, func(*puppet) func(*M) { return func(m *M) { m.Signature[9] ^= 1 } }, AlertDecryptError, "does not verify"},
		{"4.4.3: an empty signature", keyEd25519, func(*puppet) func(*M) { return func(m *M) { m.Signature = nil } }, AlertDecryptError, "does not verify"},
		{"4.4.3: a client's signature", keyEd25519, func(p *puppet) func(*M) { return resign(p, clientContext) }, AlertDecryptError, "does not verify"},
		{"4.4.3: a signature over another transcript", keyEd25519, func(p *puppet) func(*M) {
			p.log = append(p.log, 0)
			defer func() { p.log = p.log[:len(p.log)-1] }()
			m := new(M)
			m.Algorithm = uint16(tls.Ed25519)
			resign(p, serverContext)(m)
			return func(got *M) { got.Signature = m.Signature }
		}, AlertDecryptError, "does not verify"},
		{"4.2.3: rsa_pkcs1, which is for certificates", keyRSA, func(*puppet) func(*M) {
			return func(m *M) { m.Algorithm = uint16(tls.PKCS1WithSHA256) }
		}, AlertIllegalParameter, "does not fit"},
		{"4.2.3: a hash that does not go with the curve", keyECDSA, func(*puppet) func(*M) {
			return func(m *M) { m.Algorithm = uint16(tls.ECDSAWithP384AndSHA384) }
		}, AlertIllegalParameter, "does not fit"},
		{"4.4.3: an algorithm of another kind of key", keyECDSA, func(*puppet) func(*M) {
			return func(m *M) { m.Algorithm = uint16(tls.Ed25519) }
		}, AlertIllegalParameter, "does not fit"},
		{"4.4.3: an algorithm that was not offered: SHA-1", keyECDSA, func(*puppet) func(*M) {
			return func(m *M) { m.Algorithm = uint16(tls.ECDSAWithSHA1) }
		}, AlertIllegalParameter, "not offered"},
		{"4.4.3: an algorithm that nobody knows", keyEd25519, func(*puppet) func(*M) { return func(m *M) { m.Algorithm = grease } }, AlertIllegalParameter, "not offered"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := clientAwaitingCertificate(t)
			p.cert = newTestCA(t).issue(t, f.kind, "example.org")
			// The root's key is fixed, its certificate is not: have the client trust this one.
			p.conn.config.InsecureSkipVerify = true
			p.certificate(nil)
			p.certificateVerify(f.change(p))
			p.wantAlert(f.alert, f.text)
		})
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

func TestNewSessionTickets(t *testing.T) {
	for name, c := range map[string]struct {
		raw   []byte
		alert Alert
	}{
		"4.6.1: an empty ticket":   {append(wire.AppendHeader(nil, wire.TypeNewSessionTicket, 13), make([]byte, 13)...), AlertDecodeError},
		"4.6.1: a truncated one":   {wire.AppendHeader(nil, wire.TypeNewSessionTicket, 0), AlertDecodeError},
		"4.2: early_data too long": {setLength(append((&wire.NewSessionTicket{Ticket: []byte{1}, HasEarlyData: true}).Append(nil), 0)), AlertDecodeError},
	} {
		t.Run(name, func(t *testing.T) {
			p := clientConnected.puppet(t)
			p.say(c.raw)
			p.wantAlert(c.alert, "new_session_ticket")
		})
	}
	t.Run("4.6.1: unrecognized extensions are ignored", func(t *testing.T) {
		p := clientConnected.puppet(t)
		raw := (&wire.NewSessionTicket{Ticket: []byte{1}}).Append(nil)
		raw = append(raw[:len(raw)-2], 0, 6, 0x8a, 0x8a, 0, 2, 1, 2)
		p.say(setLength(raw))
		p.wantData("fine")
	})
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
