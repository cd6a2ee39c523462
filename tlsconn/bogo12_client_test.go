package tlsconn

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A ClientHello of TLS 1.2 alone has no KEM, no session id without a session, and
// nothing that is TLS 1.3's.
func TestClientHelloOfTLS12Alone(t *testing.T) {
	p := both12(t, keyECDSA, nil, nil)
	if err := p.client.conn.Handshake(); err != ErrWantRead {
		t.Fatal(err)
	}
	var hello wire.ClientHello
	if err := hello.Unmarshal(p.client.tr.out.bytes[5+wire.HeaderLen:]); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(hello.SupportedGroups, uint16(tls.X25519MLKEM768)) || len(hello.SessionID) != 0 ||
		hello.Has(wire.ExtKeyShare) || hello.Has(wire.ExtSupportedVersions) || hello.Has(wire.ExtPSKModes) {
		t.Errorf("%+v", hello)
	}
}

// What certificate_types leaves of the signature schemes (RFC 5246 7.4.4).
func TestSchemesOfCertificateTypes(t *testing.T) {
	all := []uint16{uint16(tls.ECDSAWithP256AndSHA256), uint16(tls.Ed25519), uint16(tls.PSSWithSHA256), uint16(tls.PKCS1WithSHA256)}
	for types, want := range map[string][]uint16{
		"":         {},
		"\x01":     all[2:],
		"\x40":     all[:2],
		"\x40\x01": all,
	} {
		if got := ofTypes(slices.Clone(all), []byte(types)); !slices.Equal(got, want) {
			t.Errorf("of %x: %#04x, want %#04x", types, got, want)
		}
	}
}

// What an application sees of a CertificateRequest: the types of TLS 1.2 as they came,
// and the schemes that they leave.
func TestCertificateTypesThatAnApplicationSees(t *testing.T) {
	for _, tt := range []struct {
		version uint16
		kind    keyKind
		types   []byte
	}{{tls.VersionTLS12, keyECDSA, []byte{64, 1}}, {tls.VersionTLS13, keyECDSA, nil}} {
		var asked []*CertificateRequest
		p := both12(t, tt.kind, func(ca *testCA, c *Config) {
			c.MaxVersion = tt.version
			c.ChooseClientCertificate = func(request *CertificateRequest, answer *Completion[*tls.Certificate]) {
				asked = append(asked, request)
				answer.Complete(nil)
			}
		}, func(_ *testCA, c *Config) { c.ClientAuth = tls.RequestClientCert })
		p.handshake()
		if len(asked) != 1 || asked[0].Version != tt.version || len(asked[0].SignatureSchemes) == 0 || !slices.Equal(asked[0].CertificateTypes, tt.types) {
			t.Errorf("%s: %+v", tls.VersionName(tt.version), asked)
		}
	}

	// dss_sign is of nobody here, and seen all the same.
	hs := &client12{}
	hs.c = newPair(t, clientFor(newTestCA(t)), new(Config)).client.conn
	hs.start12(suite12ByID(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256), false)
	raw := (&wire.CertificateRequest12{CertificateTypes: []byte{2, 1}, SignatureAlgorithms: []uint16{
		uint16(tls.PSSWithSHA256), uint16(tls.Ed25519)}}).Append(nil)
	if _, err := hs.readCertificateRequest(message{wire.TypeCertificateRequest, raw}); err != nil {
		t.Fatal(err)
	}
	if got := hs.request; !slices.Equal(got.types, []byte{2, 1}) || !slices.Equal(got.schemes, []uint16{uint16(tls.PSSWithSHA256)}) {
		t.Errorf("%+v", got)
	}
}

// to12 makes a puppet, a server, and a client that offers TLS 1.2 up to max.
func to12(t *testing.T, max uint16, adjust func(*Config)) *puppet {
	t.Helper()
	p := newPuppet(t, RoleServer, func(c *Config) {
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, max
		if adjust != nil {
			adjust(c)
		}
	})
	p.drive()
	p.hearClientHello()
	return p
}

