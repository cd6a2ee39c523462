package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

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
		{"4.1.4: legacy_compression_method", func(m *wire.ServerHello) { m.CompressionMethod = 1 }, nil, AlertDecodeError, "legacy_compression_method"},
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
		{"4.2: an extension that was not offered", with(wire.ExtRecordSizeLimit + 1), AlertUnsupportedExtension, "extension(0x001d)"},
		{"4.2: GREASE, which nobody offered", with(grease), AlertUnsupportedExtension, "0x8a8a"},
		{"4.2.10: early_data, which was not offered", with(wire.ExtEarlyData), AlertUnsupportedExtension, "early_data"},
		{"4.3.1: key_share, which belongs elsewhere", with(wire.ExtKeyShare, 0, 29, 0, 1, 1), AlertUnsupportedExtension, "key_share"},
		{"4.3.1: supported_versions, which belongs elsewhere", with(wire.ExtSupportedVersions, 3, 4), AlertUnsupportedExtension, "supported_versions"},
		{"4.3.1: signature_algorithms, which belongs elsewhere", with(wire.ExtSignatureAlgorithms, 0, 2, 4, 3), AlertUnsupportedExtension, "signature_algorithms"},
		{"4.3.1: a cookie, which belongs elsewhere", with(wire.ExtCookie, 0, 1, 1), AlertUnsupportedExtension, "cookie"},
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
		{"4.4.2.4: what is not a certificate", func(m *wire.Certificate) { m.Entries[0].Data = []byte("0\x03junk") }, nil, AlertDecodeError, "entry 0"},
		{"4.4.2.4: what is not a certificate further up the chain", func(m *wire.Certificate) {
			m.Entries = append(m.Entries, wire.CertificateEntry{Data: []byte{0}})
		}, nil, AlertDecodeError, "entry 1"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := clientAwaitingCertificate(t)
			p.edit = f.edit
			p.certificate(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
}

// Of both roles, as 4.4.3 is for both.
func TestCertificateVerifyIsRefused(t *testing.T) {
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
		{"4.4.3: a signature of the other role's", keyEd25519, func(p *puppet) func(*M) { return resign(p, p.conn.role.context()) }, AlertDecryptError, "does not verify"},
		{"4.4.3: a signature over another transcript", keyEd25519, func(p *puppet) func(*M) {
			p.log = append(p.log, 0)
			defer func() { p.log = p.log[:len(p.log)-1] }()
			m := new(M)
			m.Algorithm = uint16(tls.Ed25519)
			resign(p, p.role.context())(m)
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
		for _, p := range []*puppet{clientAwaitingCertificate(t), serverAwaitingCertificate(t)} {
			t.Run(fmt.Sprintf("%s, to a %v", f.must, p.conn.role), func(t *testing.T) {
				p.t = t
				p.cert = newTestCA(t).issue(t, f.kind, "example.org")
				// The root's key is fixed, its certificate is not: have the client trust this one.
				p.conn.config.InsecureSkipVerify = true
				p.certificate(nil)
				p.certificateVerify(f.change(p))
				p.wantAlert(f.alert, f.text)
			})
		}
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
