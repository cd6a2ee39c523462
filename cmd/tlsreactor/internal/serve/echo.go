package serve

import (
	"io"
	"slices"

	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// An echo sends back what it receives. It keeps bytes only while its client does not read.
type echo struct {
	session
	rest []byte // received and not sent back; nothing more is received meanwhile
}

func (e *echo) Opened(c *reactor.Conn) { e.established(c) }

func (e *echo) Received(c *reactor.Conn) {
	if e.rest != nil {
		return
	}
	chunk := c.Loop().Scratch()[:echoChunk]
	for {
		n, err := c.Read(chunk)
		if err != nil {
			if err == io.EOF {
				c.CloseWrite() // an error ends the connection, and Closed tells of it
			}
			return
		}
		k, err := c.Write(chunk[:n])
		e.moved(c, n, k)
		if err == tlsconn.ErrWantWrite && k < n {
			c.PauseRead()
			e.rest = slices.Clone(chunk[k:n])
			return
		}
	}
}

func (e *echo) Writable(c *reactor.Conn) {
	if e.rest == nil {
		return
	}
	k, err := c.Write(e.rest)
	e.moved(c, 0, k)
	e.rest = e.rest[k:]
	if err == nil {
		e.rest = nil
		c.ResumeRead()
		e.Received(c) // the end of input may be in the engine already, which no event tells
	}
}

// Draining lets the connection go on, until its client ends it or the drain's deadline does.
func (e *echo) Draining(*reactor.Conn) {}

func (e *echo) Closed(c *reactor.Conn, reason reactor.Reason, err error) {
	e.over(c, ending{reason: reason, err: err})
}
