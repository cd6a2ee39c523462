package tlsconn

import (
	"crypto/tls"
	"fmt"
	"testing"
)

// authFlows are the handshakes in which the server asks for a certificate (RFC
// 8446 4.3.2).
var authFlows = []flow{
	{
		name:   "a certificate is requested and none is shown",
		server: func(c *Config) { c.ClientAuth = tls.RequestClientCert },
		script: exchange,
	},
	{
		name: "a certificate is requested and shown",
		set: func(s *scene) {
			s.server.ClientAuth = tls.RequestClientCert
			s.client.Certificates = []tls.Certificate{s.cast.client}
		},
		script: exchange,
	},
	{
		name: "a certificate is required and verified, Ed25519",
		set: func(s *scene) {
			s.require()
			s.client.Certificates = []tls.Certificate{s.cast.client}
		},
		script: exchange,
	},
	{
		name: "a certificate is required and verified, RSA",
		set: func(s *scene) {
			s.require()
			s.client.Certificates = []tls.Certificate{s.clientRSA}
		},
		script: exchange,
	},
	{
		name: "hello retry request and a client certificate",
		set: func(s *scene) {
			s.require()
			s.retry()
			s.client.Certificates = []tls.Certificate{s.cast.client}
		},
		script: exchange,

		everySplit: true,
	},
	{
		name:   "a certificate is required and none is shown",
		set:    (*scene).require,
		script: lateRefusal,
	},
	{
		name: "a certificate is shown that is not trusted",
		set: func(s *scene) {
			s.require()
			s.server.ClientCANames = [][]byte{} // or the client would not show it
			s.client.Certificates = []tls.Certificate{s.stranger}
		},
		script: lateRefusal,
	},
	{
		name: "a client certificate and small records",
		set: func(s *scene) {
			s.require()
			s.client.Certificates = []tls.Certificate{s.cast.client}
			s.client.MaxFragment, s.server.MaxFragment = 64, 100
		},
		script: exchange,
	},
}

// require makes the server demand a certificate of a CA that it knows.
func (s *scene) require() {
	s.server.ClientAuth, s.server.ClientCAs = tls.RequireAndVerifyClientCert, s.ca.pool
}

// retry makes the server ask for another key share.
func (s *scene) retry() {
	s.client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	s.server.CurvePreferences = []tls.CurveID{tls.CurveP256}
}

// lateRefusal is a handshake that the server refuses when the client has completed
// its own, which learns of it when it reads.
func lateRefusal(p *pair) error {
	client, server := p.failHandshake()
	if client != nil || server == nil || isWant(server) {
		p.t.Fatalf("refusal: client %v, server %v%v", client, server, p)
	}
	client = p.until(p.client, "read", func() error { return p.client.read(100) })
	return fmt.Errorf("client: %w; server: %w", client, server)
}

// What the flows settle, apart from being the same however they are delivered.
func TestFlowsOfClientCertificates(t *testing.T) {
	cast := newCast(t)
	for _, tt := range []struct {
		flow, server string // what the server knows of the client, or the flow's result
	}{
		{"a certificate is requested and none is shown", "resumed false, signed Ed25519 and SignatureScheme(0), 0 certificates in 0 chains"},
		{"a certificate is requested and shown", "resumed false, signed Ed25519 and Ed25519, 1 certificates in 0 chains"},
		{"a certificate is required and verified, RSA", "resumed false, signed Ed25519 and PSSWithSHA256, 1 certificates in 1 chains"},
		{"hello retry request and a client certificate", "resumed false, signed Ed25519 and Ed25519, 1 certificates in 1 chains"},
		{"a certificate is required and none is shown", "client: tlsconn: peer sent alert certificate_required; " +
			"server: tlsconn: certificate: the client sent none (sent alert certificate_required)"},
		{"a certificate is shown that is not trusted", "client: tlsconn: peer sent alert unknown_ca; " +
			"server: tlsconn: certificate: x509: certificate signed by unknown authority"},
	} {
		o := flowNamed(t, tt.flow).run(t, cast, func(*pair) {})
		if o.facts[1] != tt.server && o.result[:min(len(o.result), len(tt.server))] != tt.server {
			t.Errorf("%s: %s, %s", tt.flow, o.facts[1], o.result)
		}
	}
}

func flowNamed(t *testing.T, name string) *flow {
	t.Helper()
	for i := range flows {
		if flows[i].name == name {
			return &flows[i]
		}
	}
	t.Fatalf("there is no flow %q", name)
	return nil
}
