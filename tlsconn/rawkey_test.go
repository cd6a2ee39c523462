package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// spki is a key as it is shown.
func spki(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// rawPair is a client and a server that know each other by a raw public key.
func rawPair(t *testing.T, version uint16, adjust func(s *scene)) *pair {
	t.Helper()
	s := newScene(newCast(t))
	for _, c := range []*Config{s.client, s.server} {
		c.MinVersion, c.MaxVersion = version, version
	}
	s.remember()
	s.bare(keyECDSA)
	if adjust != nil {
		adjust(s)
	}
	p := newPair(t, s.client, s.server)
	p.ops = s.ops
	return p
}

// eachVersion runs f in both versions.
func eachVersion(t *testing.T, f func(t *testing.T, version uint16)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) { f(t, version) })
	}
}

// Every kind of key, from the message on the wire to what the server's application sees.
func TestRawPublicKeysOfEveryKind(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		for kind, name := range testKinds {
			t.Run(name, func(t *testing.T) {
				var judged *Peer
				p := rawPair(t, version, func(s *scene) {
					s.bare(kind)
					check := s.server.VerifyRawPublicKey
					s.server.VerifyRawPublicKey = func(peer *Peer, answer *Completion[struct{}]) {
						judged = peer
						check(peer, answer)
					}
				})
				if err := exchange(p); err != nil {
					t.Fatal(err)
				}
				server, client := p.server.conn.ConnectionState(), p.client.conn.ConnectionState()
				want := spki(t, testKeys()[kind].Public())
				if !bytes.Equal(spki(t, server.PeerRawPublicKey), want) || server.PeerCertificates != nil || server.VerifiedChains != nil {
					t.Errorf("the server knows the client as %+v", server)
				}
				if !bytes.Equal(spki(t, judged.RawPublicKey), want) || judged.Certificates != nil || judged.Resumed {
					t.Errorf("VerifyRawPublicKey was asked about %+v", judged)
				}
				if client.PeerRawPublicKey != nil || len(client.PeerCertificates) != 1 {
					t.Errorf("the client knows the server as %+v", client)
				}
				if server.ClientSignatureScheme == 0 || server.ClientSignatureScheme != client.ClientSignatureScheme {
					t.Errorf("signed with %v, says the client; %v, says the server", client.ClientSignatureScheme, server.ClientSignatureScheme)
				}
			})
		}
	})
}

// The ClientAuth policies, and a client that has a key, none, or one that is not known.
func TestPoliciesForRawPublicKeys(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		missing := AlertCertificateRequired
		if version == tls.VersionTLS12 {
			missing = AlertHandshakeFailure
		}
		for policy, demanded := range map[tls.ClientAuthType]bool{
			tls.RequestClientCert: false, tls.VerifyClientCertIfGiven: false,
			tls.RequireAnyClientCert: true, tls.RequireAndVerifyClientCert: true,
		} {
			for _, tt := range []struct {
				name string
				key  tls.Certificate
				want Alert // 0 for none
			}{
				{"a known key", tls.Certificate{PrivateKey: testKeys()[keyECDSA]}, 0},
				{"an unknown key", tls.Certificate{PrivateKey: testKeys()[keyECDSA384]}, AlertBadCertificate},
				{"none", tls.Certificate{}, missing},
			} {
				if tt.key.PrivateKey == nil && !demanded {
					tt.want = 0
				}
				t.Run(policy.String()+", "+tt.name, func(t *testing.T) {
					p := rawPair(t, version, func(s *scene) {
						s.server.ClientAuth, s.server.ClientCAs = policy, s.ca.pool
						s.client.RawPublicKeys = nil
						s.client.ChooseRawPublicKey = choosesKey(&operations{eager: true}, &tt.key)
						// Those are for certificates.
						s.server.VerifyPeer = func(*Peer) error { return errors.New("asked") }
						s.server.VerifyPeerLater = func(_ *Peer, answer *Completion[struct{}]) { answer.Fail(errors.New("asked")) }
					})
					if tt.want == 0 {
						p.handshake()
						if got := p.server.conn.ConnectionState().PeerRawPublicKey; (got != nil) != (tt.key.PrivateKey != nil) {
							t.Errorf("the client is known as %v", got)
						}
						return
					}
					_, server := p.failHandshake()
					wantAlert(t, "server", server, tt.want)
				})
			}
		}
	})
}

