package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// Each limit of limits.go as the peer that it is against meets it.

// allocated returns the bytes that f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// countedRecords are records that may come a number of times in a row, without
// application data between them, and not once more.
var countedRecords = []struct {
	name   string
	stages []stage
	limit  int
	send   func(*puppet)
	text   string
}{
	{"key updates (CVE-2026-32283)", connectedStages, maxKeyUpdates, func(p *puppet) { p.keyUpdate(false) }, "key_update: more than 32"},
	{"key updates that ask for ours", connectedStages, maxKeyUpdates, func(p *puppet) { p.keyUpdate(true) }, "key_update: more than 32"},
	{"empty records", connectedStages, maxEmptyRecords, func(p *puppet) { p.record(record.ApplicationData, nil, 0) }, "32 empty records"},
	{"records of a type and padding", connectedStages, maxEmptyRecords, func(p *puppet) { p.record(record.ApplicationData, nil, 1000) }, "32 empty records"},
	{"warnings (CVE-2016-8610)", allStages, maxWarningAlerts, func(p *puppet) { p.alert(1, AlertUserCanceled) }, "4 warnings"},
	{"change_cipher_spec", slices.Concat([]stage{clientHelloSent}, handshakeStages), maxChangeCipherSpec,
		func(p *puppet) { p.plain(record.ChangeCipherSpec, 1) }, "32 change_cipher_spec"},
	{"tickets", []stage{clientConnected}, maxNewSessionTickets,
		func(p *puppet) { p.record(record.Handshake, sampleMessage(wire.TypeNewSessionTicket), 0) }, "new_session_ticket: more than 32"},
}

func TestRecordsWithoutProgress(t *testing.T) {
	for _, c := range countedRecords {
		for _, s := range c.stages {
			t.Run(fmt.Sprintf("%s, to %v", c.name, s), func(t *testing.T) {
				p := s.puppet(t)
				rounds := 1
				if s == serverConnected || s == clientConnected {
					rounds = 3 // data starts the count anew
				}
				for range rounds {
					for range c.limit {
						c.send(p)
					}
					if p.drive(); p.err != ErrWantRead {
						t.Fatalf("%d of them: %v", c.limit, p.err)
					}
					if rounds > 1 {
						p.wantData("data")
					}
				}
				for range c.limit + 1 {
					c.send(p)
				}
				p.wantAlert(AlertUnexpectedMessage, c.text)
			})
		}
	}
}

// Tickets packed into one record count one by one.
func TestTicketsPackedIntoOneRecord(t *testing.T) {
	p := clientConnected.puppet(t)
	p.record(record.Handshake, bytes.Repeat(sampleMessage(wire.TypeNewSessionTicket), maxNewSessionTickets+1), 0)
	p.wantAlert(AlertUnexpectedMessage, "new_session_ticket: more than")
}

// A peer that asks for key updates and does not read gets one answer, not a queue of
// them (RFC 8446 4.6.3: "respond with a single update"; CVE-2026-56862).
func TestKeyUpdateFloodOfAPeerThatDoesNotRead(t *testing.T) {
	for _, s := range connectedStages {
		t.Run(s.String(), func(t *testing.T) {
			p := s.puppet(t)
			p.tr.quota, p.tr.left = 0, 0
			for range maxKeyUpdates {
				p.keyUpdate(true)
				if p.drive(); p.err != ErrWantRead || p.conn.Wants() != WantRead|WantWrite {
					t.Fatalf("%v, wants %v", p.err, p.conn.Wants())
				}
			}
			const one = record.Overhead13 + keyUpdateLen
			if n := p.conn.out.pending(); n != one {
				t.Fatalf("%d bytes pending, want one KeyUpdate of %d", n, one)
			}
			p.wantData("still reading")
			p.tr.quota = -1
			p.hearKeyUpdate()
			if _, err := p.conn.Write([]byte("in step")); err != nil {
				t.Fatal(err)
			}
			if p.take(); string(p.received) != "in step" {
				t.Fatalf("received %q", p.received)
			}
			// With the answer gone, the next request is answered again.
			p.keyUpdate(true)
			p.hearKeyUpdate()
		})
	}
	t.Run("packed into one record", func(t *testing.T) {
		p := serverConnected.puppet(t)
		p.tr.quota, p.tr.left = 0, 0
		p.record(record.Handshake, bytes.Repeat((&wire.KeyUpdate{RequestUpdate: true}).Append(nil), 1000), 0)
		p.drive()
		if p.conn.out.pending() > outputReserve {
			t.Fatalf("%d bytes pending", p.conn.out.pending())
		}
		p.tr.quota = -1
		p.wantAlert(AlertUnexpectedMessage, "more data behind")
	})
}

