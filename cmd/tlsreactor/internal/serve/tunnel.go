package serve

import (
	"errors"
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
	session
	client, backend *reactor.Conn
	answered        bool   // the backend has ended its direction in order
	first           ending // how the backend's connection ended, if it was the first to
}

// clientSide and backendSide are the tunnel as the Handler of each of its ends.
type (
	clientSide  tunnel
	backendSide tunnel
)

// Opened begins the tunnel: the client is not read until there is somebody to take its bytes.
func (t *clientSide) Opened(c *reactor.Conn) {
	t.established(c)
	c.PauseRead()
	t.client = c
	t.backend = t.dialBackend(c.Loop(), (*backendSide)(t))
}

func (t *backendSide) Opened(*reactor.Conn) { t.client.ResumeRead() }

func (t *clientSide) Received(*reactor.Conn) {
	n, _ := carry(t.backend, t.client)
	t.moved(t.client, n, 0)
}

func (t *backendSide) Received(*reactor.Conn) {
	n, ended := carry(t.client, t.backend)
	t.moved(t.client, 0, n)
	if ended {
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
// the sink is full the source is not read until the sink is writable again. It reports how many bytes
// were moved, and whether the source has ended in order, which the sink is then told.
func carry(sink, source *reactor.Conn) (moved int, ended bool) {
	n, err := sink.ReadFrom(source)
	switch err {
	case nil:
		sink.CloseWrite() // an error ends the sink, and its Closed tells of it
		return int(n), true
	case tlsconn.ErrWantRead: // the source has no more for now
	default:
		// The sink is full, or one of them is ending, of which Closed will tell: until then a source
		// that is not read would have Received called for nothing, on each turn.
		source.PauseRead()
	}
	return int(n), false
}

// Draining lets the tunnel go on, until one of its sides ends it or the drain's deadline does.
func (t *clientSide) Draining(*reactor.Conn)  {}
func (t *backendSide) Draining(*reactor.Conn) {}

func (t *clientSide) Closed(c *reactor.Conn, reason reactor.Reason, err error) {
	if reason != reactor.ReasonDone && t.backend != nil {
		t.backend.Reset()
	}
	e := ending{sideClient, reason, err}
	if t.first.reason != 0 {
		e = t.first
	}
	t.over(c, e)
}

func (t *backendSide) Closed(_ *reactor.Conn, reason reactor.Reason, err error) {
	switch {
	case reason == reactor.ReasonDone || reason == reactor.ReasonReset: // the client's end tells
		return
	case t.answered:
		// The answer is whole; the backend merely does not want the rest of the question. A RST
		// could destroy the answer on its way to the client.
		t.client.Close()
	default:
		t.client.Reset()
		t.noteFailure(reason, err)
	}
	t.first = ending{sideBackend, reason, err}
}

// noteFailure counts a backend that gave no answer, or none that is whole. One that cannot be reached
// is logged as well: it is the operator's to mend.
func (t *backendSide) noteFailure(reason reactor.Reason, err error) {
	sums := t.sumsOf(t.client)
	if reason != reactor.ReasonConnect {
		sums.cutOff.Add(1)
		return
	}
	sums.unreachable.Add(1)
	if errors.Is(err, reactor.ErrConnectTimeout) {
		sums.timedOut.Add(1)
	}
	t.journal.post(slog.LevelWarn, "backend unreachable", slog.String("backend", t.options.Backend),
		slog.Any("error", err), slog.String("client", t.client.Remote().String()))
}