// The first key is shown that can sign what the server accepts, with what it may sign.
func TestChoiceAmongRawPublicKeys(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		only512 := tls.Certificate{PrivateKey: testKeys()[keyRSA], SupportedSignatureAlgorithms: []tls.SignatureScheme{tls.PSSWithSHA512}}
		for _, tt := range []struct {
			name    string
			keys    []tls.Certificate
			accepts []tls.SignatureScheme
			want    tls.SignatureScheme
		}{
			{"the first", []tls.Certificate{{PrivateKey: testKeys()[keyEd25519]}, only512}, nil, tls.Ed25519},
			{"the second", []tls.Certificate{{PrivateKey: testKeys()[keyEd25519]}, only512}, []tls.SignatureScheme{tls.PSSWithSHA256, tls.PSSWithSHA512}, tls.PSSWithSHA512},
			{"none", []tls.Certificate{{PrivateKey: testKeys()[keyEd25519]}, only512}, []tls.SignatureScheme{tls.PSSWithSHA256}, 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p := rawPair(t, version, func(s *scene) {
					s.client.RawPublicKeys = tt.keys
					s.server.ClientAuth, s.server.SignatureSchemes = tls.RequestClientCert, tt.accepts
					s.server.VerifyRawPublicKey = func(_ *Peer, answer *Completion[struct{}]) { answer.Complete(struct{}{}) }
				})
				p.handshake()
				if got := p.server.conn.ConnectionState().ClientSignatureScheme; got != tt.want {
					t.Errorf("signed with %v, want %v", got, tt.want)
				}
			})
		}
	})
}

// A callback answers with what cannot be shown.
func TestChooseRawPublicKeyFails(t *testing.T) {
	ca := newTestCA(t)
	certificate := ca.issue(t, keyECDSA, "client")
	for _, tt := range []struct {
		name   string
		key    *tls.Certificate
		err    error
		alert  Alert
		reason string
	}{
		{"with an error", nil, errors.New("no key today"), AlertInternalError, "no key today"},
		{"with an alert of its own", nil, &LocalAlertError{Alert: AlertAccessDenied, Err: errors.New("not you")}, AlertAccessDenied, "not you"},
		{"with a certificate", &certificate, nil, AlertInternalError, "has a certificate"},
		{"with what cannot sign", &tls.Certificate{PrivateKey: "secret"}, nil, AlertInternalError, "type string"},
		{"with a key that the server does not take", &tls.Certificate{PrivateKey: testKeys()[keyRSA]}, nil, AlertHandshakeFailure, "signature_algorithms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version uint16) {
				p := rawPair(t, version, func(s *scene) {
					s.server.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
					s.client.ChooseRawPublicKey = func(request *CertificateRequest, answer *Completion[*tls.Certificate]) {
						if request.Version != version || len(request.SignatureSchemes) == 0 {
							t.Errorf("asked with %+v", request)
						}
						if tt.err != nil {
							answer.Fail(tt.err)
							return
						}
						answer.Complete(tt.key)
					}
				})
				client, _ := p.failHandshake()
				wantAlert(t, "client", client, tt.alert)
				if !strings.Contains(client.Error(), tt.reason) {
					t.Errorf("%q does not tell %q", client, tt.reason)
				}
			})
		})
	}
}

