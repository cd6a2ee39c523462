package tlsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"reflect"
	"testing"
	"time"
)

// lastSession is a SessionCache of one session, which it hands out again and
// again: tests of one connection after the other need no more.
type lastSession struct {
	session *Session
	puts    int
}

func (l *lastSession) GetSession(_ string, answer *Completion[*Session]) { answer.Complete(l.session) }
func (l *lastSession) PutSession(_ string, s *Session)                   { l.session, l.puts = s, l.puts+1 }

// resumption is a client and a server that know each other from before.
type resumption struct {
	t              *testing.T
	ca             *testCA
	client, server Config // templates: each connection gets copies
	cache          lastSession
	now            time.Time
}

func newResumption(t *testing.T) *resumption {
	ca := newTestCA(t)
	r := &resumption{t: t, ca: ca, now: testTime}
	clock := func() time.Time { return r.now }
	r.client = Config{RootCAs: ca.pool, ServerName: "example.org", Sessions: &r.cache, Time: clock}
	r.server = Config{Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org", "other.example")}, Tickets: NewTicketKeys(clock), Time: clock}
	return r
}

// connect makes one connection, and says whether it was resumed.
func (r *resumption) connect(what string) *pair {
	r.t.Helper()
	p := newPair(r.t, cloneConfig(&r.client), cloneConfig(&r.server))
	p.handshake()
	p.send(p.server, []byte("tickets come before it"))
	p.send(p.client, []byte("a request"))
	c, s := p.client.conn.ConnectionState(), p.server.conn.ConnectionState()
	if c.DidResume != s.DidResume {
		r.t.Fatalf("%s: the client resumed %t, the server %t", what, c.DidResume, s.DidResume)
	}
	return p
}

func (r *resumption) want(what string, resumed bool) *pair {
	r.t.Helper()
	p := r.connect(what)
	if got := p.client.conn.ConnectionState().DidResume; got != resumed {
		r.t.Fatalf("%s: resumed %t%v", what, got, p)
	}
	return p
}

// cloneConfig copies the exported fields.
func cloneConfig(c *Config) *Config {
	clone := new(Config)
	from, to := reflect.ValueOf(c).Elem(), reflect.ValueOf(clone).Elem()
	for i := range from.NumField() {
		if from.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
	return clone
}

func TestResumption(t *testing.T) {
	r := newResumption(t)
	r.want("the first connection", false)
	for range 3 {
		p := r.want("a later one", true)
		for _, s := range []*side{p.client, p.server} {
			state := s.conn.ConnectionState()
			if state.Group != tls.X25519MLKEM768 || state.SignatureScheme != 0 {
				t.Errorf("%s: %+v", s.name, state)
			}
		}
		if certs := p.client.conn.ConnectionState().PeerCertificates; len(certs) != 1 {
			t.Errorf("%d certificates of the server", len(certs))
		}
	}
}

func TestResumptionAfterAHelloRetryRequest(t *testing.T) {
	r := newResumption(t)
	r.client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	r.server.CurvePreferences = []tls.CurveID{tls.CurveP256}
	r.want("the first connection", false)
	p := r.want("the second one", true)
	if !p.client.conn.ConnectionState().HelloRetryRequest {
		t.Error("there was no HelloRetryRequest")
	}
}

// A ticket is good only where and as long as all that it is bound to is the same
// (CVE-2025-23419, CVE-2025-68121).
func TestWhatATicketIsBoundTo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*resumption)
		resume bool
	}{
		{"nothing has changed", func(r *resumption) {}, true},
		{"the lifetime has passed", func(r *resumption) { r.now = r.now.Add(25 * time.Hour) }, false},
		{"most of the lifetime has passed", func(r *resumption) { r.now = r.now.Add(23 * time.Hour) }, true},
		{"another scope", func(r *resumption) { r.server.SessionScope = "another" }, false},
		{"another protocol", func(r *resumption) { r.server.NextProtos, r.client.NextProtos = []string{"h2"}, []string{"h2"} }, false},
		{"other ticket keys", func(r *resumption) { r.server.Tickets = NewTicketKeys(r.server.Time) }, false},
		{"no tickets any more", func(r *resumption) { r.server.SessionTicketsDisabled = true }, false},
		{"a suite of another hash", func(r *resumption) { r.server.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384} }, false},
		{"a suite of the same hash", func(r *resumption) { r.server.CipherSuites = []uint16{tls.TLS_CHACHA20_POLY1305_SHA256} }, true},
		{"a certificate is requested now", func(r *resumption) { r.server.ClientAuth = tls.RequestClientCert }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newResumption(t)
			r.want("the first connection", false)
			tt.change(r)
			r.want("the second one", tt.resume)
		})
	}
}

func TestClientCertificates(t *testing.T) {
	ca := newTestCA(t)
	mine := ca.issue(t, keyEd25519, "client")
	for _, tt := range []struct {
		name   string
		auth   tls.ClientAuthType
		cas    bool
		shows  bool
		refuse Alert
	}{
		{"none requested", tls.NoClientCert, false, true, 0},
		{"requested and shown", tls.RequestClientCert, false, true, 0},
		{"requested and not shown", tls.RequestClientCert, false, false, 0},
		{"any required and shown", tls.RequireAnyClientCert, false, true, 0},
		{"any required and not shown", tls.RequireAnyClientCert, false, false, AlertCertificateRequired},
		{"verified if given and trusted", tls.VerifyClientCertIfGiven, true, true, 0},
		{"verified if given and not shown", tls.VerifyClientCertIfGiven, true, false, 0},
		{"verified if given and not trusted", tls.VerifyClientCertIfGiven, false, true, AlertUnknownCA},
		{"required and trusted", tls.RequireAndVerifyClientCert, true, true, 0},
		{"required and not trusted", tls.RequireAndVerifyClientCert, false, true, AlertUnknownCA},
		{"required and not shown", tls.RequireAndVerifyClientCert, true, false, AlertCertificateRequired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org"))
			server.ClientAuth = tt.auth
			server.ClientCAs = x509.NewCertPool()
			if tt.cas {
				server.ClientCAs = ca.pool
			}
			if tt.shows {
				client.Certificates = []tls.Certificate{mine}
			}
			p := newPair(t, client, server)
			if tt.refuse != 0 {
				_, err := p.failServerLate()
				wantAlert(t, "server", err, tt.refuse)
				return
			}
			p.handshake()
			shown := len(p.server.conn.ConnectionState().PeerCertificates)
			if want := tt.shows && tt.auth != tls.NoClientCert; (shown == 1) != want {
				t.Errorf("the server saw %d certificates", shown)
			}
			p.send(p.client, []byte("a request"))
			p.send(p.server, []byte("an answer"))
		})
	}
}

// failServerLate drives a handshake that the server refuses after the client has
// completed its own.
func (p *pair) failServerLate() (client, server error) {
	for range 100 {
		client, server = p.client.conn.Handshake(), p.server.conn.Handshake()
		if server != nil && !isWant(server) {
			return client, server
		}
	}
	return client, errors.New("the server does not refuse")
}
