package tlsconn

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// What a client of TLS 1.2 hears: see rfc5246_test.go.

// serverHello12Fault is what is wrong with a ServerHello, and how the client refuses it.
type serverHello12Fault struct {
	must   string
	change func(*puppet12, *wire.ServerHello)
	edit   func([]byte) []byte
	alert  Alert
	text   string
}

var serverHello12Faults = []serverHello12Fault{
	{"E.1: a version that the client has not", func(_ *puppet12, m *wire.ServerHello) { m.LegacyVersion = 0x0302 }, nil, AlertProtocolVersion, "1.1"},
	{"E.1: a version above those", func(_ *puppet12, m *wire.ServerHello) { m.LegacyVersion = 0x0304 }, nil, AlertProtocolVersion, "1.3"},
	{"7.4.1.3: a suite that was not offered", func(_ *puppet12, m *wire.ServerHello) { m.CipherSuite = 0x009c }, nil, AlertIllegalParameter, "cipher suite"},
	{"7.4.1.3: a suite that the client knows, and did not offer", func(_ *puppet12, m *wire.ServerHello) { m.CipherSuite = 0xc02c }, nil, AlertIllegalParameter, "cipher suite"},
	{"A.5: TLS_NULL_WITH_NULL_NULL", func(_ *puppet12, m *wire.ServerHello) { m.CipherSuite = 0 }, nil, AlertIllegalParameter, "cipher suite"},
	{"A.5: an anonymous suite", func(_ *puppet12, m *wire.ServerHello) { m.CipherSuite = 0xc018 }, nil, AlertIllegalParameter, "cipher suite"},
	{"RFC 7507 2: a signaling value, though it was offered", func(_ *puppet12, m *wire.ServerHello) { m.CipherSuite = wire.FallbackSCSV }, nil, AlertIllegalParameter, "cipher suite"},
	{"RFC 8446 B.4: a suite of TLS 1.3, though it was offered", func(_ *puppet12, m *wire.ServerHello) { m.CipherSuite = 0x1301 }, nil, AlertIllegalParameter, "cipher suite"},
	{"7.4.1.3: a compression method", func(_ *puppet12, m *wire.ServerHello) { m.CompressionMethod = 1 }, nil, AlertIllegalParameter, "compression"},
	{"7.4.1.3: a session_id of more than 32 bytes", nil, func(raw []byte) []byte {
		at := wire.HeaderLen + 2 + 32
		raw = slices.Insert(slices.Clone(raw), at+1, make([]byte, 33)...)
		raw[at] = 33
		return setLength(raw)
	}, AlertDecodeError, "session_id"},
	{"7.4.1.4: data behind the extensions", nil, func(raw []byte) []byte { return setLength(append(slices.Clone(raw), 0)) }, AlertDecodeError, ""},
	{"7.4.1.4: two extensions of one type", nil, with(wire.ExtExtendedMasterSecret), AlertDecodeError, "duplicate"},
	{"7.4.1.4.1: signature_algorithms, which servers MUST NOT send", nil, with(wire.ExtSignatureAlgorithms, 0, 2, 4, 3), AlertUnsupportedExtension, "signature_algorithms"},
	{"RFC 8422 5.1.2: ec_point_formats without uncompressed", func(_ *puppet12, m *wire.ServerHello) { m.PointFormats = []byte{1} }, nil, AlertIllegalParameter, "uncompressed"},
	{"RFC 8446 4.2.1: supported_versions of a version before TLS 1.3", nil, with(wire.ExtSupportedVersions, 3, 3), AlertIllegalParameter, "supported_versions"},
	{"RFC 8446 4.1.3: the sentinel of who could do more", func(_ *puppet12, m *wire.ServerHello) { copy(m.Random[24:], wire.DowngradeTLS12[:]) }, nil, AlertIllegalParameter, "downgrade"},
	{"RFC 8446 4.1.3: the sentinel of who could do much more", func(_ *puppet12, m *wire.ServerHello) { copy(m.Random[24:], wire.DowngradeTLS11[:]) }, nil, AlertIllegalParameter, "downgrade"},
	{"RFC 8449 4: a record_size_limit under 64", nil, with(wire.ExtRecordSizeLimit, 0, 63), AlertIllegalParameter, "record_size_limit"},
	{"RFC 6066 3: server_name with a body", nil, with(wire.ExtServerName, 0), AlertDecodeError, "server_name"},
	{"RFC 6066 8: status_request with a body", nil, with(wire.ExtStatusRequest, 1), AlertDecodeError, "status_request"},
	{"RFC 5077 3.2: SessionTicket with a body", nil, with(wire.ExtSessionTicket, 1), AlertDecodeError, "session_ticket"},
	{"RFC 7627 5.1: extended_master_secret with a body", nil, replaced(wire.ExtExtendedMasterSecret, 0), AlertDecodeError, "extended_master_secret"},
	{"RFC 6962 3.3.1: an empty list of timestamps", nil, with(wire.ExtSCT, 0, 0), AlertDecodeError, "signed_certificate_timestamp"},
}

