package tlsconn

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// fragments are values of Config.MaxFragment.
var fragments = []int{64, 65, 1000, 8193, 16383, 16384}

// fragmented is a pair in which both sides limit their records to n bytes of content.
func fragmented(t testing.TB, n int) *pair {
	ca := newTestCA(t)
	cc, sc := clientFor(ca), serverFor(ca.issue(t, keyRSA, "example.org"))
	cc.MaxFragment, sc.MaxFragment = n, n
	return newPair(t, cc, sc)
}

// longestRecords returns the most content that a record of each kind can have.
func longestRecords(b []byte) (plain, protected int) {
	for len(b) >= record.HeaderLen {
		h := record.ParseHeader(b)
		if h.Type == record.ApplicationData {
			protected = max(protected, h.Length-1-tagLen)
		} else {
			plain = max(plain, h.Length)
		}
		b = b[record.HeaderLen+h.Length:]
	}
	return plain, protected
}

// countingSource counts the reads of a source.
type countingSource struct {
	io.Reader
	reads int
}

func (s *countingSource) Read(p []byte) (int, error) { s.reads++; return s.Reader.Read(p) }

// No record of ours holds more than MaxFragment bytes: messages of the handshake and
// after it, data of Write and ReadFrom; and as many where there is as much to say.
func TestMaxFragment(t *testing.T) {
	for _, n := range fragments {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			p := fragmented(t, n)
			p.handshake()
			data := pattern(50_000)
			p.send(p.client, data)
			p.send(p.server, data)
			source := &countingSource{Reader: bytes.NewReader(data)}
			mark := len(p.server.got)
			if err := p.until(p.client, "read from", func() error {
				_, err := p.client.conn.ReadFrom(source)
				p.drain(p.server)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if p.drain(p.server); !bytes.Equal(p.server.got[mark:], data) {
				t.Fatalf("ReadFrom: the server read %d bytes, which are not the %d of the source", len(p.server.got)-mark, len(data))
			}
			if most := 2 + len(data)/record.MaxPlaintext + 1; source.reads > most {
				t.Errorf("the source was read %d times, more than %d", source.reads, most)
			}
			if err := p.client.conn.KeyUpdate(true); err != nil {
				t.Fatal(err)
			}
			p.send(p.client, []byte("x"))
			if err := p.server.conn.Abort(AlertInternalError, nil); err != nil {
				t.Fatal(err)
			}
			wantPeerAlert(t, "client", p.client.read(1), AlertInternalError)
			for _, s := range []*side{p.client, p.server} {
				plain, protected := longestRecords(s.tr.out.bytes)
				if plain > n || protected != n || n < 100 && plain != n {
					t.Errorf("%s: records hold up to %d bytes, protected ones %d", s.name, plain, protected)
				}
			}
		})
	}
}

// Small records change nothing but themselves, however they are delivered.
func TestMaxFragmentInEveryDelivery(t *testing.T) {
	cast := newCast(t)
	f := &flow{
		name:   "small records",
		client: func(c *Config) { c.MaxFragment = 64 },
		server: func(c *Config) { c.MaxFragment = 70 },
		script: exchange,
	}
	ref := f.run(t, cast, func(*pair) {})
	for name, deliver := range uniformDeliveries {
		o := f.run(t, cast, deliver)
		o.same(t, name, &ref)
	}
}

// A peer's record_size_limit lowers the limit and never raises it.
func TestLimitFragment(t *testing.T) {
	p := fragmented(t, 1000)
	o := &p.client.conn.out
	for _, tt := range []struct{ limit, want int }{{16385, 1000}, {1000, 1000}, {500, 500}, {600, 500}, {63, 63}} {
		if o.limitFragment(tt.limit); o.content() != tt.want {
			t.Fatalf("limited to %d: %d", tt.limit, o.content())
		}
	}
	p = standardPair(t)
	o = &p.client.conn.out
	if o.content() != record.MaxPlaintext {
		t.Fatalf("without a limit: %d", o.content())
	}
	if o.limitFragment(1 << 20); o.content() != record.MaxPlaintext {
		t.Fatalf("limited to more than there can be: %d", o.content())
	}
}

// The bound on pending output counts the overhead of small records too, data go up to
// it, and what the protocol has to say still fits the buffer.
func TestPendingOutputOfSmallRecords(t *testing.T) {
	data := pattern(1 << 18)
	for _, n := range fragments {
		for name, write := range map[string]func(*Conn) (int, error){
			"Write": func(c *Conn) (int, error) { return c.Write(data) },
			"ReadFrom": func(c *Conn) (int, error) {
				n, err := c.ReadFrom(bytes.NewReader(data))
				return int(n), err
			},
		} {
			t.Run(fmt.Sprintf("%s in records of %d", name, n), func(t *testing.T) {
				p := fragmented(t, n)
				p.handshake()
				p.server.block()
				c := p.server.conn
				taken, err := write(c)
				if err != ErrWantWrite || taken == 0 {
					t.Fatalf("%d, %v", taken, err)
				}
				last := record.MaxPlaintext + record.Overhead13
				if name == "Write" {
					last = n + record.Overhead13
				} else if n < record.MaxPlaintext {
					last = 1 + c.out.sealed(record.MaxPlaintext)
				}
				if got := c.out.pending(); got > outputHighWater || got <= outputHighWater-last {
					t.Fatalf("%d bytes pending of at most %d", got, outputHighWater)
				}
				p.client.say(record.Handshake, (&wire.KeyUpdate{RequestUpdate: true}).Append(nil))
				if err := p.server.read(1); err != ErrWantRead {
					t.Fatal(err)
				}
				if err := c.CloseWrite(); err != ErrWantWrite {
					t.Fatal(err)
				}
				if len(c.out.buf.data) > bufferClasses[largest] {
					t.Fatalf("output waits in %d bytes", len(c.out.buf.data))
				}
				p.server.unblock()
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				// The client has changed its key without saying so; it only reads.
				p.drain(p.client)
				if !bytes.Equal(p.client.got, data[:taken]) {
					t.Fatalf("the client read %d bytes of %d", len(p.client.got), taken)
				}
			})
		}
	}
}