// serverHello12 answers with TLS 1.2.
func (p *puppet) serverHello12(f func(*wire.ServerHello)) {
	p.t.Helper()
	m := wire.ServerHello{LegacyVersion: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	m.Answer(wire.ExtRenegotiationInfo)
	change(&m, f)
	p.say(m.Append(nil))
}

func TestClientOfTLS12RefusesServerHello(t *testing.T) {
	for _, tt := range []struct {
		name string
		max  uint16
		f    func(p *puppet, m *wire.ServerHello)
		text string
	}{
		{"that says TLS 1.3 was taken out of the offer", tls.VersionTLS13,
			func(_ *puppet, m *wire.ServerHello) { copy(m.Random[24:], wire.DowngradeTLS12[:]) }, "downgrade sentinel"},
		{"that says so as to the client of JDK 11", tls.VersionTLS13,
			func(_ *puppet, m *wire.ServerHello) { copy(m.Random[24:], downgradeJDK11[:]) }, "downgrade sentinel"},
		{"that echoes an id of no session, whatever its suite", tls.VersionTLS13,
			func(p *puppet, m *wire.ServerHello) {
				m.SessionID, m.CipherSuite = p.hello.SessionID, tls.TLS_RSA_WITH_AES_128_CBC_SHA
			},
			"session_id of no session of ours"},
		{"with a suite that was not offered", tls.VersionTLS12,
			func(_ *puppet, m *wire.ServerHello) { m.CipherSuite = tls.TLS_RSA_WITH_AES_128_CBC_SHA }, "cipher suite 0x002f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := to12(t, tt.max, nil)
			p.serverHello12(func(m *wire.ServerHello) { tt.f(p, m) })
			p.wantAlert(AlertIllegalParameter, tt.text)
		})
	}
}

// The sentinel of JDK 11 means nothing to a client without TLS 1.3.
func TestClientOfTLS12AloneIgnoresDowngrades(t *testing.T) {
	p := to12(t, tls.VersionTLS12, nil)
	p.serverHello12(func(m *wire.ServerHello) { copy(m.Random[24:], downgradeJDK11[:]) })
	if p.drive(); p.err != ErrWantRead {
		t.Fatal(p.err)
	}
}

// RFC 6066 3: a server that does not know the name may warn of it and go on.
func TestWarningAboutTheNameBeforeServerHello(t *testing.T) {
	p := to12(t, tls.VersionTLS13, nil)
	p.alert(alertLevelWarning, AlertUnrecognizedName)
	if p.drive(); p.err != ErrWantRead {
		t.Fatalf("a client of both versions: %v", p.err)
	}
	p.serverHello12(nil)
	if p.drive(); p.err != ErrWantRead {
		t.Fatalf("the ServerHello behind it: %v", p.err)
	}

	p = to12(t, tls.VersionTLS13, nil)
	for range maxWarningAlerts + 1 {
		p.alert(alertLevelWarning, AlertUnrecognizedName)
	}
	p.wantAlert(AlertUnexpectedMessage, "warnings in a row")

	for _, alert := range []struct {
		level byte
		alert Alert
	}{{alertLevelFatal, AlertUnrecognizedName}, {alertLevelWarning, AlertHandshakeFailure}} {
		p = to12(t, tls.VersionTLS13, nil)
		p.alert(alert.level, alert.alert)
		p.drive()
		wantPeerAlert(t, "the client", p.err, alert.alert)
	}

	p = newPuppet(t, RoleServer, nil) // of TLS 1.3 alone
	p.drive()
	p.alert(alertLevelWarning, AlertUnrecognizedName)
	p.drive()
	wantPeerAlert(t, "a client of TLS 1.3 alone", p.err, AlertUnrecognizedName)
}

// RFC 8422 5.3: the key of the certificate respects the client's choice of curves.
func TestCertificateOnACurveThatWasNotOffered(t *testing.T) {
	for _, tt := range []struct {
		kind keyKind
		ok   bool
	}{{keyECDSA, false}, {keyECDSA384, true}, {keyEd25519, true}} {
		p := both12(t, tt.kind, func(_ *testCA, c *Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384} }, nil)
		if tt.ok {
			p.handshake()
			continue
		}
		cl, sv := p.failHandshake()
		if _, ours := cl.(*LocalAlertError); ours {
			wantAlert(t, "client", cl, AlertIllegalParameter)
		} else { // a server that obeys the RFC does not let it come so far
			wantAlert(t, "server", sv, AlertHandshakeFailure)
		}
	}
}

