package tlsconn

import (
	"crypto"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

// rawKeyFlows are the handshakes in which a client may show a raw public key (RFC 7250),
// in both versions.
var rawKeyFlows = append(rawKeyFlowsOf("", func(*scene) {}), rawKeyFlowsOf("TLS 1.2: ", only12)...)

func rawKeyFlowsOf(prefix string, version func(*scene)) []flow {
	flows := []flow{
		{
			name:   "a raw public key is shown",
			set:    func(s *scene) { s.bare(keyEd25519) },
			script: exchange,
		},
		{
			name: "a raw public key of RSA is shown, signed for elsewhere",
			set: func(s *scene) {
				s.bare(keyRSA)
				s.clientWS.Offload, s.serverWS.Offload = s.ops.offload, s.ops.offload
			},
			script: exchange,
		},
		{
			name: "a raw public key is asked for and there is none",
			set: func(s *scene) {
				s.bare(keyEd25519)
				s.server.ClientAuth = tls.RequestClientCert
				s.client.RawPublicKeys = nil
				s.client.ChooseRawPublicKey = choosesKey(s.ops, new(tls.Certificate))
				s.remember()
			},
			script: repeatedly(nil),
		},
		{
			name: "the choice of a raw public key, its signature and its verification suspend",
			set: func(s *scene) {
				s.remember()
				s.bare(keyEd25519)
				s.suspend()
			},
			script: repeatedly(nil),
		},
		{
			name: "a suspended verification that refuses a raw public key",
			set: func(s *scene) {
				s.bare(keyEd25519)
				s.suspend()
				refuseLater(s.ops, s.server)
				s.server.VerifyRawPublicKey, s.server.VerifyPeerLater = s.server.VerifyPeerLater, nil
			},
			script: func(p *pair) error {
				if p.server.conn.config.MaxVersion == tls.VersionTLS12 {
					return refusal(p)
				}
				return lateRefusal(p)
			},
		},
		{
			name:   "resumed twice, a raw public key having been shown before",
			set:    func(s *scene) { s.remember(); s.bare(keyEd25519) },
			script: repeatedly(nil, nil),
		},
		{
			name: "a raw public key is no longer known, and another one is shown",
			set: func(s *scene) {
				s.remember()
				s.bare(keyEd25519)
				s.client.ChooseRawPublicKey = choosesKey(s.ops, &s.client.RawPublicKeys[0]) // of which a session knows nothing
				s.client.RawPublicKeys = nil
			},
			script: repeatedly(func(s *scene) {
				s.client.ChooseRawPublicKey = choosesKey(s.ops, &tls.Certificate{PrivateKey: testKeys()[keyECDSA384]})
				s.server.VerifyRawPublicKey = knows(keyECDSA384)
			}),
		},
		{
			name: "the server prefers certificates to raw public keys",
			set: func(s *scene) {
				s.bare(keyEd25519)
				s.require()
				s.client.Certificates = []tls.Certificate{s.clientRSA}
				s.client.ClientCertificateTypes = []CertificateType{CertificateRawPublicKey, CertificateX509}
				s.server.ClientCertificateTypes = []CertificateType{CertificateX509, CertificateRawPublicKey}
			},
			script: exchange,
		},
		{
			name: "the server knows no raw public keys",
			set: func(s *scene) {
				s.bare(keyEd25519)
				s.require()
				s.client.Certificates = []tls.Certificate{s.clientRSA}
				s.server.ClientCertificateTypes, s.server.VerifyRawPublicKey = nil, nil
			},
			script: exchange,
		},
		{
			name: "the client knows no raw public keys",
			set: func(s *scene) {
				s.bare(keyEd25519)
				s.require()
				s.client.Certificates = []tls.Certificate{s.clientRSA}
				s.client.ClientCertificateTypes, s.client.RawPublicKeys = nil, nil
				s.server.ClientCertificateTypes = []CertificateType{CertificateRawPublicKey, CertificateX509}
			},
			script: exchange,
		},
		{
			name:   "a raw public key is offered and nothing is asked for",
			set:    func(s *scene) { s.bare(keyEd25519); s.server.ClientAuth = tls.NoClientCert },
			script: exchange,
		},
		{
			name: "the client has no raw public key, which the server demands",
			set: func(s *scene) {
				s.bare(keyEd25519)
				s.client.ClientCertificateTypes, s.client.RawPublicKeys = nil, nil
			},
			script: refusal,
		},
	}
	if prefix != "" {
		flows = append(flows, flow{
			name:   "resumed by session id, a raw public key having been shown before",
			set:    func(s *scene) { s.named(); s.bare(keyEd25519) },
			script: repeatedly(nil),
		})
	} else {
		flows = append(flows, flow{
			name:   "hello retry request and a raw public key",
			set:    func(s *scene) { s.remember(); s.bare(keyEd25519); s.retry() },
			script: repeatedly(nil),
		})
	}
	for i := range flows {
		f := &flows[i]
		set := f.set
		f.name, f.set = prefix+f.name, func(s *scene) { version(s); set(s) }
	}
	return flows
}

// bare makes the server demand a raw public key, and the client show the one that it knows.
func (s *scene) bare(kind keyKind) {
	types := []CertificateType{CertificateRawPublicKey}
	s.client.ClientCertificateTypes, s.server.ClientCertificateTypes = types, types
	s.client.RawPublicKeys = []tls.Certificate{{PrivateKey: testKeys()[kind]}}
	s.server.ClientAuth, s.server.VerifyRawPublicKey = tls.RequireAndVerifyClientCert, knows(kind)
}

// suspend makes all that is done about a raw public key answer later.
func (s *scene) suspend() {
	key := s.ops.signLater("clientSign", s.client.RawPublicKeys[0])
	s.client.RawPublicKeys = nil
	s.client.ChooseRawPublicKey = choosesKey(s.ops, &key)
	s.server.VerifyRawPublicKey = s.ops.judgeLater("judgeKey")
}

// choosesKey is a ChooseRawPublicKey that answers with key.
func choosesKey(ops *operations, key *tls.Certificate) func(*CertificateRequest, *Completion[*tls.Certificate]) {
	return func(_ *CertificateRequest, answer *Completion[*tls.Certificate]) {
		park(ops, "chooseKey", answer, func() { answer.Complete(key) })
	}
}

// knows is a VerifyRawPublicKey that knows one key.
func knows(kind keyKind) func(*Peer, *Completion[struct{}]) {
	return func(peer *Peer, answer *Completion[struct{}]) {
		known := testKeys()[kind].Public().(interface{ Equal(crypto.PublicKey) bool })
		if len(peer.Certificates) > 0 || !known.Equal(peer.RawPublicKey) {
			answer.Fail(errors.New("a key that nobody knows"))
			return
		}
		answer.Complete(struct{}{})
	}
}

// What the flows settle, apart from being the same however they are delivered.
func TestFlowsOfRawPublicKeys(t *testing.T) {
	const shown = "resumed false, signed Ed25519 and Ed25519, 0 certificates in 0 chains, a raw public key"
	const resumed = "resumed true, signed SignatureScheme(0) and SignatureScheme(0), 0 certificates in 0 chains, a raw public key"
	const nobody = "resumed false, signed Ed25519 and SignatureScheme(0), 0 certificates in 0 chains"
	const resumedNobody = "resumed true, signed SignatureScheme(0) and SignatureScheme(0), 0 certificates in 0 chains"
	const certificate = "resumed false, signed Ed25519 and PSSWithSHA256, 1 certificates in 1 chains"
	cast := newCast(t)
	for name, server := range map[string]string{ // what the server knows of the client, or the flow's result
		"a raw public key is shown":                                                           shown,
		"a raw public key of RSA is shown, signed for elsewhere":                              strings.Replace(shown, "and Ed25519", "and PSSWithSHA256", 1),
		"a raw public key is asked for and there is none":                                     nobody + "; " + resumedNobody,
		"the choice of a raw public key, its signature and its verification suspend":          shown + "; " + resumed,
		"resumed twice, a raw public key having been shown before":                            shown + "; " + resumed + "; " + resumed,
		"hello retry request and a raw public key":                                            shown + "; " + resumed,
		"a raw public key is no longer known, and another one is shown":                       shown + "; " + strings.Replace(shown, "and Ed25519", "and ECDSAWithP384AndSHA384", 1),
		"the server prefers certificates to raw public keys":                                  certificate,
		"the server knows no raw public keys":                                                 certificate,
		"the client knows no raw public keys":                                                 certificate,
		"TLS 1.2: the client knows no raw public keys":                                        certificate,
		"a raw public key is offered and nothing is asked for":                                nobody,
		"TLS 1.2: a raw public key is shown":                                                  shown,
		"TLS 1.2: a raw public key is asked for and there is none":                            nobody + "; " + resumedNobody,
		"TLS 1.2: the choice of a raw public key, its signature and its verification suspend": shown + "; " + resumed,
		"TLS 1.2: resumed twice, a raw public key having been shown before":                   shown + "; " + resumed + "; " + resumed,
		"TLS 1.2: a raw public key is no longer known, and another one is shown":              shown + "; " + strings.Replace(shown, "and Ed25519", "and ECDSAWithP384AndSHA384", 1),
		"TLS 1.2: the server prefers certificates to raw public keys":                         certificate,
		"TLS 1.2: resumed by session id, a raw public key having been shown before":           shown + "; " + resumed,
		"TLS 1.2: the server knows no raw public keys":                                        certificate,
		"TLS 1.2: a raw public key is offered and nothing is asked for":                       nobody,
		"the client has no raw public key, which the server demands": "client: tlsconn: peer sent alert unsupported_certificate; " +
			"server: tlsconn: client_hello: client_certificate_type has no type in common",
		"TLS 1.2: the client has no raw public key, which the server demands": "client: tlsconn: peer sent alert unsupported_certificate; " +
			"server: tlsconn: client_hello: client_certificate_type has no type in common",
		"a suspended verification that refuses a raw public key": "client: tlsconn: peer sent alert access_denied; " +
			"server: tlsconn: VerifyRawPublicKey: ",
		"TLS 1.2: a suspended verification that refuses a raw public key": "client: tlsconn: peer sent alert access_denied; " +
			"server: tlsconn: VerifyRawPublicKey: ",
	} {
		o := flowNamed(t, name).run(t, cast, func(*pair) {})
		if o.facts[1] != server && !strings.HasPrefix(o.result, server) {
			t.Errorf("%s: %s, %s; want %s", name, o.facts[1], o.result, server)
		}
	}
}

// Whose key it is is asked once for each connection, of nobody but VerifyRawPublicKey.
func TestOrderOfOperationsOfRawPublicKeys(t *testing.T) {
	cast := newCast(t)
	const name = "the choice of a raw public key, its signature and its verification suspend"
	for _, prefix := range []string{"", "TLS 1.2: "} {
		const want = "chooseKey clientSign judgeKey judgeKey"
		if o := flowNamed(t, prefix+name).run(t, cast, func(*pair) {}); o.asked != want {
			t.Errorf("%sasked %s, want %s", prefix, o.asked, want)
		}
	}
}
