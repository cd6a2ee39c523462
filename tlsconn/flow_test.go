package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func clientFor(ca *testCA) *Config {
	return &Config{RootCAs: ca.pool, ServerName: "example.org", NextProtos: []string{"h2", "http/1.1"}, Time: testClock}
}

func serverFor(certs ...tls.Certificate) *Config {
	return &Config{Certificates: certs, NextProtos: []string{"http/1.1"}, Time: testClock}
}

func testClock() time.Time { return testTime }

// flow is a scripted exchange between a client and a server: the transcripts
// that every way of delivering bytes has to repeat exactly.
type flow struct {
	name   string
	client func(*testCA, *Config)
	server func(*testCA, *Config)
	// script runs the exchange; what it returns is part of the outcome.
	script func(*pair) error
	// everySplit takes no sample of the splits, but all of them.
	everySplit bool
}

// flows are all of them.
var flows = []flow{
	{
		name:   "full handshake, data, close_notify both ways",
		script: exchange,
	},
	{
		name:   "hello retry request",
		client: func(_ *testCA, c *Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256} },
		server: func(_ *testCA, c *Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} },
		script: exchange,

		everySplit: true,
	},
	{
		name:   "hybrid group and an RSA certificate",
		client: func(_ *testCA, c *Config) { c.CurvePreferences = nil },
		server: func(_ *testCA, c *Config) { c.CurvePreferences = nil },
		script: exchange,
	},
	{
		name: "key updates both ways",
		script: func(p *pair) error {
			p.handshake()
			p.send(p.client, []byte("before"))
			for _, s := range []*side{p.client, p.server} {
				for _, request := range []bool{false, true} {
					if err := p.until(s, "key update", func() error { return s.conn.KeyUpdate(request) }); err != nil {
						return err
					}
					p.send(p.server, []byte("from the server"))
					p.send(p.client, []byte("from the client"))
				}
			}
			p.closeWrite(p.server)
			p.closeWrite(p.client)
			return nil
		},
	},
	{
		name: "data larger than records and buffers",
		script: func(p *pair) error {
			p.handshake()
			p.send(p.client, bytes.Repeat([]byte("c"), 20000))
			p.send(p.server, bytes.Repeat([]byte("s"), 20000))
			return nil
		},
	},
	{
		name:   "the server has no suite in common",
		client: func(_ *testCA, c *Config) { c.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256} },
		server: func(_ *testCA, c *Config) { c.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384} },
		script: refusal,
	},
	{
		name:   "the client does not trust the server",
		client: func(_ *testCA, c *Config) { c.ServerName = "other.example" },
		script: refusal,
	},
	{
		name: "the client ends without close_notify",
		script: func(p *pair) error {
			p.handshake()
			p.send(p.client, []byte("cut"))
			p.client.tr.out.closed = true
			err := p.until(p.server, "read to the end", func() error { return p.server.read(10) })
			if err != io.ErrUnexpectedEOF {
				p.t.Fatalf("truncation: got %v%v", err, p)
			}
			return err
		},
	},
}

// exchange is a complete handshake, data both ways, and a controlled end.
func exchange(p *pair) error {
	p.handshake()
	p.send(p.client, []byte("a request"))
	p.send(p.server, []byte("an answer"))
	p.closeWrite(p.client)
	p.send(p.server, []byte("more after the client's half is closed"))
	p.closeWrite(p.server)
	return nil
}

// refusal is a handshake that fails on one side, whose alert reaches the other.
func refusal(p *pair) error {
	client, server := p.failHandshake()
	if client == nil || server == nil || isWant(client) || isWant(server) {
		p.t.Fatalf("refusal: client %v, server %v%v", client, server, p)
	}
	return fmt.Errorf("client: %w; server: %w", client, server)
}

// outcome is all that a flow may not change with the way of delivery: states,
// plaintext, errors and, as randomness is fixed, every byte on the wire.
type outcome struct {
	states    [2]string
	plaintext [2]string
	up, down  []byte
	result    string
}

// run plays a flow with transports that deliver has prepared.
func (f *flow) run(t *testing.T, ca *testCA, cert tls.Certificate, deliver func(*pair)) outcome {
	t.Helper()
	clientConfig, serverConfig := clientFor(ca), serverFor(cert)
	clientConfig.CurvePreferences = []tls.CurveID{tls.X25519}
	serverConfig.CurvePreferences = []tls.CurveID{tls.X25519}
	if f.client != nil {
		f.client(ca, clientConfig)
	}
	if f.server != nil {
		f.server(ca, serverConfig)
	}
	p := newPair(t, clientConfig, serverConfig)
	deliver(p)
	err := f.script(p)
	o := outcome{up: p.client.tr.out.bytes, down: p.server.tr.out.bytes, result: fmt.Sprint(err)}
	for i, s := range []*side{p.client, p.server} {
		o.states[i] = strings.Join(s.trace, " ")
		o.plaintext[i] = string(s.got)
		s.checkIdle()
	}
	return o
}

// checkIdle checks that a side which has nothing to do holds no buffer.
func (s *side) checkIdle() {
	s.t.Helper()
	if s.conn.in.buf != nil && s.conn.in.r == s.conn.in.w && s.conn.Buffered() == 0 {
		s.t.Fatalf("%s: holds a read buffer with nothing in it", s.name)
	}
	if s.conn.out.buf != nil && s.conn.out.pending() == 0 {
		s.t.Fatalf("%s: holds a write buffer with nothing in it", s.name)
	}
}

// certificateFor gives each flow the certificate that its name speaks of.
func (f *flow) certificateFor(t *testing.T, ca *testCA) tls.Certificate {
	if strings.Contains(f.name, "RSA") {
		return ca.issue(t, keyRSA, "example.org")
	}
	return ca.issue(t, keyEd25519, "example.org")
}

// same compares an outcome with the reference.
func (o *outcome) same(t *testing.T, how string, ref *outcome) {
	t.Helper()
	if o.states != ref.states {
		t.Fatalf("%s: states\n got %q\nwant %q", how, o.states, ref.states)
	}
	if o.plaintext != ref.plaintext {
		t.Fatalf("%s: plaintext\n got %q\nwant %q", how, o.plaintext, ref.plaintext)
	}
	if o.result != ref.result {
		t.Fatalf("%s: result\n got %s\nwant %s", how, o.result, ref.result)
	}
	if !bytes.Equal(o.up, ref.up) || !bytes.Equal(o.down, ref.down) {
		t.Fatalf("%s: the bytes on the wire differ: up %d, down %d; want %d, %d", how, len(o.up), len(o.down), len(ref.up), len(ref.down))
	}
}