// A session of a raw public key is resumed under no other policy, and by nobody else.
func TestSessionsOfRawPublicKeysCrossNoPolicy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(s *scene)
		resumed bool
	}{
		{"nothing is changed", func(*scene) {}, true},
		{"the server takes certificates too", func(s *scene) {
			s.server.ClientCAs = s.ca.pool
			s.server.ClientCertificateTypes = []CertificateType{CertificateX509, CertificateRawPublicKey}
		}, true},
		{"the key is no longer known", func(s *scene) {
			knew := s.server.VerifyRawPublicKey
			s.server.VerifyRawPublicKey = func(peer *Peer, answer *Completion[struct{}]) {
				if peer.Resumed {
					answer.Fail(errors.New("not any more"))
					return
				}
				knew(peer, answer)
			}
		}, false},
		{"the server takes certificates alone", func(s *scene) {
			s.server.ClientCAs, s.server.ClientCertificateTypes, s.server.VerifyRawPublicKey = s.ca.pool, nil, nil
			s.client.Certificates = []tls.Certificate{s.cast.client}
		}, false},
		{"another policy of the server's", func(s *scene) { s.server.ClientAuth = tls.RequireAnyClientCert }, false},
		{"another key of the client's", func(s *scene) {
			s.client.RawPublicKeys = []tls.Certificate{{PrivateKey: testKeys()[keyEd25519]}}
			s.server.VerifyRawPublicKey = func(_ *Peer, answer *Completion[struct{}]) { answer.Complete(struct{}{}) }
		}, false},
		{"another preference of the client's", func(s *scene) {
			s.client.ClientCertificateTypes = []CertificateType{CertificateX509, CertificateRawPublicKey}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version uint16) {
				var s *scene
				p := rawPair(t, version, func(made *scene) { s = made })
				if err := exchange(p); err != nil {
					t.Fatal(err)
				}
				s.client, s.server = cloneConfig(s.client), cloneConfig(s.server)
				tt.change(s)
				p = newPair(t, s.client, s.server)
				if err := exchange(p); err != nil {
					t.Fatal(err)
				}
				if got := p.server.conn.ConnectionState(); got.DidResume != tt.resumed {
					t.Errorf("resumed is %t, want %t: %+v", got.DidResume, tt.resumed, got)
				}
			})
		})
	}
}

// A session of a certificate is not resumed where only raw public keys are taken.
func TestSessionsOfCertificatesWhereRawPublicKeysAreTaken(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		var s *scene
		p := rawPair(t, version, func(made *scene) {
			s = made
			s.require()
			s.client.ClientCertificateTypes = []CertificateType{CertificateX509, CertificateRawPublicKey}
			s.server.ClientCertificateTypes = s.client.ClientCertificateTypes
			s.client.Certificates = []tls.Certificate{s.cast.client}
		})
		if err := exchange(p); err != nil {
			t.Fatal(err)
		}
		s.server = cloneConfig(s.server)
		s.server.ClientCertificateTypes = []CertificateType{CertificateRawPublicKey}
		p = newPair(t, s.client, s.server)
		if err := exchange(p); err != nil {
			t.Fatal(err)
		}
		if got := p.server.conn.ConnectionState(); got.DidResume || got.PeerRawPublicKey == nil {
			t.Errorf("%+v", got)
		}
	})
}

