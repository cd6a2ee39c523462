package tlsconn

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// sentinel fills slices before Read gets them: what Read has no business with
// keeps it, or is zero.
const sentinel = 0xA5

// readInto does one Read into a slice of n bytes, and checks what it left behind.
func (s *side) readInto(n int) (got []byte, err error) {
	s.t.Helper()
	p := bytes.Repeat([]byte{sentinel}, n)
	k, err := s.conn.Read(p)
	if n > 0 && (k > 0) == (err != nil) {
		s.t.Fatalf("%s: Read of %d bytes = %d, %v", s.name, n, k, err)
	}
	for i, b := range p[k:] {
		if b != sentinel && b != 0 {
			s.t.Fatalf("%s: Read of %d bytes returned %d, and byte %d of the slice is %#x", s.name, n, k, k+i, b)
		}
	}
	return p[:k], err
}

// sayPadded seals data with the given padding (RFC 8446 5.4).
func (s *side) sayPadded(data []byte, padding int) {
	s.t.Helper()
	inner := append(bytes.Clone(data), byte(record.ApplicationData))
	inner = append(inner, make([]byte, padding-1)...)
	rec := s.conn.room(len(inner) + record.Overhead13)
	copy(rec[record.HeaderLen:], inner)
	s.conn.seal(rec, len(inner), 0) // the last zero stands where the type would
	if err := s.conn.Flush(); err != nil {
		s.t.Fatal(err)
	}
}

// recordSizes are the sizes of application data records that tests send.
var recordSizes = []int{1, 2, 15, 16, 17, 99, 100, 101, 255, 256, 257, 1000, 2047, 2048, 4096, 16383, 16384}

// TestReadIntoSlicesOfAnySize sends records of every size, between messages that
// are not the application's, and reads them with slices of every relation to them.
func TestReadIntoSlicesOfAnySize(t *testing.T) {
	p := connected(t)
	for _, size := range recordSizes {
		for _, slice := range []int{1, 100, size - 1, size, size + 1, size + 16, 2 * size, 40000} {
			if slice < 1 || slice == 1 && size > 300 {
				continue
			}
			data := pattern(size)
			p.client.say(record.ApplicationData, data)
			if err := p.client.conn.KeyUpdate(true); err != nil {
				t.Fatal(err)
			}
			p.client.say(record.ApplicationData, nil)
			p.client.sayPadded(data[:min(size, 16000)], 100)
			want := append(bytes.Clone(data), data[:min(size, 16000)]...)
			var got []byte
			for len(got) < len(want) {
				b, err := p.server.readInto(slice)
				if err != nil {
					t.Fatalf("records of %d into %d: after %d bytes: %v", size, slice, len(got), err)
				}
				got = append(got, b...)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("records of %d into %d: the data changed", size, slice)
			}
			if b, err := p.server.readInto(slice); err != ErrWantRead {
				t.Fatalf("records of %d into %d: then %d bytes, %v", size, slice, len(b), err)
			}
			if n := p.server.conn.Buffered(); n != 0 {
				t.Fatalf("records of %d into %d: Buffered() = %d with nothing left", size, slice, n)
			}
			p.send(p.server, []byte("x")) // consecutive KeyUpdates have a limit, answers too
			p.server.checkIdle()
		}
	}
}

func TestReadTakesSeveralRecordsThatFit(t *testing.T) {
	p := connected(t)
	for i := range 10 {
		p.client.say(record.ApplicationData, []byte{byte('0' + i)})
	}
	got, err := p.server.readInto(100)
	if err != nil || string(got) != "0123456789" {
		t.Fatalf("one Read = %q, %v", got, err)
	}
}

func TestReadWithAnEmptySlice(t *testing.T) {
	p := connected(t)
	if n, err := p.server.conn.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(nil) with nothing there = %d, %v", n, err)
	}
	p.client.say(record.ApplicationData, []byte("x"))
	if n, err := p.server.conn.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(nil) with data there = %d, %v", n, err)
	}
	if err := p.server.read(1); err != nil {
		t.Error(err)
	}
}

