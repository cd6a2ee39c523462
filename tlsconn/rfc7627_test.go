package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A MUST of RFC 7627 (extended_master_secret) for each entry. Numbers are its sections.
//
//	5.1  here: the extension's form is in rfc5246_test.go and rfc5246_client_test.go
//	5.2  here; that each ClientHello of ours has it, in rfc5246_own_test.go; BoGo *ExtendedMasterSecret-*
//	5.3  BoGo ExtendedMasterSecret-YesToNo-*, NoToYes-*, NoToNo-*, YesToYes-*; here: with which
//	     alert, and that a session is not prolonged past it
//	5.4  here: no exporter (RFC 5705) without the extension; tls-unique, EAP and renegotiation
//	     cannot apply, as there are none
//	6.4  cannot apply: no SSL 3.0

// withoutExtended takes the extension out of a ClientHello.
var withoutExtended = without(wire.ExtExtendedMasterSecret)

// 4, 5.1, 5.2: with the extension in both hellos the master secret is of the session's hash,
// which goes up to the ClientKeyExchange, client certificate included; without it in one of
// them it is that of RFC 5246 8.1. A server that answers does so only to who asks.
func TestMasterSecrets(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		for _, extended := range []bool{true, false} {
			for _, shows := range []bool{true, false} {
				t.Run(fmt.Sprintf("5.2: of a %v, extended %t, client certificate %t", role, extended, shows), func(t *testing.T) {
					p := newPuppet12(t, role, func(c *Config) {
						if role == RoleClient && shows {
							c.ClientAuth = tls.RequireAnyClientCert
						}
					})
					if role == RoleServer {
						p.conn.config.Certificates = []tls.Certificate{p.cert}
						p = p.again(nil)
					}
					if role == RoleClient {
						if !extended {
							p.edit = withoutExtended
						}
						p.clientHello(nil)
						p.finishHandshake()
					} else {
						p.hearClientHello()
						p.serverHello(func(m *wire.ServerHello) {
							if !extended {
								withoutEMS(m)
							}
						})
						p.certificate(nil)
						p.serverKeyExchange(nil)
						if shows {
							p.certificateRequest(nil)
						}
						p.serverHelloDone()
						p.hearClientFlight()
						p.serverEnd()
						p.wantConnected()
					}
					if p.extended != extended {
						t.Errorf("extended_master_secret in the server_hello: %t", p.extended)
					}
					p.wantData("under keys of that secret")
					p.wantExporter(extended)
				})
			}
		}
	}
}

// wantExporter checks 5.4: without the extension a side "MUST disable [RFC5705]".
func (p *puppet12) wantExporter(extended bool) {
	p.t.Helper()
	got, err := p.conn.ExportKeyingMaterial("EXPORTER-test", []byte("context"), 40)
	if !extended {
		if err == nil || !strings.Contains(err.Error(), "extended_master_secret") {
			p.t.Errorf("exports % x, %v", got, err)
		}
		return
	}
	want := make([]byte, 40)
	p.d.Export12(want, &p.master, &p.randoms, "EXPORTER-test", []byte("context"))
	if err != nil || !bytes.Equal(got, want) {
		p.t.Errorf("exports % x, %v; want % x", got, err, want)
	}
}

// 5.3: whether a server that is offered a session resumes it, does not, or ends it all.
func TestServerResumesByExtendedMasterSecret(t *testing.T) {
	for _, session := range []bool{true, false} {
		for _, now := range []bool{true, false} {
			t.Run(fmt.Sprintf("5.3: session %t, hello %t", session, now), func(t *testing.T) {
				p := newPuppet12(t, RoleClient, nil)
				if !session {
					p.edit = withoutExtended
				}
				p.clientHello(func(m *wire.ClientHello) { m.Offer(wire.ExtSessionTicket) })
				p.finishHandshake()
				q := p.again(nil)
				if !now {
					q.edit = withoutExtended
				}
				q.resumeServer(nil)
				if session && !now {
					q.wantAlert(AlertHandshakeFailure, "extended_master_secret")
					return
				}
				sh := q.hearServerHello()
				if sh.Has(wire.ExtExtendedMasterSecret) != now {
					t.Error("5.3: extended_master_secret is not answered, or not asked for")
				}
				if q.resumed() != (session == now) {
					t.Fatalf("resumes: %t", q.resumed())
				}
				if session == now {
					q.finishResumption()
				} else {
					q.hearCertificate()
					q.hearServerKeyExchange()
					q.hear(wire.TypeServerHelloDone)
					q.clientFlight()
					q.changeCipherSpec()
					q.finished(nil)
					q.hearServerEnd()
					q.wantConnected()
				}
				q.wantExporter(now) // 5.4, of resumptions too
			})
		}
	}
}

// 5.3: "If the original session did not use the "extended_master_secret" extension but the new
// ServerHello contains the extension, the client MUST abort the handshake", and the other way round.
func TestClientResumesByExtendedMasterSecret(t *testing.T) {
	for _, session := range []bool{true, false} {
		for _, now := range []bool{true, false} {
			t.Run(fmt.Sprintf("5.3: session %t, hello %t", session, now), func(t *testing.T) {
				answer := func(p *puppet12, extended bool, id []byte) {
					p.serverHello(func(m *wire.ServerHello) {
						if m.SessionID = id; !extended {
							withoutEMS(m)
						}
						m.Answer(wire.ExtSessionTicket)
					})
				}
				kept := new(lastSession)
				p := newPuppet12(t, RoleServer, func(c *Config) { c.Sessions = kept })
				p.hearClientHello()
				answer(p, session, nil)
				p.finishHandshake()
				q := p.again(nil)
				q.hearClientHello()
				if !q.hello.Has(wire.ExtExtendedMasterSecret) {
					t.Error("5.3: the client offers a session without extended_master_secret")
				}
				answer(q, now, q.hello.SessionID)
				if session != now {
					q.wantAlert(AlertHandshakeFailure, "extended_master_secret")
					return
				}
				q.newSessionTicket(nil)
				q.finishResumption()
				q.wantExporter(now)
				if kept.session.extended != session {
					t.Errorf("the session goes on with extended_master_secret %t", kept.session.extended)
				}
			})
		}
	}
}
