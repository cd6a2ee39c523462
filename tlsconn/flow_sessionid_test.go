package tlsconn

import (
	"crypto/tls"
	"testing"
)

// sessionIDFlows are those of TLS 1.2 servers that name their sessions.
var sessionIDFlows = []flow{
	{
		name: "TLS 1.2: full, then resumed with a session id",
		set:  func(s *scene) { only12(s); s.named() },

		script:  repeatedly(nil),
		samples: 120,
	},
	{
		name: "TLS 1.2: everything of a server that names its sessions suspends",
		set: func(s *scene) {
			only12(s)
			s.named()
			s.require()
			s.client.Certificates = []tls.Certificate{s.cast.client}
			s.server.ServerSessions = &lateStore{s.server.ServerSessions, s.ops}
			s.slowServer()
		},
		script: repeatedly(nil),
	},
	{
		name: "TLS 1.2: the session of an id is gone",
		set:  func(s *scene) { only12(s); s.named() },
		script: repeatedly(func(s *scene) {
			s.server.ServerSessions = &lateStore{NewSessionStore(1), s.ops}
		}),
	},
	{
		name: "TLS 1.2: the client of a session id is no longer trusted, and shows another certificate",
		set: func(s *scene) {
			only12(s)
			s.named()
			s.server.ClientAuth, s.server.ClientCAs = tls.RequireAndVerifyClientCert, s.strangers.pool
			s.server.ClientCANames = [][]byte{}
			s.client.GetClientCertificate = shows(&s.stranger)
		},
		script: repeatedly(func(s *scene) {
			s.require()
			s.client.GetClientCertificate = shows(&s.cast.client)
		}, nil),
	},
	{
		name:   "TLS 1.2: a session id, and then a ticket",
		set:    func(s *scene) { only12(s); s.named() },
		script: repeatedly(func(s *scene) { s.server.SessionTicketsDisabled = false }, nil),
	},
}

// named gives the client a cache, and the server names its sessions instead of tickets.
func (s *scene) named() {
	s.remember()
	s.server.SessionTicketsDisabled, s.server.ServerSessions = true, NewSessionStore(0)
}

// Which of the flows do resume, and what is asked for, is no matter of delivery.
func TestFlowsOfSessionIDs(t *testing.T) {
	const full = "resumed false, signed Ed25519 and SignatureScheme(0), 0 certificates in 0 chains"
	const resumed = "resumed true, signed SignatureScheme(0) and SignatureScheme(0), 0 certificates in 0 chains"
	const shown = "resumed false, signed Ed25519 and Ed25519, 1 certificates in 1 chains"
	const known = "resumed true, signed SignatureScheme(0) and SignatureScheme(0), 1 certificates in 1 chains"
	cast := newCast(t)
	for _, tt := range []struct{ name, server, asked string }{
		{"full, then resumed with a session id", full + "; " + resumed, ""},
		{"everything of a server that names its sessions suspends", shown + "; " + known,
			"inspect choose serverSign offload judgeClient store inspect lookUp offload judgeClient"},
		{"the session of an id is gone", full + "; " + full, "lookUp store"},
		{"the client of a session id is no longer trusted, and shows another certificate", shown + "; " + shown + "; " + known, ""},
		{"a session id, and then a ticket", full + "; " + resumed + "; " + resumed, ""},
	} {
		o := flowNamed(t, "TLS 1.2: "+tt.name).run(t, cast, func(*pair) {})
		if o.facts[1] != tt.server || o.asked != tt.asked || o.result != "<nil>" {
			t.Errorf("%s: %s\n got %s\nwant %s\nasked %s\n want %s", tt.name, o.result, o.facts[1], tt.server, o.asked, tt.asked)
		}
	}
}
