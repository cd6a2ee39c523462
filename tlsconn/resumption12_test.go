package tlsconn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// newResumption12 is a client and a server of TLS 1.2 that resume with tickets, or with
// session ids.
func newResumption12(t *testing.T, ids bool) *resumption {
	r := newResumption(t)
	for _, c := range []*Config{&r.client, &r.server} {
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	}
	if ids {
		r.server.SessionTicketsDisabled, r.server.ServerSessions = true, NewSessionStore(0)
	}
	return r
}

// inBothWays runs a test with tickets and with session ids.
func inBothWays(t *testing.T, test func(t *testing.T, r *resumption)) {
	t.Run("with a ticket", func(t *testing.T) { test(t, newResumption12(t, false)) })
	t.Run("with a session id", func(t *testing.T) { test(t, newResumption12(t, true)) })
}

// helloOf returns the ServerHello of a connection.
func helloOf(t *testing.T, p *pair) *wire.ServerHello {
	t.Helper()
	raw := p.server.tr.out.bytes[record.HeaderLen:]
	n := wire.HeaderLen + int(raw[1])<<16 + int(raw[2])<<8 + int(raw[3])
	sh := new(wire.ServerHello)
	if err := sh.Unmarshal(raw[wire.HeaderLen:n]); err != nil {
		t.Fatal(err)
	}
	return sh
}

// A session of TLS 1.2 is good only where and as long as all that it is bound to is the
// same, whichever way it is named (CVE-2025-23419, CVE-2025-68121).
func TestWhatASessionOfTLS12IsBoundTo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*resumption)
		resume bool
	}{
		{"nothing has changed", func(r *resumption) {}, true},
		{"most of the lifetime has passed", func(r *resumption) { r.now = r.now.Add(23 * time.Hour) }, true},
		{"the lifetime has passed", func(r *resumption) { r.now = r.now.Add(25 * time.Hour) }, false},
		{"the clock went back", func(r *resumption) { r.now = r.now.Add(-time.Hour) }, false},
		{"another scope", func(r *resumption) { r.server.SessionScope = "another" }, false},
		{"another name", func(r *resumption) {
			r.client.ServerName, r.client.SessionKey = "other.example", "example.org"
			other := *r.cache.session // as a client that pays no attention
			other.serverName = "other.example"
			r.cache.session = &other
		}, false},
		{"another protocol", func(r *resumption) { r.server.NextProtos, r.client.NextProtos = []string{"h2"}, []string{"h2"} }, false},
		{"the suite is disabled", func(r *resumption) {
			r.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
		}, false},
		{"a certificate is requested now", func(r *resumption) { r.server.ClientAuth = tls.RequestClientCert }, false},
		{"TLS 1.3 is spoken now", func(r *resumption) { r.client.MaxVersion, r.server.MaxVersion = 0, 0 }, false},
		{"neither tickets nor ids any more", func(r *resumption) {
			r.server.SessionTicketsDisabled, r.server.ServerSessions = true, nil
		}, false},
		{"other keys and another store", func(r *resumption) {
			r.server.Tickets, r.server.ServerSessions = NewTicketKeys(r.server.Time), NewSessionStore(0)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBothWays(t, func(t *testing.T, r *resumption) {
				r.server.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
				r.want("the first connection", false)
				tt.change(r)
				r.want("the second one", tt.resume)
			})
		})
	}
}