// bigHello is a ClientHello that an unknown extension makes n bytes long.
func bigHello(p *puppet, n int) []byte {
	p.clientHello(nil)
	p.tr.in.bytes = nil
	raw := p.last
	return addExtension(raw, 0xfafa, make([]byte, n-len(raw)-4))
}

// A ClientHello of one-byte records over one-byte reads succeeds, in linear time and
// memory (CVE-2026-32305: a split hello got past a check that took one record for all).
func TestTinyHandshakeFragments(t *testing.T) {
	feed := func(n int) (bytesAllocated, reads int) {
		p := newPuppet(t, RoleClient, nil)
		raw := bigHello(p, n)
		for _, b := range raw {
			p.plain(record.Handshake, b)
		}
		p.tr.in.delivered = 0
		p.drive() // what the first call allocates is not of the fragments
		p.call.reads = 0
		bytesAllocated = allocated(func() {
			for p.tr.in.delivered < len(p.tr.in.bytes)-1 {
				p.tr.in.delivered++
				if err := p.conn.Handshake(); err != ErrWantRead {
					t.Fatal(err)
				}
			}
		})
		reads = p.call.reads
		p.log = raw
		p.tr.in.delivered++
		p.hearServerFlight()
		p.finish(serverHandshake)
		return bytesAllocated, reads
	}
	small, smallReads := feed(1000)
	large, largeReads := feed(4000)
	if large > 8*small || largeReads > 5*smallReads {
		t.Fatalf("4 times the bytes took %d bytes instead of %d, %d reads instead of %d", large, small, largeReads, smallReads)
	}
	// A byte of hello is a record of 6 bytes: 6 calls, each of a read and a would-block.
	if large > 400*4000 || largeReads > 15*4000 {
		t.Fatalf("a hello of 4000 bytes took %d bytes of memory and %d reads", large, largeReads)
	}
}

// A declared length over the limit is refused before anything is allocated for it
// (CVE-2016-6307), in each state; one at the limit is waited for.
func TestOversizedMessagesAreRefusedByTheirHeader(t *testing.T) {
	for _, s := range allStages {
		st := s.puppet(t).conn.State()
		accepted := st.accepts(s.puppet(t).conn.role)[0]
		limit := messageLimit(accepted)
		if limit > maxHandshakeMessage && accepted != wire.TypeCertificate {
			t.Fatalf("the limit of %v is %d", accepted, limit)
		}
		for _, n := range []int{limit + 1, 1<<24 - 1} {
			p := s.puppet(t)
			p.record(record.Handshake, wire.AppendHeader(nil, accepted, n), 0)
			if got := allocated(p.drive); got > 150<<10 {
				t.Errorf("%v: a message of %d bytes made it allocate %d", s, n, got)
			}
			if p.err == ErrWantRead {
				t.Fatalf("%v: a message of %d bytes is waited for", s, n)
			}
			var local *LocalAlertError
			if !errors.As(p.err, &local) || local.Alert != AlertIllegalParameter && local.Alert != AlertDecodeError {
				t.Fatalf("%v: got %v", s, p.err)
			}
		}
	}
}

// What a message declares is not what it makes us hold: storage follows what arrived.
func TestDeclaredLengthAllocatesNothing(t *testing.T) {
	p := newPuppet(t, RoleClient, nil)
	p.drive()
	p.plain(record.Handshake, wire.AppendHeader(nil, wire.TypeClientHello, messageLimit(wire.TypeClientHello))...)
	got := allocated(p.drive)
	if p.err != ErrWantRead || got > 100<<10 { // the read buffer is 66 KiB
		t.Fatalf("%v after %d bytes", p.err, got)
	}
	if p.in() != 0 {
		t.Fatalf("%d bytes of read buffer held", p.in())
	}
}

