package tlsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
)

// resumptionFlows are connections that continue an earlier one (RFC 8446 2.2), or
// would have liked to.
var resumptionFlows = []flow{
	{
		name:   "full, then resumed twice",
		set:    (*scene).remember,
		script: repeatedly(nil, nil),
	},
	{
		name:   "resumed with a hello retry request",
		set:    func(s *scene) { s.remember(); s.retry() },
		script: repeatedly(nil),
	},
	{
		name: "resumed, the client having shown a certificate before",
		set: func(s *scene) {
			s.remember()
			s.require()
			s.client.Certificates = []tls.Certificate{s.cast.client}
		},
		script: repeatedly(nil),
	},
	{
		name:   "the ticket is refused",
		set:    (*scene).remember,
		script: repeatedly(func(s *scene) { s.server.Tickets = NewTicketKeys(testClock) }),
	},
	{
		name: "the ticket is refused, with a hello retry request",
		set:  func(s *scene) { s.remember(); s.retry() },
		script: repeatedly(func(s *scene) {
			s.server.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384} // not the hash of the ticket
		}),
	},
	{
		name: "the client is no longer trusted, and shows another certificate",
		set: func(s *scene) {
			s.remember()
			s.server.ClientAuth, s.server.ClientCAs = tls.RequireAndVerifyClientCert, s.strangers.pool
			s.server.ClientCANames = [][]byte{}
			s.client.GetClientCertificate = shows(&s.stranger) // of which a session knows nothing
		},
		script: repeatedly(func(s *scene) {
			s.require()
			s.client.GetClientCertificate = shows(&s.cast.client)
		}),
	},
	{
		name: "the client is no longer trusted, with a hello retry request",
		set: func(s *scene) {
			s.remember()
			s.require()
			s.retry()
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
	},
	{
		name: "the client no longer trusts the server that resumes",
		set:  (*scene).remember,
		script: func(p *pair) error {
			if err := exchange(p); err != nil {
				return err
			}
			return refusal(p.again(func(s *scene) { s.client.RootCAs = x509.NewCertPool() }))
		},
	},
	{
		name:   "several tickets, each used once",
		set:    func(s *scene) { s.remember(); s.server.TicketCount = 3; s.client.Sessions = NewSessionCache(1) },
		script: repeatedly(nil, nil, nil),
	},
	{
		name: "key updates right after a resumption",
		set:  (*scene).remember,
		script: func(p *pair) error {
			if err := exchange(p); err != nil {
				return err
			}
			p = p.again(nil)
			p.handshake()
			for _, s := range []*side{p.client, p.server} {
				if err := p.until(s, "key update", func() error { return s.conn.KeyUpdate(true) }); err != nil {
					return err
				}
			}
			return exchange(p)
		},
	},
	{
		name: "resumed with small records",
		set: func(s *scene) {
			s.remember()
			s.client.MaxFragment, s.server.MaxFragment = 64, 65
		},
		script: repeatedly(nil),
	},
}

// remember gives the client a session cache and the server keys for tickets.
func (s *scene) remember() {
	s.client.Sessions = new(lastSession)
	s.server.Tickets = NewTicketKeys(testClock)
}

// repeatedly is an exchange, and then one more over another connection for each
// change of the scene.
func repeatedly(changes ...func(*scene)) func(*pair) error {
	return func(p *pair) error {
		err := exchange(p)
		for _, change := range changes {
			if err == nil {
				err = exchange(p.again(change))
			}
		}
		return err
	}
}

// Which of the flows do resume is no matter of delivery.
func TestFlowsOfResumption(t *testing.T) {
	const full = "resumed false, signed Ed25519 and SignatureScheme(0), 0 certificates in 0 chains"
	const resumed = "resumed true, signed SignatureScheme(0) and SignatureScheme(0), 0 certificates in 0 chains"
	const shown = "resumed false, signed Ed25519 and Ed25519, 1 certificates in 1 chains"
	cast := newCast(t)
	for name, server := range map[string]string{
		"full, then resumed twice":           full + "; " + resumed + "; " + resumed,
		"resumed with a hello retry request": full + "; " + resumed,
		"resumed, the client having shown a certificate before": shown +
			"; resumed true, signed SignatureScheme(0) and SignatureScheme(0), 1 certificates in 1 chains",
		"the ticket is refused":                                          full + "; " + full,
		"the ticket is refused, with a hello retry request":              full + "; " + full,
		"the client is no longer trusted, and shows another certificate": shown + "; " + shown,
		"the client is no longer trusted, with a hello retry request":    shown + "; " + shown,
		"several tickets, each used once":                                full + "; " + resumed + "; " + resumed + "; " + resumed,
		"key updates right after a resumption":                           full + "; " + resumed,
		"resumed with small records":                                     full + "; " + resumed,
	} {
		if o := flowNamed(t, name).run(t, cast, func(*pair) {}); o.facts[1] != server {
			t.Errorf("%s:\n got %s\nwant %s", name, o.facts[1], server)
		}
	}
}

// shows is a GetClientCertificate that answers with cert.
func shows(cert *tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
}