// Whom the server no longer trusts does not resume; a session of nobody is no client's
// where one has to show a certificate.
func TestClientsOfTLS12SessionsAreVerifiedAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		shows  bool
		policy tls.ClientAuthType
		change func(*resumption)
		resume bool
	}{
		{"a certificate was shown", true, tls.RequireAndVerifyClientCert, func(*resumption) {}, true},
		{"none was shown", false, tls.RequestClientCert, func(*resumption) {}, true},
		{"the authority has changed", true, tls.VerifyClientCertIfGiven, func(r *resumption) { r.server.ClientCAs = x509.NewCertPool() }, false},
		{"the certificate has expired", true, tls.RequireAndVerifyClientCert, func(r *resumption) { r.now = testTime.Add(2 * time.Hour) }, false},
		{"VerifyPeer refuses the session", true, tls.RequireAnyClientCert, func(r *resumption) {
			r.server.VerifyPeer = func(peer *Peer) error {
				if peer.Resumed {
					return errors.New("revoked")
				}
				return nil
			}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBothWays(t, func(t *testing.T, r *resumption) {
				r.server.ClientAuth, r.server.ClientCAs = tt.policy, r.ca.pool
				if tt.shows {
					mine := r.ca.issueUntil(t, keyEd25519, testTime.Add(time.Hour), "client")
					r.client.GetClientCertificate = shows(&mine)
				}
				r.want("the first connection", false)
				tt.change(r)
				if !tt.resume { // and show another one that is trusted
					other := newTestCAOf(t, keyECDSA384)
					r.server.ClientCAs = other.pool
					another := other.issue(t, keyECDSA, "another client")
					r.client.GetClientCertificate = shows(&another)
				}
				p := r.want("the second one", tt.resume)
				if got := len(p.server.conn.ConnectionState().PeerCertificates); (got == 1) != tt.shows {
					t.Errorf("the server sees %d certificates", got)
				}
			})
		})
	}
}

// RFC 5246 7.4.1.3 and RFC 5077 3.4: what a ServerHello says of sessions.
func TestSessionIDsOfAServer(t *testing.T) {
	r := newResumption12(t, true)
	first := helloOf(t, r.want("the first connection", false))
	if len(first.SessionID) != len(sessionID{}) || bytes.Equal(first.SessionID, make([]byte, len(sessionID{}))) {
		t.Errorf("a new session is named %x", first.SessionID)
	}
	for range 3 {
		again := helloOf(t, r.want("a later connection", true))
		if !bytes.Equal(again.SessionID, first.SessionID) {
			t.Errorf("session %x is resumed as %x", first.SessionID, again.SessionID)
		}
	}
	*r.server.ServerSessions.(*MemoryStore) = *NewSessionStore(0)
	another := helloOf(t, r.want("without the session", false))
	if len(another.SessionID) != len(first.SessionID) || bytes.Equal(another.SessionID, first.SessionID) {
		t.Errorf("sessions %x and then %x", first.SessionID, another.SessionID)
	}

	r = newResumption12(t, true)
	r.server.SessionTicketsDisabled = false
	sh := helloOf(t, r.want("a client that knows tickets", false))
	if len(sh.SessionID) != 0 || !sh.Has(wire.ExtSessionTicket) {
		t.Errorf("beside a ticket the session is named %x", sh.SessionID)
	}
	r = newResumption12(t, true)
	r.server.ServerSessions = nil
	if sh := helloOf(t, r.want("neither tickets nor a store", false)); len(sh.SessionID) != 0 {
		t.Errorf("a session that nobody keeps is named %x", sh.SessionID)
	}
}

// A client with a ticket makes up its id (RFC 5077 3.4), which names nothing; and one that
// resumes with an id takes a ticket instead if it can have one.
func TestSessionIDsBesideTickets(t *testing.T) {
	r := newResumption12(t, false)
	store := &askedStore{SessionStore: NewSessionStore(0)}
	r.server.ServerSessions = store
	r.want("the first connection", false)
	r.want("with a ticket", true)
	if store.asked != 0 {
		t.Error("beside a ticket the id was looked up")
	}
	r.server.SessionTicketsDisabled = true
	r.want("with a ticket that is not taken any more", false)
	if store.asked != 1 {
		t.Errorf("the id was looked up %d times", store.asked)
	}
	if s := r.cache.session; s.id == nil || s.ticket != nil {
		t.Fatalf("the client holds id %x and ticket %x", s.id, s.ticket)
	}
	r.server.SessionTicketsDisabled = false
	r.want("with an id, of a server that has tickets again", true)
	if s := r.cache.session; s.id != nil || s.ticket == nil {
		t.Fatalf("the client holds id %x and ticket %x", s.id, s.ticket)
	}
	r.want("with that ticket", true)
}