// What is refused of a Config, and by which of its fields.
func TestConfigErrorsOfRawPublicKeys(t *testing.T) {
	cast := newCast(t)
	raw := []CertificateType{CertificateRawPublicKey}
	for _, tt := range []struct {
		name   string
		role   Role
		change func(*Config)
		want   string
	}{
		{"no type", RoleClient, func(c *Config) { c.ClientCertificateTypes = []CertificateType{} }, "ClientCertificateTypes is empty"},
		{"an unknown type", RoleClient, func(c *Config) { c.ClientCertificateTypes = []CertificateType{1} }, "ClientCertificateTypes[0]: CertificateType(1)"},
		{"a type twice", RoleClient, func(c *Config) { c.ClientCertificateTypes = append(raw, raw...) }, "RawPublicKey is listed twice"},
		{"a key that is not offered", RoleClient, func(c *Config) { c.ClientCertificateTypes = nil }, "no CertificateRawPublicKey among"},
		{"a choice of keys that is not offered", RoleClient, func(c *Config) {
			c.ClientCertificateTypes, c.RawPublicKeys = nil, nil
			c.ChooseRawPublicKey = choosesKey(nil, nil)
		}, "no CertificateRawPublicKey among"},
		{"no key", RoleClient, func(c *Config) { c.RawPublicKeys = nil }, "RawPublicKeys or ChooseRawPublicKey"},
		{"a key with a certificate", RoleClient, func(c *Config) { c.RawPublicKeys = []tls.Certificate{cast.client} }, "RawPublicKeys[0]: has a certificate"},
		{"a key that cannot sign", RoleClient, func(c *Config) { c.RawPublicKeys = []tls.Certificate{{PrivateKey: 1}} }, "RawPublicKeys[0]: private key of type int"},
		{"a key that x509 does not know", RoleClient, func(c *Config) { c.RawPublicKeys = []tls.Certificate{{PrivateKey: publicOnly{"a key"}}} }, "RawPublicKeys[0]: x509"},
		{"a key that is too small", RoleClient, func(c *Config) { c.RawPublicKeys = []tls.Certificate{{PrivateKey: publicOnly{rsaOfBits(512)}}} }, "RawPublicKeys[0]: RSA key"},
		{"keys of anybody's", RoleServer, func(c *Config) { c.VerifyRawPublicKey = nil }, "needs VerifyRawPublicKey"},
		{"a verification of keys that are not taken", RoleServer, func(c *Config) { c.ClientCertificateTypes = nil }, "no CertificateRawPublicKey among"},
		{"certificates and nobody to have issued them", RoleServer, func(c *Config) {
			c.ClientCertificateTypes = []CertificateType{CertificateRawPublicKey, CertificateX509}
		}, "there are no ClientCAs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(cast)
			s.bare(keyECDSA)
			config := s.client
			if tt.role == RoleServer {
				config = s.server
			}
			tt.change(config)
			if err := config.Validate(tt.role); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// A server's answer that does not fit the offer.
func TestClientRefusesACertificateType(t *testing.T) {
	selects := func(types ...byte) func(*wire.EncryptedExtensions) {
		return func(m *wire.EncryptedExtensions) { m.ClientCertificateType = types }
	}
	trailing := func(raw []byte) []byte { // the extension is the last but one, record_size_limit is not there
		at := bytes.Index(raw, []byte{0, 19, 0, 1, 2})
		raw = append(raw, 0)
		raw[at+3]++
		raw[wire.HeaderLen+1]++
		return setLength(raw)
	}
	offering := func(types ...CertificateType) func(*Config) {
		return func(c *Config) {
			c.ClientCertificateTypes = types
			c.RawPublicKeys = []tls.Certificate{{PrivateKey: testKeys()[keyEd25519]}}
		}
	}
	for _, tt := range []struct {
		name   string
		client func(*Config)
		answer func(*wire.EncryptedExtensions)
		edit   func([]byte) []byte
		alert  Alert
		text   string
	}{
		{"a type that was not offered", offering(CertificateRawPublicKey), selects(0), nil, AlertIllegalParameter, "selects X509, which was not offered"},
		{"a type that nobody knows", offering(CertificateRawPublicKey, CertificateX509), selects(1), nil, AlertIllegalParameter, "selects CertificateType(1)"},
		{"without an offer", nil, selects(2), nil, AlertUnsupportedExtension, "client_certificate_type was not offered"},
		{"the default without an offer", nil, selects(0), nil, AlertUnsupportedExtension, "client_certificate_type was not offered"},
		{"two types", offering(CertificateRawPublicKey), selects(2), trailing, AlertDecodeError, "client_certificate_type: trailing bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPuppet(t, RoleServer, tt.client)
			p.hearClientHello()
			if tt.client != nil && !bytes.Equal(p.hello.ClientCertificateTypes, p.conn.config.prepared.clientTypes) {
				t.Errorf("offers %v", p.hello.ClientCertificateTypes)
			}
			p.serverHello(nil)
			p.edit = tt.edit
			p.encryptedExtensions(tt.answer)
			p.wantAlert(tt.alert, tt.text)
		})
	}
	for _, tt := range []struct {
		name   string
		client func(*Config)
		answer byte
		alert  Alert
	}{
		{"TLS 1.2: a type that was not offered", offering(CertificateRawPublicKey), 0, AlertIllegalParameter},
		{"TLS 1.2: without an offer", nil, 2, AlertUnsupportedExtension},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := to12(t, tls.VersionTLS12, tt.client)
			p.serverHello12(func(m *wire.ServerHello) { m.ClientCertificateType = []byte{tt.answer} })
			p.wantAlert(tt.alert, "client_certificate_type")
		})
	}
	// RFC 8446 4.2: "CH, EE" and nowhere else.
	t.Run("in a CertificateRequest", func(t *testing.T) {
		p := newPuppet(t, RoleServer, offering(CertificateRawPublicKey))
		p.hearClientHello()
		p.serverHello(nil)
		p.encryptedExtensions(selects(2))
		p.edit = addRequestExtension(wire.ExtClientCertificateType, 2)
		p.certificateRequest(nil)
		p.wantAlert(AlertIllegalParameter, "client_certificate_type does not belong here")
	})
	t.Run("in a ServerHello of TLS 1.3", func(t *testing.T) {
		p := newPuppet(t, RoleServer, offering(CertificateRawPublicKey))
		p.hearClientHello()
		p.serverHello(func(m *wire.ServerHello) { m.ClientCertificateType = []byte{2} })
		p.drive()
		wantAlert(t, "client", p.err, AlertIllegalParameter)
	})
}

