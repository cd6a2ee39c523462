package serve

import (
	"log/slog"

	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A tunnel is a client's TLS connection and the plain connection to the backend that carries its
// bytes. Both live on one loop, and neither keeps a buffer while it is idle: a side is only read
// when the other one takes what was read.
//
// The directions end separately, in order, each with what its transport has for it: close_notify
// becomes FIN and FIN close_notify. What ends out of order is not made to look like an end: the
// other side gets a RST, so that nobody takes a truncated stream for a whole one.
type tunnel struct {
	*server
	client, backend *reactor.Conn
	answered        bool // the backend has ended its direction in order
}

// clientSide and backendSide are the tunnel as the Handler of each of its ends.
type (
	clientSide  tunnel
	backendSide tunnel
)

// Opened begins the tunnel: the client is not read until there is somebody to take its bytes.
func (t *clientSide) Opened(c *reactor.Conn) {
	c.PauseRead()
	t.client = c
	t.backend = t.dialBackend(c.Loop(), (*backendSide)(t))
}

func (t *backendSide) Opened(*reactor.Conn) { t.client.ResumeRead() }

func (t *clientSide) Received(*reactor.Conn) { carry(t.backend, t.client) }

func (t *backendSide) Received(*reactor.Conn) {
	if carry(t.client, t.backend) {
		t.answered = true
	}
}

// Writable goes on with the direction that this side had no room for.
func (t *clientSide) Writable(*reactor.Conn) {
	t.backend.ResumeRead()
	(*backendSide)(t).Received(t.backend)
}

func (t *backendSide) Writable(*reactor.Conn) {
	t.client.ResumeRead()
	(*clientSide)(t).Received(t.client)
}

// carry moves what source has to sink, without a copy to where the sink seals or sends it. When
// the sink is full the source is not read until the sink is writable again. It reports whether
// the source has ended in order, which the sink is then told.
func carry(sink, source *reactor.Conn) (ended bool) {
	switch _, err := sink.ReadFrom(source); err {
	case nil:
		sink.CloseWrite() // an error ends the sink, and its Closed tells of it
		return true
	case tlsconn.ErrWantRead: // the source has no more for now
	default:
		// The sink is full, or one of them is ending, of which Closed will tell: until then a source
		// that is not read would have Received called for nothing, on each turn.
		source.PauseRead()
	}
	return false
}

// Draining lets the tunnel go on, until one of its sides ends it or the drain's deadline does.
func (t *clientSide) Draining(*reactor.Conn)  {}
func (t *backendSide) Draining(*reactor.Conn) {}

func (t *clientSide) Closed(c *reactor.Conn, reason reactor.Reason, err error) {
	if reason != reactor.ReasonDone {
		t.backend.Reset()
	}
	t.closed(c, reason, err)
}

func (t *backendSide) Closed(_ *reactor.Conn, reason reactor.Reason, err error) {
	switch {
	case reason == reactor.ReasonDone:
	case t.answered:
		// The answer is whole; the backend merely does not want the rest of the question. A RST
		// could destroy the answer on its way to the client.
		t.client.Close()
	default:
		t.client.Reset()
	}
	if reason == reactor.ReasonConnect {
		t.unreachable.Add(1)
		t.journal.post(slog.LevelWarn, "backend unreachable", slog.String("backend", t.options.Backend), slog.Any("error", err))
	}
}
