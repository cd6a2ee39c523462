package tlsconn

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
)

// stream is one direction between the two sides of a test pair: the bytes that
// were written, all of them, and how far they have been delivered and read.
type stream struct {
	bytes     []byte // everything ever written
	delivered int    // bytes that the reader may see
	read      int
	closed    bool
}

// testTransport is a non-blocking transport whose every byte the test controls.
type testTransport struct {
	in, out *stream
	auto    bool  // what is written is delivered at once
	readMax int   // bytes a Read returns at most, 0 for any; each is followed by a would-block
	splits  []int // offsets of in.bytes that no Read crosses, each answered by a would-block
	quota   int   // bytes that Write takes before a would-block, -1 for any; refilled by it
	left    int   // what remains of quota
	paused  bool  // the next Read says would-block

	readErr, writeErr error // answered instead, when set
	moved             int   // bytes that went either way
}

func (tt *testTransport) Read(p []byte) (int, error) {
	if tt.readErr != nil {
		return 0, tt.readErr
	}
	have := tt.in.bytes[tt.in.read:tt.in.delivered]
	if tt.paused && !(len(have) == 0 && tt.in.closed) {
		tt.paused = false
		return 0, ErrWouldBlock
	}
	limit := len(have)
	for _, at := range tt.splits {
		if tt.in.read < at && at < tt.in.read+limit {
			limit = at - tt.in.read
		}
	}
	if tt.readMax > 0 {
		limit = min(limit, tt.readMax)
	}
	n := copy(p, have[:limit])
	tt.in.read += n
	tt.moved += n
	if slices.Contains(tt.splits, tt.in.read) || tt.readMax > 0 {
		tt.paused = true
	}
	switch {
	case n > 0:
		return n, nil
	case tt.in.closed:
		return 0, io.EOF
	}
	return 0, ErrWouldBlock
}

func (tt *testTransport) Write(p []byte) (int, error) {
	if tt.writeErr != nil {
		return 0, tt.writeErr
	}
	n := len(p)
	if tt.quota >= 0 {
		n = min(n, tt.left)
		tt.left -= n
	}
	tt.out.bytes = append(tt.out.bytes, p[:n]...)
	if tt.auto {
		tt.out.delivered = len(tt.out.bytes)
	}
	tt.moved += n
	if n < len(p) {
		tt.left = tt.quota
		return n, ErrWouldBlock
	}
	return n, nil
}

// side is one end of a pair, with the trace of what it did.
type side struct {
	t     testing.TB
	name  string
	conn  *Conn
	tr    *testTransport
	trace []string // the states passed
	got   []byte   // plaintext read
}

// pair is a client and a server in memory. The methods of pair and side fail the
// test with a sentence and both traces.
type pair struct {
	t              testing.TB
	client, server *side

	ops    *operations                     // that callbacks have parked, nil for none
	before struct{ up, down int }          // bytes of the flow's earlier connections
	again  func(change func(*scene)) *pair // of a flow's first pair: opens another one
}

// newPair makes a pair over transports that deliver at once. Randomness is
// deterministic from here on if t is a *testing.T: the same script makes the
// same bytes.
func newPair(t testing.TB, clientConfig, serverConfig *Config) *pair {
	return newPairIn(t, NewWorkspace(WorkspaceConfig{}), NewWorkspace(WorkspaceConfig{}), clientConfig, serverConfig)
}

func newPairIn(t testing.TB, cws, sws *Workspace, clientConfig, serverConfig *Config) *pair {
	t.Helper()
	if tt, ok := t.(*testing.T); ok {
		cryptotest.SetGlobalRandom(tt, 1)
	}
	up, down := new(stream), new(stream)
	p := &pair{t: t}
	newSide := func(name string, in, out *stream) *side {
		return &side{t: t, name: name, tr: &testTransport{in: in, out: out, auto: true, quota: -1}}
	}
	p.client, p.server = newSide("client", down, up), newSide("server", up, down)
	p.client.conn = cws.Client(p.client.tr, clientConfig)
	p.server.conn = sws.Server(p.server.tr, serverConfig)
	for _, s := range []*side{p.client, p.server} {
		s.conn.SetTrace(func(st State) { s.trace = append(s.trace, st.String()) })
	}
	return p
}

