package tlsconn

import (
	"io"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// Read returns decrypted application data: n > 0 with nil, or 0 with an error,
// never both and never neither for a non-empty p. Errors: a want; io.EOF after
// the peer's close_notify (our own direction stays open);
// io.ErrUnexpectedEOF when the transport ended without one, which may be an
// attacker's truncation; a *LocalAlertError or *PeerAlertError; the transport's
// own. It flushes pending output first, and drives the handshake if that is not
// complete. Records that fit into p with their type byte are opened straight into
// it; what of p lies beyond n may be overwritten. p is not kept.
func (c *Conn) Read(p []byte) (n int, err error) {
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.leave()
	if c.err != nil {
		c.in.untold = false
	}
	if err := c.readyToRead(); err != nil || len(p) == 0 {
		return 0, err
	}
	return c.read(p)
}

// readyToRead completes the handshake and gives pending output a try.
func (c *Conn) readyToRead() error {
	switch {
	case c.err != nil:
		return c.refuse()
	case c.state != StateConnected:
		return c.drive()
	case c.out.pending() > 0:
		_ = c.flush() // a transport that takes no output may still have input
	}
	return nil
}

func (c *Conn) read(p []byte) (n int, err error) {
	in := &c.in
	for {
		if in.plain < in.plainEnd {
			k := copy(p[n:], in.buf.data[in.plain:in.plainEnd])
			clear(in.buf.data[in.plain : in.plain+k])
			in.plain += k
			n += k
		}
		if in.eof {
			break
		}
		// Further records only if they are here and fit: those that do not would be
		// opened in place without need.
		if n > 0 && !c.fits(len(p)-n) {
			return n, nil
		}
		k, err := c.pull(p[n:])
		if n += k; c.err != nil {
			break
		}
		if err != nil {
			return 0, err // a want or a timeout: no record was left, so n is 0
		}
	}
	if n > 0 {
		in.untold = true // the end came with the data; the next call tells it
		return n, nil
	}
	in.untold = false
	if c.err != nil {
		return 0, c.refuse()
	}
	return 0, io.EOF
}

// pull opens the next record, as receive does, and handles what is not data; if
// there is none it reads from the transport. n bytes of data are in dst, others may
// be in place. The error is a want, a timeout, or has ended the connection.
func (c *Conn) pull(dst []byte) (n int, err error) {
	n, ok, err := c.receive(dst)
	if err == nil && ok && n == 0 {
		err = c.advance()
	}
	switch {
	case err != nil:
		return 0, c.fail(err)
	case ok:
		return n, nil
	}
	// An answer that advance has queued must be out before a blocking transport waits.
	_ = c.flush()
	if err := c.fill(); err != nil {
		return 0, c.await(err)
	}
	return 0, nil
}

// fits tells whether the next record is whole and would be opened into room bytes.
func (c *Conn) fits(room int) bool {
	in := &c.in
	if in.plain < in.plainEnd || in.buf == nil || !in.whole() {
		return false
	}
	return record.ParseHeader(in.buf.data[in.r:]).Length-tagLen <= room
}

// Buffered tells whether plaintext can be read without the transport: the bytes
// that are decrypted, and those in the next record if all of it has arrived (at
// most so many, as it is not opened yet, and may hold a message of the protocol
// instead; at least 1). A record that has arrived in part does not count. An end
// of the stream that was found behind the data of the last Read, and is still to
// be told, counts as 1. As epoll does not know of any of these, an event loop
// calls Read again while Buffered is not zero.
func (c *Conn) Buffered() int {
	in := &c.in
	if in.untold && !c.closed {
		return 1
	}
	if in.buf == nil || c.state != StateConnected || in.eof {
		return 0
	}
	n := in.plainEnd - in.plain
	if in.whole() {
		n += max(record.HeaderLen+record.ParseHeader(in.buf.data[in.r:]).Length-int(in.overhead), 1)
	}
	return n
}
