package serve

import (
	"io"
	"slices"

	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// echo sends back what it receives. One serves all connections: what a connection has of its
// own, it has in an owing, and only while its client does not read.
type echo struct{ *server }

func (e *echo) Opened(*reactor.Conn) {}

func (e *echo) Received(c *reactor.Conn) {
	chunk := c.Loop().Scratch()[:echoChunk]
	for {
		n, err := c.Read(chunk)
		if err != nil {
			if err == io.EOF {
				c.CloseWrite() // an error ends the connection, and Closed tells of it
			}
			return
		}
		if k, err := c.Write(chunk[:n]); err == tlsconn.ErrWantWrite && k < n {
			c.PauseRead()
			c.SetHandler(&owing{echo: e, rest: slices.Clone(chunk[k:n])})
			return
		}
	}
}

func (e *echo) Writable(*reactor.Conn) {}

// Draining lets the connection go on, until its client ends it or the drain's deadline does.
func (e *echo) Draining(*reactor.Conn) {}

func (e *echo) Closed(c *reactor.Conn, reason reactor.Reason, err error) { e.closed(c, reason, err) }

// owing is the handler of a connection whose client does not read: it keeps what was received
// and not sent back, and receives no more.
type owing struct {
	*echo
	rest []byte
}

func (o *owing) Received(*reactor.Conn) {}

func (o *owing) Writable(c *reactor.Conn) {
	k, err := c.Write(o.rest)
	o.rest = o.rest[k:]
	if err == nil {
		c.SetHandler(o.echo)
		c.ResumeRead()
		o.echo.Received(c) // the end of input may be in the engine already, which no event tells
	}
}