// What ends the stream right behind data is told by the next Read.
func TestReadTellsTheEndAfterTheData(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*pair)
		want func(error) bool
	}{
		{"close_notify", func(p *pair) { _ = p.client.conn.CloseWrite() }, func(err error) bool { return err == io.EOF }},
		{"a fatal alert", func(p *pair) { p.client.say(record.Alert, []byte{2, 80}) }, func(err error) bool {
			peer, ok := err.(*PeerAlertError)
			return ok && peer.Alert == AlertInternalError
		}},
		{"a forged record", func(p *pair) { p.server.inject([]byte{23, 3, 3, 0, 20, 24: 0}) }, func(err error) bool {
			local, ok := err.(*LocalAlertError)
			return ok && local.Alert == AlertBadRecordMAC
		}},
		{"the transport's end", func(p *pair) { p.client.tr.out.closed = true }, func(err error) bool { return err == io.ErrUnexpectedEOF }},
	} {
		for _, slice := range []int{1, 4, 5, 100, 40000} {
			t.Run(fmt.Sprintf("%s, slice of %d", tt.name, slice), func(t *testing.T) {
				p := connected(t)
				p.client.say(record.ApplicationData, []byte("data"))
				tt.end(p)
				var got []byte
				for len(got) < 4 {
					b, err := p.server.readInto(slice)
					if err != nil {
						t.Fatalf("after %q: %v", got, err)
					}
					got = append(got, b...)
				}
				_, err := p.server.readInto(slice)
				if !tt.want(err) {
					t.Fatalf("after the data: %v", err)
				}
				for range 3 {
					if _, again := p.server.readInto(slice); again != err {
						t.Fatalf("again: %v, not %v", again, err)
					}
				}
			})
		}
	}
}

// Nothing of a record that is refused, or is not the application's, shows in the
// caller's slice, which readInto checks.
func TestReadNeverShowsWhatIsNotData(t *testing.T) {
	for _, tt := range []struct {
		name string
		say  func(*side)
		want Alert
	}{
		{"a record of an unknown type", func(s *side) { s.say(record.Type(99), bytes.Repeat([]byte{0x77}, 50)) }, AlertUnexpectedMessage},
		{"an inner change_cipher_spec", func(s *side) { s.say(record.ChangeCipherSpec, []byte{1}) }, AlertUnexpectedMessage},
		{"a handshake message that does not belong", func(s *side) {
			s.say(record.Handshake, append([]byte{byte(wire.TypeFinished), 0, 0, 32}, bytes.Repeat([]byte{0x77}, 32)...))
		}, AlertUnexpectedMessage},
		{"padding alone", func(s *side) {
			rec := s.conn.room(50 + record.Overhead13)
			clear(rec)
			s.conn.seal(rec, 50, 0)
			_ = s.conn.Flush()
		}, AlertUnexpectedMessage},
		{"a record that was changed", func(s *side) {
			s.conn.appendRecords(record.ApplicationData, bytes.Repeat([]byte{0x77}, 50))
			s.conn.out.buf.data[s.conn.out.end-1] ^= 1
			_ = s.conn.Flush()
		}, AlertBadRecordMAC},
	} {
		for _, slice := range []int{1, 100, 40000} {
			t.Run(fmt.Sprintf("%s, slice of %d", tt.name, slice), func(t *testing.T) {
				p := connected(t)
				tt.say(p.client)
				_, err := p.server.readInto(slice)
				wantAlert(t, "server", err, tt.want)
				wantPeerAlert(t, "client", p.client.read(10), tt.want)
			})
		}
	}
}