// A client's offer that leaves nothing, or says nothing.
func TestServerRefusesCertificateTypes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		takes  []CertificateType
		offers []byte
		edit   func([]byte) []byte
		alert  Alert
		text   string
	}{
		{"a type that nobody knows", []CertificateType{CertificateX509, CertificateRawPublicKey}, []byte{1}, nil, AlertUnsupportedCertificate, "no type in common"},
		{"another type than ours", []CertificateType{CertificateRawPublicKey}, []byte{1, 0}, nil, AlertUnsupportedCertificate, "no type in common"},
		{"the default, which is not ours", []CertificateType{CertificateRawPublicKey}, nil, nil, AlertUnsupportedCertificate, "no type in common"},
		{"the default alone, RFC 7250 4.1", []CertificateType{CertificateX509, CertificateRawPublicKey}, []byte{0}, nil, AlertIllegalParameter, "X.509 alone"},
		{"none at all", []CertificateType{CertificateX509, CertificateRawPublicKey}, []byte{2}, func(raw []byte) []byte {
			at := bytes.Index(raw, []byte{0, 19, 0, 2, 1, 2})
			raw[at+4], raw[at+5] = 0, 0
			return raw
		}, AlertIllegalParameter, "client_certificate_types: length out of bounds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version uint16) {
				p := serverOfRawKeys(t, version, tt.takes)
				p.edit = tt.edit
				p.offerTypes(version, tt.offers)
				p.wantAlert(tt.alert, tt.text)
			})
		})
	}
	// Who does not ask does not care.
	for _, offers := range []string{"", "\x00", "\x01", "\x02"} {
		p := newPuppet(t, RoleClient, nil)
		p.clientHello(func(m *wire.ClientHello) { m.ClientCertificateTypes = []byte(offers) })
		p.hearServerFlight()
	}
}

// serverOfRawKeys is a server that knows the puppet by its Ed25519 key.
func serverOfRawKeys(t *testing.T, version uint16, takes []CertificateType) *puppet {
	t.Helper()
	return newPuppet(t, RoleClient, func(c *Config) {
		c.MinVersion, c.MaxVersion = version, version
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCertificateTypes, c.VerifyRawPublicKey = takes, knows(keyEd25519)
	})
}