// The Certificate is enough to see that its key is not of the suite's kind: nothing
// behind it is waited for, and nobody is asked to verify it.
func TestCertificateOfAnotherKindThanTheSuite(t *testing.T) {
	ca := newTestCA(t)
	for _, tt := range []struct {
		name  string
		kind  keyKind
		suite uint16
		alert Alert // 0 for none
		text  string
	}{
		{"RSA, and ECDSA in the suite", keyRSA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, AlertIllegalParameter, "not of the kind"},
		{"ECDSA, and RSA in the suite", keyECDSA, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, AlertIllegalParameter, "not of the kind"},
		{"Ed25519, and RSA in the suite", keyEd25519, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, AlertIllegalParameter, "not of the kind"},
		{"a curve that was not offered", keyECDSA521, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, AlertIllegalParameter, "its key is on"},
		{"Ed25519, which counts as ECDSA", keyEd25519, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0, ""},
		{"RSA in both", keyRSA, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0, ""},
	} {
		for _, ocsp := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, OCSP %t", tt.name, ocsp), func(t *testing.T) {
				p := to12(t, tls.VersionTLS13, func(c *Config) {
					c.RequestOCSP = true
					c.VerifyPeer = func(*Peer) error { t.Error("its chain is verified"); return nil }
				})
				p.serverHello12(func(m *wire.ServerHello) {
					if m.CipherSuite = tt.suite; ocsp {
						m.Answer(wire.ExtStatusRequest)
					}
				})
				p.say((&wire.Certificate12{Certificates: ca.issue(t, tt.kind, "example.org").Certificate}).Append(nil))
				if tt.alert != 0 {
					p.wantAlert(tt.alert, tt.text)
				} else if p.drive(); p.err != ErrWantRead {
					t.Fatal(p.err)
				}
			})
		}
	}
	p := to12(t, tls.VersionTLS12, nil)
	p.serverHello12(nil)
	p.say((&wire.Certificate12{Certificates: [][]byte{{1, 2, 3}}}).Append(nil))
	p.wantAlert(AlertDecodeError, "entry 0")
}

// RFC 5746 3.4 and 4.1: what renegotiation_info may say, and that it is missed.
func TestServerWithoutRenegotiationInfo(t *testing.T) {
	without := func(m *wire.ServerHello) {
		*m = wire.ServerHello{LegacyVersion: m.LegacyVersion, CipherSuite: m.CipherSuite}
	}
	for _, tt := range []struct {
		name  string
		allow bool
		f     func(*wire.ServerHello)
		text  string // empty if the client goes on
	}{
		{"an empty one", false, nil, ""},
		{"none", false, without, "no renegotiation_info"},
		{"none, which the Config allows", true, without, ""},
		{"one with content, which only a renegotiation has", true,
			func(m *wire.ServerHello) { m.RenegotiationInfo = []byte("verify_data!") }, "renegotiation_info is not empty"},
	} {
		for _, max := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s, a client up to %s", tt.name, tls.VersionName(max)), func(t *testing.T) {
				p := to12(t, max, func(c *Config) { c.AllowMissingRenegotiationInfo = tt.allow })
				p.serverHello12(tt.f)
				if tt.text != "" {
					p.wantAlert(AlertHandshakeFailure, tt.text)
				} else if p.drive(); p.err != ErrWantRead {
					t.Fatal(p.err)
				}
			})
		}
	}
	if c, err := FromTLS(&tls.Config{ServerName: "example.org"}, RoleClient); err != nil || !c.AllowMissingRenegotiationInfo {
		t.Errorf("of a tls.Config: %v; crypto/tls demands none", err)
	}
}

// RFC 7301 3.1: a server chooses among what was offered, in TLS 1.2 as in 1.3.
func TestProtocolOfTLS12ThatWasNotOffered(t *testing.T) {
	for _, tt := range []struct {
		chosen  string
		unknown bool // is allowed
		text    string
	}{
		{"h2", false, ""},
		{"spdy/3", false, "protocol was not offered"},
		{"spdy/3", true, ""},
	} {
		p := to12(t, tls.VersionTLS12, func(c *Config) { c.AllowUnknownProtocol = tt.unknown })
		p.serverHello12(func(m *wire.ServerHello) { m.ALPN = []byte(tt.chosen) })
		want := tt.chosen
		if tt.text != "" {
			p.wantAlert(AlertIllegalParameter, tt.text)
			want = ""
		} else if p.drive(); p.err != ErrWantRead {
			t.Fatal(p.err)
		}
		if got := p.conn.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("%q is negotiated, not %q", got, want)
		}
	}
}

// RFC 7627 5.3: a session goes on with extended_master_secret as it began.
func TestSessionGoesOnWithExtendedMasterSecretAsItBegan(t *testing.T) {
	for _, tt := range []struct {
		session, now bool
		text         string
	}{{true, true, ""}, {false, false, ""}, {true, false, "no extended_master_secret, which"}, {false, true, "extended_master_secret, which the session has not"}} {
		hs := &client12{handshake12: handshake12{extended: tt.now}}
		hs.session = &session{version: tls.VersionTLS12, extended: tt.session}
		err := hs.checkResumption(new(suite))
		if tt.text == "" {
			if err != nil {
				t.Errorf("%t and %t: %v", tt.session, tt.now, err)
			}
			continue
		}
		wantAlert(t, tt.text, err, AlertHandshakeFailure)
	}
}
