package tlsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// tls12Flows are those of TLS 1.2: the ones of TLS 1.3 that know no version, and its own.
var tls12Flows = slices.Concat(plainFlows12, keyFlows12(), []flow{
	in12("data larger than records and buffers", nil),
	in12("the client does not trust the server", nil),
	in12("the client ends without close_notify", nil),

	in12("a certificate is requested and shown", nil),
	in12("a certificate is required and verified, Ed25519", nil),
	in12("a certificate is required and verified, RSA", nil),
	in12("a client certificate and small records", nil),
	// The server has the last word: a client that it refuses is not connected yet.
	in12("a certificate is required and none is shown", refusal),
	in12("a certificate is shown that is not trusted", refusal),

	in12("full, then resumed twice", nil),
	in12("resumed, the client having shown a certificate before", nil),
	in12("the ticket is refused", nil),
	in12("the client is no longer trusted, and shows another certificate", nil),
	in12("the client no longer trusts the server that resumes", nil),
	in12("resumed with small records", nil),

	in12("every operation of a server suspends", nil),
	in12("every operation of a client suspends", nil),
	in12("signatures of RSA keys are offloaded", nil),
	in12("a suspended verification that refuses the client", refusal),
	in12("a suspended verification that refuses the server", nil),
}, resumptionFlows12, aloneFlows12())

// samples12 are fewer than sampledSplits: there are many flows, which differ little.
const samples12 = 8

// in12 is a flow of TLS 1.3's as TLS 1.2, with another script if there is one.
func in12(name string, script func(*pair) error) flow {
	all := slices.Concat(plainFlows, authFlows, resumptionFlows, operationFlows)
	f := all[slices.IndexFunc(all, func(f flow) bool { return f.name == name })]
	set := f.set
	f.name, f.samples = "TLS 1.2: "+name, samples12
	f.set = func(s *scene) {
		only12(s)
		if set != nil {
			set(s)
		}
	}
	if script != nil {
		f.script = script
	}
	return f
}

// bothVersions are those that we speak.
var bothVersions = []uint16{tls.VersionTLS13, tls.VersionTLS12}

// only leaves a scene nothing but one version.
func (s *scene) only(version uint16) {
	for _, c := range []*Config{s.client, s.server} {
		c.MinVersion, c.MaxVersion = version, version
	}
}

// allow12 has both of a pair speak TLS 1.2, and the client nothing else.
func allow12(client, server *Config) {
	client.MinVersion, client.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	server.MinVersion = tls.VersionTLS12
}

func only12(s *scene) { s.only(tls.VersionTLS12) }
func only13(s *scene) { s.only(tls.VersionTLS13) }

var plainFlows12 = []flow{
	{
		name: "TLS 1.2: full handshake, data, close_notify both ways",
		set:  only12,

		script:     exchange,
		everySplit: true,
	},
	{
		name: "TLS 1.2: RSA, a client certificate, and a client that knows TLS 1.3 too",
		set: func(s *scene) {
			only12(s)
			s.client.MaxVersion = tls.VersionTLS13
			s.server.Certificates = []tls.Certificate{s.rsa}
			s.client.Certificates = []tls.Certificate{s.clientRSA}
			s.require()
		},
		script: exchange,
	},
	{
		name: "TLS 1.2: a server that knows TLS 1.3 too",
		set: func(s *scene) {
			only12(s)
			s.server.MaxVersion = tls.VersionTLS13
		},
		script: exchange,
	},
	{
		name: "TLS 1.2: a client that falls back from what both could do",
		set: func(s *scene) {
			only12(s)
			s.client.FallbackSCSV, s.server.MaxVersion = true, tls.VersionTLS13
		},
		script: refusal,
	},
	{
		name: "TLS 1.2: ChaCha20-Poly1305 and no certificate of the client's",
		set: func(s *scene) {
			only12(s)
			s.client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
			s.server.ClientAuth = tls.RequestClientCert
		},
		script: exchange,
	},
	{
		name: "TLS 1.2: an OCSP response and certificate timestamps",
		set: func(s *scene) {
			only12(s)
			s.client.RequestOCSP, s.client.RequestSCTs = true, true
			s.staple()
		},
		script: exchange,
	},
	{
		name: "TLS 1.2: the server has no suite in common",
		set: func(s *scene) {
			only12(s)
			s.client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
			s.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		},
		script: refusal,
	},
	{
		name: "TLS 1.2: the server has no application protocol in common",
		set: func(s *scene) {
			only12(s)
			s.client.NextProtos = []string{"h3"}
		},
		script: refusal,
	},
	{
		name: "TLS 1.2: everything that can come before Finished, in small records",
		set: func(s *scene) {
			only12(s)
			s.remember()
			s.require()
			s.client.RequestOCSP, s.client.RequestSCTs = true, true
			s.staple()
			s.client.Certificates = []tls.Certificate{s.clientRSA}
			s.client.MaxFragment, s.server.MaxFragment = 100, 64
		},
		script: exchange,
	},
}