// Keys change between the small records of one read of the source.
func TestReadFromRenewsKeysBetweenSmallRecords(t *testing.T) {
	p := fragmented(t, 64)
	p.handshake()
	p.client.conn.ws.keyLimit = 200
	data := pattern(40_000)
	if err := p.until(p.client, "read from", func() error {
		_, err := p.client.conn.ReadFrom(bytes.NewReader(data))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p.drain(p.server)
	if !bytes.Equal(p.server.got, data) || p.client.conn.out.seq > 200 {
		t.Fatalf("read %d of %d bytes; %d records under one key", len(p.server.got), len(data), p.client.conn.out.seq)
	}
}

// A long message in small records is stored once, not moved with each record.
func TestLongFlightInSmallRecords(t *testing.T) {
	p := fragmented(t, 64)
	p.handshake()
	message := make([]byte, 250_000)
	c := p.server.conn
	p.server.block()
	if n := allocated(func() { c.appendRecords(record.Handshake, message) }); n > 1<<20 {
		t.Fatalf("%d bytes were allocated for a message of %d", n, len(message))
	}
	if got, want := c.out.pending(), c.out.sealed(len(message)); got != want {
		t.Fatalf("%d bytes pending instead of %d", got, want)
	}
}

func TestSmallRecordsAllocateNothing(t *testing.T) {
	client, server := established(t, suiteNames[0])
	client.out.limitFragment(100)
	data, buf := make([]byte, 5000), make([]byte, 16<<10+17)
	source := &repeatedSource{n: len(data)}
	drain := func() {
		for got := 0; got < len(data); {
			n, err := server.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
	}
	for name, f := range map[string]func(){
		"Write": func() {
			if n, err := client.Write(data); n != len(data) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
			drain()
		},
		"ReadFrom": func() {
			if n, err := client.ReadFrom(source); n != int64(len(data)) || err != ErrWouldBlock {
				t.Fatalf("ReadFrom = %d, %v", n, err)
			}
			drain()
		},
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// MaxCertificateBytes lowers the limit on a Certificate, and on nothing else.
func TestMaxCertificateBytes(t *testing.T) {
	for _, tt := range []struct{ configured, want int }{
		{0, maxCertificateMessage}, {100, 100}, {maxCertificateMessage, maxCertificateMessage}, {1 << 24, maxCertificateMessage},
	} {
		c := &Conn{config: &Config{MaxCertificateBytes: tt.configured}}
		if got := c.messageLimit(wire.TypeCertificate); got != tt.want {
			t.Errorf("MaxCertificateBytes %d: %d", tt.configured, got)
		}
		if got := c.messageLimit(wire.TypeClientHello); got != maxClientHello {
			t.Errorf("a ClientHello: %d", got)
		}
	}
}

// A Certificate over MaxCertificateBytes is refused by its header; one of as many bytes
// is taken.
func TestMaxCertificateBytesOfAPeer(t *testing.T) {
	for _, over := range []int{0, 1} {
		p := clientHandshake.puppet(t)
		p.encryptedExtensions(nil)
		p.certificate(nil)
		length := len(p.last) - wire.HeaderLen
		p.conn.config.MaxCertificateBytes = length - over // before the Conn sees any of it
		if over > 0 {
			p.wantAlert(AlertIllegalParameter, fmt.Sprintf("of %d bytes is over %d", length, length-over))
			continue
		}
		if p.drive(); p.err != ErrWantRead {
			t.Fatalf("%d bytes of %d: %v", length, p.conn.config.MaxCertificateBytes, p.err)
		}
	}
}

// A Config that InspectClientHello answers with takes the place of the first one,
// whichever of them has the smaller fragments.
func TestMaxFragmentOfTheConfigThatIsChosen(t *testing.T) {
	for _, tt := range []struct{ first, chosen, want int }{{100, 1000, 1000}, {1000, 100, 100}, {100, 0, record.MaxPlaintext}} {
		ca := newTestCA(t)
		cert := ca.issue(t, keyECDSA, "example.org")
		first, chosen := serverFor(cert), serverFor(cert)
		first.MaxFragment, chosen.MaxFragment = tt.first, tt.chosen
		first.InspectClientHello = func(_ *ClientHello, answer *Completion[*Config]) { answer.Complete(chosen) }
		p := newPair(t, clientFor(ca), first)
		p.handshake()
		p.send(p.server, pattern(50_000))
		if _, protected := longestRecords(p.server.tr.out.bytes); protected != tt.want {
			t.Errorf("%d, then %d: records hold up to %d bytes", tt.first, tt.chosen, protected)
		}
	}
}
