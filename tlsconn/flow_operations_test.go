package tlsconn

import (
	"crypto/tls"
	"strings"
	"testing"
)

// operationFlows are handshakes in which operations are pending first and are
// completed on another goroutine, between two calls.
var operationFlows = []flow{
	{
		name: "every operation of a server suspends",
		set: func(s *scene) {
			s.remember()
			s.require()
			s.client.Certificates = []tls.Certificate{s.cast.client}
			s.slowServer()
		},
		script: repeatedly(nil),
	},
	{
		name:   "every operation of a client suspends",
		set:    func(s *scene) { s.remember(); s.require(); s.slowClient() },
		script: repeatedly(nil),
	},
	{
		name:   "every operation of both sides suspends, with a hello retry request",
		set:    func(s *scene) { s.remember(); s.require(); s.retry(); s.slowServer(); s.slowClient() },
		script: repeatedly(nil),
	},
	{
		name: "signatures of RSA keys are offloaded",
		set: func(s *scene) {
			s.require()
			s.server.Certificates = []tls.Certificate{s.rsa}
			s.client.Certificates = []tls.Certificate{s.clientRSA}
			s.serverWS.Offload, s.clientWS.Offload = s.ops.offload, s.ops.offload
		},
		script: exchange,
	},
	{
		name: "a suspended verification that refuses the client",
		set: func(s *scene) {
			s.require()
			refuseLater(s.ops, s.server)
			s.slowServer()
			s.client.Certificates = []tls.Certificate{s.cast.client}
		},
		script: lateRefusal,
	},
	{
		name: "a suspended verification that refuses the server",
		set: func(s *scene) {
			s.slowClient()
			refuseLater(s.ops, s.client)
		},
		script: refusal,
	},
}

// refuseLater makes VerifyPeerLater refuse whoever it is.
func refuseLater(ops *operations, c *Config) {
	c.VerifyPeerLater = func(_ *Peer, answer *Completion[struct{}]) {
		park(ops, "refuse", answer, func() { answer.Fail(abort(AlertAccessDenied, "not on the list")) })
	}
}

// slowServer makes everything that a server can be asked answer later. What the
// inspection answers with is another Config that has all the rest.
func (s *scene) slowServer() {
	s.serverWS.Offload = s.ops.offload
	inner := cloneConfig(s.server)
	cert := s.ops.signLater("serverSign", s.ed25519)
	inner.Certificates = nil
	inner.ChooseCertificate = s.ops.chooseLater(&cert)
	inner.Tickets = &lateTickets{NewTicketKeys(testClock), s.ops}
	if inner.VerifyPeerLater == nil {
		inner.VerifyPeerLater = s.ops.judgeLater("judgeClient")
	}
	s.server.Certificates = nil
	s.server.InspectClientHello = s.ops.inspectLater(inner)
}

// slowClient makes everything that a client can be asked answer later.
func (s *scene) slowClient() {
	s.clientWS.Offload = s.ops.offload
	cert := s.ops.signLater("clientSign", s.cast.client)
	s.client.Sessions = &lateSessions{new(lastSession), s.ops}
	s.client.ChooseClientCertificate = s.ops.chooseClientLater(&cert)
	s.client.VerifyPeerLater = s.ops.judgeLater("judgeServer")
}

// The order in which the operations come is part of the contract.
func TestOrderOfOperations(t *testing.T) {
	cast := newCast(t)
	for name, asked := range map[string]string{
		"every operation of a server suspends": "inspect choose serverSign offload judgeClient seal" +
			" inspect ticket offload judgeClient seal",
		"every operation of a client suspends": "session offload judgeServer chooseClient clientSign put" +
			" session offload judgeServer put",
		"every operation of both sides suspends, with a hello retry request": "session inspect choose serverSign" +
			" offload judgeServer chooseClient clientSign offload judgeClient seal put" +
			" session inspect ticket offload judgeClient seal offload judgeServer put",
	} {
		o := flowNamed(t, name).run(t, cast, func(*pair) {})
		if o.asked != asked || !strings.Contains(o.facts[1], "resumed true") || o.result != "<nil>" {
			t.Errorf("%s: %s, %s\n got %s\nwant %s", name, o.facts[1], o.result, o.asked, asked)
		}
	}
}
