package tlsconn

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// peekRead does a Peek into n bytes, holds it against a second one and a shorter
// one, and then reads what was peeked, as BoGo's -peek-then-read does.
func (s *side) peekRead(n int) error {
	s.t.Helper()
	buf := make([]byte, n)
	k, err := s.conn.Peek(buf)
	if (k > 0) == (err != nil) {
		s.t.Fatalf("%s: Peek = %d, %v", s.name, k, err)
	}
	if err != nil {
		return err
	}
	read := s.tr.in.read
	for _, m := range []int{n, (k + 1) / 2, 1} {
		again := make([]byte, m)
		j, err := s.conn.Peek(again)
		if err != nil || j != min(m, k) || !bytes.Equal(again[:j], buf[:j]) {
			s.t.Fatalf("%s: Peek again into %d = %q, %v; first it was %q", s.name, m, again[:j], err, buf[:k])
		}
	}
	if s.conn.Buffered() < k {
		s.t.Fatalf("%s: Buffered() = %d with %d bytes peeked", s.name, s.conn.Buffered(), k)
	}
	got := make([]byte, k)
	if j, err := s.conn.Read(got); j != k || err != nil || !bytes.Equal(got, buf[:k]) {
		s.t.Fatalf("%s: Read = %q, %v; peeked was %q", s.name, got[:j], err, buf[:k])
	}
	if s.tr.in.read != read {
		s.t.Fatalf("%s: the transport was read for bytes that were peeked", s.name)
	}
	s.got = append(s.got, got...)
	return nil
}

// peekFlow exchanges data, messages of the protocol and ends, which are read by
// Peek first; the handshake is driven by it as well.
var peekFlow = flow{name: "Peek", script: func(p *pair) error {
	receive := func(to *side, what string, n int) {
		p.t.Helper()
		mark := len(to.got)
		err := p.until(to, what, func() error {
			for len(to.got)-mark < n {
				if err := to.peekRead(300); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			p.t.Fatalf("%s: %s: %v%v", to.name, what, err, p)
		}
	}
	write := func(from *side, data []byte) {
		p.t.Helper()
		sent := 0
		if err := p.until(from, "write", func() error {
			n, err := from.conn.Write(data[sent:])
			sent += n
			return err
		}); err != nil {
			p.t.Fatalf("%s: write: %v%v", from.name, err, p)
		}
	}
	flush := func(s *side) {
		p.t.Helper()
		if err := p.until(s, "flush", s.conn.Flush); err != nil {
			p.t.Fatalf("%s: flush: %v%v", s.name, err, p)
		}
	}
	// The server's Peek is the only call that drives its handshake.
	if err := p.until(p.server, "first peek", func() error {
		if err := p.client.conn.Handshake(); err != nil && !isWant(err) {
			return err
		}
		if p.client.conn.State() == StateConnected && len(p.client.got) == 0 {
			p.client.got = append(p.client.got, '|')
			if _, err := p.client.conn.Write([]byte("first")); err != nil {
				return err
			}
		}
		return p.server.peekRead(100)
	}); err != nil {
		return err
	}
	flush(p.client)
	p.client.conn.seal(p.client.conn.room(record.Overhead13), 0, record.ApplicationData) // an empty record
	flush(p.client)
	if err := p.until(p.client, "key update", func() error { return p.client.conn.KeyUpdate(true) }); err != nil {
		return err
	}
	flush(p.client)
	write(p.client, bytes.Repeat([]byte("a request "), 50))
	flush(p.client)
	receive(p.server, "peek the request", 500)
	write(p.server, []byte("an answer"))
	flush(p.server)
	receive(p.client, "peek the answer", len("an answer"))
	if err := p.until(p.client, "close", p.client.conn.CloseWrite); err != nil {
		return err
	}
	if err := p.until(p.server, "peek the end", func() error { return p.server.peekRead(1) }); err != io.EOF {
		return fmt.Errorf("peek of the end: %w", err)
	}
	return p.until(p.server, "read the end", func() error { return p.server.read(1) })
}}

func TestPeekInEveryDelivery(t *testing.T) {
	cast := newCast(t)
	f := &peekFlow
	ref := f.run(t, cast, func(*pair) {})
	if want := "first" + string(bytes.Repeat([]byte("a request "), 50)); ref.plaintext[1] != want || ref.result != "EOF" {
		t.Fatalf("the server read %q, and the end was %s", ref.plaintext[1], ref.result)
	}
	for name, deliver := range uniformDeliveries {
		o := f.run(t, cast, deliver)
		// A KeyUpdate's answer goes out when the request is seen, which is not the same
		// time in every delivery; all else is.
		o.up, o.down, ref.up, ref.down = nil, nil, nil, nil
		o.same(t, name, &ref)
	}
	again := f.run(t, cast, func(*pair) {})
	rng := rand.New(rand.NewPCG(3, 4))
	for _, at := range offsets(len(again.up), exhaustive, sampledSplits, rng) {
		o := f.run(t, cast, func(p *pair) { p.server.tr.splits = []int{at} })
		o.up, o.down = nil, nil
		o.same(t, fmt.Sprintf("client to server cut at %d", at), &ref)
	}
}

// What Peek finds at the end it leaves for Read, whatever end it is.
func TestPeekLeavesTheEndToRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*pair)
	}{
		{"close_notify", func(p *pair) { _ = p.client.conn.CloseWrite() }},
		{"a fatal alert", func(p *pair) { p.client.say(record.Alert, []byte{2, 80}) }},
		{"a forged record", func(p *pair) { p.server.inject([]byte{23, 3, 3, 0, 20, 24: 0}) }},
		{"the transport's end", func(p *pair) { p.client.tr.out.closed = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := connected(t)
			p.client.say(record.ApplicationData, []byte("data"))
			tt.end(p)
			if err := p.server.peekRead(100); err != nil {
				t.Fatal(err)
			}
			first := p.server.peekRead(100)
			if isWant(first) {
				t.Fatal(first)
			}
			for range 2 {
				if err := p.server.peekRead(100); err != first {
					t.Fatalf("Peek again: %v, not %v", err, first)
				}
				if err := p.server.read(100); err != first {
					t.Fatalf("Read: %v, not %v", err, first)
				}
			}
			if n := p.server.conn.Buffered(); n != 0 {
				t.Fatalf("Buffered() = %d after the end was told", n)
			}
		})
	}
}