func TestClient12RefusesAServerHello(t *testing.T) {
	for _, f := range serverHello12Faults {
		for _, max := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s; of a client up to %s", f.must, tls.VersionName(max)), func(t *testing.T) {
				p := newPuppet12(t, RoleServer, func(c *Config) {
					c.MaxVersion, c.RequestOCSP, c.RequestSCTs, c.Sessions, c.FallbackSCSV = max, true, true, new(lastSession), true
					c.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
				})
				p.hearClientHello()
				p.edit = f.edit
				p.serverHello(func(m *wire.ServerHello) {
					if f.change != nil {
						f.change(p, m)
					}
				})
				switch {
				case max == tls.VersionTLS13 || !slices.Contains([]string{"downgrade", "supported_versions"}, f.text):
					p.wantAlert(f.alert, f.text)
				case f.text == "supported_versions": // which was not offered
					p.wantAlert(AlertUnsupportedExtension, f.text)
				default: // nothing was downgraded
					if p.drive(); p.err != ErrWantRead {
						t.Fatal(p.err)
					}
				}
			})
		}
	}
}

// 7.4.1.4: "If a client receives an extension type in ServerHello that it did not request in
// the associated ClientHello, it MUST abort the handshake with an unsupported_extension fatal
// alert."
func TestClient12RefusesWhatItDidNotAskFor(t *testing.T) {
	for name, ext := range map[string]struct {
		typ  wire.ExtensionType
		body []byte
	}{
		"max_fragment_length":          {1, []byte{1}},
		"status_request":               {wire.ExtStatusRequest, nil},
		"use_srtp":                     {14, []byte{0, 2, 0, 1, 0}},
		"a protocol":                   {wire.ExtALPN, []byte{0, 3, 2, 'h', '2'}},
		"signed_certificate_timestamp": {wire.ExtSCT, []byte{0, 3, 0, 1, 1}},
		"encrypt_then_mac":             {22, nil},
		"session_ticket":               {wire.ExtSessionTicket, nil},
		"key_share":                    {wire.ExtKeyShare, append([]byte{0, 29, 0, 32}, make([]byte, 32)...)},
		"early_data":                   {wire.ExtEarlyData, nil},
		"NPN":                          {13172, nil},
		"a reserved value":             {grease, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPuppet12(t, RoleServer, func(c *Config) { c.NextProtos = nil })
			p.hearClientHello()
			if p.hello.Has(ext.typ) {
				t.Fatal("it was asked for")
			}
			p.edit = with(ext.typ, ext.body...)
			p.serverHello(nil)
			p.wantAlert(AlertUnsupportedExtension, "not offered")
		})
	}
}

