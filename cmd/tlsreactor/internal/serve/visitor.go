package serve

import (
	"crypto/tls"
	"io"
	"slices"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/page"
	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A visitor is a connection that gets the built-in page.
type visitor struct {
	session
	http     page.Session
	steps    []page.Step // of the handshake, at most maxSteps
	rest     []byte      // of an answer that the client does not take yet
	draining bool        // the next answer that is taken whole is the last
}

// Handshaking implements reactor.Tracer.
func (v *visitor) Handshaking(_ *reactor.Conn, state tlsconn.State, want tlsconn.Want) {
	step := page.Step{At: v.now() - v.began, State: state.String()}
	if want != 0 {
		step.Want = want.String()
	}
	if last := len(v.steps) - 1; last >= 0 && v.steps[last].State == step.State && v.steps[last].Want == step.Want {
		return // what came was not enough
	}
	if len(v.steps) < maxSteps {
		v.steps = append(v.steps, step)
	}
}

func (v *visitor) Opened(c *reactor.Conn) { v.established(c) }

func (v *visitor) Received(c *reactor.Conn) {
	for v.answer(c) {
		request := c.Loop().Scratch()[:visitorChunk]
		n, err := c.Read(request)
		if err != nil {
			if err == io.EOF {
				c.CloseWrite() // everything that was asked is answered
			}
			return
		}
		v.moved(c, n, 0)
		v.http.Feed(request[:n])
	}
}

func (v *visitor) Writable(c *reactor.Conn) {
	if v.answer(c) {
		c.ResumeRead()
		v.Received(c) // the end of input may be in the engine already, which no event tells
	}
}

// answer writes the answers to all complete requests. It returns false if the client has to
// take something first, upon which nothing is read from it, or if the connection ends.
func (v *visitor) answer(c *reactor.Conn) bool {
	for {
		if len(v.rest) > 0 {
			k, err := c.Write(v.rest)
			v.moved(c, 0, k)
			if v.rest = v.rest[k:]; err != nil {
				return false
			}
			v.rest = nil
		}
		if v.http.Done() || v.draining {
			c.Close()
			return false
		}
		out, ok := v.http.Next(c.Loop().Scratch()[:0], v.facts(c), c.Loop().Now())
		if !ok {
			return true
		}
		k, err := c.Write(out)
		v.moved(c, 0, k)
		if err != nil && err != tlsconn.ErrWantWrite {
			return false
		}
		if k < len(out) {
			v.rest = slices.Clone(out[k:])
			c.PauseRead()
			return false
		}
	}
}

// Draining ends the connection after the answer that is under way.
func (v *visitor) Draining(c *reactor.Conn) {
	v.draining = true
	if len(v.rest) == 0 {
		c.Close()
	}
}

func (v *visitor) Closed(c *reactor.Conn, reason reactor.Reason, err error) {
	v.over(c, ending{reason: reason, err: err})
}

// facts is what the page tells of a connection, and of the server.
func (v *visitor) facts(c *reactor.Conn) *page.Facts {
	s := c.ConnectionState()
	signature := ""
	if s.SignatureScheme != 0 {
		signature = s.SignatureScheme.String()
	}
	return &page.Facts{
		Version:    tls.VersionName(s.Version),
		Suite:      tls.CipherSuiteName(s.CipherSuite),
		Group:      s.Group.String(),
		Signature:  signature,
		ALPN:       s.NegotiatedProtocol,
		ServerName: s.ServerName,
		Retried:    s.HelloRetryRequest,
		Resumed:    s.DidResume,
		Handshake:  v.shaken,
		Steps:      v.steps,
		Counters:   v.pageCounters(),
	}
}
