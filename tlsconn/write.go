package tlsconn

import (
	"io"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// Write seals p and hands it to the transport. It takes and owns the n bytes
// that it accepts; they must not be offered again. n == len(p) comes with nil,
// though output may be pending (Wants says so; Flush drains it); a short count
// comes with ErrWantWrite, after which the rest is offered when the transport is
// writable. On a blocking transport it returns when all is written; a passed
// deadline of its is returned with the n bytes accepted, which stay pending. When
// the transport has failed n is 0, and the error sticks. It drives the handshake
// if that is not complete, and then returns its wants. p is not kept.
func (c *Conn) Write(p []byte) (n int, err error) {
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.leave()
	if err := c.readyToWrite(); err != nil {
		return 0, err
	}
	for n < len(p) {
		chunk := min(len(p)-n, record.MaxPlaintext)
		if err := c.makeRoom(chunk); err != nil {
			return n, err
		}
		rec := c.room(chunk + c.out.overhead())
		copy(rec[record.HeaderLen:], p[n:n+chunk])
		c.seal(rec, chunk, record.ApplicationData)
		n += chunk
	}
	if err := c.flushAccepted(); err != nil && !isTimeout(err) {
		return 0, err // what of p the peer got nobody knows
	} else if err != nil {
		return n, err
	}
	return n, nil
}

// ReadFrom seals what it reads from source, which reads straight to where the
// bytes are sealed, until source ends (nil, as io.ReaderFrom says), source fails
// (its error as it is, ErrWouldBlock included), or the output is full
// (ErrWantWrite: source is not read while output waits). n bytes were read from
// source and accepted, with any error.
func (c *Conn) ReadFrom(source io.Reader) (n int64, err error) {
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.leave()
	if err := c.readyToWrite(); err != nil {
		return 0, err
	}
	for idle := 0; ; {
		if err := c.makeRoom(record.MaxPlaintext); err != nil {
			return n, err
		}
		rec := c.room(record.MaxPlaintext + c.out.overhead())
		k, err := source.Read(rec[record.HeaderLen : record.HeaderLen+record.MaxPlaintext])
		if k > 0 {
			c.seal(rec[:k+c.out.overhead()], k, record.ApplicationData)
			n += int64(k)
			idle = 0
		} else if idle++; idle > maxNoProgress {
			err = io.ErrNoProgress
		}
		if err == nil && c.polled {
			continue // many records, one call of the transport
		}
		// Where the transport blocks, source may block as well, waiting for the answer to
		// what is still pending here (io.Copy between two net.Conns).
		if ferr := c.flushAccepted(); ferr != nil {
			return n, ferr
		}
		switch err {
		case nil:
			continue
		case io.EOF:
			return n, nil
		}
		return n, err
	}
}

// readyToWrite completes the handshake and checks that data may be sent.
func (c *Conn) readyToWrite() error {
	switch {
	case c.err != nil:
		return c.refuse()
	case c.out.closed:
		return ErrWriteClosed
	case c.out.err != nil:
		return c.out.err
	case c.state != StateConnected:
		return c.drive()
	}
	return nil
}

// makeRoom makes the output accept a record of n bytes, by flushing if need be,
// and changes keys before the AEAD's limit on their use. ErrWantWrite means that
// the peer has to take something first.
func (c *Conn) makeRoom(n int) error {
	need := n + c.out.overhead()
	if pool := &c.ws.buffers; pool.output > pool.outputBudget {
		need = outputHighWater // only an output that is drained accepts anything
	}
	if c.out.pending()+need > outputHighWater {
		if err := c.flush(); err != nil && err != ErrWantWrite {
			return c.writeFailed(err)
		}
		if c.out.pending()+need > outputHighWater {
			return ErrWantWrite
		}
	}
	if c.out.seq >= c.keyLimit() {
		// RFC 8446 5.5: "MUST ... do a key update as described in Section 4.6.3 prior to
		// reaching these limits".
		c.queueKeyUpdate(false)
	}
	return nil
}

// keyLimit is the number of records after which the sending key is changed.
func (c *Conn) keyLimit() uint64 {
	if c.ws.keyLimit != 0 {
		return c.ws.keyLimit
	}
	return c.facts.suite.aead.UseLimit()
}

// flushAccepted flushes what has been accepted: pending output is no error then.
func (c *Conn) flushAccepted() error {
	if err := c.flush(); err != nil && err != ErrWantWrite {
		return c.writeFailed(err)
	}
	return nil
}

// KeyUpdate changes the sending key (RFC 8446 4.6.3), and asks the peer to change
// its own if requestPeer. ErrWantWrite means that nothing was done, since output
// is full; nil that the message is on its way, perhaps still pending.
func (c *Conn) KeyUpdate(requestPeer bool) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	switch {
	case c.err != nil:
		return c.refuse()
	case c.out.closed:
		return ErrWriteClosed
	case c.out.err != nil:
		return c.out.err
	case c.state != StateConnected:
		return ErrHandshakeIncomplete
	}
	if err := c.makeRoom(keyUpdateLen); err != nil {
		return err
	}
	c.queueKeyUpdate(requestPeer)
	return c.flushAccepted()
}

// refuse answers a call on a failed connection: its output is given another try,
// and the failure is told again.
func (c *Conn) refuse() error {
	if c.out.pending() > 0 {
		_ = c.flush() // the failure that sticks is more telling than a transport's
	}
	return c.err
}