// An end that Read found behind its data, and has yet to tell, is not told away by Peek.
func TestPeekKeepsAnUntoldEndBuffered(t *testing.T) {
	p := connected(t)
	p.client.say(record.ApplicationData, []byte("data"))
	_ = p.client.conn.CloseWrite()
	if err := p.server.read(100); err != nil {
		t.Fatal(err)
	}
	if n := p.server.conn.Buffered(); n != 1 {
		t.Fatalf("Buffered() = %d with the end untold", n)
	}
	if err := p.server.peekRead(1); err != io.EOF || p.server.conn.Buffered() != 1 {
		t.Fatalf("Peek = %v, then Buffered() = %d", err, p.server.conn.Buffered())
	}
	if err := p.server.read(1); err != io.EOF || p.server.conn.Buffered() != 0 {
		t.Fatalf("Read = %v, then Buffered() = %d", err, p.server.conn.Buffered())
	}
}

func TestPeekOfEveryRecordAndSlice(t *testing.T) {
	p := connected(t)
	for _, size := range recordSizes {
		for _, slice := range []int{1, 100, size, 40000} {
			if slice == 1 && size > 300 {
				continue
			}
			data := pattern(size)
			p.client.say(record.ApplicationData, data)
			mark := len(p.server.got)
			for len(p.server.got)-mark < size {
				if err := p.server.peekRead(slice); err != nil {
					t.Fatalf("record of %d, slice of %d: %v", size, slice, err)
				}
			}
			if !bytes.Equal(p.server.got[mark:], data) {
				t.Fatalf("record of %d, slice of %d: the data changed", size, slice)
			}
			if err := p.server.peekRead(slice); err != ErrWantRead {
				t.Fatalf("then %v", err)
			}
			p.server.checkIdle()
		}
	}
	for range 2 {
		if n, err := p.server.conn.Peek(nil); n != 0 || err != nil {
			t.Fatalf("Peek(nil) = %d, %v", n, err)
		}
	}
}

// Peek of a Read's remains, and a Read behind Peek that takes further records.
func TestPeekAndReadTakeTurns(t *testing.T) {
	p := connected(t)
	for _, data := range []string{"one ", "two ", "three"} {
		p.client.say(record.ApplicationData, []byte(data))
	}
	if err := p.server.read(2); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := p.server.conn.Peek(buf); string(buf[:n]) != "e " || err != nil {
		t.Fatalf("Peek = %q, %v", buf[:n], err)
	}
	if n, err := p.server.conn.Read(buf); string(buf[:n]) != "e two three" || err != nil {
		t.Fatalf("Read = %q, %v", buf[:n], err)
	}
}

// Peeking in the steady state allocates nothing.
func TestPeekAllocatesNothing(t *testing.T) {
	client, server := established(t, suiteNames[0])
	data, buf := make([]byte, 1000), make([]byte, 2000)
	if n := testing.AllocsPerRun(20, func() {
		if _, err := client.Write(data); err != nil {
			t.Fatal(err)
		}
		for _, call := range []func([]byte) (int, error){server.Peek, server.Peek, server.Read} {
			if n, err := call(buf); n != len(data) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