// A client offers what it can do and nothing else: no compressed certificates
// (CVE-2025-66199), no early data, no tickets, no post-handshake authentication.
func TestClientOffersNothingThatItCannotDo(t *testing.T) {
	p := clientHelloSent.puppet(t)
	want := []wire.ExtensionType{wire.ExtServerName, wire.ExtSupportedGroups, wire.ExtALPN,
		wire.ExtSignatureAlgorithms, wire.ExtKeyShare, wire.ExtSupportedVersions}
	if !slices.Equal(p.hello.Extensions, want) {
		t.Fatalf("offers %v, want %v", p.hello.Extensions, want)
	}
}

// clientAwaitingCertificate is a client under handshake keys that awaits the Certificate.
func clientAwaitingCertificate(t *testing.T) *puppet {
	p := clientHandshake.puppet(t)
	p.encryptedExtensions(nil)
	return p
}

func TestHugeChains(t *testing.T) {
	leaf := newTestCA(t).issue(t, keyEd25519, "example.org").Certificate[0]
	for _, c := range []struct {
		n     int
		alert Alert
		text  string
	}{
		{maxPeerCertificates + 1, AlertBadCertificate, fmt.Sprint("more than ", maxPeerCertificates)},
		{101, AlertDecodeError, "too many certificates"},
	} {
		p := clientAwaitingCertificate(t)
		p.certificate(func(m *wire.Certificate) {
			m.Entries = nil
			for range min(c.n, 100) {
				m.Entries = append(m.Entries, wire.CertificateEntry{Data: leaf[:10]})
			}
		})
		if c.n > 100 {
			p = clientAwaitingCertificate(t)
			raw := []byte{0, byte(c.n * 6 >> 16), byte(c.n * 6 >> 8), byte(c.n * 6)}
			raw = append(raw, bytes.Repeat([]byte{0, 0, 1, 0x30, 0, 0}, c.n)...)
			p.say(append(wire.AppendHeader(nil, wire.TypeCertificate, len(raw)), raw...))
		}
		p.wantAlert(c.alert, c.text)
	}
	t.Run("as many as are allowed", func(t *testing.T) {
		p := clientAwaitingCertificate(t)
		p.certificate(func(m *wire.Certificate) {
			for len(m.Entries) < maxPeerCertificates {
				m.Entries = append(m.Entries, m.Entries[0])
			}
		})
		p.certificateVerify(nil)
		p.serverFinished(nil)
		p.hearClientFinished()
		p.wantConnected()
	})
}

// An RSA key that takes seconds to check a signature with is refused, in every
// place of the chain, also where the user has turned off verification (CVE-2023-29409).
func TestHugeRSAKeys(t *testing.T) {
	ca := newTestCA(t)
	n := new(big.Int).Lsh(big.NewInt(1), maxRSABits) // one bit more than allowed
	n.SetBit(n, 0, 1)
	der, err := x509.CreateCertificate(rand.Reader, ca.cert, ca.cert, &rsa.PublicKey{N: n, E: 65537}, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 1} {
		p := newPuppet(t, RoleServer, func(c *Config) { c.InsecureSkipVerify = true })
		p.hearClientHello()
		p.serverHello(nil)
		p.encryptedExtensions(nil)
		p.certificate(func(m *wire.Certificate) {
			m.Entries = slices.Insert(m.Entries, at, wire.CertificateEntry{Data: der})
		})
		p.wantAlert(AlertBadCertificate, fmt.Sprintf("entry %d", at), "8193 bits")
	}
}

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

