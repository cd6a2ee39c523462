package tlsconn

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The MUSTs of RFC 8446 about certificates of clients (4.2.3 to 4.2.6, 4.3.2, 4.4),
// as far as the order of messages (message_test.go) does not show them.

// serverAwaitingCertificate is a server that has asked for a certificate.
func serverAwaitingCertificate(t *testing.T) *puppet {
	t.Helper()
	p := newPuppet(t, RoleClient, func(c *Config) { c.ClientAuth = tls.RequireAnyClientCert })
	p.clientHello(nil)
	p.hearServerFlight()
	p.drive()
	return p
}

func TestServerAsksForACertificate(t *testing.T) {
	for _, names := range [][][]byte{nil, {[]byte("0\x00"), []byte("0\x02\x31\x00")}} {
		p := newPuppet(t, RoleClient, func(c *Config) { c.ClientAuth, c.ClientCANames = tls.RequestClientCert, names })
		p.clientHello(nil)
		p.hearServerHello()
		p.hear(wire.TypeEncryptedExtensions) // 4.3.2: what follows it
		var cr wire.CertificateRequest
		if err := cr.Unmarshal(p.hear(wire.TypeCertificateRequest)[wire.HeaderLen:]); err != nil {
			t.Fatal(err)
		}
		want := []wire.ExtensionType{wire.ExtSignatureAlgorithms} // 4.3.2: "MUST be specified"
		if names != nil {
			want = append(want, wire.ExtCertificateAuthorities)
		}
		if len(cr.Context) != 0 || !slices.Equal(cr.Extensions, want) || !slices.EqualFunc(cr.CertificateAuthorities, names, slices.Equal) {
			t.Fatalf("certificate_request: %+v", cr)
		}
		for _, s := range cr.SignatureAlgorithms {
			if low := s & 0xff; s == 0x0201 || s == 0x0203 || s>>8 <= 3 && low <= 3 { // 4.2.3: no SHA-1, MD5, SHA-224, DSA
				t.Errorf("offers scheme %#04x", s)
			}
		}
	}
}