// offerTypes says a ClientHello of a version with client_certificate_type.
func (p *puppet) offerTypes(version uint16, types []byte) {
	p.t.Helper()
	p.clientHello(func(m *wire.ClientHello) {
		m.ClientCertificateTypes = types
		if version == tls.VersionTLS12 {
			m.SupportedVersions, m.KeyShares = nil, nil
			m.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}
	})
}

// What a client shows where a raw public key is due.
func TestServerRefusesARawPublicKey(t *testing.T) {
	good := spki(t, testKeys()[keyEd25519].Public())
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// encoding/asn1 lets a SEQUENCE have more elements than are known.
	longer := append(bytes.Clone(good), 5, 0)
	longer[1] += 2
	// id-dsa, which x509 has given up; an OID of nobody's.
	unknown, err := asn1.Marshal(struct {
		Algorithm struct{ OID asn1.ObjectIdentifier }
		Key       asn1.BitString
	}{struct{ OID asn1.ObjectIdentifier }{asn1.ObjectIdentifier{1, 3, 9999}}, asn1.BitString{Bytes: []byte("key"), BitLength: 24}})
	if err != nil {
		t.Fatal(err)
	}
	cert := newTestCA(t).issue(t, keyEd25519, "client").Certificate[0]
	for _, tt := range []struct {
		name  string
		key   []byte
		alert Alert
		text  string
	}{
		{"a certificate", cert, AlertDecodeError, "not a SubjectPublicKeyInfo"},
		{"a byte behind the key", append(bytes.Clone(good), 0), AlertDecodeError, "not a SubjectPublicKeyInfo"},
		{"half a key", good[:len(good)-1], AlertDecodeError, "not a SubjectPublicKeyInfo"},
		{"another encoding of the key", longer, AlertDecodeError, "not the DER encoding"},
		{"a key of an unknown algorithm", unknown, AlertUnsupportedCertificate, "unknown public key algorithm"},
		{"more than any key", make([]byte, maxRawPublicKey+1), AlertBadCertificate, "2049 bytes"},
		{"too large an RSA key", spki(t, rsaOfBits(8200)), AlertBadCertificate, "8200"},
		{"a key that nobody knows", spki(t, &p224.PublicKey), AlertBadCertificate, "nobody knows"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := serverOfRawKeys(t, tls.VersionTLS13, []CertificateType{CertificateRawPublicKey})
			p.offerTypes(tls.VersionTLS13, []byte{2})
			p.hearServerFlight()
			p.certificate(func(m *wire.Certificate) { m.Entries = []wire.CertificateEntry{{Data: tt.key}} })
			p.wantAlert(tt.alert, tt.text)
		})
		t.Run("TLS 1.2: "+tt.name, func(t *testing.T) {
			p := serverOfRawKeys(t, tls.VersionTLS12, []CertificateType{CertificateRawPublicKey})
			p.offerTypes(tls.VersionTLS12, []byte{2})
			p.drive()
			p.plain(record.Handshake, (&wire.RawPublicKey12{Key: tt.key}).Append(nil)...)
			p.wantAlert(tt.alert, tt.text)
		})
	}
}

