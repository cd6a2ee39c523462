package tlsconn

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// script is a source that hands out its pieces, one a Read, and then err.
type script struct {
	pieces [][]byte
	err    error
	reads  int
}

func (s *script) Read(p []byte) (int, error) {
	s.reads++
	if len(s.pieces) == 0 {
		return 0, s.err
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

// blockingPair is a connected client and server over net.Pipe, whose deadline
// turns a hang into a failure.
func blockingPair(t *testing.T) (client, server *Conn) {
	t.Helper()
	a, b := net.Pipe()
	for _, end := range []net.Conn{a, b} {
		t.Cleanup(func() { end.Close() })
		if err := end.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	ca := newTestCA(t)
	client, server = Client(a, clientFor(ca)), Server(b, serverFor(ca.issue(t, keyECDSA, "example.org")))
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return client, server
}

// pattern is n bytes in which a lost, doubled or swapped piece shows.
func pattern(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestWriteOwnsWhatItTakes(t *testing.T) {
	p := connected(t)
	p.server.block()
	data := pattern(1 << 20)
	rest := bytes.Clone(data)
	for len(rest) > 0 {
		n, err := p.server.conn.Write(rest)
		switch {
		case n == len(rest) && err != nil:
			t.Fatalf("Write took all %d bytes and returned %v", n, err)
		case n < len(rest) && err != ErrWantWrite:
			t.Fatalf("Write took %d of %d bytes and returned %v", n, len(rest), err)
		}
		for i := range rest[:n] {
			rest[i] = 0xee // the engine must not look at it again
		}
		rest = rest[n:]
		if p.server.conn.out.pending() > outputHighWater {
			t.Fatalf("%d bytes of output are pending, the limit is %d", p.server.conn.out.pending(), outputHighWater)
		}
		// The transport takes a piece that is no multiple of anything.
		p.server.tr.quota, p.server.tr.left = 0, 10007
		if err := p.server.conn.Flush(); err != nil && err != ErrWantWrite {
			t.Fatal(err)
		}
		p.drain(p.client)
	}
	p.server.unblock()
	if err := p.server.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	p.drain(p.client)
	if !bytes.Equal(p.client.got, data) {
		t.Fatalf("the client read %d bytes, which are not the %d written", len(p.client.got), len(data))
	}
}

func TestWriteThatTakesAllIsNilWithOutputPending(t *testing.T) {
	p := connected(t)
	p.server.block()
	if n, err := p.server.conn.Write([]byte("pending")); n != 7 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if w := p.server.conn.Wants(); w&WantWrite == 0 {
		t.Fatalf("wants %v with output pending", w)
	}
	if n, err := p.server.conn.Write(nil); n != 0 || err != nil {
		t.Fatalf("Write of nothing = %d, %v", n, err)
	}
	if err := p.server.conn.Flush(); err != ErrWantWrite {
		t.Fatalf("Flush = %v", err)
	}
	p.server.unblock()
	// Any verb flushes first: here Read, which has nothing to read.
	if err := p.server.read(10); err != ErrWantRead {
		t.Fatal(err)
	}
	if err := p.client.read(10); err != nil || string(p.client.got) != "pending" {
		t.Fatalf("read %q, %v", p.client.got, err)
	}
	if err := p.server.conn.Flush(); err != nil {
		t.Fatalf("Flush with nothing pending = %v", err)
	}
}

func TestWriteAndReadDriveTheHandshake(t *testing.T) {
	p := standardPair(t)
	p.send(p.client, []byte("the first call was Write"))
	p.send(p.server, []byte("and Read"))
	p = standardPair(t)
	n, err := p.server.conn.ReadFrom(&script{pieces: [][]byte{[]byte("x")}, err: io.EOF})
	if n != 0 || err != ErrWantRead {
		t.Fatalf("ReadFrom before the handshake = %d, %v", n, err)
	}
}

func TestWriteAfterATransportFailure(t *testing.T) {
	p := connected(t)
	if _, err := p.client.conn.Write([]byte("sent before")); err != nil {
		t.Fatal(err)
	}
	p.server.tr.writeErr = errReset
	_, err := p.server.conn.Write([]byte("lost"))
	if err != errReset {
		t.Fatalf("Write = %v", err)
	}
	p.server.tr.writeErr = nil
	for what, call := range map[string]func() error{
		"Write":     func() error { _, err := p.server.conn.Write([]byte("x")); return err },
		"ReadFrom":  func() error { _, err := p.server.conn.ReadFrom(&script{err: io.EOF}); return err },
		"Flush":     p.server.conn.Flush,
		"KeyUpdate": func() error { return p.server.conn.KeyUpdate(true) },
	} {
		if err := call(); err != errReset {
			t.Errorf("%s after the failure = %v", what, err)
		}
	}
	// Only our direction is dead: what the peer sent is still there.
	if err := p.server.read(100); err != nil || string(p.server.got) != "sent before" {
		t.Fatalf("read %q, %v", p.server.got, err)
	}
	if len(p.client.got) != 0 {
		t.Fatal("something of the lost write arrived")
	}
}

// A peer that refuses us says why and closes: its alert, not the transport's
// EPIPE, is the reason to tell.
func TestWriteErrorGivesWayToThePeersAlert(t *testing.T) {
	p := connected(t)
	p.client.say(record.Alert, []byte{2, byte(AlertAccessDenied)})
	p.server.tr.writeErr = errReset
	_, err := p.server.conn.Write([]byte("x"))
	wantPeerAlert(t, "server", err, AlertAccessDenied)
	if _, again := p.server.conn.Write([]byte("x")); again != err {
		t.Errorf("again: %v", again)
	}
}

func TestReadFromCopiesUntilTheSourceEnds(t *testing.T) {
	p := connected(t)
	data := pattern(100_000)
	src := &script{pieces: [][]byte{data[:1], data[1:20_000], data[20_000:20_001], data[20_001:]}, err: io.EOF}
	var total int64
	err := p.until(p.client, "read from", func() error {
		n, err := p.client.conn.ReadFrom(src)
		total += n
		p.drain(p.server)
		return err
	})
	if err != nil || total != int64(len(data)) {
		t.Fatalf("ReadFrom took %d bytes and ended with %v", total, err)
	}
	if err := p.client.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	p.drain(p.server)
	if !bytes.Equal(p.server.got, data) {
		t.Fatalf("the server read %d bytes, which are not the source's %d", len(p.server.got), len(data))
	}
	p.send(p.client, []byte("and the connection goes on"))
}

func TestReadFromReturnsTheSourcesErrorAsItIs(t *testing.T) {
	for _, err := range []error{ErrWouldBlock, errReset, io.ErrUnexpectedEOF} {
		p := connected(t)
		n, got := p.client.conn.ReadFrom(&script{pieces: [][]byte{[]byte("before it")}, err: err})
		if n != 9 || got != err {
			t.Errorf("ReadFrom of a source that fails with %v = %d, %v", err, n, got)
		}
		if p.server.read(100) != nil || string(p.server.got) != "before it" {
			t.Errorf("what came before %v was not sent: %q", err, p.server.got)
		}
		p.send(p.client, []byte("the source's failure is not ours"))
	}
}

// errWithData returns an error beside its last bytes, as io.Reader may.
type errWithData struct{ err error }

func (e errWithData) Read(p []byte) (int, error) { return copy(p, "data"), e.err }

func TestReadFromTakesBytesThatComeWithAnError(t *testing.T) {
	p := connected(t)
	if n, err := p.client.conn.ReadFrom(errWithData{errReset}); n != 4 || err != errReset {
		t.Fatalf("ReadFrom = %d, %v", n, err)
	}
	if n, err := p.client.conn.ReadFrom(errWithData{io.EOF}); n != 4 || err != nil {
		t.Fatalf("ReadFrom = %d, %v", n, err)
	}
	p.drain(p.server)
	if string(p.server.got) != "datadata" {
		t.Fatalf("read %q", p.server.got)
	}
}

func TestReadFromLeavesTheSourceWhileOutputIsFull(t *testing.T) {
	p := connected(t)
	p.client.block()
	data := pattern(20 * record.MaxPlaintext)
	src := &script{pieces: [][]byte{data}, err: io.EOF}
	n, err := p.client.conn.ReadFrom(src)
	if err != ErrWantWrite || n == 0 || int(n) > outputHighWater {
		t.Fatalf("ReadFrom into a full transport = %d, %v", n, err)
	}
	reads := src.reads
	for range 3 {
		if n, err := p.client.conn.ReadFrom(src); n != 0 || err != ErrWantWrite || src.reads != reads {
			t.Fatalf("ReadFrom with output full = %d, %v after %d reads of the source", n, err, src.reads-reads)
		}
	}
	p.client.unblock()
	for err = ErrWantWrite; err == ErrWantWrite; p.drain(p.server) {
		_, err = p.client.conn.ReadFrom(src)
	}
	if err != nil || !bytes.Equal(p.server.got, data) {
		t.Fatalf("in the end %d bytes of %d, %v", len(p.server.got), len(data), err)
	}
}

func TestReadFromGivesUpOnASourceWithoutProgress(t *testing.T) {
	p := connected(t)
	src := &script{err: nil}
	if n, err := p.client.conn.ReadFrom(src); n != 0 || err != io.ErrNoProgress {
		t.Fatalf("ReadFrom = %d, %v", n, err)
	}
	if src.reads > 2*maxNoProgress {
		t.Errorf("after %d reads", src.reads)
	}
	p.send(p.client, []byte("the source's failure is not ours"))
}

// A source that blocks, as io.Copy between two net.Conns has, may wait for the
// peer's answer to what was read before: that has to be sent first.
func TestReadFromABlockingSourceSendsBeforeItBlocks(t *testing.T) {
	for _, size := range []int{1, 1000, record.MaxPlaintext, record.MaxPlaintext + 1} {
		client, server := blockingPair(t)
		request := pattern(size)
		answered := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			_, err := io.ReadFull(server, make([]byte, size))
			close(answered)
			done <- err
		}()
		source := io.MultiReader(bytes.NewReader(request), waitFor(answered))
		if n, err := client.ReadFrom(source); err != nil || n != int64(size) {
			t.Errorf("ReadFrom of %d bytes = %d, %v", size, n, err)
		}
		if err := <-done; err != nil {
			t.Errorf("the peer of ReadFrom read: %v", err)
		}
	}
}

// waitFor is a source that has nothing, once the channel is closed.
type waitFor <-chan struct{}

func (w waitFor) Read([]byte) (int, error) { <-w; return 0, io.EOF }

func TestKeyUpdateChangesTheSendingKey(t *testing.T) {
	p := connected(t)
	for _, request := range []bool{false, true} {
		clientOut, serverOut := p.client.conn.out.secret, p.server.conn.out.secret
		if err := p.client.conn.KeyUpdate(request); err != nil {
			t.Fatal(err)
		}
		p.send(p.client, []byte("under the new key"))
		if p.client.conn.out.secret == clientOut || p.server.conn.in.secret != p.client.conn.out.secret {
			t.Error("the client's sending key is not changed on both sides")
		}
		if changed := p.server.conn.out.secret != serverOut; changed != request {
			t.Errorf("requested %v: the server's sending key is changed: %v", request, changed)
		}
		p.send(p.server, []byte("an answer"))
		if p.client.conn.in.secret != p.server.conn.out.secret {
			t.Error("the client did not follow the server's key")
		}
	}
}

func TestKeyUpdateWithOutputFullDoesNothing(t *testing.T) {
	p := connected(t)
	p.client.block()
	if _, err := p.client.conn.Write(make([]byte, 1<<20)); err != ErrWantWrite {
		t.Fatal(err)
	}
	// What is left of the high water may hold small records still.
	for p.client.conn.KeyUpdate(false) == nil {
	}
	before := p.client.conn.out
	if err := p.client.conn.KeyUpdate(true); err != ErrWantWrite {
		t.Fatal(err)
	}
	if p.client.conn.out != before {
		t.Error("a KeyUpdate that returned ErrWantWrite changed something")
	}
}

// The answer to a KeyUpdate that asks for one goes out though output is full
// (design: output never keeps input from being read), and only once.
func TestKeyUpdateAnswersDoNotPileUp(t *testing.T) {
	p := connected(t)
	p.server.block()
	if _, err := p.server.conn.Write(make([]byte, 1<<20)); err != ErrWantWrite {
		t.Fatal(err)
	}
	full := p.server.conn.out.pending()
	for range maxKeyUpdates {
		if err := p.client.conn.KeyUpdate(true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.client.conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := p.server.read(10); err != nil {
		t.Fatal(err)
	}
	if extra := p.server.conn.out.pending() - full; extra != keyUpdateLen+record.Overhead13 {
		t.Errorf("%d updates were answered with %d bytes", maxKeyUpdates, extra)
	}
	p.server.unblock()
	if err := p.server.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	p.drain(p.client)
	p.send(p.server, []byte("under the new key"))
}

func TestWritesAreRecordsOfAtMostMaxPlaintext(t *testing.T) {
	p := connected(t)
	mark := len(p.client.tr.out.bytes)
	if n, err := p.client.conn.Write(make([]byte, 2*record.MaxPlaintext+1)); err != nil || n != 2*record.MaxPlaintext+1 {
		t.Fatal(n, err)
	}
	var lengths []int
	for b := p.client.tr.out.bytes[mark:]; len(b) > 0; {
		h := record.ParseHeader(b)
		lengths = append(lengths, h.Length)
		b = b[record.HeaderLen+h.Length:]
	}
	if len(lengths) != 3 || lengths[0] != record.MaxPlaintext+17 || lengths[1] != record.MaxPlaintext+17 || lengths[2] != 18 {
		t.Errorf("the records have lengths %v", lengths)
	}
}

func TestSourceErrorsAreNotWrapped(t *testing.T) {
	p := connected(t)
	want := &PeerAlertError{Alert: AlertInternalError} // another connection's
	_, err := p.client.conn.ReadFrom(&script{err: want})
	var got *PeerAlertError
	if !errors.As(err, &got) || got != want {
		t.Fatal(err)
	}
	p.send(p.client, []byte("this connection goes on"))
}
