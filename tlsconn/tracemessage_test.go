package tlsconn

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// tracer collects what TraceMessage tells of, as a line each, numbers alone: "> 22 1" is
// a ClientHello that was sent.
type tracer struct{ lines []string }

func (tr *tracer) trace(_ *Conn, m TracedMessage) {
	way := "<"
	if m.Sent {
		way = ">"
	}
	line := fmt.Sprintf("%s %d %d", way, m.ContentType, m.Type)
	if m.Level != 0 {
		line += fmt.Sprintf(" (%d)", m.Level)
	}
	tr.lines = append(tr.lines, line)
}

func (tr *tracer) String() string { return strings.Join(tr.lines, ", ") }

// mirrored is what the other side tells of.
func mirrored(lines string) string { return strings.NewReplacer("<", ">", ">", "<").Replace(lines) }

// traced is a pair that both sides' messages are traced of. It ends with a close_notify
// of the client's that the server answers.
func traced(t *testing.T, deliver func(*pair), change func(client, server *Config)) (client, server *tracer) {
	t.Helper()
	ca := newTestCA(t)
	cc, sc := clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org"))
	cc.CurvePreferences, sc.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}, []tls.CurveID{tls.X25519, tls.CurveP256}
	cc.Sessions = new(lastSession)
	change(cc, sc)
	client, server = new(tracer), new(tracer)
	cc.TraceMessage, sc.TraceMessage = client.trace, server.trace
	p := newPair(t, cc, sc)
	deliver(p)
	if err := exchange(p); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// What each handshake consists of, in the order in which the client sends and receives
// it; however it is cut into pieces, and with data nobody is told of in between.
func TestTraceOfMessages(t *testing.T) {
	const end = ", > 21 0 (1), < 21 0 (1)"
	for _, tt := range []struct {
		name   string
		change func(client, server *Config)
		client string
		server string // if it is not the client's with the other's arrows
	}{
		{"TLS 1.3", func(_, _ *Config) {},
			"> 22 1, < 22 2, < 20 1, < 22 8, < 22 11, < 22 15, < 22 20, > 20 1, > 22 20, < 22 4",
			"< 22 1, > 22 2, > 20 1, > 22 8, > 22 11, > 22 15, > 22 20, > 22 4, < 20 1, < 22 20"}, // who is not asked gets tickets at once
		{"TLS 1.3 with a HelloRetryRequest and a client certificate that is not shown", func(_, server *Config) {
			server.CurvePreferences = []tls.CurveID{tls.CurveP256}
			server.ClientAuth = tls.RequestClientCert
		},
			"> 22 1, < 22 2, > 20 1, > 22 1, < 20 1, < 22 2, < 22 8, < 22 13, < 22 11, < 22 15, < 22 20, > 22 11, > 22 20, < 22 4",
			"< 22 1, > 22 2, > 20 1, < 20 1, < 22 1, > 22 2, > 22 8, > 22 13, > 22 11, > 22 15, > 22 20, < 22 11, < 22 20, > 22 4"},
		{"TLS 1.2", func(client, _ *Config) { client.MaxVersion = tls.VersionTLS12 },
			"> 22 1, < 22 2, < 22 11, < 22 12, < 22 14, > 22 16, > 20 1, > 22 20, < 22 4, < 20 1, < 22 20", ""},
		{"TLS 1.2 with an OCSP response and a client certificate", func(client, server *Config) {
			client.MaxVersion = tls.VersionTLS12
			client.RequestOCSP, server.Certificates[0].OCSPStaple = true, []byte("a response")
			client.Certificates, server.ClientAuth = server.Certificates, tls.RequireAnyClientCert
		},
			"> 22 1, < 22 2, < 22 11, < 22 22, < 22 12, < 22 13, < 22 14, > 22 11, > 22 16, > 22 15, > 20 1, > 22 20, < 22 4, < 20 1, < 22 20", ""},
	} {
		for _, pieces := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, in pieces of %d", tt.name, pieces), func(t *testing.T) {
				client, server := traced(t, func(p *pair) {
					for _, s := range []*side{p.client, p.server} {
						if pieces > 0 {
							s.tr.readMax, s.tr.quota, s.tr.left = pieces, pieces, pieces
						}
					}
				}, func(c, s *Config) {
					c.MinVersion = tls.VersionTLS12
					s.MinVersion = tls.VersionTLS12
					tt.change(c, s)
				})
				if got := client.String(); got != tt.client+end {
					t.Errorf("client\n got %s\nwant %s", got, tt.client+end)
				}
				want := mirrored(tt.client + end)
				if tt.server != "" {
					want = tt.server + mirrored(end)
				}
				if got := server.String(); got != want {
					t.Errorf("server\n got %s\nwant %s", got, want)
				}
			})
		}
	}
}

