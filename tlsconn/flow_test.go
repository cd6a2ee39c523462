package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"
)

func clientFor(ca *testCA) *Config {
	return &Config{RootCAs: ca.pool, ServerName: "example.org", NextProtos: []string{"h2", "http/1.1"}, Time: testClock}
}

func serverFor(certs ...tls.Certificate) *Config {
	return &Config{Certificates: certs, NextProtos: []string{"http/1.1"}, Time: testClock}
}

func testClock() time.Time { return testTime }

// flow is a scripted exchange between a client and a server, over one connection
// or several: every way of delivering bytes has to repeat it exactly.
type flow struct {
	name string
	// client and server change the Configs of their sides, set both and all else.
	client, server func(*Config)
	set            func(*scene)
	// script runs the exchange; what it returns is part of the outcome.
	script func(*pair) error
	// everySplit takes no sample of the splits, but all of them; samples is the size of one
	// instead of sampledSplits.
	everySplit bool
	samples    int
}

// scene is what a flow is set up from: the Configs of its connections, and what
// happens outside of them.
type scene struct {
	*cast
	client, server     *Config
	clientWS, serverWS WorkspaceConfig
	ops                *operations
}

// cast are the certificates of a test's flows. They are made once, since the
// length of a certificate varies with its signature.
type cast struct {
	ca                *testCA
	ed25519, rsa      tls.Certificate // for example.org
	client, clientRSA tls.Certificate
	stranger          tls.Certificate // of a CA that nobody trusts
	strangers         *testCA
	kinds             map[keyKind]tls.Certificate // for example.org
}

func newCast(t testing.TB) *cast {
	ca, strangers := newTestCA(t), newTestCAOf(t, keyECDSA384)
	kinds := make(map[keyKind]tls.Certificate)
	for kind := range testKeys() {
		kinds[kind] = ca.issue(t, kind, "example.org")
	}
	return &cast{
		ca:        ca,
		ed25519:   kinds[keyEd25519],
		rsa:       kinds[keyRSA],
		kinds:     kinds,
		client:    ca.issue(t, keyEd25519, "client.example"),
		clientRSA: ca.issue(t, keyRSA, "client.example"),
		stranger:  strangers.issue(t, keyEd25519, "client.example"),
		strangers: strangers,
	}
}

// flows are all of them.
var flows = slices.Concat(plainFlows, authFlows, resumptionFlows, operationFlows, tls12Flows, sessionIDFlows, rawKeyFlows)

