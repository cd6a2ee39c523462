package tlsconn

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A MUST of RFC 5246 for each entry of this file and of rfc5246_client_test.go,
// rfc5246_own_test.go, rfc5246_records_test.go, rfc5246_ecdhe_test.go (with RFC 8422) and
// rfc5246_sessions_test.go (with RFC 5077 and 6066), named with its section. Numbers
// without an RFC are sections of RFC 5246. RFC 5746, 7301 and 7627 have files of their own.
// As in rfc8446_test.go, the one thing that an entry says is wrong; keys, transcript and
// all the rest are right. Where each MUST is held:
//
//	4.7      nowhere: DigestInfo without parameters is refused, as by crypto/rsa (RFC 8017 A.2.4)
//	5        keysched's vectors; every puppet, by both hashes
//	6        BoGo SendInvalidRecordType
//	6.1      here: records
//	6.2.1    here: records (lengths, empty ones); BoGo LargePlaintext, SendEmptyRecords
//	6.2.2    cannot apply: no compression; BoGo InvalidCompressionMethod
//	6.2.3    here: records; BoGo LargeCiphertext
//	6.2.3.2  cannot apply: no CBC
//	6.2.3.3  here: records; BoGo *-BadRecord
//	7.1      here: records; BoGo *ChangeCipherSpec*, AppDataAfterChangeCipherSpec
//	7.2      here: records (levels); of sessions see 7.2.2
//	7.2.1    BoGo Shutdown-*; that the other side closes at once too, and drops what it has yet to
//	         send, is undone by RFC 8446 6.1, which says why
//	7.2.2    here: own (reserved alerts), records (a fatal one), sessions (a handshake that fails
//	         leaves none); resumption12_test.go: a fatal alert after the handshake ends the
//	         session, a server's and a client's
//	7.3, 7.4 BoGo Skip*, AppDataBeforeHandshake*, WrongMessageType-*; here: client (resumption)
//	7.4.1.1  BoGo StrayHelloRequest*, which has a client refuse what it should ignore
//	7.4.1.2  here; session ids that say nothing: resumption12_test.go; BoGo UnknownCipher,
//	         NoNullCompression, *-TooLongSessionID, TrailingMessageData-*
//	7.4.1.3  here: own (random), client, sessions; BoGo ServerHelloBogusCipher
//	7.4.1.4  here: client; BoGo DuplicateExtension*, UnknownExtension-Client
//	7.4.1.4.1 here; client; own; without the extension RFC 9155 2 leaves nothing to sign with
//	7.4.2    here (kind of key); BoGo CertificateCipherMismatch-*, *KeyUsage-*, CheckLeafCurve. What
//	         the issuers in our own chain have signed with is held nowhere, here and in 7.4.4 and
//	         7.4.6: who has no other chain shows it all the same, as RFC 8446 4.4.2.2 has it
//	7.4.3    here: what is signed, ecdhe; BoGo *-InvalidSignature-*, BadECDHECurve, UnsupportedCurve
//	7.4.4    here: own, client; BoGo CertificateSelection-Client-*
//	7.4.5    BoGo TrailingMessageData-ServerHelloDone
//	7.4.6    BoGo NoClientCertificate*, RequireAnyClientCertificate, GarbageCertificate-*
//	7.4.7    ecdhe; 7.4.7.1 and fixed keys cannot apply: no RSA key exchange, no fixed ECDH
//	7.4.8    here: what is signed, schemes; BoGo ServerSkipCertificateVerify
//	7.4.9    here: Finished; BoGo BadFinished-*
//	9        nowhere: TLS_RSA_WITH_AES_128_CBC_SHA is of what is left out, CBC and RSA key exchange
//	A.5      here, client, own (no NULL, no anonymous suites)
//	E.1      BoGo VersionNegotiation-*, MinimumVersion-*, *VersionTolerance, LooseInitialRecordVersion
//	E.2, E.3 cannot apply: no SSL 2.0 (RFC 6176)

