package tlsconn

import (
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"sync/atomic"
	"testing"
)

// parked is an Offload that keeps its tasks until the test runs them.
type parked struct {
	tasks  []func()
	refuse bool
}

func (o *parked) take(task func()) bool {
	if o.refuse {
		return false
	}
	o.tasks = append(o.tasks, task)
	return true
}

// run runs the only task on another goroutine and waits for its end.
func (o *parked) run(t *testing.T) {
	t.Helper()
	if len(o.tasks) != 1 {
		t.Fatalf("%d tasks are waiting instead of one", len(o.tasks))
	}
	done := make(chan struct{})
	go func() { defer close(done); o.tasks[0]() }()
	<-done
	o.tasks = nil
}

// countingSigner counts its signatures, and fails them if err is set.
type countingSigner struct {
	crypto.Signer
	signed atomic.Int32
	err    error
}

func (s *countingSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.signed.Add(1)
	if s.err != nil {
		return nil, s.err
	}
	return s.Signer.Sign(r, digest, opts)
}

// suspended is a pair whose server has an RSA key and leaves the signature to
// work, and whose client does its own work in place.
type suspended struct {
	*pair
	work   *parked
	signer *countingSigner
	woken  *atomic.Int32
}

func newSuspended(t *testing.T) *suspended {
	t.Helper()
	ca := newTestCA(t)
	cert := ca.issue(t, keyRSA, "example.org")
	s := &suspended{work: new(parked), signer: &countingSigner{Signer: cert.PrivateKey.(crypto.Signer)}, woken: new(atomic.Int32)}
	cert.PrivateKey = s.signer
	server := NewWorkspace(WorkspaceConfig{Offload: s.work.take})
	s.pair = newPairIn(t, NewWorkspace(WorkspaceConfig{}), server, clientFor(ca), serverFor(cert))
	s.server.conn.SetWake(func() { s.woken.Add(1) })
	return s
}

// untilApp drives both until the server waits for its operation.
func (s *suspended) untilApp() {
	s.t.Helper()
	if err := s.client.conn.Handshake(); err != ErrWantRead {
		s.t.Fatal(err)
	}
	if err := s.server.conn.Handshake(); err != ErrWantApp {
		s.t.Fatalf("server: %v instead of ErrWantApp%v", err, s.pair)
	}
}

// WANT_ASYNC: a private-key operation suspends the handshake, and is completed
// from another goroutine.
func TestContractWantAsync(t *testing.T) {
	p := newSuspended(t)
	p.untilApp()
	c := p.server.conn
	if c.Wants() != WantApp || c.Pending() != OpSign || c.State() != StateAwaitSignature {
		t.Fatalf("wants %v, pending %v, state %v", c.Wants(), c.Pending(), c.State())
	}
	// Nothing of the transport's can help; a call with nothing new is a no-op, of
	// every verb that drives the handshake.
	p.client.tr.readErr, p.server.tr.readErr = errReset, errReset
	want := p.server.glance(ErrWantApp)
	for name, call := range map[string]func() error{
		"Handshake": c.Handshake,
		"Read":      func() error { return p.server.read(10) },
		"Write":     func() error { _, err := c.Write([]byte("x")); return err },
	} {
		if got := p.server.glance(call()); got != want {
			t.Errorf("%s while the signature is pending\n got %+v\nwant %+v", name, got, want)
		}
	}
	p.client.tr.readErr, p.server.tr.readErr = nil, nil
	if n := p.woken.Load(); n != 0 {
		t.Fatalf("woken %d times before the end", n)
	}
	p.work.run(t)
	if n := p.woken.Load(); n != 1 {
		t.Fatalf("woken %d times by one operation", n)
	}
	if c.Pending() != 0 {
		t.Errorf("pending %v after the end", c.Pending())
	}
	p.handshake()
	p.send(p.client, []byte("a request"))
	if p.woken.Load() != 1 || p.signer.signed.Load() != 1 {
		t.Errorf("woken %d times, signed %d times", p.woken.Load(), p.signer.signed.Load())
	}
}

// What the server has said already goes out while the signature is pending.
func TestOutputComesBeforeAPendingOperation(t *testing.T) {
	p := newSuspended(t)
	p.server.block()
	_ = p.client.conn.Handshake()
	if err := p.server.conn.Handshake(); err != ErrWantWrite || p.server.conn.Wants() != WantWrite {
		t.Fatalf("with output full: %v, wants %v", err, p.server.conn.Wants())
	}
	p.work.run(t) // ends before anybody has asked
	p.server.unblock()
	p.handshake()
}