// plainFlows need nothing but a server's certificate.
var plainFlows = []flow{
	{
		name:   "full handshake, data, close_notify both ways",
		script: exchange,
	},
	{
		name:   "hello retry request",
		client: func(c *Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256} },
		server: func(c *Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} },
		script: exchange,

		everySplit: true,
	},
	{
		name: "hybrid group and an RSA certificate",
		set: func(s *scene) {
			s.client.CurvePreferences, s.server.CurvePreferences = nil, nil
			s.server.Certificates = []tls.Certificate{s.rsa}
		},
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
		client: func(c *Config) { c.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256} },
		server: func(c *Config) { c.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384} },
		script: refusal,
	},
	{
		name:   "the client does not trust the server",
		client: func(c *Config) { c.ServerName = "other.example" },
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

// newScene is that of a flow which changes nothing.
func newScene(cast *cast) *scene {
	s := &scene{cast: cast, client: clientFor(cast.ca), server: serverFor(cast.ed25519), ops: new(operations)}
	s.client.CurvePreferences, s.server.CurvePreferences = []tls.CurveID{tls.X25519}, []tls.CurveID{tls.X25519}
	return s
}

// outcome is all that a flow may not change with the way of delivery: states,
// plaintext, errors, what was negotiated, which callbacks were asked and, as
// randomness is fixed, every byte on the wire.
type outcome struct {
	states    [2]string
	plaintext [2]string
	facts     [2]string
	settled   [2]string // of what the upper layers use
	up, down  []byte
	asked     string
	result    string
	// connections is how many there were; strings have "; " between them.
	connections int
}

// run plays a flow with transports that deliver has prepared.
func (f *flow) run(t *testing.T, cast *cast, deliver func(*pair)) outcome {
	t.Helper()
	s := newScene(cast)
	if f.client != nil {
		f.client(s.client)
	}
	if f.server != nil {
		f.server(s.server)
	}
	if f.set != nil {
		f.set(s)
	}
	var pairs []*pair
	var o outcome
	open := func() *pair {
		p := s.open(t, uint64(len(pairs)))
		for _, earlier := range pairs {
			p.before.up += len(earlier.client.tr.out.bytes)
			p.before.down += len(earlier.server.tr.out.bytes)
		}
		pairs = append(pairs, p)
		deliver(p)
		return p
	}
	first := open()
	first.again = func(change func(*scene)) *pair {
		if change != nil {
			s.client, s.server = cloneConfig(s.client), cloneConfig(s.server)
			change(s)
		}
		return open()
	}
	o.result = fmt.Sprint(f.script(first))
	for _, p := range pairs {
		o.add(p)
	}
	o.asked = strings.Join(s.ops.asked, " ")
	if p := pairs[len(pairs)-1]; p.client.conn.ws.suspended != 0 || p.server.conn.ws.suspended != 0 {
		t.Fatalf("operations are counted as pending at the end%v", p)
	}
	return o
}

// open makes a pair of the scene. Connection n of a flow has randomness of its own.
func (s *scene) open(t *testing.T, n uint64) *pair {
	t.Helper()
	p := newPairIn(t, NewWorkspace(s.clientWS), NewWorkspace(s.serverWS), s.client, s.server)
	cryptotest.SetGlobalRandom(t, 1+n)
	p.ops = s.ops
	return p
}

// add takes what came of one connection.
func (o *outcome) add(p *pair) {
	o.up, o.down = append(o.up, p.client.tr.out.bytes...), append(o.down, p.server.tr.out.bytes...)
	between := ""
	if o.connections++; o.connections > 1 {
		between = "; "
	}
	for i, s := range []*side{p.client, p.server} {
		o.states[i] += between + strings.Join(s.trace, " ")
		o.plaintext[i] += between + string(s.got)
		o.facts[i] += between + s.facts()
		o.settled[i] += between + s.settled()
		s.checkIdle()
	}
	p.checkExporters()
}

// settled says what the two can go on to use, the same in every delivery.
func (s *side) settled() string {
	c := s.conn.ConnectionState()
	return fmt.Sprintf("protocol %s, stapled %q and %q", c.NegotiatedProtocol, c.OCSPResponse, c.SignedCertificateTimestamps)
}

// checkExporters checks that two that are connected export the same.
func (p *pair) checkExporters() {
	p.t.Helper()
	client, err := p.client.conn.ExportKeyingMaterial("EXPORTER-flow", []byte("context"), 40)
	server, serverErr := p.server.conn.ExportKeyingMaterial("EXPORTER-flow", []byte("context"), 40)
	if err == nil && serverErr == nil && !bytes.Equal(client, server) {
		p.t.Fatalf("the exporters differ: %x and %x%v", client, server, p)
	}
}

// facts says what was settled about who the two are.
func (s *side) facts() string {
	c := s.conn.ConnectionState()
	facts := fmt.Sprintf("resumed %t, signed %v and %v, %d certificates in %d chains", c.DidResume,
		c.SignatureScheme, c.ClientSignatureScheme, len(c.PeerCertificates), len(c.VerifiedChains))
	if c.PeerRawPublicKey != nil {
		facts += ", a raw public key"
	}
	return facts
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

// same compares an outcome with the reference.
func (o *outcome) same(t *testing.T, how string, ref *outcome) {
	t.Helper()
	if o.states != ref.states {
		t.Fatalf("%s: states\n got %q\nwant %q", how, o.states, ref.states)
	}
	if o.facts != ref.facts || o.asked != ref.asked || o.settled != ref.settled {
		t.Fatalf("%s: settled\n got %q, %q, asked %s\nwant %q, %q, asked %s", how, o.facts, o.settled, o.asked, ref.facts, ref.settled, ref.asked)
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
