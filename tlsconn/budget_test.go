package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A crowd of slow senders is held to the budget: whoever goes beyond it fails, and the
// others live on (tempesta#1054: memory returns to the baseline).
func TestInputBudgetOfManyConnections(t *testing.T) {
	for _, c := range []struct {
		name string
		data []byte
		each int
	}{
		{"the first byte of a header", []byte{22}, 256},
		{"part of a record", append([]byte{22, 3, 1, 2, 0}, make([]byte, 200)...), 256},
		{"more of it", append([]byte{22, 3, 1, 0x20, 0}, make([]byte, 300)...), 2048},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws := NewWorkspace(WorkspaceConfig{InputBudget: 20 * c.each})
			var all []*puppet
			for range 20 {
				p := newPuppetIn(t, ws, RoleClient, nil)
				p.raw(c.data)
				if p.drive(); p.err != ErrWantRead || p.in() != c.each {
					t.Fatalf("%v with %d bytes held", p.err, p.in())
				}
				all = append(all, p)
			}
			over := newPuppetIn(t, ws, RoleClient, nil)
			over.raw(c.data)
			over.drive()
			over.wantAlert(AlertInternalError, "input")
			if ws.buffers.input != 20*c.each {
				t.Fatalf("%d bytes charged", ws.buffers.input)
			}
			for _, p := range all {
				if p.conn.err != nil {
					t.Fatalf("another one failed: %v", p.conn.err)
				}
				if err := p.conn.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if ws.buffers.input != 0 {
				t.Fatalf("%d bytes charged after all are closed", ws.buffers.input)
			}
		})
	}
}

// Parts of handshake messages, in whole records, count as well.
func TestInputBudgetCountsPartialMessages(t *testing.T) {
	ws := NewWorkspace(WorkspaceConfig{InputBudget: 10 * 8000})
	for i := range 11 {
		p := newPuppetIn(t, ws, RoleClient, nil)
		hello := append(wire.AppendHeader(nil, wire.TypeClientHello, 20000), make([]byte, 8000-wire.HeaderLen)...)
		p.record(record.Handshake, hello, 0)
		if p.drive(); i < 10 && p.err != ErrWantRead {
			t.Fatalf("connection %d: %v", i, p.err)
		} else if i == 10 {
			p.wantAlert(AlertInternalError, "input")
		}
	}
}

// Peers that do not read are held to a budget too, without failing: beyond it a
// connection takes a record when its output is drained.
func TestOutputBudget(t *testing.T) {
	ws := NewWorkspace(WorkspaceConfig{OutputBudget: 1})
	stuck := newPuppetIn(t, ws, RoleClient, nil)
	stuck.handshake()
	stuck.tr.quota, stuck.tr.left = 0, 0
	if n, err := stuck.conn.Write([]byte("stuck")); n != 5 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if n, err := stuck.conn.Write([]byte("more")); n != 0 || err != ErrWantWrite {
		t.Fatalf("Write beyond the budget = %d, %v", n, err)
	}
	p := newPuppetIn(t, ws, RoleClient, nil)
	p.handshake()
	for range 3 {
		if n, err := p.conn.Write([]byte("drained")); n != 7 || err != nil {
			t.Fatalf("Write of another, whose peer reads = %d, %v", n, err)
		}
	}
	stuck.tr.quota = -1
	if err := stuck.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, err := stuck.conn.Write([]byte("more")); n != 4 || err != nil {
		t.Fatalf("Write after the peer has read = %d, %v", n, err)
	}
	if stuck.take(); string(stuck.received) != "stuckmore" {
		t.Fatalf("received %q", stuck.received)
	}
	if ws.buffers.output != 0 {
		t.Fatalf("%d bytes are charged with nothing pending", ws.buffers.output)
	}
}

// However much has arrived, a call reads one buffer of it, not all (envoy#6617).
func TestReadBufferDoesNotGrowWithWhatArrived(t *testing.T) {
	p := serverConnected.puppet(t)
	for range 100 {
		p.record(record.ApplicationData, make([]byte, 10000), 0)
	}
	for total := 0; total < 100*10000; {
		n, err := p.conn.Read(make([]byte, 100))
		if err != nil {
			t.Fatal(err)
		}
		if total += n; p.in() > bufferClasses[largest] {
			t.Fatalf("holds %d bytes", p.in())
		}
	}
	if p.in() != 0 || p.conn.Buffered() != 0 {
		t.Fatalf("holds %d bytes at the end", p.in())
	}
}