// Both ends of a failure are told of, and what is refused by its header is not.
func TestTraceOfAFailure(t *testing.T) {
	tr := new(tracer)
	p := newPuppet(t, RoleServer, func(c *Config) { c.TraceMessage = tr.trace })
	p.drive()
	p.hearClientHello()
	p.serverHello(nil)
	p.say([]byte{20, 0, 0, 0}) // a Finished, for which it is too early
	p.wantAlert(AlertUnexpectedMessage)
	if got, want := tr.String(), "> 22 1, < 22 2, > 20 1, > 21 10 (2)"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}

	tr = new(tracer)
	p = newPuppet(t, RoleServer, func(c *Config) { c.TraceMessage = tr.trace })
	p.drive()
	p.plain(record.ChangeCipherSpec)
	p.drive()
	p = newPuppet(t, RoleServer, func(c *Config) { c.TraceMessage = tr.trace })
	p.drive()
	p.alert(alertLevelFatal, AlertHandshakeFailure)
	p.drive()
	if got, want := tr.String(), "> 22 1, < 20 0, > 21 10 (2), > 22 1, < 21 40 (2)"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// KeyUpdates, and the Config that an inspection answers with.
func TestTraceOfWhatComesLater(t *testing.T) {
	first, second := new(tracer), new(tracer)
	ca := newTestCA(t)
	server := serverFor(ca.issue(t, keyECDSA, "example.org"))
	server.TraceMessage = first.trace
	inner := cloneConfig(server)
	inner.TraceMessage = second.trace
	server.InspectClientHello = func(_ *ClientHello, answer *Completion[*Config]) { answer.Complete(inner) }
	p := newPair(t, clientFor(ca), server)
	p.handshake()
	second.lines = nil
	if err := p.client.conn.KeyUpdate(true); err != nil {
		t.Fatal(err)
	}
	p.send(p.client, []byte("behind it"))
	p.send(p.server, []byte("behind the answer"))
	if got, want := first.String()+"; "+second.String(), "< 22 1; < 22 24, > 22 24"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// The callback sees a connection that works, and can do nothing to it.
func TestTraceMayOnlyLook(t *testing.T) {
	calls, versions := 0, []uint16(nil)
	ca := newTestCA(t)
	cc := clientFor(ca)
	cc.TraceMessage = func(c *Conn, m TracedMessage) {
		calls++
		versions = append(versions, c.ConnectionState().Version)
		if err := c.Close(); err != ErrReentrant {
			t.Errorf("%v: Close answered %v", m, err)
		}
	}
	p := newPair(t, cc, serverFor(ca.issue(t, keyECDSA, "example.org")))
	if err := exchange(p); err != nil {
		t.Fatal(err)
	}
	if calls == 0 || versions[0] != 0 || !slices.Contains(versions, tls.VersionTLS13) {
		t.Errorf("%d calls, versions %#04x", calls, versions)
	}
}

func TestTraceAllocatesNothing(t *testing.T) {
	hello := []byte{22, 0, 0, 0, 20, 0, 0, 0}
	told := 0
	for _, tell := range []func(*Conn, TracedMessage){nil, func(*Conn, TracedMessage) { told++ }} {
		c := &Conn{config: &Config{TraceMessage: tell}}
		if n := testing.AllocsPerRun(10, func() { c.traceMessage(true, record.Handshake, hello) }); n != 0 {
			t.Errorf("with a callback %t: %v allocations", tell != nil, n)
		}
	}
	if told != 2*11 {
		t.Errorf("told of %d messages", told)
	}
}

func TestTracedMessageAsALine(t *testing.T) {
	for want, m := range map[string]TracedMessage{
		"sent client_hello, 512 bytes":             {Sent: true, ContentType: 22, Type: 1, Length: 512},
		"received alert close_notify, level 1":     {ContentType: 21, Level: 1, Length: 2},
		"sent change_cipher_spec":                  {Sent: true, ContentType: 20, Type: 1, Length: 1},
		"received handshake_type(99), 4 bytes":     {ContentType: 22, Type: 99, Length: 4},
		"sent alert unexpected_message, level 2":   {Sent: true, ContentType: 21, Level: 2, Type: 10, Length: 2},
		"received certificate_status, 20000 bytes": {ContentType: 22, Type: 22, Length: 20000},
	} {
		if got := m.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
