package tlsconn

import (
	"bytes"
	"crypto/tls"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// Sessions of TLS 1.2: RFC 5246 7.3 and 7.4.1.3, RFC 5077, and what RFC 6066 says of
// resumption; see rfc5246_test.go. What of RFC 5077 has no entry: 4, 5.2 and 5.7 are about the
// inside of tickets, for which see ticketkeys_test.go; 3.2's "MUST NOT" without a use for
// tickets is in rfc5246_own_test.go.

// issued12 is a server's client that has a session with it.
func issued12(t *testing.T, adjust func(*Config)) *puppet12 {
	t.Helper()
	p := newPuppet12(t, RoleClient, adjust)
	p.clientHello(func(m *wire.ClientHello) { m.Offer(wire.ExtSessionTicket) })
	if p.finishHandshake(); len(p.session) == 0 {
		t.Fatal("no ticket")
	}
	return p
}

// A server resumes a session, or says that it does not, and what it says to either.
func TestServer12Resumption(t *testing.T) {
	for _, tt := range []struct {
		must   string
		adjust func(*Config)
		change func(*wire.ClientHello)
		resume bool
	}{
		{"RFC 5077 3.4: the same Session ID", nil, nil, true},
		{"RFC 5077 3.4: whatever its value", nil, func(m *wire.ClientHello) { m.SessionID = []byte{1} }, true},
		{"RFC 5077 3.4: or none", nil, func(m *wire.ClientHello) { m.SessionID = nil }, true},
		{"RFC 5077 3.4: a Session ID alone is no session", nil, func(m *wire.ClientHello) { m.SessionTicket = nil }, false},
		{"RFC 5077 3.1: a ticket of somebody else", nil, func(m *wire.ClientHello) { m.SessionTicket = []byte("no ticket of ours") }, false},
		{"RFC 5077 3.1: a ticket that was changed", nil, func(m *wire.ClientHello) {
			m.SessionTicket = slices.Clone(m.SessionTicket)
			m.SessionTicket[len(m.SessionTicket)/2] ^= 1
		}, false},
		{"5246 7.4.1.3: the same cipher suite, which is not offered", nil, func(m *wire.ClientHello) {
			m.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		}, false},
		{"5246 7.4.1.3: the same cipher suite, which is not enabled", func(c *Config) {
			c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		}, func(m *wire.ClientHello) {
			m.CipherSuites = append(m.CipherSuites, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)
		}, false},
		{"5246 7.4.1.3: the same cipher suite, not the one that is preferred", nil, func(m *wire.ClientHello) {
			m.CipherSuites = append([]uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}, m.CipherSuites...)
		}, true},
		{"RFC 6066 3: another name", nil, func(m *wire.ClientHello) { m.ServerName = []byte("other.example") }, false},
		{"RFC 6066 3: no name", nil, func(m *wire.ClientHello) { m.ServerName = nil }, false},
		{"RFC 7301 3.2: the protocol is negotiated anew", nil, func(m *wire.ClientHello) { m.ALPN = [][]byte{[]byte("http/1.1")} }, false},
		{"RFC 6066 1.1: the extensions are the session's", func(c *Config) {
			c.Certificates = slices.Clone(c.Certificates)
			c.Certificates[0].OCSPStaple, c.Certificates[0].SignedCertificateTimestamps = []byte("response"), [][]byte{[]byte("timestamp")}
		}, func(m *wire.ClientHello) {
			m.Offer(wire.ExtStatusRequest)
			m.Offer(wire.ExtSCT)
		}, true},
	} {
		t.Run(tt.must, func(t *testing.T) {
			p := issued12(t, nil).again(tt.adjust)
			p.resumeServer(tt.change)
			sh := p.hearServerHello()
			if !tt.resume {
				if p.resumed() {
					t.Errorf("the Session ID % x tells of a resumption", sh.SessionID)
				}
				p.hearCertificate()
				p.hearServerKeyExchange()
				p.hear(wire.TypeServerHelloDone)
				p.clientFlight()
				p.changeCipherSpec()
				p.finished(nil)
				p.hearServerEnd()
				p.wantConnected()
				if p.conn.ConnectionState().DidResume {
					t.Error("resumed")
				}
				return
			}
			if !bytes.Equal(sh.SessionID, p.hello.SessionID) || sh.CipherSuite != p.suiteID {
				t.Errorf("server_hello: %+v", sh)
			}
			// RFC 6066 3: "the server MUST NOT include a server_name extension in the server hello", and
			// 1.1: "a server hello containing none of the extension types"; RFC 6962 3.3.1 as well; RFC
			// 5077 3.2: no SessionTicket for who has not sent one.
			for _, e := range []wire.ExtensionType{wire.ExtServerName, wire.ExtStatusRequest, wire.ExtSCT} {
				if sh.Has(e) {
					t.Errorf("answers with %v", e)
				}
			}
			if sh.Has(wire.ExtSessionTicket) && !p.hello.Has(wire.ExtSessionTicket) {
				t.Error("announces a ticket that was not asked for")
			}
			p.finishResumption()
			p.wantData("resumed")
			if !p.conn.ConnectionState().DidResume {
				t.Error("not resumed")
			}
		})
	}
}