// 7.4.3: a ServerKeyExchange is signed over "client_random[32]; server_random[32]; params", by
// a pair of the client's signature_algorithms that the certificate's key can make.
func TestClient12RefusesAServerKeyExchange(t *testing.T) {
	type message = wire.ServerKeyExchange
	resigned := func(prefix func(*puppet12) []byte) func(*puppet12, *message) {
		return func(p *puppet12, m *message) { m.Algorithm, m.Signature = p.signs(m.AppendParams(prefix(p))) }
	}
	client := func(p *puppet12) []byte { return slices.Clone(p.randoms.Client[:]) }
	server := func(p *puppet12) []byte { return slices.Clone(p.randoms.Server[:]) }
	other := func(b []byte) []byte { b[0] ^= 1; return b }
	for _, tt := range []struct {
		must   string
		change func(*puppet12, *message)
		alert  Alert
	}{
		{"7.4.3: another client random", resigned(func(p *puppet12) []byte { return append(other(client(p)), server(p)...) }), AlertDecryptError},
		{"7.4.3: another server random", resigned(func(p *puppet12) []byte { return append(client(p), other(server(p))...) }), AlertDecryptError},
		{"7.4.3: the randoms the other way round", resigned(func(p *puppet12) []byte { return append(server(p), client(p)...) }), AlertDecryptError},
		{"7.4.3: no client random", resigned(server), AlertDecryptError},
		{"7.4.3: no server random", resigned(client), AlertDecryptError},
		{"7.4.3: no randoms", resigned(func(*puppet12) []byte { return nil }), AlertDecryptError},
		{"7.4.3: another point", func(_ *puppet12, m *message) {
			key, _ := newEphemeralKey(tls.X25519)
			m.Point = key.public()
		}, AlertDecryptError},
		{"7.4.3: another curve", func(_ *puppet12, m *message) { m.Group = uint16(tls.CurveP256) }, AlertDecryptError},
		{"7.4.3: no signature", func(_ *puppet12, m *message) { m.Signature = nil }, AlertDecryptError},
		{"7.4.3: a pair that was not offered", func(_ *puppet12, m *message) { m.Algorithm = 0x0203 }, AlertIllegalParameter},
		{"7.4.1.4.1: the anonymous signature", func(_ *puppet12, m *message) { m.Algorithm, m.Signature = 0x0400, nil }, AlertIllegalParameter},
		{"7.4.3: a pair that is not the key's", func(_ *puppet12, m *message) { m.Algorithm = uint16(tls.ECDSAWithP256AndSHA256) }, AlertIllegalParameter},
		{"7.4.3: a pair that is not the suite's", func(_ *puppet12, m *message) { m.Algorithm = uint16(tls.PKCS1WithSHA256) }, AlertIllegalParameter},
		{"RFC 8422 5.1.1: a curve that was not offered", func(_ *puppet12, m *message) { m.Group = uint16(tls.CurveP384) }, AlertIllegalParameter},
		{"RFC 8446 4.2.7: a group of TLS 1.3 alone, though it is enabled", func(_ *puppet12, m *message) { m.Group = uint16(tls.X25519MLKEM768) }, AlertIllegalParameter},
	} {
		t.Run(tt.must, func(t *testing.T) {
			p := newPuppet12(t, RoleServer, func(c *Config) {
				c.MaxVersion = tls.VersionTLS13
				c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.X25519MLKEM768}
			})
			p.hearClientHello()
			p.serverHello(nil)
			p.certificate(nil)
			p.serverKeyExchange(func(m *message) { tt.change(p, m) })
			p.serverHelloDone()
			p.wantAlert(tt.alert)
		})
	}
}

// 7.4.3, 7.4.8: a signature of the key's, by a pair that the other side knows and did not name.
func TestSignaturesThatWereNotAskedFor12(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		p := newPuppet12(t, role, func(c *Config) {
			c.ClientAuth, c.SignatureSchemes = tls.RequireAnyClientCert, []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
		})
		if role == RoleClient {
			p.clientHello(nil)
			p.hearServerFlight()
			p.clientFlight()
		} else {
			p.hearClientHello()
			p.serverHello(nil)
			p.serverFlight()
		}
		p.wantAlert(AlertIllegalParameter, "was not offered")
	}
}

// RFC 8422 5.4: explicit curves and their types are not for use any more.
func TestClient12RefusesCurvesThatAreNotNamed(t *testing.T) {
	for _, curveType := range []byte{0, 1, 2, 4, 248, 255} {
		p := newPuppet12(t, RoleServer, nil)
		p.hearClientHello()
		p.serverHello(nil)
		p.certificate(nil)
		p.edit = func(raw []byte) []byte {
			raw[wire.HeaderLen] = curveType
			return raw
		}
		p.serverKeyExchange(nil)
		p.wantAlert(AlertIllegalParameter, "curve_type")
	}
}

