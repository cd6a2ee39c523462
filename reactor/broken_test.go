package reactor

import (
	"io"
	"net"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A backend that answers before it has read the whole question, and closes, makes the next writes fail;
// its answer is there to be read all the same, and must not be lost to that.
func TestAnAnswerOutlivesTheFailureToSendMore(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	var got []byte
	p.onOpened = (*Conn).PauseRead
	p.onReceived = func(c *Conn) {
		buf := make([]byte, 100)
		n, _ := c.Read(buf)
		got = append(got, buf[:n]...)
	}
	c := talkToNobody(t, r, p)
	var failure error
	onLoop(t, r.Loops()[0], func() { _, failure = c.Write([]byte("more of the question")) })
	if e := <-p.closed; e.err == nil || e.reason == ReasonDone {
		t.Errorf("closed as %v, %v: half of the question was lost, to %v", e.reason, e.err, failure)
	}
	if string(got) != "the answer" {
		t.Errorf("read %q", got)
	}
}

// A handler that does not read on after its write has failed just returns, and is done with.
func TestAHandlerMayLeaveTheRestUnread(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	p.onOpened = (*Conn).PauseRead
	p.onReceived = func(*Conn) {}
	talkToNobody(t, r, p)
	if e := <-p.closed; e.err == nil {
		t.Errorf("closed as %v", e.reason)
	}
}

// talkToNobody serves one plain connection, whose peer says "the answer" and closes, and writes to it until
// that fails.
func talkToNobody(t *testing.T, r *Reactor, p *probe) *Conn {
	t.Helper()
	peer := dialTCP(t, serve(t, r, nil, p))
	_, err := peer.Write([]byte("the answer"))
	must(t, err)
	c := <-p.opened
	must(t, peer.Close())
	// The first write finds a peer that answers with RST, one after that finds the RST.
	var failure error
	for tries := 0; failure == nil; tries++ {
		onLoop(t, r.Loops()[0], func() { _, failure = c.Write([]byte("more of the question")) })
		if tries > 100_000 {
			t.Fatal("writing to nobody never fails")
		}
	}
	if failure == tlsconn.ErrWantWrite {
		t.Fatal("writing to nobody fills the socket")
	}
	return c
}

// What Accept itself ends must not come to life again, nor give its slot back twice.
func TestAcceptMayEndItsConnection(t *testing.T) {
	for name, end := range map[string]func(*Conn){"Reset": (*Conn).Reset, "Close": (*Conn).Close} {
		for _, config := range []*tlsconn.Config{nil, server(ecdsaKey())} {
			r := newReactor(t, Config{})
			p := newProbe()
			addr := serveEach(t, r, config, func(c *Conn) Handler { end(c); return p })
			for range 3 {
				peer, err := net.Dial("tcp", addr)
				if err == nil { // else the RST was faster than connect
					io.Copy(io.Discard, peer)
					peer.Close()
				}
				<-p.closed
			}
			turn(t, r)
			onLoop(t, r.Loops()[0], func() {
				if tab := &r.Loops()[0].table; tab.count != 0 || len(tab.free) != len(tab.slots) {
					t.Errorf("%s, TLS %v: %d connections, %d of %d slots free", name, config != nil, tab.count, len(tab.free), len(tab.slots))
				}
			})
			if n := r.accepted.Load(); n != 0 {
				t.Errorf("%s: %d accepted connections", name, n)
			}
		}
	}
}