// RFC 8446 5.5: keys are updated "prior to reaching these limits", and data survive it.
func TestOwnKeyUpdateBeforeTheLimitOfTheAEAD(t *testing.T) {
	for _, role := range []Role{RoleServer, RoleClient} {
		ws := NewWorkspace(WorkspaceConfig{})
		ws.keyLimit = 5
		p := newPuppetIn(t, ws, role, nil)
		p.handshake()
		var want []byte
		for i := range 23 {
			data := fmt.Appendf(nil, "record %d;", i)
			want = append(want, data...)
			if i%2 == 0 {
				if _, err := p.conn.Write(data); err != nil {
					t.Fatal(err)
				}
			} else if _, err := p.conn.ReadFrom(bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			if p.conn.out.seq > 5 {
				t.Fatalf("%d records under one key", p.conn.out.seq)
			}
		}
		updates := 0
		for {
			raw, ok := p.take()
			if !ok {
				break
			}
			updates++
			if !bytes.Equal(raw, new(wire.KeyUpdate).Append(nil)) {
				t.Fatalf("sent % x", raw)
			}
			if p.read.seq > 6 {
				t.Fatalf("record %d under one key", p.read.seq)
			}
			next := p.read.secret
			p.d.NextTrafficSecret(&next, &next)
			p.read.install(p.d, p.suite, next)
		}
		if !bytes.Equal(p.received, want) || updates < 4 {
			t.Fatalf("received %q after %d updates", p.received, updates)
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
			if e.owner != nil || e.key != (record.Key13{}) {
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

var errBrokenPipe = errors.New("broken pipe")

// The peer may have said why before it closed: its alert wins over the transport's
// error that the next write meets.
func TestPeersAlertWinsOverAWriteError(t *testing.T) {
	verbs := map[string]func(*Conn) error{
		"Write":      func(c *Conn) error { _, err := c.Write([]byte("x")); return err },
		"ReadFrom":   func(c *Conn) error { _, err := c.ReadFrom(strings.NewReader("x")); return err },
		"KeyUpdate":  func(c *Conn) error { return c.KeyUpdate(false) },
		"CloseWrite": func(c *Conn) error { return c.CloseWrite() },
	}
	for _, s := range connectedStages {
		for verb, call := range verbs {
			t.Run(fmt.Sprintf("%s of %v", verb, s), func(t *testing.T) {
				p := s.puppet(t)
				p.alert(2, AlertAccessDenied)
				p.tr.writeErr = errBrokenPipe
				err := call(p.conn)
				if verb == "CloseWrite" && err == errBrokenPipe {
					p.drive() // it is over for us; what the peer said is still there
					err = p.err
				}
				wantPeerAlert(t, verb, err, AlertAccessDenied)
			})
		}
	}
	t.Run("Handshake of a server", func(t *testing.T) {
		p := newPuppet(t, RoleClient, nil)
		p.clientHello(nil)
		p.tr.quota, p.tr.left = 0, 0
		if p.drive(); p.err != ErrWantWrite {
			t.Fatal(p.err)
		}
		p.tr.writeErr = errBrokenPipe
		p.plain(record.Alert, 2, byte(AlertUserCanceled))
		if p.drive(); p.err == nil || isWant(p.err) || p.conn.State() != StateFailed {
			t.Fatalf("got %v in state %v", p.err, p.conn.State())
		}
		if again := p.conn.Handshake(); again != p.err {
			t.Fatalf("%v, and then %v", p.err, again)
		}
	})
	t.Run("Handshake of a client", func(t *testing.T) {
		p := newPuppet(t, RoleServer, nil)
		p.tr.quota, p.tr.left = 0, 0
		if p.drive(); p.err != ErrWantWrite {
			t.Fatal(p.err)
		}
		p.tr.writeErr = errBrokenPipe
		p.alert(2, AlertAccessDenied)
		p.drive()
		wantPeerAlert(t, "Handshake", p.err, AlertAccessDenied)
	})
	t.Run("Handshake of a client without an alert", func(t *testing.T) {
		p := newPuppet(t, RoleServer, nil)
		p.tr.writeErr = errBrokenPipe
		if p.drive(); p.err != errBrokenPipe || ErrorCode(p.err) != CodeSyscall {
			t.Fatal(p.err)
		}
		p.wantEnded(errBrokenPipe)
	})
}

// A write that fails does not cost what the peer has sent (the kin of openssl#6904: a
// client writes, closes, and must be heard all the same).
func TestWriteErrorKeepsUnreadDataReadable(t *testing.T) {
	for _, s := range connectedStages {
		for name, send := range map[string]func(*puppet){
			"records": func(p *puppet) {
				p.record(record.ApplicationData, []byte("all of "), 0)
				p.record(record.ApplicationData, []byte("this"), 0)
			},
			"a key update first": func(p *puppet) {
				p.keyUpdate(true)
				p.record(record.ApplicationData, []byte("all of "), 0)
				p.keyUpdate(false)
				p.record(record.ApplicationData, []byte("this"), 0)
			},
			"an empty record first": func(p *puppet) {
				p.record(record.ApplicationData, nil, 0)
				p.record(record.ApplicationData, []byte("all of this"), 0)
			},
		} {
			t.Run(fmt.Sprintf("%s, to %v", name, s), func(t *testing.T) {
				p := s.puppet(t)
				send(p)
				p.alert(1, AlertCloseNotify)
				p.tr.in.closed = true
				p.tr.writeErr = errBrokenPipe
				if n, err := p.conn.Write([]byte("x")); n != 1 && n != 0 || err != errBrokenPipe {
					t.Fatalf("Write = %d, %v", n, err)
				}
				if p.drive(); p.err != io.EOF || string(p.data) != "all of this" {
					t.Fatalf("read %q, %v", p.data, p.err)
				}
				if _, err := p.conn.Write([]byte("x")); err != errBrokenPipe {
					t.Fatalf("the next Write: %v", err)
				}
				if p.conn.Wants() != 0 {
					t.Fatalf("wants %v", p.conn.Wants())
				}
			})
		}
	}
}

// lazyTransport breaks io.Reader's advice for ever.
type lazyTransport struct{ *testTransport }

func (lazyTransport) Read([]byte) (int, error) { return 0, nil }

func TestTransportThatReadsNothingForEver(t *testing.T) {
	p := newPuppet(t, RoleClient, nil)
	p.conn.transport = lazyTransport{p.tr}
	for range maxNoProgress {
		if p.drive(); p.err != ErrWantRead {
			t.Fatal(p.err)
		}
	}
	if p.drive(); p.err != io.ErrNoProgress {
		t.Fatal(p.err)
	}
}

// A source that reads nothing for ever ends ReadFrom.
func TestSourceThatReadsNothingForEver(t *testing.T) {
	p := serverConnected.puppet(t)
	if n, err := p.conn.ReadFrom(lazyTransport{}); n != 0 || err != io.ErrNoProgress {
		t.Fatalf("ReadFrom = %d, %v", n, err)
	}
}

func TestLimitsOfAClientHello(t *testing.T) {
	many := func(n int) func(*wire.ClientHello) {
		return func(m *wire.ClientHello) {
			for i := range n - 1 {
				g := uint16(0x4000 + i)
				m.SupportedGroups = append(m.SupportedGroups, g)
				m.KeyShares = append(m.KeyShares, wire.KeyShare{Group: g, KeyExchange: []byte{1}})
			}
		}
	}
	p := newPuppet(t, RoleClient, nil)
	p.clientHello(many(maxKeyShares + 1))
	p.wantAlert(AlertIllegalParameter, "more than 32 shares")
	p = newPuppet(t, RoleClient, nil)
	p.clientHello(many(maxKeyShares))
	p.finishServer(t)

	p = newPuppet(t, RoleClient, nil)
	p.clientHello(func(m *wire.ClientHello) { m.ServerName = bytes.Repeat([]byte("a"), maxServerName+1) })
	p.wantAlert(AlertIllegalParameter, "server_name has 256 bytes")
}

// Handshakes that fail, at whatever point, leave nothing in the Workspace that grows.
func TestFailedHandshakeStorm(t *testing.T) {
	ws := NewWorkspace(WorkspaceConfig{CachedKeys: 8})
	for i := range 200 {
		p := newPuppetIn(t, ws, RoleClient, nil)
		if i%2 == 0 {
			p.clientHello(nil)
			p.hearServerFlight()
		}
		p.raw(bytes.Repeat([]byte{byte(i)}, 1000))
		if p.drive(); p.err == nil || isWant(p.err) {
			t.Fatalf("garbage of %#x: %v", i, p.err)
		}
		if p.conn.in.buf != nil || p.conn.out.buf != nil || p.conn.in.messages != nil || p.conn.hs != nil {
			t.Fatal("a failed connection holds a buffer")
		}
	}
	total := 0
	for class, list := range ws.buffers.free {
		total += len(list) * bufferClasses[class]
	}
	if total > 4*bufferClasses[largest] || ws.buffers.input != 0 || len(ws.keys.entries) > 8 {
		t.Fatalf("%d bytes of free buffers, %d charged, %d keys", total, ws.buffers.input, len(ws.keys.entries))
	}
}