var clientHello12Faults = []helloFault{
	{"7.4.1.2: extensions longer than the message", nil, func(raw []byte) []byte {
		raw[extensionsAt(raw)+1]++
		return raw
	}, AlertDecodeError, "extensions"},
	{"7.4.1.2: extensions shorter than the rest of the message", nil, func(raw []byte) []byte {
		raw[extensionsAt(raw)+1]--
		return raw
	}, AlertDecodeError, ""},
	{"7.4.1.2: half of the extensions' length", nil, func(raw []byte) []byte { return setLength(raw[:extensionsAt(raw)+1]) }, AlertDecodeError, "extensions"},
	{"7.4.1.2: no compression_methods", nil, func(raw []byte) []byte { return setLength(raw[:wire.HeaderLen+2+32+1+2+2]) }, AlertDecodeError, "compression"},
	{"7.4.1.2: an empty cipher_suites", func(m *wire.ClientHello) { m.CipherSuites = []uint16{0} }, func(raw []byte) []byte {
		at := wire.HeaderLen + 2 + 32 + 1
		binary.BigEndian.PutUint16(raw[at:], 0)
		return setLength(slices.Delete(raw, at+2, at+4))
	}, AlertDecodeError, "cipher_suites"},
	{"7.4.1.2: half a cipher suite", nil, func(raw []byte) []byte {
		at := wire.HeaderLen + 2 + 32 + 1
		binary.BigEndian.PutUint16(raw[at:], 3)
		return setLength(slices.Insert(raw, at+2, 0))
	}, AlertDecodeError, "cipher_suites"},
	{"7.4.1.4: two extensions of one type", nil, with(wire.ExtSupportedGroups, 0, 2, 0, 29), AlertDecodeError, "duplicate"},
	{"7.4.1.4.1: an empty supported_signature_algorithms", nil, replaced(wire.ExtSignatureAlgorithms, 0, 0), AlertDecodeError, "signature_algorithms"},
	{"7.4.1.4.1: half a pair", nil, replaced(wire.ExtSignatureAlgorithms, 0, 3, 4, 3, 4), AlertDecodeError, "signature_algorithms"},
	{"RFC 9155 2: no signature_algorithms, which stands for SHA-1", nil, without(wire.ExtSignatureAlgorithms), AlertHandshakeFailure, "signature_algorithms"},
	{"RFC 9155 2: SHA-1 and MD5 alone", func(m *wire.ClientHello) { m.SignatureAlgorithms = []uint16{0x0201, 0x0203, 0x0101} }, nil, AlertHandshakeFailure, ""},
	{"7.4.3: no pair that the key can sign with", func(m *wire.ClientHello) { m.SignatureAlgorithms = []uint16{0x0401, 0x0804} }, nil, AlertHandshakeFailure, ""},
	{"A.5: TLS_NULL_WITH_NULL_NULL alone", func(m *wire.ClientHello) { m.CipherSuites = []uint16{0} }, nil, AlertHandshakeFailure, "cipher suite"},
	{"A.5: anonymous key exchange alone", func(m *wire.ClientHello) { m.CipherSuites = []uint16{0x00a6, 0xc018} }, nil, AlertHandshakeFailure, "cipher suite"},
	{"9: RSA key exchange and CBC alone", func(m *wire.ClientHello) { m.CipherSuites = []uint16{0x002f, 0x009c, 0xc009, 0xc02b + 0x0800} }, nil, AlertHandshakeFailure, "cipher suite"},
	{"E.1: a version under ours", func(m *wire.ClientHello) { m.LegacyVersion = 0x0302 }, nil, AlertProtocolVersion, "TLS 1.2"},
	{"RFC 8422 5.1.2: ec_point_formats without uncompressed", func(m *wire.ClientHello) { m.PointFormats = []byte{1, 2} }, nil, AlertIllegalParameter, "uncompressed"},
	{"RFC 8422 5.1.2: an empty ec_point_formats", nil, with(wire.ExtECPointFormats, 0), AlertDecodeError, "ec_point_format"},
	{"RFC 8422 4: no curve that the server has", func(m *wire.ClientHello) { m.SupportedGroups = []uint16{uint16(tls.CurveP384), 30} }, nil, AlertHandshakeFailure, "group"},
	{"RFC 7627 5.1: extended_master_secret with a body", nil, replaced(wire.ExtExtendedMasterSecret, 0), AlertDecodeError, "extended_master_secret"},
	{"RFC 8449 4: a record_size_limit under 64", nil, with(wire.ExtRecordSizeLimit, 0, 63), AlertIllegalParameter, "record_size_limit"},
	{"RFC 6066 3: two names of one type", nil, replaced(wire.ExtServerName, 0, 8, 0, 0, 1, 'a', 0, 0, 1, 'b'), AlertIllegalParameter, "server_name"},
}

