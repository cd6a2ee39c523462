package reactor

import (
	"errors"
	"io"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// output holds what a plain connection has accepted in ReadFrom and the socket has not taken:
// data[start:end].
type output struct {
	start, end int
	data       [scratchSize]byte
}

// takeOutput returns an empty buffer, from the loop's kept ones if there is one.
func (l *Loop) takeOutput() *output {
	if n := len(l.outputs); n > 0 {
		o := l.outputs[n-1]
		l.outputs = l.outputs[:n-1]
		return o
	}
	return new(output)
}

// dropOutput gives the connection's buffer back.
func (c *Conn) dropOutput() {
	o := c.out
	if o == nil {
		return
	}
	c.out = nil
	if len(c.loop.outputs) < keptOutputs {
		// The bytes are somebody's plaintext: not to be seen by the next connection's bugs.
		clear(o.data[:o.end])
		o.start, o.end = 0, 0
		c.loop.outputs = append(c.loop.outputs, o)
	}
}

// flush hands pending output to the socket: nil when none is left, ErrWantWrite, or the failure.
func (c *Conn) flush() error {
	if c.tls != nil {
		return c.tls.Flush()
	}
	for c.out != nil {
		n, err := (*socket)(c).Write(c.out.data[c.out.start:c.out.end])
		c.out.start += n
		if err == tlsconn.ErrWouldBlock {
			return tlsconn.ErrWantWrite
		}
		if err != nil {
			return err
		}
		if c.out.start == c.out.end {
			c.dropOutput()
		}
	}
	return nil
}

// pending reports whether accepted output is still ours.
func (c *Conn) pending() bool {
	if c.tls != nil {
		return c.tls.Wants()&tlsconn.WantWrite != 0
	}
	return c.out != nil
}

// wants is what the connection needs of its socket, in the engine's terms. A plain connection takes no
// more than the socket does, so being refused is a want of its own.
func (c *Conn) wants() tlsconn.Want {
	if c.tls != nil {
		return c.tls.Wants()
	}
	var w tlsconn.Want
	if !c.inputEnded {
		w |= tlsconn.WantRead
	}
	if c.out != nil || c.awaitsRoom && c.full {
		w |= tlsconn.WantWrite
	}
	return w
}

// writePlain writes straight to the socket, after what ReadFrom may have left.
func (c *Conn) writePlain(p []byte) (int, error) {
	if err := c.flush(); err != nil || len(p) == 0 {
		return 0, err
	}
	n, err := (*socket)(c).Write(p)
	if err == tlsconn.ErrWouldBlock {
		err = tlsconn.ErrWantWrite
	}
	return n, err
}

// readFromPlain copies through the loop's relay buffer; what the socket does not take stays with the
// connection, and source is not read again before it has gone.
func (c *Conn) readFromPlain(source io.Reader) (n int64, err error) {
	for {
		if err := c.flush(); err != nil {
			return n, err
		}
		k, err := source.Read(c.loop.relay[:])
		n += int64(k)
		if k > 0 {
			w, werr := (*socket)(c).Write(c.loop.relay[:k])
			if werr != nil && werr != tlsconn.ErrWouldBlock {
				return n, werr
			}
			if w < k {
				c.out = c.loop.takeOutput()
				c.out.end = copy(c.out.data[:], c.loop.relay[w:k])
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// errSource stands for the source's error on its way through the sink's ReadFrom, so that it can be
// told from one of the sink. No caller sees it.
var errSource = errors.New("reactor: the source of ReadFrom failed")

// A boundedSource stops a source that would go on for ever, with tlsconn.ErrWantWrite, and keeps the
// source's own error.
type boundedSource struct {
	of   *Conn // the sink; nil while no ReadFrom runs
	from io.Reader
	left int
	err  error
}

func (s *boundedSource) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, tlsconn.ErrWantWrite
	}
	n, err := s.from.Read(p)
	s.left -= n
	if err != nil && err != io.EOF {
		s.err, err = err, errSource
	}
	return n, err
}