// staple gives the server's certificate an OCSP response and timestamps. Nobody here
// verifies them.
func (s *scene) staple() {
	cert := s.rsa
	cert.OCSPStaple, cert.SignedCertificateTimestamps = []byte("a response"), [][]byte{[]byte("one log"), []byte("another")}
	s.server.Certificates = []tls.Certificate{cert}
}

// keyFlows12 are handshakes with every kind of key in every suite that it goes with.
func keyFlows12() (all []flow) {
	for _, suite := range allSuites12 {
		for kind, name := range map[keyKind]string{keyECDSA: "P-256", keyECDSA384: "P-384", keyECDSA521: "P-521", keyRSA: "RSA", keyEd25519: "Ed25519"} {
			if suite.rsa != (kind == keyRSA) {
				continue
			}
			all = append(all, flow{
				name: fmt.Sprintf("TLS 1.2: %s and a key of %s", tls.CipherSuiteName(suite.id), name),
				set: func(s *scene) {
					only12(s)
					// The server's key is on a curve that the client has offered.
					s.client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
					s.client.CipherSuites = []uint16{suite.id}
					s.server.Certificates = []tls.Certificate{s.kinds[kind]}
				},
				script:  exchange,
				samples: 3,
			})
		}
	}
	slices.SortFunc(all, func(a, b flow) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return all
}

var resumptionFlows12 = []flow{
	{
		name:    "TLS 1.2: full and resumed, cut often",
		set:     func(s *scene) { only12(s); s.remember() },
		script:  repeatedly(nil),
		samples: 120,
	},
	{
		name: "TLS 1.2: the client that is no longer trusted is asked again",
		set: func(s *scene) {
			only12(s)
			s.remember()
			s.require()
			s.client.Certificates = []tls.Certificate{s.cast.client}
		},
		script: repeatedly(func(s *scene) {
			s.server.VerifyPeer = func(peer *Peer) error {
				if peer.Resumed {
					return errors.New("the session was revoked")
				}
				return nil
			}
		}),
		samples: samples12,
	},
	{
		name:    "TLS 1.2: the session has a suite that the server has no more",
		set:     func(s *scene) { only12(s); s.remember() },
		script:  repeatedly(func(s *scene) { s.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384} }),
		samples: samples12,
	},
	{
		name: "TLS 1.2: the client no longer trusts the server that does not resume",
		set:  func(s *scene) { only12(s); s.remember() },
		script: func(p *pair) error {
			if err := exchange(p); err != nil {
				return err
			}
			return refusal(p.again(func(s *scene) {
				s.client.RootCAs, s.server.Tickets = x509.NewCertPool(), NewTicketKeys(testClock)
			}))
		},
		samples: samples12,
	},
	{
		name:    "TLS 1.2: the session is of TLS 1.3 once both have that",
		set:     func(s *scene) { only12(s); s.remember() },
		script:  repeatedly(only13, nil),
		samples: samples12,
	},
	{
		name:   "TLS 1.2: every operation of both sides suspends",
		set:    func(s *scene) { only12(s); s.remember(); s.require(); s.slowClient(); s.slowServer() },
		script: repeatedly(nil),
	},
}

// aloneFlows12 are handshakes in which a single operation suspends, each in turn; with a
// session if it takes one to come to the operation.
func aloneFlows12() (all []flow) {
	for _, h := range halts {
		f := flow{
			name: "TLS 1.2: only this suspends: " + h.name,
			set: func(s *scene) {
				only12(s)
				s.remember()
				h.set(s)
			},
			script:  exchange,
			samples: samples12,
		}
		if h.resumed {
			f.script = repeatedly(nil)
		}
		all = append(all, f)
	}
	return all
}