func TestServer12RefusesAClientHello(t *testing.T) {
	for _, f := range clientHello12Faults {
		t.Run(f.must, func(t *testing.T) {
			p := newPuppet12(t, RoleClient, nil)
			p.edit = f.edit
			p.clientHello(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
}

// What a server must take as it comes; and what it must not answer with (7.4.1.4).
func TestServer12AcceptsAClientHello(t *testing.T) {
	for _, v := range []struct {
		must   string
		change func(*wire.ClientHello)
		edit   func([]byte) []byte
	}{
		{"7.4.1.2: cipher suites that it does not know, of every kind, and its own at the end", func(m *wire.ClientHello) {
			m.CipherSuites = append([]uint16{0, 0x0004, 0x00a6, grease, 0x1301, 0x5600, 0xffff}, m.CipherSuites...)
		}, nil},
		{"7.4.1.2: compression methods besides null", func(m *wire.ClientHello) { m.CompressionMethods = []byte{64, 1, 0} }, nil},
		{"7.4.1.2: a session_id of no session", func(m *wire.ClientHello) { m.SessionID = bytes.Repeat([]byte{9}, 32) }, nil},
		{"7.4.1.4: extensions that it does not know, in any order", nil, func(raw []byte) []byte {
			return with(0x1234, 1, 2)(with(0x3374)(with(16, 0, 3, 2, 'h', '2')(without(16)(raw))))
		}},
		{"7.4.1.4.1: pairs that nobody knows, the anonymous among them", func(m *wire.ClientHello) {
			m.SignatureAlgorithms = append([]uint16{0x0000, 0x0400, 0x0702, grease}, m.SignatureAlgorithms...)
		}, nil},
		{"E.1: a version above ours", func(m *wire.ClientHello) { m.LegacyVersion = 0x0304 }, nil},
		{"E.1: a version far above ours", func(m *wire.ClientHello) { m.LegacyVersion = 0x04ff }, nil},
		{"RFC 8422 5.1.2: no ec_point_formats is as uncompressed alone", func(m *wire.ClientHello) { m.PointFormats = nil }, nil},
		{"RFC 8422 5.1.2: point formats besides uncompressed", func(m *wire.ClientHello) { m.PointFormats = []byte{2, 1, 0} }, nil},
		{"RFC 8449 4: a record_size_limit that is of no version", func(m *wire.ClientHello) { m.RecordSizeLimit = 0xffff }, nil},
		{"RFC 6066 8: status_request to a server without an OCSP response", func(m *wire.ClientHello) { m.Offer(wire.ExtStatusRequest) }, nil},
		{"RFC 6066 4: max_fragment_length, which is as unknown", nil, with(1, 1)},
	} {
		t.Run(v.must, func(t *testing.T) {
			p := newPuppet12(t, RoleClient, func(c *Config) { c.NextProtos = nil })
			p.edit = v.edit
			p.clientHello(v.change)
			sh := p.hearServerHello()
			for _, e := range sh.Extensions {
				if !p.hello.Has(e) {
					t.Errorf("answers with %v, which was not offered", e)
				}
			}
			if sh.LegacyVersion != tls.VersionTLS12 || sh.CompressionMethod != 0 || sh.CipherSuite != p.suiteID ||
				p.resumed() || sh.Has(wire.ExtStatusRequest) || sh.Has(wire.ExtSessionTicket) || sh.Has(wire.ExtSignatureAlgorithms) {
				t.Errorf("server_hello: %+v", sh)
			}
			p.hearCertificate()
			p.hearServerKeyExchange()
			p.hear(wire.TypeServerHelloDone)
			p.clientFlight()
			p.changeCipherSpec()
			p.finished(nil)
			p.hearServerEnd()
			p.wantConnected()
			p.wantData("data")
		})
	}
}

// 7.4.3: "the server MUST check any candidate cipher suites against the
// "signature_algorithms" extension before selecting them", and 7.4.2: its certificate is of
// the kind that the suite names.
func TestServer12ChoosesSuiteByKeyAndSignature(t *testing.T) {
	const ecdsa, rsa = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	ca := newTestCA(t)
	certs := []tls.Certificate{ca.issue(t, keyECDSA, "example.org"), ca.issue(t, keyRSA, "example.org")}
	both := []uint16{ecdsa, rsa}
	for _, tt := range []struct {
		name    string
		suites  []uint16
		schemes []uint16
		want    uint16
		scheme  tls.SignatureScheme
	}{
		{"both of both", both, offeredSchemes, ecdsa, tls.ECDSAWithP256AndSHA256},
		{"both suites, signatures of RSA", both, []uint16{0x0401, 0x0501}, rsa, tls.PKCS1WithSHA256},
		{"both suites, signatures of ECDSA with the hash of another curve", both, []uint16{0x0503}, ecdsa, tls.ECDSAWithP384AndSHA384},
		{"the suite of RSA, both signatures", []uint16{rsa}, offeredSchemes, rsa, tls.PSSWithSHA256},
		{"the suite of RSA, signatures of ECDSA", []uint16{rsa}, []uint16{0x0403}, 0, 0},
		{"the suite of ECDSA, signatures of RSA", []uint16{ecdsa}, []uint16{0x0804, 0x0401}, 0, 0},
	} {
		for _, order := range []string{"ECDSA first", "RSA first"} {
			t.Run(tt.name+", "+order, func(t *testing.T) {
				p := newPuppet12(t, RoleClient, func(c *Config) {
					c.Certificates = slices.Clone(certs)
					if order == "RSA first" {
						slices.Reverse(c.Certificates)
					}
				})
				p.clientHello(func(m *wire.ClientHello) {
					m.CipherSuites, m.SignatureAlgorithms = tt.suites, tt.schemes
					m.SupportedGroups = append(m.SupportedGroups, uint16(tls.CurveP256))
				})
				if tt.want == 0 {
					p.wantAlert(AlertHandshakeFailure, "")
					return
				}
				sh := p.hearServerHello()
				shown := p.hearCertificate()[0]
				isRSA := bytes.Equal(shown, certs[1].Certificate[0])
				if isRSA != (sh.CipherSuite == rsa) {
					t.Fatalf("suite %#04x with an RSA key %t", sh.CipherSuite, isRSA)
				}
				var ske wire.ServerKeyExchange
				if err := ske.Unmarshal(p.hear(wire.TypeServerKeyExchange)[wire.HeaderLen:]); err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(tt.schemes, ske.Algorithm) {
					t.Errorf("signs with %#04x, which was not offered", ske.Algorithm)
				}
				if len(tt.suites) == 1 || order == "ECDSA first" {
					if sh.CipherSuite != tt.want || ske.Algorithm != uint16(tt.scheme) {
						t.Errorf("suite %#04x, signature %#04x", sh.CipherSuite, ske.Algorithm)
					}
				}
			})
		}
	}
}

// 7.4.8: a client's CertificateVerify is over "all handshake messages sent or received,
// starting at client hello and up to, but not including, this message", by a pair that
// the CertificateRequest has and the key can make.
func TestServer12RefusesACertificateVerify(t *testing.T) {
	resigned := func(message func(p *puppet12) []byte) func(p *puppet12, m *wire.CertificateVerify) {
		return func(p *puppet12, m *wire.CertificateVerify) { m.Algorithm, m.Signature = p.signs(message(p)) }
	}
	for _, tt := range []struct {
		must   string
		change func(*puppet12, *wire.CertificateVerify)
		alert  Alert
	}{
		{"a signature over nothing", resigned(func(*puppet12) []byte { return nil }), AlertDecryptError},
		{"over the messages without the last", resigned(func(p *puppet12) []byte { return p.log[:len(p.log)-len(p.last)] }), AlertDecryptError},
		{"over the messages without the first", resigned(func(p *puppet12) []byte { return p.log[len(p.hello.Append(nil)):] }), AlertDecryptError},
		{"over the messages' hash", resigned(func(p *puppet12) []byte { return p.sum() }), AlertDecryptError},
		{"in the form of TLS 1.3", resigned(func(p *puppet12) []byte { return signedMessage(clientContext, p.sum()) }), AlertDecryptError},
		{"a scheme that was not in the request", func(_ *puppet12, m *wire.CertificateVerify) { m.Algorithm = 0x0203 }, AlertIllegalParameter},
		{"the anonymous one", func(_ *puppet12, m *wire.CertificateVerify) { m.Algorithm = 0x0400 }, AlertIllegalParameter},
		{"a scheme of another kind of key", func(_ *puppet12, m *wire.CertificateVerify) { m.Algorithm = uint16(tls.ECDSAWithP256AndSHA256) }, AlertIllegalParameter},
		{"RSA's scheme", func(_ *puppet12, m *wire.CertificateVerify) { m.Algorithm = uint16(tls.PKCS1WithSHA256) }, AlertIllegalParameter},
		{"no signature", func(_ *puppet12, m *wire.CertificateVerify) { m.Signature = nil }, AlertDecryptError},
	} {
		t.Run("7.4.8: "+tt.must, func(t *testing.T) {
			p := newPuppet12(t, RoleClient, func(c *Config) { c.ClientAuth = tls.RequireAnyClientCert })
			p.clientHello(nil)
			p.hearServerFlight()
			p.certificate(nil)
			p.clientKeyExchange(nil)
			p.certificateVerify(func(m *wire.CertificateVerify) { tt.change(p, m) })
			p.changeCipherSpec()
			p.finished(nil)
			p.wantAlert(tt.alert, "certificate_verify")
		})
	}
}

// 7.4.9: "Recipients of Finished messages MUST verify that the contents are correct."
func TestWrongFinished12(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		for name, change := range map[string]func(*puppet12, *[]byte){
			"the first bit":               func(_ *puppet12, data *[]byte) { (*data)[0] ^= 0x80 },
			"the last bit":                func(_ *puppet12, data *[]byte) { (*data)[11] ^= 1 },
			"a byte less":                 func(_ *puppet12, data *[]byte) { *data = (*data)[:11] },
			"a byte more":                 func(_ *puppet12, data *[]byte) { *data = append(*data, 0) },
			"nothing":                     func(_ *puppet12, data *[]byte) { *data = nil },
			"all zeros":                   func(_ *puppet12, data *[]byte) { clear(*data) },
			"as long as that of SSL 3.0":  func(_ *puppet12, data *[]byte) { *data = append(*data, make([]byte, 24)...) },
			"the label of the other side": func(p *puppet12, data *[]byte) { *data = p.verifyData(p.conn.role) },
			"without the message before":  func(p *puppet12, data *[]byte) { p.log = p.log[:len(p.log)-1]; *data = p.verifyData(p.role) },
			"of a master secret of zeros": func(p *puppet12, data *[]byte) { clear(p.master[:]); *data = p.verifyData(p.role) },
			"of an empty transcript":      func(p *puppet12, data *[]byte) { p.log = nil; *data = p.verifyData(p.role) },
		} {
			t.Run(fmt.Sprintf("7.4.9: of a %v: %s", role, name), func(t *testing.T) {
				p := newPuppet12(t, role, nil)
				if role == RoleClient {
					p.clientHello(nil)
					p.hearServerFlight()
					p.clientFlight()
				} else {
					p.hearClientHello()
					p.serverHello(nil)
					p.serverFlight()
					p.hearClientFlight()
				}
				p.changeCipherSpec()
				p.finished(func(data *[]byte) { change(p, data) })
				p.wantAlert(AlertDecryptError, "finished")
			})
		}
	}
}

// 7.4.7: the ClientKeyExchange follows the Certificate, or is the first message, and
// 7.4.8: the CertificateVerify follows it.
func TestServer12RefusesMessagesThatAreNotDue(t *testing.T) {
	type line func(*puppet12)
	hello := line(func(p *puppet12) { p.clientHello(nil); p.hearServerFlight() })
	certificate := line(func(p *puppet12) { p.certificate(nil) })
	none := line(func(p *puppet12) { p.certificate(func(m *wire.Certificate12) { m.Certificates = nil }) })
	exchange := line(func(p *puppet12) { p.clientKeyExchange(nil) })
	verify := line(func(p *puppet12) { p.certificateVerify(nil) })
	change := line((*puppet12).changeCipherSpec)
	finished := line(func(p *puppet12) { p.finished(nil) })
	end := line(func(p *puppet12) { p.hearServerEnd(); p.wantConnected() })
	for _, tt := range []struct {
		must  string
		asked bool
		lines []line
	}{
		{"7.4.6: a Certificate that was not asked for", false, []line{hello, certificate}},
		{"7.4.6: no Certificate though it was asked for", true, []line{hello, exchange}},
		{"7.4.7: no ClientKeyExchange", true, []line{hello, certificate, verify}},
		{"7.4.7: no ClientKeyExchange, nor anything else", false, []line{hello, line(func(p *puppet12) { p.plain(record.ChangeCipherSpec, 1) })}},
		{"7.4.7: two of them", false, []line{hello, exchange, exchange}},
		{"7.4.8: no CertificateVerify behind a certificate", true, []line{hello, certificate, exchange, change}},
		{"7.4.8: a CertificateVerify behind an empty Certificate", true, []line{hello, none, exchange, verify}},
		{"7.4.8: a CertificateVerify of who showed nothing", false, []line{hello, exchange, verify}},
		{"7.4.8: two of them", true, []line{hello, certificate, exchange, verify, verify}},
		{"7.4.9: a Finished without ChangeCipherSpec", false, []line{hello, exchange, finished}},
		{"7.4.9: two of them", false, []line{hello, exchange, change, finished, end, finished}},
		{"7.4.1.2: a ClientHello within the handshake", false, []line{hello, line(func(p *puppet12) { p.clientHello(nil) })}},
	} {
		t.Run(tt.must, func(t *testing.T) {
			p := newPuppet12(t, RoleClient, func(c *Config) {
				if tt.asked {
					c.ClientAuth = tls.RequestClientCert
				}
			})
			for _, line := range tt.lines {
				line(p)
			}
			p.wantAlert(AlertUnexpectedMessage)
		})
	}
}

// E.1: "TLS servers compliant with this specification MUST accept any value {03,XX} as the
// record layer version number for ClientHello."
func TestServer12AcceptsAnyRecordVersionOfAClientHello(t *testing.T) {
	for minor := range 256 {
		p := newPuppet12(t, RoleClient, nil)
		p.clientHello(nil)
		p.tr.in.bytes[2] = byte(minor)
		if p.hearServerHello(); p.tr.out.bytes[1] != 3 || p.tr.out.bytes[2] != 3 {
			t.Fatalf("the record of the server_hello has version % x", p.tr.out.bytes[1:3])
		}
	}
	for _, major := range []byte{0, 2, 4, 0xff} {
		p := newPuppet12(t, RoleClient, nil)
		p.clientHello(nil)
		p.tr.in.bytes[1] = major
		p.wantAlert(AlertProtocolVersion, "version")
	}
}

// RFC 7507 3: "the server MUST respond with a fatal inappropriate_fallback alert (unless it
// responds with a fatal protocol_version alert because the version indicated in
// ClientHello.client_version is unsupported)."
func TestFallbackSCSV(t *testing.T) {
	for _, tt := range []struct {
		name                string
		low, high, offering uint16
		alert               Alert
	}{
		{"below the server's highest", tls.VersionTLS12, tls.VersionTLS13, tls.VersionTLS12, AlertInappropriateFallback},
		{"the server's highest", tls.VersionTLS12, tls.VersionTLS12, tls.VersionTLS12, 0},
		{"above the server's highest", tls.VersionTLS12, tls.VersionTLS12, tls.VersionTLS13, 0},
		{"below the server's lowest", tls.VersionTLS12, tls.VersionTLS13, tls.VersionTLS11, AlertProtocolVersion},
		{"below the server's one", tls.VersionTLS13, tls.VersionTLS13, tls.VersionTLS12, AlertProtocolVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPuppet12(t, RoleClient, func(c *Config) { c.MinVersion, c.MaxVersion = tt.low, tt.high })
			p.clientHello(func(m *wire.ClientHello) {
				m.LegacyVersion = tt.offering
				m.CipherSuites = append(m.CipherSuites, wire.FallbackSCSV)
			})
			if tt.alert == 0 {
				p.hearServerHello()
				return
			}
			p.wantAlert(tt.alert)
			if h := record.ParseHeader(p.tr.out.bytes); h.Version != tls.VersionTLS12 { // 3, of the alert's record
				t.Errorf("the alert's record has version %#04x", h.Version)
			}
		})
	}
}
