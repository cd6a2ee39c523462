package reactor

import (
	"io"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A server that answers before it has read the whole question, and closes, makes the next writes fail;
// its answer is there to be read all the same, and must not be lost to that.
func TestAnAnswerOutlivesTheFailureToSendMore(t *testing.T) {
	for _, config := range []*tlsconn.Config{nil, server(ecdsaKey())} {
		r := newReactor(t, Config{})
		p := newProbe()
		var got []byte
		var end error
		p.onOpened = (*Conn).PauseRead
		p.onReceived = func(c *Conn) {
			buf := make([]byte, 100)
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil && err != tlsconn.ErrWantRead {
				end = err
			}
		}
		var peer io.WriteCloser
		if addr := serve(t, r, config, p); config == nil {
			peer = dialTCP(t, addr)
		} else {
			peer = dialTLS(t, addr)
		}
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
		wantQuiet(t, r, "with broken output and unread input")
		onLoop(t, r.Loops()[0], func() {
			if _, err := c.Write([]byte("x")); err != failure {
				t.Errorf("the next write says %v, not %v again", err, failure)
			}
			c.ResumeRead()
		})
		if e := <-p.closed; e.reason == ReasonDone || e.err == nil {
			t.Errorf("closed as %v, %v: half of the question was lost", e.reason, e.err)
		}
		if string(got) != "the answer" {
			t.Errorf("TLS %v: read %q, then %v", config != nil, got, end)
		}
	}
}