// askedStore counts what it is asked, and hands on.
type askedStore struct {
	SessionStore
	asked, put, removed int
	lent, given         []byte // the state of the last PutSession; the last answer of GetSession
}

func (a *askedStore) GetSession(id []byte, answer *Completion[[]byte]) {
	a.asked++
	inner := new(Completion[[]byte])
	a.SessionStore.GetSession(id, inner)
	a.given = inner.value
	answer.Complete(inner.value)
}

func (a *askedStore) PutSession(id, state []byte) {
	a.put++
	a.lent = state
	a.SessionStore.PutSession(id, state)
}

func (a *askedStore) RemoveSession(id []byte) {
	a.removed++
	a.SessionStore.RemoveSession(id)
}

// The state of a session holds the master secret: nothing of it is left behind.
func TestSessionStateIsCleared(t *testing.T) {
	r := newResumption12(t, true)
	store := &askedStore{SessionStore: NewSessionStore(0)}
	r.server.ServerSessions = store
	r.want("the first connection", false)
	if n := len(store.lent); n == 0 || cap(store.lent) != n || !bytes.Equal(store.lent, make([]byte, n)) {
		t.Errorf("%d bytes of state, with room for %d, are left as they were", n, cap(store.lent))
	}
	r.want("a connection that resumes", true)
	if !bytes.Equal(store.given, make([]byte, len(store.given))) {
		t.Error("the state that was resumed is left as it was")
	}
	r.server.SessionScope = "another"
	r.want("under another policy", false)
	if len(store.given) == 0 || !bytes.Equal(store.given, make([]byte, len(store.given))) {
		t.Error("the state that was refused is left as it was")
	}
}

// A session is kept once the client's Finished has been verified, and not before: else
// anybody could fill the store.
func TestSessionIsKeptAfterTheFinished(t *testing.T) {
	r := newResumption12(t, true)
	store := &askedStore{SessionStore: NewSessionStore(0)}
	r.server.ServerSessions = store
	p := newPair(t, cloneConfig(&r.client), cloneConfig(&r.server))
	p.client.wrongFinished()
	_, err := p.failHandshake()
	wantAlert(t, "server", err, AlertDecryptError)
	if store.put+store.removed != 0 {
		t.Errorf("%d sessions were kept, %d removed", store.put, store.removed)
	}
	r.want("a client with the right one", false)
	if store.put != 1 {
		t.Errorf("%d sessions were kept", store.put)
	}
}

// wrongFinished makes a client of TLS 1.2 compute its Finished with another secret than its
// keys.
func (s *side) wrongFinished() {
	s.conn.SetTrace(func(st State) {
		if hs, ok := s.conn.hs.(*client12); ok && st == StateSendClientFinished {
			hs.master[0] ^= 1
		}
	})
}

// RFC 5246 7.2.2: "any connection terminated with a fatal alert MUST NOT be resumed".
// 7.2.1: one that just ends may be.
func TestSessionsEndWithAFatalAlert(t *testing.T) {
	for _, tt := range []struct {
		name    string
		end     func(p *pair)
		resumed bool
	}{
		{"closed by both", func(p *pair) { p.closeWrite(p.client); p.closeWrite(p.server) }, true},
		{"cut off", func(p *pair) {
			p.client.tr.out.closed = true
			if err := p.server.read(10); err != io.ErrUnexpectedEOF {
				p.t.Error(err)
			}
		}, true},
		{"the transport failed", func(p *pair) {
			p.server.tr.readErr = errReset
			if err := p.server.read(10); !errors.Is(err, errReset) {
				p.t.Error(err)
			}
		}, true},
		{"closed by the owner", func(p *pair) { _ = p.server.conn.Close() }, true},
		{"a fatal alert of the client's", func(p *pair) {
			_ = p.client.conn.Abort(AlertInternalError, nil)
			wantPeerAlert(p.t, "server", p.server.read(10), AlertInternalError)
		}, false},
		{"a fatal alert of the server's", func(p *pair) { _ = p.server.conn.Abort(AlertInternalError, nil) }, false},
		{"a record that does not open", func(p *pair) {
			p.client.tr.out.bytes = append(p.client.tr.out.bytes, append([]byte{byte(record.ApplicationData), 3, 3, 0, 30}, make([]byte, 30)...)...)
			p.client.tr.out.delivered += 35
			wantAlert(p.t, "server", p.server.read(10), AlertBadRecordMAC)
		}, false},
	} {
		for _, resumed := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				r := newResumption12(t, true)
				p := r.want("the first connection", false)
				if resumed {
					p = r.want("the second one", true)
				}
				tt.end(p)
				r.want("the next one", tt.resumed)
			})
		}
	}
}