// resumed tells whether the ServerHello says that the session offered is resumed: by the echo
// of the client's session_id (7.4.1.3, RFC 5077 3.4).
func (p *puppet12) resumed() bool {
	return len(p.sh.SessionID) > 0 && bytes.Equal(p.sh.SessionID, p.hello.SessionID)
}

// RFC 5077 3.2: "The server MUST NOT send this extension if it does not receive one in the
// ClientHello"; 3.3: a NewSessionTicket "MUST be sent if the server included a SessionTicket
// extension in the ServerHello", and "MUST NOT be sent if" it did not.
func TestServer12IssuesWhatItAnnounces(t *testing.T) {
	for _, tt := range []struct {
		name          string
		asked, issues bool
		adjust        func(*Config)
	}{
		{"not asked", false, false, nil},
		{"asked", true, true, nil},
		{"asked, without tickets", true, false, func(c *Config) { c.SessionTicketsDisabled = true }},
		{"asked, by who gets none after all", true, true, func(c *Config) { c.Tickets = knownTickets{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPuppet12(t, RoleClient, tt.adjust)
			p.clientHello(func(m *wire.ClientHello) {
				if tt.asked {
					m.Offer(wire.ExtSessionTicket)
				}
			})
			p.finishHandshake() // which takes the ticket where it was announced
			if p.sh.Has(wire.ExtSessionTicket) != tt.issues {
				t.Errorf("announces a ticket: %t", !tt.issues)
			}
		})
	}
}

// RFC 5077 3.3: "the server MUST verify the client's Finished message before sending the ticket".
func TestNoTicketBeforeTheClientsFinished(t *testing.T) {
	p := newPuppet12(t, RoleClient, nil)
	p.clientHello(func(m *wire.ClientHello) { m.Offer(wire.ExtSessionTicket) })
	p.hearServerFlight()
	p.clientFlight()
	p.changeCipherSpec()
	if p.drive(); p.seen != len(p.tr.out.bytes) {
		t.Fatal("the server goes on without a Finished")
	}
	p.finished(func(data *[]byte) { (*data)[0] ^= 1 })
	p.wantAlert(AlertDecryptError) // and nothing before it
}

// A client that has a session with the puppet, and what its Config.Sessions holds.
func resuming12(t *testing.T, adjust func(*Config)) (*puppet12, *lastSession) {
	t.Helper()
	kept := new(lastSession)
	p := newPuppet12(t, RoleServer, func(c *Config) {
		c.Sessions = kept
		change(c, adjust)
	})
	p.hearClientHello()
	p.serverHello(func(m *wire.ServerHello) { m.Answer(wire.ExtSessionTicket) })
	if p.finishHandshake(); kept.session == nil {
		t.Fatal("no session was kept")
	}
	kept.puts = 0
	return p, kept
}

// 7.4.1.3: what resumes a session is the echo of the client's session_id, and it "must be
// resumed using the same cipher suite it was originally negotiated with"; 7.3: then "proceed
// directly to Finished messages".
func TestClient12Resumption(t *testing.T) {
	type line = func(*puppet12)
	echo := func(f func(*wire.ServerHello)) line {
		return func(p *puppet12) {
			p.serverHello(func(m *wire.ServerHello) {
				m.SessionID = p.hello.SessionID
				change(m, f)
			})
		}
	}
	for _, tt := range []struct {
		must  string
		lines []line
		alert Alert
	}{
		{"7.4.1.3: the session's suite", []line{echo(nil), (*puppet12).finishResumption}, 0},
		{"RFC 5077 3.3: with a new ticket", []line{echo(func(m *wire.ServerHello) { m.Answer(wire.ExtSessionTicket) }),
			func(p *puppet12) { p.newSessionTicket(nil) }, (*puppet12).finishResumption}, 0},
		{"7.3: another session_id is a full handshake", []line{
			func(p *puppet12) { p.serverHello(func(m *wire.ServerHello) { m.SessionID = []byte("another") }) }, (*puppet12).finishHandshake}, 0},
		{"7.3: none is a full handshake", []line{func(p *puppet12) { p.serverHello(nil) }, (*puppet12).finishHandshake}, 0},
		{"7.4.1.3: another suite, though it was offered", []line{
			echo(func(m *wire.ServerHello) { m.CipherSuite = tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 })}, AlertIllegalParameter},
		{"7.3: a Certificate in a resumption", []line{echo(nil), func(p *puppet12) { p.certificate(nil) }}, AlertUnexpectedMessage},
		{"7.3: a ServerHelloDone in a resumption", []line{echo(nil), (*puppet12).serverHelloDone}, AlertUnexpectedMessage},
		{"7.3: a Finished without ChangeCipherSpec", []line{echo(nil), func(p *puppet12) { p.expand(); p.finished(nil) }}, AlertUnexpectedMessage},
		{"RFC 5077 3.3: a ticket that was not announced", []line{echo(nil), func(p *puppet12) { p.newSessionTicket(nil) }}, AlertUnexpectedMessage},
		{"7.4.9: another master secret", []line{echo(nil), func(p *puppet12) {
			p.expand()
			p.changeCipherSpec()
			p.master[0] ^= 1
			p.finished(nil)
		}}, AlertDecryptError},
	} {
		t.Run(tt.must, func(t *testing.T) {
			first, _ := resuming12(t, nil)
			p := first.again(nil)
			if p.hearClientHello(); string(p.hello.SessionTicket) != string(first.session) || len(p.hello.SessionID) != 32 {
				t.Fatalf("does not offer the session: %+v", p.hello)
			}
			if !slices.Contains(p.hello.CipherSuites, p.suiteID) || !p.hello.Has(wire.ExtExtendedMasterSecret) {
				t.Fatal("7.4.1.2, RFC 7627 5.3: offers a session without its suite, or without extended_master_secret")
			}
			for _, line := range tt.lines {
				line(p)
			}
			if tt.alert != 0 {
				p.wantAlert(tt.alert)
				return
			}
			p.wantData("data")
		})
	}
}

// RFC 5077 3.3: "The client MUST NOT treat the ticket as valid until it has verified the
// server's Finished message"; 7.2.2: "any connection terminated with a fatal alert MUST NOT be
// resumed", of a handshake that fails.
func TestClient12KeepsNoSessionOfAFailedHandshake(t *testing.T) {
	for must, end := range map[string]func(*puppet12){
		"a Finished that does not verify": func(p *puppet12) {
			p.changeCipherSpec()
			p.finished(func(data *[]byte) { (*data)[0] ^= 1 })
			p.wantAlert(AlertDecryptError)
		},
		"no ChangeCipherSpec": func(p *puppet12) {
			p.finished(nil)
			p.wantAlert(AlertUnexpectedMessage)
		},
		"a fatal alert": func(p *puppet12) {
			p.alert(alertLevelFatal, AlertInternalError)
			p.puppet.wantPeerAlert(AlertInternalError)
		},
		"the end": func(p *puppet12) {
			p.tr.in.closed = true
			p.drive()
		},
	} {
		t.Run(must, func(t *testing.T) {
			kept := new(lastSession)
			p := newPuppet12(t, RoleServer, func(c *Config) { c.Sessions = kept })
			p.hearClientHello()
			p.serverHello(func(m *wire.ServerHello) { m.Answer(wire.ExtSessionTicket) })
			p.serverFlight()
			p.hearClientFlight()
			p.newSessionTicket(nil)
			p.drive()
			if end(p); kept.puts != 0 || p.err == nil {
				t.Errorf("%d sessions kept, %v", kept.puts, p.err)
			}
		})
	}
	t.Run("an abbreviated one", func(t *testing.T) {
		first, kept := resuming12(t, nil)
		p := first.again(nil)
		p.hearClientHello()
		p.serverHello(func(m *wire.ServerHello) {
			m.SessionID = p.hello.SessionID
			m.Answer(wire.ExtSessionTicket)
		})
		p.newSessionTicket(nil)
		p.expand()
		p.changeCipherSpec()
		p.finished(func(data *[]byte) { (*data)[11] ^= 1 })
		if p.wantAlert(AlertDecryptError); kept.puts != 0 {
			t.Errorf("%d sessions kept", kept.puts)
		}
	})
}

// RFC 5077 3.3: a ticket of no length is no ticket, and 0 seconds are "unspecified".
func TestClient12TakesATicketOfNoLength(t *testing.T) {
	kept := new(lastSession)
	p := newPuppet12(t, RoleServer, func(c *Config) { c.Sessions = kept })
	p.hearClientHello()
	p.serverHello(func(m *wire.ServerHello) { m.Answer(wire.ExtSessionTicket) })
	p.serverFlight()
	p.hearClientFlight()
	p.newSessionTicket(func(m *wire.NewSessionTicket12) { m.LifetimeHint, m.Ticket = 0, nil })
	p.changeCipherSpec()
	p.finished(nil)
	if p.wantConnected(); kept.puts != 0 {
		t.Errorf("%d sessions kept", kept.puts)
	}
}