// What the flows settle, apart from being the same however they are delivered.
func TestFlowsOfTLS12(t *testing.T) {
	const full = "resumed false, signed Ed25519 and SignatureScheme(0), 0 certificates in 0 chains"
	const resumed = "resumed true, signed SignatureScheme(0) and SignatureScheme(0), 0 certificates in 0 chains"
	const shown = "resumed false, signed Ed25519 and Ed25519, 1 certificates in 1 chains"
	cast := newCast(t)
	for name, server := range map[string]string{ // what the server knows of the client, or the flow's result
		"full, then resumed twice": full + "; " + resumed + "; " + resumed,
		"resumed, the client having shown a certificate before": shown +
			"; resumed true, signed SignatureScheme(0) and SignatureScheme(0), 1 certificates in 1 chains",
		"the ticket is refused": full + "; " + full,
		"the client is no longer trusted, and shows another certificate": shown + "; " + shown,
		"the client that is no longer trusted is asked again":            shown + "; " + shown,
		"the session has a suite that the server has no more":            full + "; " + full,
		"the session is of TLS 1.3 once both have that":                  full + "; " + full + "; " + resumed,
		"resumed with small records":                                     full + "; " + resumed,
		"a certificate is required and verified, RSA":                    "resumed false, signed Ed25519 and PSSWithSHA256, 1 certificates in 1 chains",
		"a certificate is required and none is shown": "client: tlsconn: peer sent alert handshake_failure; " +
			"server: tlsconn: certificate: the client sent none (sent alert handshake_failure)",
		"a certificate is shown that is not trusted": "client: tlsconn: peer sent alert unknown_ca; " +
			"server: tlsconn: certificate: x509: certificate signed by unknown authority",
		"a client that falls back from what both could do": "client: tlsconn: peer sent alert inappropriate_fallback; " +
			"server: tlsconn: client_hello: TLS_FALLBACK_SCSV below our version (sent alert inappropriate_fallback)",
		"the server has no application protocol in common": "client: tlsconn: peer sent alert no_application_protocol; " +
			"server: tlsconn: client_hello: no application protocol in common (sent alert no_application_protocol)",
	} {
		o := flowNamed(t, "TLS 1.2: "+name).run(t, cast, func(*pair) {})
		if o.facts[1] != server && o.result[:min(len(o.result), len(server))] != server {
			t.Errorf("%s:\n got %s, %s\nwant %s", name, o.facts[1], o.result, server)
		}
	}
}

// The order in which the operations come is part of the contract, as in TLS 1.3; a ticket
// of TLS 1.2 is made before the handshake is over.
func TestOrderOfOperationsOfTLS12(t *testing.T) {
	cast := newCast(t)
	for name, asked := range map[string]string{
		"every operation of a server suspends": "inspect choose serverSign offload judgeClient seal" +
			" inspect ticket offload judgeClient seal",
		"every operation of a client suspends": "session offload judgeServer chooseClient clientSign put" +
			" session offload judgeServer put",
		"every operation of both sides suspends": "session inspect choose serverSign" +
			" offload judgeServer chooseClient clientSign offload judgeClient seal put" +
			" session inspect ticket offload judgeClient seal offload judgeServer put",
	} {
		o := flowNamed(t, "TLS 1.2: "+name).run(t, cast, func(*pair) {})
		if o.asked != asked || o.result != "<nil>" {
			t.Errorf("%s: %s, %s\n got %s\nwant %s", name, o.facts[1], o.result, o.asked, asked)
		}
	}
}

// What comes beside the server's certificate reaches the client's state.
func TestFlowWithStaplesInTLS12(t *testing.T) {
	o := flowNamed(t, "TLS 1.2: an OCSP response and certificate timestamps").run(t, newCast(t), func(*pair) {})
	if want := "protocol http/1.1, stapled \"a response\" and [\"one log\" \"another\"]"; o.settled[0] != want {
		t.Errorf("the client has %s, want %s", o.settled[0], want)
	}
}