// An id can be read on the wire. Who has no more than that does not end the session.
func TestAStrangerDoesNotEndASession(t *testing.T) {
	r := newResumption12(t, true)
	r.want("the first connection", false)
	session := r.cache.session
	p := newPair(t, cloneConfig(&r.client), cloneConfig(&r.server))
	p.client.wrongFinished()
	_, err := p.failHandshake()
	wantAlert(t, "server", err, AlertDecryptError)
	r.cache.session = session // of the client, which is another one
	if !p.server.conn.ConnectionState().DidResume {
		t.Error("that was no resumption")
	}
	r.want("the client that owns it", true)
}

// storeOf answers with what answer does.
type storeOf struct {
	askedStore
	answer func(id []byte, answer *Completion[[]byte])
}

func (s *storeOf) GetSession(id []byte, answer *Completion[[]byte]) { s.answer(id, answer) }

// A store that does not do as it should costs at most the connection.
func TestSessionStoreThatMisbehaves(t *testing.T) {
	state := func(t *testing.T, r *resumption) []byte {
		return stored(t, r.server.ServerSessions, string(r.cache.session.id))
	}
	for _, tt := range []struct {
		name   string
		answer func(t *testing.T, r *resumption) []byte
		alert  Alert // 0: a full handshake
	}{
		{"nothing", func(*testing.T, *resumption) []byte { return nil }, 0},
		{"an empty state", func(*testing.T, *resumption) []byte { return []byte{} }, 0},
		{"garbage", func(*testing.T, *resumption) []byte { return bytes.Repeat([]byte{sessionFormat, 3}, 200) }, 0},
		{"a state that is cut off", func(t *testing.T, r *resumption) []byte { s := state(t, r); return s[:len(s)-1] }, 0},
		{"a state with something behind it", func(t *testing.T, r *resumption) []byte { return append(state(t, r), 0) }, 0},
		{"a state of TLS 1.3", func(*testing.T, *resumption) []byte { s := knownSession(nil); return s.append(nil) }, 0},
		{"the state of another session", func(t *testing.T, r *resumption) []byte {
			s, err := parseSession(state(t, r))
			if err != nil {
				t.Fatal(err)
			}
			s.psk[0] ^= 1
			return s.append(nil)
		}, AlertBadRecordMAC},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newResumption12(t, true)
			r.want("the first connection", false)
			answer := tt.answer(t, r)
			r.server.ServerSessions = &storeOf{askedStore{SessionStore: NewSessionStore(0)}, func(_ []byte, c *Completion[[]byte]) { c.Complete(answer) }}
			if tt.alert == 0 {
				r.want("the second one", false)
				return
			}
			p := newPair(t, cloneConfig(&r.client), cloneConfig(&r.server))
			client, server := p.failHandshake()
			wantAlert(t, "client", client, tt.alert) // which reads the server's Finished first
			wantPeerAlert(t, "server", server, tt.alert)
		})
	}
}

// Only what could be an id of ours is looked up.
func TestIDsThatAreNotLookedUp(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 0, 16: 0, 31: 0, 32: 1} {
		store := &askedStore{SessionStore: NewSessionStore(0)}
		p := newPuppet(t, RoleClient, func(c *Config) {
			c.MinVersion, c.ServerSessions = tls.VersionTLS12, store
		})
		hello := hello12()
		hello.SessionID = make([]byte, n)
		p.plain(record.Handshake, hello.Append(nil)...)
		if p.drive(); p.err != ErrWantRead || store.asked != want {
			t.Errorf("an id of %d bytes: asked %d times, %v", n, store.asked, p.err)
		}
	}
}