// What is held of a record that arrives slowly is the smallest class for what
// arrived, not for what was declared.
func TestPartialRecordIsHeldInTheSmallestClass(t *testing.T) {
	for _, s := range connectedStages {
		p := s.puppet(t)
		before := len(p.tr.in.bytes)
		data := strings.Repeat("slow", 4000)
		p.record(record.ApplicationData, []byte(data), 0)
		end := len(p.tr.in.bytes)
		for _, at := range []int{1, 4, 5, 6, 200, 256, 257, 2000, 2048, 2049, 10000, end - before - 1} {
			p.tr.in.delivered = before + at
			if p.drive(); p.err != ErrWantRead {
				t.Fatal(p.err)
			}
			if want := bufferClasses[classOf(at)]; p.in() != want || p.conn.Buffered() != 0 {
				t.Fatalf("%v: %d bytes of a record of %d are held in %d, want %d; Buffered %d", s, at, end-before, p.in(), want, p.conn.Buffered())
			}
		}
		p.tr.in.delivered = end
		if p.drive(); string(p.data) != data || p.in() != 0 {
			t.Fatalf("%v: read %d bytes, hold %d", s, len(p.data), p.in())
		}
	}
}

// What waits for a peer that does not read is bounded, and all of it is there when it does.
func TestOutputForAPeerThatNeverReads(t *testing.T) {
	source := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	for _, s := range connectedStages {
		for _, by := range []string{"Write", "small Writes", "ReadFrom"} {
			t.Run(fmt.Sprintf("%v, %s", s, by), func(t *testing.T) {
				p := s.puppet(t)
				p.tr.quota, p.tr.left = 0, 0
				rest := bytes.NewReader(source)
				accepted, err := 0, error(nil)
				for calls := 0; err == nil && calls < 2000; calls++ {
					switch by {
					case "Write":
						accepted, err = p.conn.Write(source)
					case "small Writes":
						var n int
						n, err = p.conn.Write(source[accepted : accepted+100])
						accepted += n
					case "ReadFrom":
						var n int64
						n, err = p.conn.ReadFrom(rest)
						accepted += int(n)
					}
				}
				if err != ErrWantWrite || p.conn.out.pending() > outputHighWater || accepted < outputHighWater/2 || accepted > outputHighWater {
					t.Fatalf("took %d bytes, %d pending: %v", accepted, p.conn.out.pending(), err)
				}
				if by == "ReadFrom" && len(source)-rest.Len() != accepted {
					t.Fatalf("read %d of the source, took %d", len(source)-rest.Len(), accepted)
				}
				// The caller's own KeyUpdate waits; the protocol's answer and end have their reserve.
				secret := p.conn.out.secret
				if err := p.conn.KeyUpdate(true); err != ErrWantWrite && p.conn.out.pending()+keyUpdateLen+record.Overhead13 > outputHighWater {
					t.Fatalf("KeyUpdate with full output: %v", err)
				} else if err == ErrWantWrite && p.conn.out.secret != secret {
					t.Fatal("KeyUpdate did nothing, and changed the key")
				}
				p.keyUpdate(true)
				p.wantData("still reading")
				if err := p.conn.CloseWrite(); err != ErrWantWrite {
					t.Fatalf("CloseWrite: %v", err)
				}
				if n := p.conn.out.pending(); n > outputHighWater+outputReserve || len(p.conn.out.buf.data) > outputHighWater+outputReserve {
					t.Fatalf("%d bytes pending in a buffer of %d", n, len(p.conn.out.buf.data))
				}
				p.tr.quota = 1000 // and now it reads, slowly
				for p.conn.Flush() == ErrWantWrite {
				}
				p.hearAll()
				if !bytes.Equal(p.received, source[:accepted]) || !slices.Equal(p.alerts, []Alert{AlertCloseNotify}) {
					t.Fatalf("received %d of %d bytes, alerts %v", len(p.received), accepted, p.alerts)
				}
				if p.conn.out.buf != nil || p.conn.Wants()&WantWrite != 0 {
					t.Fatal("a write buffer is held with nothing in it")
				}
			})
		}
	}
}

