package tlsconn

import (
	"crypto/tls"
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
		chunk := min(len(p)-n, c.out.content())
		if err := c.makeRoom(chunk); err != nil {
			return n, err
		}
		c.renewKey()
		c.appendRecord(record.ApplicationData, p[n:n+chunk])
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
		k, err := c.sealFrom(source)
		if k > 0 {
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

// sealFrom reads source once, record.MaxPlaintext bytes at most, and seals what it
// gets; there is room for it.
func (c *Conn) sealFrom(source io.Reader) (n int, err error) {
	if c.out.content() == record.MaxPlaintext {
		c.renewKey()
		rec := c.room(record.MaxPlaintext + c.out.overhead())
		n, err = source.Read(rec[c.out.prefix() : c.out.prefix()+record.MaxPlaintext])
		if n > 0 {
			c.seal(rec[:n+c.out.overhead()], n, record.ApplicationData)
		}
		return n, err
	}
	// Small records do not make small reads: a copy costs less than a system call.
	b := c.ws.buffers.take(bufferClasses[largest])
	n, err = source.Read(b.data[:record.MaxPlaintext])
	b.used = n
	for rest := b.data[:n]; len(rest) > 0; {
		k := min(len(rest), c.out.content())
		c.renewKey()
		c.appendRecord(record.ApplicationData, rest[:k])
		rest = rest[k:]
	}
	c.ws.buffers.release(b)
	return n, err
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

// makeRoom makes the output accept n bytes of content as records, by flushing if
// need be. ErrWantWrite means that the peer has to take something first. n is at
// most record.MaxPlaintext: even as the smallest records that there are (RFC 8449 4)
// it is well below outputHighWater.
func (c *Conn) makeRoom(n int) error {
	need := c.out.sealed(n)
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
	return nil
}

// renewKey changes the sending key before the AEAD's limit on its use.
func (c *Conn) renewKey() {
	if c.out.seq >= c.keyLimit() && c.version() == tls.VersionTLS13 {
		// RFC 8446 5.5: "MUST ... do a key update as described in Section 4.6.3 prior to
		// reaching these limits".
		c.queueKeyUpdate(false)
	}
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
// is full; nil that the message is on its way, perhaps still pending; ErrNoKeyUpdate that
// the connection is of TLS 1.2.
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
	case c.version() == tls.VersionTLS12:
		return ErrNoKeyUpdate
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