// 7.4 and 7.3: messages come in order, none is left out that has to be there, and none
// comes that was not announced.
func TestClient12RefusesMessagesThatAreNotDue(t *testing.T) {
	type line func(*puppet12)
	ticket := line(func(p *puppet12) { p.newSessionTicket(nil) })
	status := line(func(p *puppet12) { p.say((&wire.CertificateStatus{OCSPStaple: []byte("response")}).Append(nil)) })
	certificate := line(func(p *puppet12) { p.certificate(nil) })
	keyExchange := line(func(p *puppet12) { p.serverKeyExchange(nil) })
	request := line(func(p *puppet12) { p.certificateRequest(nil) })
	done := line((*puppet12).serverHelloDone)
	change := line((*puppet12).changeCipherSpec)
	answer := func(offers ...wire.ExtensionType) line {
		return func(p *puppet12) {
			p.serverHello(func(m *wire.ServerHello) {
				for _, e := range offers {
					m.Answer(e)
				}
			})
		}
	}
	hear := line((*puppet12).hearClientFlight)
	for _, tt := range []struct {
		must  string
		lines []line
	}{
		{"7.4.2: no Certificate", []line{answer(), keyExchange}},
		{"RFC 8422 2.1: no ServerKeyExchange", []line{answer(), certificate, done}},
		{"7.4.5: no ServerHelloDone", []line{answer(), certificate, keyExchange, change}},
		{"7.4.4: a CertificateRequest before the ServerKeyExchange", []line{answer(), certificate, request}},
		{"7.4.4: two CertificateRequests", []line{answer(), certificate, keyExchange, request, request}},
		{"RFC 6066 8: a CertificateStatus that was not announced", []line{answer(), certificate, status}},
		{"RFC 6066 8: a CertificateStatus behind the ServerKeyExchange", []line{answer(wire.ExtStatusRequest), certificate, keyExchange, status}},
		{"RFC 6066 8: two of them", []line{answer(wire.ExtStatusRequest), certificate, status, status}},
		{"RFC 5077 3.3: a NewSessionTicket that was not announced", []line{answer(), certificate, keyExchange, done, hear, ticket}},
		{"RFC 5077 3.3: none though it was announced", []line{answer(wire.ExtSessionTicket), certificate, keyExchange, done, hear, change}},
		{"RFC 5077 3.3: two of them", []line{answer(wire.ExtSessionTicket), certificate, keyExchange, done, hear, ticket, ticket}},
		{"RFC 5077 3.3: one behind the ChangeCipherSpec", []line{answer(wire.ExtSessionTicket), certificate, keyExchange, done, hear, ticket, change, ticket}},
		{"7.3: a ChangeCipherSpec right behind a ServerHello that resumes nothing", []line{answer(), change}},
		{"7.1: two ChangeCipherSpec", []line{answer(), certificate, keyExchange, done, hear, change, func(p *puppet12) { p.plain(record.ChangeCipherSpec, 1) }}},
	} {
		t.Run(tt.must, func(t *testing.T) {
			p := newPuppet12(t, RoleServer, func(c *Config) { c.RequestOCSP, c.Sessions = true, new(lastSession) })
			p.hearClientHello()
			for _, line := range tt.lines {
				line(p)
			}
			p.wantAlert(AlertUnexpectedMessage)
		})
	}
}

// 7.4.4, 7.4.6: a client whose certificate does not suit shows none; one that suits has its
// CertificateVerify made by a pair of the request.
func TestClient12ShowsWhatTheRequestAllows(t *testing.T) {
	const ecdsa, rsa = wire.ClientCertificateECDSASign, wire.ClientCertificateRSASign
	for _, tt := range []struct {
		name    string
		kind    keyKind
		types   []byte
		schemes []uint16
		want    tls.SignatureScheme
	}{
		{"all that it can", keyECDSA, []byte{rsa, ecdsa}, offeredSchemes, tls.ECDSAWithP256AndSHA256},
		{"the hash of another curve", keyECDSA, []byte{ecdsa}, []uint16{0x0603}, tls.ECDSAWithP521AndSHA512},
		{"PKCS #1 alone", keyRSA, []byte{rsa}, []uint16{0x0201, 0x0601}, tls.PKCS1WithSHA512},
		{"a type of key that it has not", keyECDSA, []byte{rsa}, offeredSchemes, 0},
		{"unknown types of keys", keyECDSA, []byte{2, 3, 4, 5, 65, 66}, offeredSchemes, 0},
		{"schemes that it has not", keyRSA, []byte{rsa, ecdsa}, []uint16{0x0403, 0x0807}, 0},
		{"SHA-1 alone", keyRSA, []byte{rsa, ecdsa}, []uint16{0x0201, 0x0203}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPuppet12(t, RoleServer, func(c *Config) {
				c.Certificates = []tls.Certificate{newTestCA(t).issue(t, tt.kind, "client.example")}
			})
			p.hearClientHello()
			p.serverHello(nil)
			p.certificate(nil)
			p.serverKeyExchange(nil)
			p.certificateRequest(func(m *wire.CertificateRequest12) { m.CertificateTypes, m.SignatureAlgorithms = tt.types, tt.schemes })
			p.serverHelloDone()
			p.hearClientFlight() // which checks the signature
			p.serverEnd()
			p.wantConnected()
			if got := p.conn.ConnectionState().ClientSignatureScheme; got != tt.want {
				t.Errorf("signed with %v", got)
			}
		})
	}
}