// The entries of TLS 1.3, and the proof.
func TestServerRefusesWhatIsAroundARawPublicKey(t *testing.T) {
	good := spki(t, testKeys()[keyEd25519].Public())
	awaiting := func(t *testing.T) *puppet {
		p := serverOfRawKeys(t, tls.VersionTLS13, []CertificateType{CertificateRawPublicKey})
		p.cert.Certificate = [][]byte{good}
		p.offerTypes(tls.VersionTLS13, []byte{2})
		p.hearServerHello()
		var ee wire.EncryptedExtensions
		if err := ee.Unmarshal(p.hear(wire.TypeEncryptedExtensions)[wire.HeaderLen:]); err != nil || !bytes.Equal(ee.ClientCertificateType, []byte{2}) {
			t.Fatalf("%v, %+v", err, ee)
		}
		p.hear(wire.TypeCertificateRequest)
		p.hear(wire.TypeCertificate)
		p.hear(wire.TypeCertificateVerify)
		p.hearServerFinished()
		return p
	}
	for _, f := range []replyFault[wire.Certificate]{
		{"4.4.2: two entries", func(m *wire.Certificate) { m.Entries = append(m.Entries, m.Entries[0]) }, nil, AlertIllegalParameter, "2 entries in the place of a raw public key"},
		{"4.4.2: an OCSP response", func(m *wire.Certificate) { m.Entries[0].OCSPStaple = []byte{1} }, nil, AlertUnsupportedExtension, "status_request"},
		{"4.4.2.4: none", func(m *wire.Certificate) { m.Entries = nil }, nil, AlertCertificateRequired, "none"},
		{"4.4.2: data behind the list", nil, func(raw []byte) []byte { return setLength(append(raw, 0)) }, AlertDecodeError, "trailing bytes"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := awaiting(t)
			p.edit = f.edit
			p.certificate(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
	t.Run("4.4.3: the signature of another key", func(t *testing.T) {
		p := awaiting(t)
		p.certificate(nil)
		p.certificateVerify(func(m *wire.CertificateVerify) { m.Signature[0] ^= 1 })
		p.wantAlert(AlertDecryptError, "signature")
	})
	t.Run("4.4.3: no signature", func(t *testing.T) {
		p := awaiting(t)
		p.certificate(nil)
		p.clientFinished(nil)
		p.wantAlert(AlertUnexpectedMessage, "finished")
	})
	t.Run("and nothing is wrong", func(t *testing.T) {
		p := awaiting(t)
		p.certificate(nil)
		p.certificateVerify(nil)
		p.clientFinished(nil)
		p.wantConnected()
	})
	// RFC 7250 4.2: the server "MUST omit" its answer where it requests nothing.
	t.Run("an answer without a request", func(t *testing.T) {
		p := serverOfRawKeys(t, tls.VersionTLS13, []CertificateType{CertificateRawPublicKey})
		p.conn.config.ClientAuth = tls.NoClientCert
		p.offerTypes(tls.VersionTLS13, []byte{2})
		p.hearServerHello()
		var ee wire.EncryptedExtensions
		if err := ee.Unmarshal(p.hear(wire.TypeEncryptedExtensions)[wire.HeaderLen:]); err != nil || ee.ClientCertificateType != nil {
			t.Fatalf("%v, %+v", err, ee)
		}
	})
}

func TestNamesOfCertificateTypes(t *testing.T) {
	for c, want := range map[CertificateType]string{CertificateX509: "X509", CertificateRawPublicKey: "RawPublicKey", 1: "CertificateType(1)"} {
		if c.String() != want {
			t.Errorf("%s, want %s", c, want)
		}
	}
}

// What is said of raw public keys beside a tls.Config holds for those of its
// GetConfigForClient too.
func TestRawPublicKeysWithGetConfigForClient(t *testing.T) {
	s := newScene(newCast(t))
	s.bare(keyEd25519)
	inner := &tls.Config{Certificates: []tls.Certificate{s.ed25519}, Time: testClock, ClientAuth: tls.RequireAnyClientCert}
	outer := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil }}
	server, err := FromTLS(outer, RoleServer)
	if err != nil {
		t.Fatal(err)
	}
	server.ClientCertificateTypes, server.VerifyRawPublicKey = s.server.ClientCertificateTypes, s.server.VerifyRawPublicKey
	s.client.NextProtos = nil
	p := newPair(t, s.client, server)
	p.handshake()
	if p.server.conn.ConnectionState().PeerRawPublicKey == nil {
		t.Error("no raw public key was taken")
	}
}
