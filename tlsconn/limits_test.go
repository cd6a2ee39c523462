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
		accepted := st.accepts(s.puppet(t).conn.role, tls.VersionTLS13)[0]
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
		wire.ExtSignatureAlgorithms, wire.ExtRecordSizeLimit, wire.ExtKeyShare, wire.ExtSupportedVersions}
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