// standardPair is a pair with a P-256 certificate for example.org and protocols.
func standardPair(t testing.TB) *pair {
	ca := newTestCA(t)
	return newPair(t, clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org")))
}

func (p *pair) String() string {
	return fmt.Sprintf("\n  %v\n  %v", p.client, p.server)
}

func (s *side) String() string {
	return fmt.Sprintf("%s: %s; wants %v, state %v, unread %d, unsent %d", s.name, strings.Join(s.trace, " "),
		s.conn.Wants(), s.conn.State(), len(s.tr.in.bytes)-s.tr.in.read, s.conn.out.pending())
}

// isWant tells a want from an end.
func isWant(err error) bool { return err == ErrWantRead || err == ErrWantWrite || err == ErrWantApp }

// until repeats call on s, and lets the other side go on with its handshake and
// output in between, until call does not want any more; it returns the result.
func (p *pair) until(s *side, what string, call func() error) error {
	p.t.Helper()
	other := p.client
	if s == p.client {
		other = p.server
	}
	for idle := 0; ; {
		before := p.client.tr.moved + p.server.tr.moved
		err := call()
		if !isWant(err) {
			return err
		}
		s.checkWant(what, err)
		if other.conn.State() != StateConnected {
			_ = other.conn.Handshake()
		} else {
			_ = other.conn.Flush()
		}
		if p.ops.complete() || p.client.tr.moved+p.server.tr.moved > before {
			idle = 0
		} else if idle++; idle > 4 {
			p.t.Fatalf("%s: %s: no progress, last answer %v%v", s.name, what, err, p)
		}
	}
}

// checkWant holds an answer against Wants, as an event loop would.
func (s *side) checkWant(what string, err error) {
	s.t.Helper()
	w := s.conn.Wants()
	switch {
	case err == ErrWantRead && w&WantRead == 0,
		err == ErrWantWrite && w&WantWrite == 0,
		err == ErrWantApp && w&WantApp == 0:
		s.t.Fatalf("%s: %s: answered %v, but wants %v", s.name, what, err, w)
	}
}

// handshake completes both handshakes.
func (p *pair) handshake() {
	p.t.Helper()
	if err := p.until(p.client, "handshake", p.client.conn.Handshake); err != nil {
		p.t.Fatalf("client: handshake: %v%v", err, p)
	}
	if err := p.until(p.server, "handshake", p.server.conn.Handshake); err != nil {
		p.t.Fatalf("server: handshake: %v%v", err, p)
	}
}

// failHandshake drives both until neither goes on, and returns both results;
// nil means complete.
func (p *pair) failHandshake() (client, server error) {
	p.t.Helper()
	for idle := 0; idle < 4; {
		before := p.client.tr.moved + p.server.tr.moved
		client, server = p.client.conn.Handshake(), p.server.conn.Handshake()
		if p.ops.complete() || p.client.tr.moved+p.server.tr.moved > before {
			idle = 0
		} else {
			idle++
		}
	}
	return client, server
}

// send writes data on one side and reads it on the other.
func (p *pair) send(from *side, data []byte) {
	p.t.Helper()
	to := p.server
	if from == p.server {
		to = p.client
	}
	sent, mark := 0, len(to.got)
	err := p.until(from, "write", func() error {
		n, err := from.conn.Write(data[sent:])
		sent += n
		if err == ErrWantWrite {
			p.drain(to)
		}
		return err
	})
	if err != nil || sent != len(data) {
		p.t.Fatalf("%s: write of %d bytes: took %d, %v%v", from.name, len(data), sent, err, p)
	}
	err = p.until(to, "read", func() error {
		for len(to.got)-mark < len(data) {
			if err := to.read(4096); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || string(to.got[mark:]) != string(data) {
		p.t.Fatalf("%s: read %d of %d bytes: %v%v", to.name, len(to.got)-mark, len(data), err, p)
	}
}

// read does one Read into a slice of n bytes.
func (s *side) read(n int) error {
	s.t.Helper()
	buf := make([]byte, n)
	k, err := s.conn.Read(buf)
	if (k > 0) == (err != nil) {
		s.t.Fatalf("%s: Read = %d, %v", s.name, k, err)
	}
	s.got = append(s.got, buf[:k]...)
	return err
}

// drain reads all that there is.
func (p *pair) drain(s *side) {
	for s.read(4096) == nil {
	}
}

// wantEOF closes one side's writing and expects the other to read io.EOF.
func (p *pair) closeWrite(from *side) {
	p.t.Helper()
	to := p.server
	if from == p.server {
		to = p.client
	}
	if err := p.until(from, "close", from.conn.CloseWrite); err != nil {
		p.t.Fatalf("%s: CloseWrite: %v%v", from.name, err, p)
	}
	if err := p.until(to, "read to the end", func() error { return to.read(100) }); err != io.EOF {
		p.t.Fatalf("%s: read %v instead of io.EOF%v", to.name, err, p)
	}
}

// wantAlert checks that err is our own failure with the given alert.
func wantAlert(t testing.TB, what string, err error, alert Alert) {
	t.Helper()
	var local *LocalAlertError
	if !errors.As(err, &local) || local.Alert != alert {
		t.Fatalf("%s: got %v, want our alert %v", what, err, alert)
	}
}

// wantPeerAlert checks that err is the peer's alert.
func wantPeerAlert(t testing.TB, what string, err error, alert Alert) {
	t.Helper()
	var peer *PeerAlertError
	if !errors.As(err, &peer) || peer.Alert != alert {
		t.Fatalf("%s: got %v, want the peer's alert %v", what, err, alert)
	}
}
