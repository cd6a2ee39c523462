package tlsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A ticket never crosses a trust policy (CVE-2025-23419, CVE-2025-68121): servers of several names
// share their ticket keys, and are reloaded; clients offer a ticket of before whatever has changed.

// policies are two servers by name, which share an address and their ticket keys.
type policies struct {
	ca, other *testCA // of clients
	mu        sync.Mutex
	now       time.Time
	servers   map[string]*Config // by server_name; a reload replaces one
}

// newPolicies makes servers that ask nobody for a certificate.
func newPolicies(t *testing.T) *policies {
	p := &policies{ca: newPeerCA(t, keyECDSA), other: newPeerCA(t, keyECDSA384), now: time.Now(), servers: make(map[string]*Config)}
	cert := p.ca.certify(t, keyECDSA, "a.example", "b.example")
	tickets := NewTicketKeys(p.clock)
	for _, name := range []string{"a.example", "b.example"} {
		p.servers[name] = &Config{Certificates: []tls.Certificate{cert}, Tickets: tickets, TicketLifetime: maxTicketLifetime, Time: p.clock}
	}
	return p
}

func (p *policies) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// server is whom a client gets that asks for name.
func (p *policies) server(name string) *Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.servers[name]
}

// change reloads the server of a name.
func (p *policies) change(name string, change func(*Config)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	config := cloneConfig(p.servers[name])
	change(config)
	p.servers[name] = config
}

// verified has the server of a name require certificates that one of the CAs issued.
func (p *policies) verified(name string, cas ...*testCA) {
	p.change(name, func(c *Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		for _, ca := range cas {
			c.ClientCAs.AddCert(ca.cert)
		}
	})
}

// crossings tell what happens before the first connection, which is to a.example, and between it and the
// second, and how that ends.
var crossings = []struct {
	name          string
	before, after func(*policies)
	second        string // whom the second connection is to, if not a.example
	shows         bool   // the client has a certificate, of policies.ca
	resumed       bool
	alert         Alert // that ends the second connection
}{
	{name: "nothing is changed", resumed: true},
	{name: "nothing is changed, with a certificate", shows: true, resumed: true,
		before: func(p *policies) { p.verified("a.example", p.ca) }},
	{name: "to another name of the same policy", second: "b.example"},
	{name: "to a name that requires a certificate", second: "b.example", shows: true,
		before: func(p *policies) { p.verified("b.example", p.ca) }},
	{name: "to a name that requires a certificate, without one", second: "b.example", alert: AlertCertificateRequired,
		before: func(p *policies) { p.verified("b.example", p.ca) }},
	{name: "from a name that requires a certificate", second: "b.example", shows: true,
		before: func(p *policies) { p.verified("a.example", p.ca) }},
	{name: "to a name that trusts another authority", second: "b.example", shows: true, alert: AlertUnknownCA,
		before: func(p *policies) { p.verified("a.example", p.ca); p.verified("b.example", p.other) }},
	{name: "a certificate is requested now", shows: true,
		after: func(p *policies) { p.change("a.example", func(c *Config) { c.ClientAuth = tls.RequestClientCert }) }},
	{name: "a certificate is required now", shows: true,
		after: func(p *policies) { p.verified("a.example", p.ca) }},
	{name: "a certificate is required now, without one", alert: AlertCertificateRequired,
		before: func(p *policies) {
			p.change("a.example", func(c *Config) { c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, p.ca.pool })
		},
		after: func(p *policies) { p.verified("a.example", p.ca) }},
	{name: "no certificate is required any more", shows: true,
		before: func(p *policies) { p.verified("a.example", p.ca) },
		after:  func(p *policies) { p.change("a.example", func(c *Config) { c.ClientAuth = tls.NoClientCert }) }},
	{name: "the authority is no longer trusted", shows: true, alert: AlertUnknownCA,
		before: func(p *policies) { p.verified("a.example", p.ca, p.other) },
		after:  func(p *policies) { p.verified("a.example", p.other) }},
	{name: "another authority is no longer trusted", shows: true, resumed: true,
		before: func(p *policies) { p.verified("a.example", p.ca, p.other) },
		after:  func(p *policies) { p.verified("a.example", p.ca) }},
	{name: "the certificate has expired", shows: true, alert: AlertCertificateExpired,
		before: func(p *policies) { p.verified("a.example", p.ca) },
		after:  func(p *policies) { p.advance(25 * time.Hour) }},
	{name: "a certificate that nobody verified has expired", shows: true, resumed: true,
		before: func(p *policies) { p.change("a.example", func(c *Config) { c.ClientAuth = tls.RequireAnyClientCert }) },
		after:  func(p *policies) { p.advance(25 * time.Hour) }},
	{name: "the certificate is revoked", shows: true, alert: AlertCertificateRevoked,
		before: func(p *policies) { p.verified("a.example", p.ca) },
		after: func(p *policies) {
			p.change("a.example", func(c *Config) {
				c.VerifyPeer = func(*Peer) error {
					return &LocalAlertError{Alert: AlertCertificateRevoked, Err: errors.New("on the list")}
				}
			})
		}},
	{name: "the scope is another", after: func(p *policies) { p.change("a.example", func(c *Config) { c.SessionScope = "another" }) }},
}

