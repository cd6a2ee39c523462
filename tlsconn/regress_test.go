package tlsconn

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// These tests hold what reviews of the engine have found.

func TestAServerNameOfADotDoesNotSwitchVerificationOff(t *testing.T) {
	for _, name := range []string{".", ""} {
		if err := (&Config{ServerName: name}).Validate(RoleClient); err == nil {
			t.Errorf("ServerName %q is accepted", name)
		}
	}
	v := verification{config: &Config{}, chain: newTestCA(t).issue(t, keyECDSA, "example.org").Certificate, now: testTime}
	if _, err := v.verify(); err == nil {
		t.Error("a chain is verified for no name")
	}
}

func TestAFailedWriteKeepsWhatThePeerSentBehindAKeyUpdate(t *testing.T) {
	p := standardPair(t)
	p.handshake()
	if err := p.client.conn.KeyUpdate(false); err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.conn.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	p.server.tr.writeErr = errBrokenPipe
	p.server.conn.polled = true
	if n, err := p.server.conn.Write([]byte("x")); n != 0 || err != errBrokenPipe {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if err := p.server.read(100); err != nil || string(p.server.got) != "last words" {
		t.Fatalf("read %q, %v%v", p.server.got, err, p)
	}
	if _, err := p.server.conn.Write([]byte("x")); err != errBrokenPipe {
		t.Fatalf("the write error does not stick: %v", err)
	}
}

// onlyWritesFail is a blocking transport whose Read would wait for ever.
type onlyWritesFail struct {
	Transport
	t *testing.T
}

func (o onlyWritesFail) Read([]byte) (int, error) {
	o.t.Error("a transport that may block is read after its Write failed")
	return 0, io.EOF
}

func (o onlyWritesFail) Write([]byte) (int, error) { return 0, errBrokenPipe }

func TestAFailedWriteDoesNotWaitForABlockingTransport(t *testing.T) {
	p := standardPair(t)
	p.handshake()
	p.server.conn.polled = false
	p.server.conn.transport = onlyWritesFail{p.server.tr, t}
	if _, err := p.server.conn.Write([]byte("x")); err != errBrokenPipe {
		t.Fatal(err)
	}
}

func TestEveryRequestToUpdateIsAnsweredBeforeTheNextData(t *testing.T) {
	p := standardPair(t)
	p.handshake()
	s := p.server
	s.tr.quota, s.tr.left = 0, 0 // blocked
	for i := range 3 {
		before := s.conn.out.secret
		for range 5 { // one answer is enough for these
			if err := p.client.conn.KeyUpdate(true); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.read(10); err != ErrWantRead {
			t.Fatal(err)
		}
		if s.conn.out.secret == before {
			t.Fatalf("request %d is not answered", i)
		}
		if _, err := s.conn.Write([]byte("data")); err != nil {
			t.Fatal(err)
		}
	}
	s.tr.quota = -1
	p.send(p.client, []byte("up"))
	if err := s.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := p.client.read(100); err != nil || string(p.client.got) != "datadatadata" {
		for err == nil && len(p.client.got) < 12 {
			err = p.client.read(100)
		}
		if string(p.client.got) != "datadatadata" {
			t.Fatalf("read %q, %v", p.client.got, err)
		}
	}
}

func TestACallbacksErrorIsNeverAWantOrAnEnd(t *testing.T) {
	for _, inner := range []error{io.EOF, ErrWantRead, ErrWantWrite, ErrWantApp, ErrWouldBlock} {
		p := newPair(t, clientFor(newTestCA(t)), &Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return nil, fmt.Errorf("store: %w", inner)
			},
		})
		_, err := p.failHandshake()
		wantAlert(t, "server", err, AlertInternalError)
		if errors.Is(err, inner) || ErrorCode(err) != CodeSSL || !strings.Contains(err.Error(), inner.Error()) {
			t.Errorf("GetCertificate failed with %v: %v, %v", inner, err, ErrorCode(err))
		}
	}
}