func TestBufferedCountsWhatCanBeReadWithoutTheTransport(t *testing.T) {
	p := connected(t)
	p.client.tr.auto = false
	if n := p.server.conn.Buffered(); n != 0 {
		t.Fatalf("Buffered() = %d at first", n)
	}
	if _, err := p.client.conn.Write(pattern(100)); err != nil {
		t.Fatal(err)
	}
	first := len(p.client.tr.out.bytes)
	if _, err := p.client.conn.Write(pattern(200)); err != nil {
		t.Fatal(err)
	}

	// A record that has arrived in part does not count: nobody has to read again.
	up := p.client.tr.out
	up.delivered = first - 1
	if err := p.server.read(10); err != ErrWantRead {
		t.Fatalf("a partial record: %v", err)
	}
	if n := p.server.conn.Buffered(); n != 0 {
		t.Fatalf("a partial record: Buffered() = %d", n)
	}
	// The rest, with the beginning of the next.
	up.delivered = len(up.bytes) - 1
	if err := p.server.read(10); err != nil {
		t.Fatal(err)
	}
	if n := p.server.conn.Buffered(); n != 90 {
		t.Fatalf("10 of 100 bytes read: Buffered() = %d", n)
	}
	up.delivered = len(up.bytes)
	if err := p.server.read(90); err != nil {
		t.Fatal(err)
	}
	if n := p.server.conn.Buffered(); n != 0 {
		t.Fatalf("the first record read, the second in part: Buffered() = %d", n)
	}
	if err := p.server.read(1); err != nil {
		t.Fatal(err)
	}
	if n := p.server.conn.Buffered(); n != 199 {
		t.Fatalf("1 of 200 bytes read: Buffered() = %d", n)
	}
}

func TestBufferedCountsAWholeRecordThatIsNotOpened(t *testing.T) {
	p := connected(t)
	for range 5 {
		p.client.say(record.ApplicationData, pattern(1000))
	}
	if err := p.server.read(1001); err != nil {
		t.Fatal(err)
	}
	for read := 1000; ; {
		n := p.server.conn.Buffered()
		if n > 5000-read || (n == 0) != (read == 5000) {
			t.Fatalf("after %d of 5000 bytes: Buffered() = %d", read, n)
		}
		if n == 0 {
			break
		}
		// Buffered says that this does not need the transport.
		p.server.tr.readErr = errReset
		before := len(p.server.got)
		if err := p.server.read(300); err != nil {
			t.Fatal(err)
		}
		p.server.tr.readErr = nil
		read += len(p.server.got) - before
	}
}

// nothing is a transport that reads nothing and says no error, over and over.
type nothing struct{ reads int }

func (n *nothing) Read([]byte) (int, error)    { n.reads++; return 0, nil }
func (n *nothing) Write(p []byte) (int, error) { return len(p), nil }

func TestTransportWithoutProgressEndsTheConnection(t *testing.T) {
	ca := newTestCA(t)
	tr := new(nothing)
	c := Client(tr, clientFor(ca))
	err := c.Handshake()
	for calls := 1; err == ErrWantRead; calls++ {
		if calls > 2*maxNoProgress {
			t.Fatalf("no end after %d calls", calls)
		}
		err = c.Handshake()
	}
	if err != io.ErrNoProgress {
		t.Fatal(err)
	}
	reads := tr.reads
	if again := c.Handshake(); again != io.ErrNoProgress || tr.reads != reads {
		t.Errorf("again: %v, after %d more reads", again, tr.reads-reads)
	}
}

// eofWithData returns io.EOF beside its last bytes, as io.Reader may.
type eofWithData struct{ *testTransport }

func (e eofWithData) Read(p []byte) (int, error) {
	n, err := e.testTransport.Read(p)
	if n > 0 && e.in.read == len(e.in.bytes) && e.in.closed {
		return n, io.EOF
	}
	return n, err
}

func TestReadTakesBytesThatComeWithTheTransportsEnd(t *testing.T) {
	p := connected(t)
	p.server.conn.transport = eofWithData{p.server.tr}
	p.client.say(record.ApplicationData, []byte("last"))
	_ = p.client.conn.CloseWrite()
	p.client.tr.out.closed = true
	if err := p.server.read(100); err != nil || string(p.server.got) != "last" {
		t.Fatalf("read %q, %v", p.server.got, err)
	}
	if err := p.server.read(100); err != io.EOF {
		t.Fatalf("then %v, want io.EOF: close_notify came before the end", err)
	}
}
