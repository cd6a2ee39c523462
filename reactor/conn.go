package reactor

import (
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/tlsreactor/tlsreactor/poller"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A Conn is a plain or TLS connection over TCP or a unix socket. It belongs to its loop: its methods may
// be called from the loop's goroutine only, that is from handlers, accept functions and posted functions
// of that loop, not only those of this connection. Any other goroutine uses its Handle.
//
// A Conn that is closed stays safe to use: every verb returns tlsconn.ErrClosed, or the error that ended
// the connection.
type Conn struct {
	loop    *Loop
	handler Handler
	tls     *tlsconn.Conn // nil on a plain connection, and before a dialed one is connected
	out     *output       // what a plain connection has accepted and the socket has not
	dialing *dialing      // nil unless phaseConnecting
	err     error         // why it ends, kept for Closed; or why its output is broken
	remote  netip.AddrPort
	active  time.Duration // on the loop's clock: when a byte last moved; before phaseOpen, when the handshake began

	slot, generation uint32 // its place in the loop's table
	fd               int32  // -1 when there is none
	turn             uint32 // the turn that the two budgets are of
	readLeft         int32  // bytes that may still be read in this turn
	writeLeft        int32
	dryTurn          uint32 // the turn in which the socket was read empty
	discarded        int32  // bytes thrown away while lingering

	phase    phase
	reason   Reason            // why it ends; not zero from the decision on
	interest poller.Interest   // what the poller was told, if watched
	awaits   tlsconn.Operation // what the handshake was seen to wait for outside

	accepted        bool // counts against MaxConns
	watched         bool // the descriptor is in a poller
	amongHandshakes bool // that poller is the handshakes'
	hungUp          bool // HungUp or Failed was reported
	paused          bool // PauseRead
	inputEnded      bool // Read has returned io.EOF
	outputEnded     bool // CloseWrite was called
	finSent         bool // the end of output was handed to the socket
	outputBroken    bool // a write failed with err, while input was still to be read
	full            bool // the socket took less than it was offered
	resetTold       bool // a write was told of a reset: the end of input is no end in order
	awaitsRoom      bool // a Write was refused: Writable is owed
	touched         bool // waits to be settled
	queued          bool // is on the ready list
}

// A phase is where a connection is in its life.
type phase uint8

const (
	phaseConnecting  phase = iota // a name is looked up, or connect(2) is in progress
	phaseHandshaking              // TLS is not established
	phaseOpen                     // the handler has it
	phaseFlushing                 // closing: output has yet to be taken
	phaseLingering                // closing: our FIN is sent, the peer's is awaited
	phaseClosed                   // the descriptor is closed, Handler.Closed is due
	phaseGone                     // Handler.Closed was called
)

// Read reads data. It returns n > 0 with nil, or 0 with an error: tlsconn.ErrWantRead if there is
// nothing now or this turn's budget is spent (Received is called again); io.EOF at the peer's
// close_notify or, on a plain connection, its FIN; io.ErrUnexpectedEOF if a TLS stream ends
// otherwise. Any error but these first two, and ErrReentrant, has ended the connection; the handler just
// returns. p is not kept.
func (c *Conn) Read(p []byte) (n int, err error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	if c.inputEnded {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	c.renewBudgets()
	if c.readLeft <= 0 {
		return 0, tlsconn.ErrWantRead
	}
	if c.tls != nil {
		n, err = c.tls.Read(p)
	} else {
		n, err = (*socket)(c).Read(p[:min(len(p), turnReadBytes)])
	}
	c.readLeft -= callCost // the bytes are charged by the socket
	switch err {
	case nil:
		return n, nil
	case tlsconn.ErrWouldBlock, tlsconn.ErrWantRead:
		return 0, tlsconn.ErrWantRead
	case io.EOF:
		c.inputEnded = true
		return 0, io.EOF
	}
	return 0, c.fail(err)
}

// Write writes p. The n bytes that it returns are taken and must not be offered again; n < len(p) comes
// with tlsconn.ErrWantWrite, upon which Writable is called when it is worth offering the rest. Any
// other error ends the connection; on a plain one, what has arrived before is still there to be read, in
// further calls of Received. A handler that does not care just returns. p is not kept.
func (c *Conn) Write(p []byte) (n int, err error) {
	if err := c.writable(); err != nil {
		return 0, err
	}
	q := p[:min(len(p), int(max(c.writeLeft, 0)))]
	if c.tls != nil {
		n, err = c.tls.Write(q)
	} else {
		n, err = c.writePlain(q)
	}
	c.writeLeft -= int32(n)
	if err == nil && n < len(p) {
		err = tlsconn.ErrWantWrite
	}
	return n, c.written(err)
}

// ReadFrom writes what it reads from source, without a copy on the way to where it is sealed, until
// source ends (nil), source fails (its error as it is; a Conn's ErrWantRead among them), or the output
// is full or this turn's budget spent (tlsconn.ErrWantWrite, upon which Writable is called). source may
// be another Conn of the same loop; it must use neither c, nor ReadFrom, on its part (ErrReentrant). n bytes
// were read and accepted, with any error.
func (c *Conn) ReadFrom(source io.Reader) (n int64, err error) {
	if err := c.writable(); err != nil {
		return 0, err
	}
	s := &c.loop.source
	if s.of != nil {
		return 0, tlsconn.ErrReentrant
	}
	*s = boundedSource{of: c, from: source, left: int(c.writeLeft)}
	if c.tls != nil {
		n, err = c.tls.ReadFrom(s)
	} else {
		n, err = c.readFromPlain(s)
	}
	failed := s.err
	*s = boundedSource{}
	c.writeLeft -= int32(n)
	if err == errSource {
		return n, failed
	}
	return n, c.written(err)
}

// CloseWrite ends our direction after what was written: close_notify on TLS, FIN on a plain connection.
// Reading goes on. It returns nil although output may be pending. When the peer's direction has
// ended too, the connection is closed with ReasonDone.
func (c *Conn) CloseWrite() error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.outputEnded {
		return nil
	}
	c.outputEnded = true
	if c.tls != nil {
		if err := c.tls.CloseWrite(); err != nil && err != tlsconn.ErrWantWrite {
			return c.fail(err)
		}
	}
	return nil
}

// Close closes the connection in order, see the package's documentation. The handler gets no call but
// Closed, with ReasonClosed. Calling it again, or after the end, does nothing.
func (c *Conn) Close() { c.finish(ReasonClosed, nil) }

// Reset closes the connection at once and tells the peer that it failed (RST): what a proxy does when
// the other side was cut off. Pending output is lost. Closed is called with ReasonReset.
func (c *Conn) Reset() { c.reset(ReasonReset, nil) }

// PauseRead keeps Received from being called, and so input in the socket, until ResumeRead: the peer is
// slowed down by TCP. It may be called at any time, and again.
func (c *Conn) PauseRead() { c.setPaused(true) }

// ResumeRead undoes PauseRead. Received is called from the loop, not from here.
func (c *Conn) ResumeRead() { c.setPaused(false) }

func (c *Conn) setPaused(paused bool) {
	if c.paused != paused {
		c.paused = paused
		c.touch()
	}
}

// SetHandler makes h the handler from the next call on.
func (c *Conn) SetHandler(h Handler) { c.handler = h }

// Handle names the connection for other goroutines.
func (c *Conn) Handle() Handle { return Handle{loop: c.loop, token: c.token()} }

// Loop is the loop that the connection lives on.
func (c *Conn) Loop() *Loop { return c.loop }

// IsTLS reports whether the connection is, or is going to be, a TLS connection.
func (c *Conn) IsTLS() bool {
	return c.tls != nil || c.dialing != nil && c.dialing.config != nil
}

// ConnectionState tells what TLS has negotiated; it is the zero value on a plain connection. It stays known
// after the end.
func (c *Conn) ConnectionState() tlsconn.ConnectionState {
	if c.tls == nil {
		return tlsconn.ConnectionState{}
	}
	return c.tls.ConnectionState()
}

// Remote is the peer's address, the zero value for a unix socket and for a dialed connection that has
// none yet. It stays known after the end.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// RemoteAddr is the peer's address as package net has it, never nil. It allocates.
func (c *Conn) RemoteAddr() net.Addr { return netAddr(c.remote) }

// LocalAddr is our address, never nil, as long as the socket is open. It allocates, and costs a system
// call.
func (c *Conn) LocalAddr() net.Addr { return netAddr(localAddress(int(c.fd))) }

// netAddr converts; what is no IP address is a unix socket here.
func netAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a)
}

