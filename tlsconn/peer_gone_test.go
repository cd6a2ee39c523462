package tlsconn

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A client writes, closes, and never reads what the server said behind the handshake
// (tickets, the answer to a KeyUpdate): the server's write fails, with EPIPE or
// ECONNRESET, and all that the client has said must be read all the same
// (openssl#6904, #6944, #7948).

// lateOutputs are what a server may have pending of its own when the peer is gone.
var lateOutputs = map[string]func(*pair){
	"tickets": func(p *pair) {
		for range 4 {
			p.server.conn.appendRecords(record.Handshake, (&wire.NewSessionTicket{Ticket: make([]byte, 200)}).Append(nil))
		}
	},
	"a KeyUpdate": func(p *pair) {
		if err := p.server.conn.KeyUpdate(true); err != nil {
			p.t.Fatal(err)
		}
	},
	"the answer to a KeyUpdate": func(p *pair) {
		if err := p.client.conn.KeyUpdate(true); err != nil {
			p.t.Fatal(err)
		}
		p.drain(p.server)
	},
	"data": func(p *pair) {
		if _, err := p.server.conn.Write([]byte("banner")); err != nil {
			p.t.Fatal(err)
		}
	},
	"nothing": func(*pair) {},
}

// firstCalls are what the owner may do first when epoll says that something happened;
// none of it may cost the data. A failed call's error is the transport's.
var firstCalls = map[string]func(*pair) error{
	"Read":       func(p *pair) error { return nil },
	"Peek":       func(p *pair) error { _, err := p.server.conn.Peek(make([]byte, 10)); return err },
	"Handshake":  func(p *pair) error { return p.server.conn.Handshake() },
	"Flush":      func(p *pair) error { return p.server.conn.Flush() },
	"Write":      func(p *pair) error { _, err := p.server.conn.Write([]byte("answer")); return err },
	"ReadFrom":   func(p *pair) error { _, err := p.server.conn.ReadFrom(bytes.NewReader([]byte("answer"))); return err },
	"KeyUpdate":  func(p *pair) error { return p.server.conn.KeyUpdate(true) },
	"CloseWrite": func(p *pair) error { return p.server.conn.CloseWrite() },
}

func TestPeerThatWritesAndClosesIsReadToTheEnd(t *testing.T) {
	errPipe := errors.New("broken pipe")
	for late, queue := range lateOutputs {
		for first, call := range firstCalls {
			for _, end := range []struct {
				name   string
				notify bool  // the peer sends close_notify
				reset  error // what reading behind the data fails with, else it ends
				want   error
			}{
				{"close_notify and the end", true, nil, io.EOF},
				{"close_notify and a reset", true, errReset, io.EOF},
				{"the end alone", false, nil, io.ErrUnexpectedEOF},
				{"a reset", false, errReset, errReset},
			} {
				t.Run(late+" pending, "+first+" first, then "+end.name, func(t *testing.T) {
					p := connected(t)
					p.server.block()
					queue(p)
					data := pattern(40_000)
					p.client.say(record.ApplicationData, data[:10])
					if err := p.client.conn.KeyUpdate(true); err != nil { // an answer that cannot be sent
						t.Fatal(err)
					}
					p.client.say(record.ApplicationData, data[10:])
					if end.notify {
						p.client.say(record.Alert, []byte{1, 0})
					}
					if p.client.tr.out.closed = true; end.reset != nil {
						p.server.conn.transport = resetBehind{p.server.tr, end.reset}
					}
					p.server.tr.writeErr = errPipe
					if err := call(p); err != nil && err != errPipe {
						t.Fatalf("%s: %v", first, err)
					}
					var err error
					for err == nil {
						err = p.server.read(3000)
					}
					if err != end.want || !bytes.Equal(p.server.got, data) {
						t.Fatalf("read %d of %d bytes, and then %v, want %v", len(p.server.got), len(data), err, end.want)
					}
					if again := p.server.read(10); again != end.want {
						t.Fatalf("again: %v", again)
					}
					if w := p.server.conn.Wants(); w != 0 {
						t.Fatalf("wants %v of a peer that is gone", w)
					}
					if p.server.conn.in.buf != nil || p.server.conn.out.buf != nil {
						t.Fatal("holds a buffer")
					}
				})
			}
		}
	}
}

// resetBehind fails, as a TCP socket does, behind what had arrived before the reset.
type resetBehind struct {
	*testTransport
	err error
}

func (r resetBehind) Read(p []byte) (int, error) {
	n, err := r.testTransport.Read(p)
	if err == io.EOF {
		err = r.err
	}
	return n, err
}

// The same within the handshake: the client's last flight, its data and its end arrive
// together, and the tickets behind the handshake find nobody.
func TestPeerThatIsGoneWhenTheHandshakeCompletes(t *testing.T) {
	ca := newTestCA(t)
	cc := clientFor(ca)
	cc.Sessions = NewSessionCache(1)
	p := newPair(t, cc, serverFor(ca.issue(t, keyECDSA, "example.org")))
	p.client.tr.auto = false
	deliver := func() { p.client.tr.out.delivered = len(p.client.tr.out.bytes) }
	_ = p.client.conn.Handshake()
	deliver()
	_ = p.server.conn.Handshake()
	if err := p.client.conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.conn.Write([]byte("request")); err != nil {
		t.Fatal(err)
	}
	if err := p.client.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	p.client.tr.out.closed = true
	deliver()
	p.server.tr.writeErr = errReset
	before := len(p.server.tr.out.bytes)
	if err := p.server.conn.Handshake(); err != nil {
		t.Fatalf("Handshake: %v", err)
	}
	if err := p.server.read(100); err != nil || string(p.server.got) != "request" {
		t.Fatalf("read %q, %v", p.server.got, err)
	}
	if err := p.server.read(100); err != io.EOF {
		t.Fatal(err)
	}
	if p.server.conn.out.seq == 0 || len(p.server.tr.out.bytes) != before {
		t.Fatalf("no ticket was sealed and lost: %d records", p.server.conn.out.seq)
	}
	if _, err := p.server.conn.Write([]byte("answer")); err != errReset {
		t.Fatalf("Write: %v", err)
	}
}
