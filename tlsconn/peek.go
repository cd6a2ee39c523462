package tlsconn

import "io"

// Peek returns what the next Read returns first, and leaves it there, as
// SSL_peek(3) does: n > 0 with nil, or 0 with an error, never both and never
// neither for a non-empty p, with Read's errors and wants. It drives the handshake
// and handles messages of the protocol as Read does. The bytes are those of one
// record at most; a Read with the same p may go on behind them. Until they are read
// they count in Buffered and in the Workspace's InputBudget, and further calls of
// Peek return the same. An end of the stream that Peek tells stays to be told by
// Read. p is not kept.
func (c *Conn) Peek(p []byte) (n int, err error) {
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.leave()
	if err := c.readyToRead(); err != nil || len(p) == 0 {
		return 0, err
	}
	in := &c.in
	for in.plain == in.plainEnd {
		if in.eof {
			return 0, io.EOF
		}
		// Into no slice: data are opened in place, where they stay.
		if _, err := c.pull(nil); c.err != nil {
			return 0, c.refuse()
		} else if err != nil {
			return 0, err
		}
	}
	return copy(p, in.buf.data[in.plain:in.plainEnd]), nil
}