// usable says whether data verbs may do anything, and marks the connection to be settled.
func (c *Conn) usable() error {
	c.touch()
	switch {
	case c.reason != 0 && c.err != nil:
		return c.err
	case c.reason != 0:
		return tlsconn.ErrClosed
	case c.phase < phaseOpen:
		return tlsconn.ErrHandshakeIncomplete
	case c.loop.source.of == c:
		return tlsconn.ErrReentrant // the source of c's ReadFrom uses c
	}
	return nil
}

// writable is usable for verbs that write.
func (c *Conn) writable() error {
	if err := c.usable(); err != nil {
		return err
	}
	switch {
	case c.outputEnded:
		return tlsconn.ErrWriteClosed
	case c.outputBroken:
		return c.err
	}
	c.renewBudgets()
	return nil
}

// written keeps what a refused or failed write means for the loop.
func (c *Conn) written(err error) error {
	switch err {
	case nil:
		return nil
	case tlsconn.ErrWantWrite:
		c.awaitsRoom = true
		return err
	}
	if c.tls == nil && !c.inputEnded && peek(int(c.fd)) {
		// The peer does not listen any more, but what it said before is still to be heard: a backend
		// that answers early and closes. The end of input ends the connection, or a handler that
		// does not read when it is told to (serveOpen).
		c.outputBroken, c.err = true, err
		c.dropOutput()
		c.ResumeRead()
		return err
	}
	return c.fail(err)
}

func (c *Conn) token() poller.Token { return poller.NewToken(c.slot, c.generation) }
