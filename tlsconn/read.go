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
		return 0, c.refuse()
	}
	if c.state != StateConnected {
		if err := c.drive(); err != nil {
			return 0, err
		}
	} else if c.out.pending() > 0 {
		_ = c.flush() // a transport that takes no output may still have input
	}
	if len(p) == 0 {
		return 0, nil
	}
	return c.read(p)
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
		k, ok, err := c.receive(p[n:])
		if err == nil {
			n += k
			if ok && k == 0 {
				err = c.advance()
			}
		}
		if err != nil {
			c.fail(err)
			break
		}
		if ok {
			continue
		}
		// An answer that advance has queued must be out before a blocking transport waits.
		_ = c.flush()
		if err := c.fill(); err != nil {
			return 0, c.await(err)
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
		n += max(record.ParseHeader(in.buf.data[in.r:]).Length-tagLen-1, 1)
	}
	return n
}