// A cache of expanded keys smaller than the number of connections in use costs time and
// nothing else.
func TestKeyCacheSmallerThanItsConnections(t *testing.T) {
	for _, cached := range []int{1, 2, 3, 7} {
		cws, sws := NewWorkspace(WorkspaceConfig{CachedKeys: cached}), NewWorkspace(WorkspaceConfig{CachedKeys: cached})
		ca := newTestCA(t)
		client, server := clientFor(ca), serverFor(ca.issue(t, keyEd25519, "example.org"))
		client.CurvePreferences = []tls.CurveID{tls.X25519}
		var pairs []*pair
		for range 10 {
			p := newPairIn(t, cws, sws, client, server)
			pairs = append(pairs, p)
		}
		for _, p := range pairs {
			p.handshake()
		}
		for round := range 3 {
			for i, p := range pairs {
				p.send(p.client, fmt.Appendf(nil, "up %d %d", i, round))
			}
			for i, p := range slices.Backward(pairs) {
				p.send(p.server, fmt.Appendf(nil, "down %d %d", i, round))
				if round == 1 {
					if err := p.server.conn.KeyUpdate(true); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for _, ws := range []*Workspace{cws, sws} {
			if len(ws.keys.entries) > cached {
				t.Fatalf("%d keys are cached, the limit is %d", len(ws.keys.entries), cached)
			}
		}
		for _, p := range pairs {
			for _, s := range []*side{p.client, p.server} {
				_ = s.conn.Close()
			}
		}
		for _, e := range slices.Concat(cws.keys.entries, sws.keys.entries) {
			if e.owner != nil || e.key13 != (record.Key13{}) {
				t.Fatal("a key of a closed connection is cached")
			}
		}
	}
}

// Idle connections hold no buffers, and the free lists that hold them are bounded.
func TestIdleConnectionsHoldNoBuffers(t *testing.T) {
	ws := NewWorkspace(WorkspaceConfig{})
	var all []*puppet
	for range 3 * freeBuffers {
		p := newPuppetIn(t, ws, RoleClient, nil)
		p.handshake()
		p.tr.quota, p.tr.left = 0, 0
		p.record(record.ApplicationData, make([]byte, 5000), 0)
		p.tr.in.delivered -= 100
		if p.drive(); p.in() == 0 {
			t.Fatal("a partial record is not held")
		}
		if _, err := p.conn.Write(make([]byte, 300)); err != nil || p.conn.out.buf == nil {
			t.Fatalf("output is not held: %v", err)
		}
		all = append(all, p)
	}
	for _, p := range all {
		p.tr.quota = -1
		p.tr.in.delivered += 100
		if p.drive(); len(p.data) != 5000 {
			t.Fatalf("read %d bytes", len(p.data))
		}
		if p.conn.in.buf != nil || p.conn.out.buf != nil || p.conn.in.messages != nil || p.conn.hs != nil {
			t.Fatal("an idle connection holds a buffer")
		}
	}
	for class, list := range ws.buffers.free {
		if len(list) > freeBuffers {
			t.Errorf("%d free buffers of %d bytes", len(list), bufferClasses[class])
		}
	}
	if ws.buffers.input != 0 {
		t.Errorf("%d bytes are charged to idle connections", ws.buffers.input)
	}
}

// A released buffer has lost what it held: it is poisoned where the race detector
// runs, and cleared elsewhere.
func TestReleasedBuffersAreOverwritten(t *testing.T) {
	var pool bufferPool
	for _, n := range []int{1, 100, 256, 2000, 70000, 90000} {
		b := pool.take(n)
		for i := range b.data[:n] {
			b.data[i] = 's'
		}
		b.used = n
		data := b.data
		pool.release(b)
		want := byte(0)
		if poison {
			want = 0xdb
		}
		for i, c := range data[:n] {
			if c != want {
				t.Fatalf("byte %d of %d is %#x after the release, want %#x", i, n, c, want)
			}
		}
	}
}

// Secrets live as long as they are needed: those of the handshake until it is
// complete, the others until Close.
func TestSecretsAreCleared(t *testing.T) {
	zero := keysched.Secret{}
	p := standardPair(t)
	for _, s := range []*side{p.client, p.server} { // the server's machine is known with the ClientHello
		if err := s.conn.Handshake(); err != ErrWantRead {
			t.Fatalf("%v: %v", s, err)
		}
	}
	hs := [2]*handshake13{&p.client.conn.hs.(*client13).handshake13, &p.server.conn.hs.(*server13).handshake13}
	p.handshake()
	for i, h := range hs {
		if h.master != zero || h.clientHandshake != zero || h.serverHandshake != zero || h.clientApplication != zero || h.serverApplication != zero {
			t.Fatalf("secrets of handshake %d are left after it", i)
		}
	}
	for _, s := range []*side{p.client, p.server} {
		if s.conn.in.secret == zero || s.conn.out.secret == zero || s.conn.exporter == zero || s.conn.hs != nil {
			t.Fatalf("%v: not the state that the test is about", s)
		}
		if err := s.conn.Close(); err != nil {
			t.Fatal(err)
		}
		checkCleared(t, s.conn)
	}
	t.Run("of a handshake that is closed half-way", func(t *testing.T) {
		p := serverHandshake.puppet(t)
		hs := p.conn.hs.(*server13)
		if hs.serverApplication == zero {
			t.Fatal("not the state that the test is about")
		}
		_ = p.conn.Close()
		if hs.master != zero || hs.clientHandshake != zero || hs.serverHandshake != zero || hs.clientApplication != zero || hs.serverApplication != zero {
			t.Fatal("secrets are left after Close")
		}
		checkCleared(t, p.conn)
	})
	t.Run("of a handshake that fails", func(t *testing.T) {
		p := serverHandshake.puppet(t)
		hs := p.conn.hs.(*server13)
		p.clientFinished(func(mac *[]byte) { (*mac)[0] ^= 1 })
		p.wantAlert(AlertDecryptError)
		if hs.master != zero || hs.clientHandshake != zero || hs.clientApplication != zero {
			t.Fatal("secrets are left after the failure")
		}
	})
}