// RFC 7627 5.3: who resumes without the extension what began with it is refused, and who
// resumes with it what began without does not resume.
func TestExtendedMasterSecretOfASession(t *testing.T) {
	for _, tt := range []struct {
		name           string
		session, hello bool
		alert          Alert
		state          State
	}{
		{"both with it", true, true, 0, StateExpectChangeCipherSpec},
		{"neither with it", false, false, 0, StateExpectChangeCipherSpec},
		{"the session alone", true, false, AlertHandshakeFailure, 0},
		{"the hello alone", false, true, 0, StateExpectClientKeyExchange},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := knownSession(nil)
			s.version, s.suite, s.psk, s.extended = tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, make([]byte, 48), tt.session
			s.serverName = ""
			store := NewSessionStore(0)
			id := bytes.Repeat([]byte{9}, len(sessionID{}))
			store.PutSession(id, s.append(nil))
			p := newPuppet(t, RoleClient, func(c *Config) { c.MinVersion, c.ServerSessions = tls.VersionTLS12, store })
			hello := hello12()
			hello.SessionID = id
			if tt.hello {
				hello.Offer(wire.ExtExtendedMasterSecret)
			}
			p.plain(record.Handshake, hello.Append(nil)...)
			if tt.alert != 0 {
				p.wantAlert(tt.alert, "no extended_master_secret")
				return
			}
			if p.drive(); p.err != ErrWantRead || p.conn.State() != tt.state {
				t.Errorf("state %v, %v", p.conn.State(), p.err)
			}
		})
	}
}

// hello12 is a ClientHello of TLS 1.2 that a server of ours takes.
func hello12() wire.ClientHello {
	return wire.ClientHello{
		LegacyVersion:      tls.VersionTLS12,
		CipherSuites:       []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		CompressionMethods: []byte{0},
		SignatureAlgorithms: []uint16{
			uint16(tls.Ed25519), uint16(tls.ECDSAWithP256AndSHA256),
		},
		SupportedGroups: []uint16{uint16(tls.X25519)},
	}
}

// A client does not offer a session whose connection ended with a fatal alert (RFC 5246 7.2.2, RFC 8446
// 6.2), though its cache has it.
func TestAClientForgetsASessionThatEndedWithAFatalAlert(t *testing.T) {
	ends := []struct {
		name    string
		end     func(p *pair)
		resumed bool
	}{
		{"closed", func(p *pair) { _ = p.client.conn.Close() }, true},
		{"cut off", func(p *pair) {
			p.server.tr.out.closed = true
			if err := p.client.read(10); err != io.ErrUnexpectedEOF {
				p.t.Error(err)
			}
		}, true},
		{"a fatal alert of the client's", func(p *pair) { _ = p.client.conn.Abort(AlertInternalError, nil) }, false},
		{"a fatal alert of the server's", func(p *pair) {
			_ = p.server.conn.Abort(AlertInternalError, nil)
			wantPeerAlert(p.t, "client", p.client.read(10), AlertInternalError)
		}, false},
	}
	for way, begin := range map[string]func(t *testing.T) *resumption{
		"TLS 1.3":                   newResumption,
		"TLS 1.2 with a ticket":     func(t *testing.T) *resumption { return newResumption12(t, false) },
		"TLS 1.2 with a session id": func(t *testing.T) *resumption { return newResumption12(t, true) },
	} {
		for _, tt := range ends {
			for _, resumed := range []bool{false, true} {
				t.Run(way+", "+tt.name, func(t *testing.T) {
					r := begin(t)
					p := r.want("the first connection", false)
					if resumed {
						p = r.want("the second one", true)
					}
					tt.end(p)
					if r.cache.session == nil {
						t.Fatal("the cache has no session")
					}
					if _, err := r.cache.session.MarshalBinary(); (err == nil) != tt.resumed {
						t.Errorf("to be kept beyond the process: %v", err)
					}
					r.want("the next one", tt.resumed)
				})
			}
		}
	}
}