func TestVerifyPeerChoosesItsAlertWhenWrapped(t *testing.T) {
	ca := newTestCA(t)
	config := clientFor(ca)
	config.VerifyPeer = func(*Peer) error {
		return fmt.Errorf("ocsp: %w", &LocalAlertError{Alert: AlertCertificateRevoked, Err: errors.New("revoked")})
	}
	p := newPair(t, config, serverFor(ca.issue(t, keyECDSA, "example.org")))
	client, server := p.failHandshake()
	wantAlert(t, "client", client, AlertCertificateRevoked)
	wantPeerAlert(t, "server", server, AlertCertificateRevoked)
}

// An operation that ends between the look at its result and the look at what is
// wanted must not show as a want to write.
func TestAnOperationThatEndsAnyTimeIsNoWantToWrite(t *testing.T) {
	ca := newTestCA(t)
	server, client := serverFor(ca.issue(t, keyEd25519, "example.org")), clientFor(ca)
	client.InsecureSkipVerify = true
	client.CurvePreferences = []tls.CurveID{tls.X25519}
	ended := make(chan struct{}, 1)
	for range 300 {
		ws := NewWorkspace(WorkspaceConfig{Offload: func(task func()) bool {
			go func() { task(); ended <- struct{}{} }()
			return true
		}})
		a, b := Pair()
		c, s := ws.Client(a, client), Server(b, server)
		for err := c.Handshake(); err != nil; err = c.Handshake() {
			if err != ErrWantRead && err != ErrWantApp {
				t.Fatalf("client: %v in state %v", err, c.State())
			}
			if err == ErrWantApp && c.Wants() != WantApp && c.Pending() != 0 {
				t.Fatalf("wants %v while %v is pending", c.Wants(), c.Pending())
			}
			if err := s.Handshake(); err != nil && !isWant(err) {
				t.Fatal(err)
			}
			runtime.Gosched()
		}
		<-ended
	}
}

func TestWhatIsNotAcceptedIsNotStored(t *testing.T) {
	ca := newTestCA(t)
	p := newPair(t, clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org")))
	// The header of a certificate of 256 KiB, to a server that expects a ClientHello.
	p.client.conn.appendRecords(record.Handshake, []byte{11, 3, 0xff, 0xff})
	p.client.conn.state = StateExpectServerHello // it has not sent a hello
	if err := p.client.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	wantAlert(t, "server", p.server.conn.Handshake(), AlertUnexpectedMessage)

	p = standardPair(t)
	p.handshake()
	p.client.conn.appendRecords(record.Handshake, []byte{99, 0, 0xff, 0xff})
	if err := p.client.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	wantAlert(t, "server", p.server.read(10), AlertUnexpectedMessage)
}

func TestAServerThatAwaitsFinishedKeepsNoClientHello(t *testing.T) {
	p := standardPair(t)
	_ = p.client.conn.Handshake()
	_ = p.server.conn.Handshake()
	hs, ok := p.server.conn.hs.(*server13)
	if !ok || p.server.conn.State() != StateExpectClientFinished {
		t.Fatalf("server in state %v", p.server.conn.State())
	}
	if hs.helloRaw != nil || hs.hello.ALPN != nil {
		t.Error("the ClientHello is still held")
	}
}

func TestHandshakesThatComeAndGoLeaveAnEstablishedKeyCached(t *testing.T) {
	ca := newTestCA(t)
	clientConfig, serverConfig := clientFor(ca), serverFor(ca.issue(t, keyEd25519, "example.org"))
	clientConfig.CurvePreferences = []tls.CurveID{tls.X25519}
	cws, sws := NewWorkspace(WorkspaceConfig{}), NewWorkspace(WorkspaceConfig{CachedKeys: 8})
	p := newPairIn(t, cws, sws, clientConfig, serverConfig)
	p.handshake()
	p.send(p.client, []byte("hello"))
	slot := p.server.conn.in.slot
	for range 20 {
		q := newPairIn(t, cws, sws, clientConfig, serverConfig)
		q.handshake()
		q.server.conn.Close()
		q.client.conn.Close()
	}
	if e := &sws.keys.entries[slot]; e.owner != &p.server.conn.in.halfConn {
		t.Error("the established connection has lost its key to handshakes that are gone")
	}
}

func TestAnswersToOurOwnRequestsAreNoFlood(t *testing.T) {
	p := standardPair(t)
	p.handshake()
	for range 3 * maxKeyUpdates {
		if err := p.client.conn.KeyUpdate(true); err != nil {
			t.Fatal(err)
		}
		p.send(p.client, []byte("upload only"))
		if err := p.client.read(10); err != ErrWantRead {
			t.Fatalf("client: %v%v", err, p)
		}
	}
}

// A loop that reads while it is told to, by Buffered or by the poller, must come
// to know of an end that arrived together with data.
func TestAnEndBehindDataIsBuffered(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*side) error
		want func(error) bool
	}{
		{"close_notify", func(s *side) error { return s.conn.CloseWrite() },
			func(err error) bool { return err == io.EOF }},
		{"a record that breaks the rules", func(s *side) error { s.say(record.Handshake, []byte{1, 0, 0, 0}); return nil },
			func(err error) bool { return ErrorCode(err) == CodeSSL }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := standardPair(t)
			p.handshake()
			if _, err := p.client.conn.Write([]byte("data")); err != nil {
				t.Fatal(err)
			}
			if err := tt.end(p.client); err != nil {
				t.Fatal(err)
			}
			if err := p.server.read(1000); err != nil {
				t.Fatal(err)
			}
			if p.server.conn.Buffered() == 0 {
				t.Fatal("nothing asks for the Read that would tell the end")
			}
			if err := p.server.read(1000); !tt.want(err) {
				t.Fatalf("the end is %v", err)
			}
			if n := p.server.conn.Buffered(); n != 0 {
				t.Fatalf("Buffered() = %d after the end was told", n)
			}
		})
	}
}