func TestVerificationSuspendsTheClient(t *testing.T) {
	ca := newTestCA(t)
	work := new(parked)
	client := clientFor(ca)
	verified := 0
	client.VerifyPeer = func(*Peer) error { verified++; return nil }
	p := newPairIn(t, NewWorkspace(WorkspaceConfig{Offload: work.take}), NewWorkspace(WorkspaceConfig{}),
		client, serverFor(ca.issue(t, keyECDSA, "example.org")))
	woken := 0
	p.client.conn.SetWake(func() { woken++ })
	_ = p.client.conn.Handshake()
	_ = p.server.conn.Handshake()
	for range 3 {
		if err := p.client.conn.Handshake(); err != ErrWantApp || p.client.conn.Pending() != OpVerify || verified != 0 {
			t.Fatalf("%v, pending %v, verified %d times", err, p.client.conn.Pending(), verified)
		}
	}
	if st := p.client.conn.ConnectionState(); st.PeerCertificates != nil {
		t.Error("an unverified peer shows in ConnectionState")
	}
	work.run(t)
	p.handshake()
	if woken != 1 || verified != 1 || len(p.client.conn.ConnectionState().PeerCertificates) != 1 {
		t.Errorf("woken %d times, verified %d times, state %+v", woken, verified, p.client.conn.ConnectionState())
	}
}

func TestOperationThatEndsAtOnce(t *testing.T) {
	p := newSuspended(t)
	p.server.conn.ws.offload = func(task func()) bool { task(); return true }
	p.handshake() // Offload may run the task itself: then nobody ever waits, nor has to be woken
	if p.woken.Load() != 0 {
		t.Errorf("woken %d times", p.woken.Load())
	}
}

func TestOperationWithoutWake(t *testing.T) {
	p := newSuspended(t)
	p.server.conn.SetWake(nil)
	p.untilApp()
	p.work.run(t)
	p.handshake() // the owner asks again on its own
}

func TestOperationThatFails(t *testing.T) {
	p := newSuspended(t)
	p.signer.err = errors.New("the HSM is on fire")
	p.untilApp()
	p.work.run(t)
	err := p.server.conn.Handshake()
	wantAlert(t, "server", err, AlertInternalError)
	if !errors.Is(err, p.signer.err) {
		t.Errorf("%v does not tell the reason", err)
	}
	wantPeerAlert(t, "client", p.client.conn.Handshake(), AlertInternalError)
}

func TestOffloadThatCannotTakeMore(t *testing.T) {
	p := newSuspended(t)
	p.work.refuse = true
	_ = p.client.conn.Handshake()
	err := p.server.conn.Handshake()
	wantAlert(t, "server", err, AlertInternalError)
	if p.signer.signed.Load() != 0 || p.server.conn.Pending() != 0 {
		t.Error("a refused task was run, or is pending")
	}
	wantPeerAlert(t, "client", p.client.conn.Handshake(), AlertInternalError)
}

// Completing after Close is a no-op: nothing is signed, and nobody woken.
func TestOperationThatEndsAfterClose(t *testing.T) {
	p := newSuspended(t)
	p.untilApp()
	if err := p.server.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if p.server.conn.Pending() != 0 {
		t.Errorf("pending %v after Close", p.server.conn.Pending())
	}
	p.work.run(t)
	if p.woken.Load() != 0 || p.signer.signed.Load() != 0 {
		t.Errorf("after Close: woken %d times, signed %d times", p.woken.Load(), p.signer.signed.Load())
	}
	if err := p.server.conn.Handshake(); err != ErrClosed {
		t.Error(err)
	}
}

// Close beside the end of the operation, on another goroutine: whatever comes
// first, there is no race and no second life.
func TestOperationThatEndsBesideClose(t *testing.T) {
	p := newSuspended(t)
	p.untilApp()
	done := make(chan struct{})
	go func() { defer close(done); p.work.tasks[0]() }()
	if err := p.server.conn.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	if n := p.woken.Load(); n > 1 {
		t.Errorf("woken %d times", n)
	}
	if err := p.server.conn.Handshake(); err != ErrClosed {
		t.Error(err)
	}
}

// A key that signs fast enough for an event loop does so in place.
func TestFastKeysAreNotOffloaded(t *testing.T) {
	ca := newTestCA(t)
	for _, kind := range []keyKind{keyECDSA, keyEd25519} {
		server := NewWorkspace(WorkspaceConfig{Offload: func(func()) bool { t.Error("a fast key was offloaded"); return false }})
		p := newPairIn(t, NewWorkspace(WorkspaceConfig{}), server, clientFor(ca), serverFor(ca.issue(t, kind, "example.org")))
		p.handshake()
	}
}

func TestOperationNames(t *testing.T) {
	for op, name := range map[Operation]string{0: "none", OpSign: "sign", OpVerify: "verify", OpSign | OpVerify: "sign|verify"} {
		if op.String() != name {
			t.Errorf("%d is called %v", op, op)
		}
	}
}

// The choice of a certificate is a state of its own, which completes at once.
func TestContractCertificateChoiceIsAState(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	var during State
	server := &Config{}
	var p *pair
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		during = p.server.conn.State()
		return &cert, nil
	}
	p = newPair(t, clientFor(ca), server)
	p.handshake()
	if during != StateAwaitCertificate {
		t.Errorf("GetCertificate was asked in state %v", during)
	}
}