// advance makes the servers' time pass; the clients' does not.
func (p *policies) advance(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

// sameSession is a cache that takes all servers for the same.
type sameSession struct{ tls.ClientSessionCache }

func (c sameSession) Get(string) (*tls.ClientSessionState, bool) { return c.ClientSessionCache.Get("") }
func (c sameSession) Put(_ string, s *tls.ClientSessionState)    { c.ClientSessionCache.Put("", s) }

// offerers are clients that offer what they have to whomever they connect to. How the connection
// ends is for the server to tell.
var offerers = []struct {
	name string
	// visitor returns how to connect to a name, again and again.
	visitor func(t *testing.T, v visit, p *policies) func(name string)
}{
	{"OpenSSL", func(t *testing.T, v visit, p *policies) func(string) {
		file, used := filepath.Join(t.TempDir(), "session"), false
		return func(name string) {
			more := []string{"-sess_out", file}
			if used {
				more = []string{"-sess_in", file}
			}
			used = true
			_, _ = sClientVisits(t, v, name, more...)
		}
	}},
	{"crypto/tls", func(t *testing.T, v visit, p *policies) func(string) {
		config := &tls.Config{RootCAs: p.ca.pool, ClientSessionCache: sameSession{tls.NewLRUClientSessionCache(1)}}
		if v.certFile != "" {
			cert, err := tls.LoadX509KeyPair(v.certFile, v.keyFile)
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{cert}
		}
		return func(name string) {
			config := config.Clone()
			config.ServerName = name
			socket, err := net.Dial("tcp", v.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			conn := tls.Client(withDeadline(t, socket), config)
			_, _ = io.WriteString(conn, "x")
			_, _ = io.ReadFull(conn, make([]byte, 1)) // behind the tickets
			_ = conn.CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		}
	}},
}

func TestNoTicketCrossesATrustPolicy(t *testing.T) {
	for _, peer := range offerers {
		for _, tt := range crossings {
			t.Run(peer.name+", "+tt.name, func(t *testing.T) {
				p := newPolicies(t)
				if tt.before != nil {
					tt.before(p)
				}
				s := serve(t, p.server, echoing)
				v := newVisit(t, s, p.ca)
				if tt.shows {
					v = v.showing(t, p.ca, p.ca.certify(t, keyECDSA, "a client"))
				}
				connect := peer.visitor(t, v, p)
				connect("a.example")
				s.want(false)
				if tt.after != nil {
					tt.after(p)
				}
				second := "a.example"
				if tt.second != "" {
					second = tt.second
				}
				connect(second)
				got := s.next()
				if got.offered != 1 {
					t.Errorf("the client offered %d tickets", got.offered)
				}
				if tt.alert != 0 {
					wantAlert(t, "the second connection", got.err, tt.alert)
				} else if got.err != nil {
					t.Error(got.err)
				}
				if got.state.DidResume != tt.resumed {
					t.Errorf("resumed is %t, want %t", got.state.DidResume, tt.resumed)
				}
				if known, want := len(got.state.PeerCertificates) > 0, tt.shows && tt.alert == 0 && p.server(second).ClientAuth != tls.NoClientCert; known != want {
					t.Errorf("the client is known by a certificate: %t, want %t", known, want)
				}
			})
		}
	}
}