func TestServerRefusesACertificate(t *testing.T) {
	for _, f := range []replyFault[wire.Certificate]{
		{"4.4.2.4: an empty list where one is required", func(m *wire.Certificate) { m.Entries = nil }, nil, AlertCertificateRequired, "none"},
		{"4.4.2: a context that is not the request's", func(m *wire.Certificate) { m.Context = []byte{1} }, nil, AlertIllegalParameter, "context"},
		{"4.4.2: an empty certificate", nil, func(raw []byte) []byte {
			return setLength(append(raw[:wire.HeaderLen:wire.HeaderLen], 0, 0, 0, 5, 0, 0, 0, 0, 0))
		}, AlertDecodeError, "cert_data"},
		{"4.4.2: an OCSP response that was not asked for", func(m *wire.Certificate) { m.Entries[0].OCSPStaple = []byte{1} }, nil, AlertUnsupportedExtension, "status_request"},
		{"4.4.2: timestamps that were not asked for", func(m *wire.Certificate) { m.Entries[0].SCTs = [][]byte{{1}} }, nil, AlertUnsupportedExtension, "signed_certificate_timestamp"},
		{"4.4.2.4: what is not a certificate", func(m *wire.Certificate) { m.Entries[0].Data = []byte("0\x03junk") }, nil, AlertDecodeError, "entry 0"},
		{"4.4.2.4: what is not a certificate further up the chain", func(m *wire.Certificate) {
			m.Entries = append(m.Entries, wire.CertificateEntry{Data: []byte{0}})
		}, nil, AlertDecodeError, "entry 1"},
		{"4.4.2.2: a key that must not sign", func(m *wire.Certificate) {
			m.Entries[0].Data = selfSigned(t, x509.KeyUsageKeyEncipherment)
		}, nil, AlertIllegalParameter, "key usage"},
		{"4.4.2: data behind the list", nil, func(raw []byte) []byte { return setLength(append(slices.Clone(raw), 0)) }, AlertDecodeError, "certificate"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := serverAwaitingCertificate(t)
			p.edit = f.edit
			p.certificate(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
}

// selfSigned is a certificate of the Ed25519 key with a key usage.
func selfSigned(t *testing.T, usage x509.KeyUsage) []byte {
	t.Helper()
	key := testKeys()[keyEd25519]
	template := &x509.Certificate{SerialNumber: big.NewInt(3), NotBefore: testTime, NotAfter: testTime, KeyUsage: usage}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// 4.4.4: a Finished covers the client's Certificate and CertificateVerify.
func TestServerRefusesAFinishedWithoutTheCertificate(t *testing.T) {
	p := serverAwaitingCertificate(t)
	before := slices.Clone(p.log)
	p.certificate(nil)
	p.certificateVerify(nil)
	p.log = before
	p.clientFinished(nil)
	p.wantAlert(AlertDecryptError, "finished")
}

// clientAnswer is what a client has shown.
type clientAnswer struct {
	certificate wire.Certificate
	verify      *wire.CertificateVerify // nil without
}

// answer plays the handshake of a client that is asked for a certificate to its end.
func (p *puppet) answer(request func(*wire.CertificateRequest)) (a clientAnswer) {
	p.t.Helper()
	p.hearClientHello()
	p.serverHello(nil)
	p.encryptedExtensions(nil)
	p.certificateRequest(request)
	p.certificate(nil)
	p.certificateVerify(nil)
	p.serverFinished(nil)
	if err := a.certificate.Unmarshal(p.hear(wire.TypeCertificate)[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	if len(a.certificate.Entries) > 0 {
		signed := signedMessage(clientContext, p.sum())
		a.verify = new(wire.CertificateVerify)
		if err := a.verify.Unmarshal(p.hear(wire.TypeCertificateVerify)[wire.HeaderLen:]); err != nil {
			p.t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(a.certificate.Entries[0].Data)
		if err != nil {
			p.t.Fatal(err)
		}
		// 4.4.3: the client's context, and the transcript up to its Certificate.
		if err := verifySignature(tls.VersionTLS13, leaf.PublicKey, tls.SignatureScheme(a.verify.Algorithm), offeredSchemes, signed, a.verify.Signature); err != nil {
			p.t.Fatal(err)
		}
	}
	p.requested = false // its Certificate is taken
	p.hearClientFinished()
	p.wantConnected()
	p.wantData("in step")
	return a
}

func TestClientShowsACertificate(t *testing.T) {
	staple, sct := []byte("an OCSP response"), []byte("a timestamp")
	for _, v := range []struct {
		must    string
		kind    keyKind
		request func(*wire.CertificateRequest)
		shown   bool
		scheme  tls.SignatureScheme
		ext     []wire.ExtensionType
	}{
		{"4.4.2: one that fits", keyEd25519, nil, true, tls.Ed25519, nil},
		{"4.2.3: not with rsa_pkcs1, however much the server likes it", keyRSA, func(m *wire.CertificateRequest) {
			m.SignatureAlgorithms = []uint16{uint16(tls.PKCS1WithSHA256), uint16(tls.PKCS1WithSHA1), uint16(tls.PSSWithSHA512)}
		}, true, tls.PSSWithSHA512, nil},
		{"4.4.3: with an algorithm of those that the server lists", keyRSA, func(m *wire.CertificateRequest) {
			m.SignatureAlgorithms = []uint16{uint16(tls.PSSWithSHA384)}
		}, true, tls.PSSWithSHA384, nil},
		{"4.4.2: none, with a list without it, but a Finished", keyEd25519, func(m *wire.CertificateRequest) {
			m.SignatureAlgorithms = []uint16{uint16(tls.ECDSAWithP256AndSHA256), grease}
		}, false, 0, nil},
		{"4.4.3: none, if only rsa_pkcs1 would do", keyRSA, func(m *wire.CertificateRequest) {
			m.SignatureAlgorithms = []uint16{uint16(tls.PKCS1WithSHA256)}
		}, false, 0, nil},
		{"4.4.3: none, if only SHA-1 would do", keyECDSA, func(m *wire.CertificateRequest) {
			m.SignatureAlgorithms = []uint16{uint16(tls.ECDSAWithSHA1)}
		}, false, 0, nil},
		{"4.4.2: with the OCSP response that the server asks for", keyEd25519, func(m *wire.CertificateRequest) { m.StatusRequest = true },
			true, tls.Ed25519, []wire.ExtensionType{wire.ExtStatusRequest}},
		{"4.4.2: with the timestamps that the server asks for", keyEd25519, func(m *wire.CertificateRequest) { m.SCT = true },
			true, tls.Ed25519, []wire.ExtensionType{wire.ExtSCT}},
	} {
		t.Run(v.must, func(t *testing.T) {
			p := newPuppet(t, RoleServer, nil)
			cert := newTestCA(t).issue(t, v.kind, "client")
			cert.OCSPStaple, cert.SignedCertificateTimestamps = staple, [][]byte{sct}
			p = p.again(func(c *Config) { c.Certificates = []tls.Certificate{cert} })
			a := p.answer(v.request)
			entries := a.certificate.Entries
			if len(a.certificate.Context) != 0 || (len(entries) == 1) != v.shown {
				t.Fatalf("certificate: %+v", a.certificate)
			}
			if v.shown && (tls.SignatureScheme(a.verify.Algorithm) != v.scheme || !slices.Equal(entries[0].Extensions, v.ext)) {
				t.Fatalf("signs with %#04x, extensions %v", a.verify.Algorithm, entries[0].Extensions)
			}
		})
	}
	t.Run("4.2.5: in spite of oid_filters that it does not know", func(t *testing.T) {
		p := meetAsked(t, RoleClient)
		p.edit = nil
		p.hearClientHello()
		p.serverHello(nil)
		p.encryptedExtensions(nil)
		filter := []byte{0, 7, 3, 0x55, 0x1d, 0x0f, 0, 1, 0} // keyUsage, as it were
		p.edit = addRequestExtension(wire.ExtOIDFilters, filter...)
		p.certificateRequest(nil)
		p.certificate(nil)
		p.certificateVerify(nil)
		p.serverFinished(nil)
		p.hearClientFinished()
		p.wantConnected()
	})
	t.Run("4.4.2: none without being asked", func(t *testing.T) {
		p := meetAsked(t, RoleClient)
		p.handshake()
	})
}
