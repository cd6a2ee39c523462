package tlsconn

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// exhaustive makes the split matrix run every two-way split of every flow, as
// `make verify` does; else a seeded sample of them runs.
var exhaustive = os.Getenv("TLSREACTOR_EXHAUSTIVE") != ""

// sampledSplits is the number of two-way splits of each direction in a sample.
const sampledSplits = 30

// TestSplitMatrix is what "re-invokable" means: however the bytes of a flow are
// cut on their way in or out, the same states are passed, the same plaintext is
// read, the same errors are returned and the same bytes are sent.
func TestSplitMatrix(t *testing.T) {
	cast := newCast(t)
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			ref := f.run(t, cast, func(*pair) {})
			again := f.run(t, cast, func(*pair) {})
			again.same(t, "repeated whole", &ref)
			for name, deliver := range uniformDeliveries {
				o := f.run(t, cast, deliver)
				o.same(t, name, &ref)
			}
			f.twoWaySplits(t, cast, &ref)
		})
	}
}

// uniformDeliveries are the ways of delivery without a parameter.
var uniformDeliveries = map[string]func(*pair){
	"byte by byte": func(p *pair) {
		p.client.tr.readMax, p.server.tr.readMax = 1, 1
	},
	"three bytes at a time": func(p *pair) {
		p.client.tr.readMax, p.server.tr.readMax = 3, 3
	},
	"output drained one byte at a time": func(p *pair) {
		p.client.tr.quota, p.server.tr.quota = 1, 1
	},
	"both": func(p *pair) {
		uniformDelivery(p, 1)
	},
	"output in pieces of 700, input of 900": func(p *pair) {
		p.client.tr.readMax, p.server.tr.readMax = 900, 900
		p.client.tr.quota, p.server.tr.quota = 700, 700
	},
}

func uniformDelivery(p *pair, n int) {
	for _, s := range []*side{p.client, p.server} {
		s.tr.readMax, s.tr.quota = n, n
	}
}

// twoWaySplits cuts each direction in two at an offset and blocks there once.
func (f *flow) twoWaySplits(t *testing.T, cast *cast, ref *outcome) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, dir := range []struct {
		name  string
		bytes int
		set   func(*pair, int)
	}{
		{"client to server", len(ref.up), func(p *pair, at int) { p.server.tr.splits = []int{at - p.before.up} }},
		{"server to client", len(ref.down), func(p *pair, at int) { p.client.tr.splits = []int{at - p.before.down} }},
	} {
		for _, at := range offsets(dir.bytes, f.everySplit || exhaustive, cmp.Or(f.samples, sampledSplits), rng) {
			o := f.run(t, cast, func(p *pair) { dir.set(p, at) })
			o.same(t, fmt.Sprintf("%s cut at %d of %d", dir.name, at, dir.bytes), ref)
		}
	}
}

// offsets returns where to cut n bytes: everywhere, or the first ones (headers)
// and as many as samples.
func offsets(n int, every bool, samples int, rng *rand.Rand) []int {
	var all []int
	if every {
		for at := 1; at < n && at < 6000; at++ {
			all = append(all, at)
		}
		return all
	}
	for at := 1; at < min(n, 12); at++ {
		all = append(all, at)
	}
	for range samples {
		all = append(all, 1+rng.IntN(n-1))
	}
	return all
}

// TestCoalescedRecords delivers everything that one side has to say in one
// piece: the client's Finished, its data and its close_notify arrive together.
func TestCoalescedRecords(t *testing.T) {
	p := standardPair(t)
	p.client.tr.auto = false
	deliver := func() { p.client.tr.out.delivered = len(p.client.tr.out.bytes) }
	_ = p.client.conn.Handshake()
	deliver()
	if err := p.server.conn.Handshake(); err != ErrWantRead {
		t.Fatalf("server: %v%v", err, p)
	}
	if err := p.client.conn.Handshake(); err != nil {
		t.Fatalf("client: %v%v", err, p)
	}
	if _, err := p.client.conn.Write([]byte("early bird")); err != nil {
		t.Fatal(err)
	}
	if err := p.client.conn.KeyUpdate(true); err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.conn.Write([]byte(" and worm")); err != nil {
		t.Fatal(err)
	}
	if err := p.client.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	deliver()
	if err := p.server.conn.Handshake(); err != nil {
		t.Fatalf("server: %v%v", err, p)
	}
	if n := p.server.conn.Buffered(); n < len("early bird") {
		t.Fatalf("Buffered() = %d with two records of data waiting", n)
	}
	for p.server.read(100) == nil {
	}
	if string(p.server.got) != "early bird and worm" {
		t.Fatalf("read %q", p.server.got)
	}
}

// The same in TLS 1.2, where it is the server that finishes a full handshake, and the
// client that finishes a resumption: Finished, data and close_notify in one piece.
func TestCoalescedRecordsOfTLS12(t *testing.T) {
	s := newScene(newCast(t))
	only12(s)
	s.remember()
	for n, resumed := range []bool{false, true} {
		p := s.open(t, uint64(n))
		first, last := p.client, p.server
		if resumed {
			first, last = p.server, p.client
		}
		_ = p.client.conn.Handshake()
		_ = p.server.conn.Handshake()
		if !resumed {
			_ = p.client.conn.Handshake()
		}
		last.tr.auto = false
		if err := last.conn.Handshake(); err != nil {
			t.Fatalf("resumed %t: %s: %v%v", resumed, last.name, err, p)
		}
		if _, err := last.conn.Write([]byte("early bird")); err != nil {
			t.Fatal(err)
		}
		if err := last.conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		last.tr.out.delivered = len(last.tr.out.bytes)
		if err := first.conn.Handshake(); err != nil {
			t.Fatalf("resumed %t: %s: %v%v", resumed, first.name, err, p)
		}
		if n := first.conn.Buffered(); n < len("early bird") {
			t.Fatalf("resumed %t: Buffered() = %d with data waiting", resumed, n)
		}
		for first.read(100) == nil {
		}
		if string(first.got) != "early bird" || first.conn.ConnectionState().DidResume != resumed {
			t.Fatalf("resumed %t: read %q%v", resumed, first.got, p)
		}
	}
}