func TestAnEmptyPairHoldsLittle(t *testing.T) {
	a, b := Pair()
	if _, err := a.Write(make([]byte, pairLimit)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := b.Read(make([]byte, 10000)); err != nil {
			break
		}
	}
	if n := cap(a.out.data); n > pairKept {
		t.Errorf("an empty direction keeps %d bytes", n)
	}
}

func TestSlowKeysAreThoseThatAreNotKnownToBeFast(t *testing.T) {
	for kind, slow := range map[keyKind]bool{keyECDSA: false, keyEd25519: false, keyECDSA384: true, keyECDSA521: true, keyRSA: true} {
		if got := isSlow(testKeys()[kind]); got != slow {
			t.Errorf("key %d: slow %v", kind, got)
		}
	}
	if !isSlow(struct{ crypto.Signer }{testKeys()[keyECDSA]}) {
		t.Error("a signer of unknown kind is taken for fast")
	}
}

func TestOutputBeyondTheBudgetSlowsAndLosesNothing(t *testing.T) {
	ca := newTestCA(t)
	sws := NewWorkspace(WorkspaceConfig{OutputBudget: 100})
	p := newPairIn(t, NewWorkspace(WorkspaceConfig{}), sws, clientFor(ca), serverFor(ca.issue(t, keyEd25519, "example.org")))
	p.handshake()
	p.server.tr.quota, p.server.tr.left = 0, 0
	data := make([]byte, 100000)
	if n, err := p.server.conn.Write(data[:200]); n != 200 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if n, err := p.server.conn.Write(data[200:]); n != 0 || err != ErrWantWrite {
		t.Fatalf("over the budget: Write = %d, %v", n, err)
	}
	p.server.tr.quota = -1
	for len(p.client.got) < 200 {
		if err := p.server.conn.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := p.client.read(1000); err != nil {
			t.Fatal(err)
		}
	}
	if sws.buffers.output != 0 {
		t.Errorf("%d bytes are still charged", sws.buffers.output)
	}
	p.send(p.server, data)
}
