package tlsconn

import (
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// room returns where the next n bytes of output go, and makes it if there is
// none: the caller has checked the high water for data; what the protocol itself
// says always fits, in a buffer of its own size if need be.
func (c *Conn) room(n int) []byte {
	o := &c.out
	if o.buf == nil {
		o.buf = c.ws.buffers.take(max(n, bufferClasses[largest]))
		o.start, o.end = 0, 0
	}
	if len(o.buf.data)-o.end < n {
		held := o.buf.data[o.start:o.end]
		if need := max(len(held)+n, bufferClasses[largest]); need > len(o.buf.data) {
			o.buf = c.ws.buffers.move(o.buf, held, need)
		} else {
			copy(o.buf.data, held)
		}
		o.start, o.end = 0, len(held)
	}
	o.buf.used = max(o.buf.used, o.end+n)
	return o.buf.data[o.end : o.end+n : o.end+n]
}

// overhead is what a record has beside its content, as things stand.
func (o *outbound) overhead() int { return max(int(o.halfConn.overhead), record.HeaderLen) }

// prefix is how much of that lies before the content.
func (o *outbound) prefix() int { return max(int(o.halfConn.prefix), record.HeaderLen) }

// content is how many bytes of content a record of ours has at most.
func (o *outbound) content() int {
	if o.fragment == 0 {
		return record.MaxPlaintext
	}
	return int(o.fragment)
}

// limitFragment lowers what a record of ours holds to n bytes of content, 63 or more:
// a record_size_limit is at least 64 and counts the type byte too (RFC 8449 4).
func (o *outbound) limitFragment(n int) { o.fragment = uint16(min(n, o.content())) }

// sealed is the length of n bytes of content, 1 or more, as records.
func (o *outbound) sealed(n int) int {
	if n <= o.content() {
		return n + o.overhead() // without a division, for each record of Write
	}
	return n + (n+o.content()-1)/o.content()*o.overhead()
}

// seal makes a record of the n bytes that lie behind the prefix's place in rec,
// which room returned, and counts it as output.
func (c *Conn) seal(rec []byte, n int, typ record.Type) {
	o := &c.out
	if typ == record.ApplicationData {
		// RFC 8446 4.6.3: the next request to update is answered before the next data.
		o.answering = false
	}
	if o.on() {
		c.ws.key(&o.halfConn, c.facts.suite).seal(rec, n, typ, o.seq)
		o.seq++
	} else {
		// RFC 8446 5.1: 0x0303 but for an initial ClientHello, which may say 0x0301 for
		// the sake of old middleboxes.
		version := uint16(0x0303)
		if c.state == StateSendClientHello && typ == record.Handshake {
			version = 0x0301
		}
		record.PutHeader(rec, record.Header{Type: typ, Version: version, Length: n})
	}
	o.end += len(rec)
}

// appendRecords seals content, of any length, as records of type typ: what the protocol
// itself says.
func (c *Conn) appendRecords(typ record.Type, content []byte) {
	if c.out.compatibility {
		c.out.compatibility = false
		c.queueChangeCipherSpec()
	}
	c.traceMessage(true, typ, content)
	if len(content) > c.out.content() {
		c.room(c.out.sealed(len(content))) // at once, or a long flight is moved for each record
	}
	for len(content) > 0 {
		n := min(len(content), c.out.content())
		c.appendRecord(typ, content[:n])
		content = content[n:]
	}
}

// appendRecord seals content, which one record holds.
func (c *Conn) appendRecord(typ record.Type, content []byte) {
	rec := c.room(len(content) + c.out.overhead())
	copy(rec[c.out.prefix():], content)
	c.seal(rec, len(content), typ)
}

// queueAlert seals an alert under the keys of the moment.
func (c *Conn) queueAlert(a Alert) {
	if c.out.closed || c.out.err != nil {
		return // RFC 8446 6.1: nothing after close_notify
	}
	level := byte(alertLevelFatal)
	if a == AlertCloseNotify || a == AlertUserCanceled {
		level = alertLevelWarning
	}
	c.appendRecords(record.Alert, []byte{level, byte(a)})
	if a == AlertUserCanceled {
		c.queueAlert(AlertCloseNotify) // RFC 9846 6.1: "This alert MUST be followed by a close_notify"
	}
}

// queueChangeCipherSpec adds the compatibility record of RFC 8446 D.4, which is
// never protected.
func (c *Conn) queueChangeCipherSpec() {
	rec := c.room(record.HeaderLen + 1)
	record.PutHeader(rec, record.Header{Type: record.ChangeCipherSpec, Version: 0x0303, Length: 1})
	rec[record.HeaderLen] = 1
	c.traceMessage(true, record.ChangeCipherSpec, rec[record.HeaderLen:])
	c.out.end += len(rec)
}

// flush hands pending output to the transport: nil when none is left,
// ErrWantWrite, or the transport's error, which sticks unless it is a timeout.
func (c *Conn) flush() error {
	o := &c.out
	for o.pending() > 0 {
		n, err := c.transport.Write(o.buf.data[o.start:o.end])
		o.start += n
		switch {
		case err == ErrWouldBlock:
			c.polled = true
			return ErrWantWrite
		case err != nil && isTimeout(err):
			return err
		case err != nil:
			c.dropOutput()
			o.err = err
		case n == 0:
			return ErrWantWrite
		}
	}
	if o.err == nil && o.buf != nil {
		o.start, o.end = 0, 0
	}
	return o.err
}

// settleOutput ends a call: a buffer without pending bytes goes back to the
// Workspace, and few bytes move to a small one.
func (c *Conn) settleOutput() {
	o := &c.out
	if o.buf == nil {
		return
	}
	left := o.pending()
	if left == 0 {
		c.dropOutput()
		return
	}
	if classOf(left) < o.buf.class {
		o.buf = c.ws.buffers.move(o.buf, o.buf.data[o.start:o.end], left)
		o.start, o.end = 0, left
	}
	c.chargeOutput(len(o.buf.data))
}

// chargeOutput counts the bytes of buffer that the connection holds between calls.
func (c *Conn) chargeOutput(held int) {
	c.ws.buffers.output += held - c.out.held
	c.out.held = held
}

// dropOutput forgets pending output and gives its buffer back.
func (c *Conn) dropOutput() {
	o := &c.out
	if o.buf != nil {
		c.ws.buffers.release(o.buf)
		o.buf = nil
	}
	o.start, o.end = 0, 0
	c.chargeOutput(0)
}

// writeFailed decides what a failed write means. The peer may have said why
// before it closed: its alert, if it is the next thing to be read, wins over the
// transport's error. Data that it sent is kept for Read, and the transport's error
// ends only our direction.
func (c *Conn) writeFailed(err error) error {
	if isTimeout(err) {
		return err
	}
	if c.in.plain == c.in.plainEnd && !c.in.eof && c.err == nil {
		if last := c.lastWords(); last != nil {
			return c.fail(last)
		}
	}
	return c.writeEnded(err)
}

// lastWords handles the next record of the peer's, if there is one; a
// change_cipher_spec does not count, as RFC 8446 D.4 puts it before a client's first
// alert.
func (c *Conn) lastWords() error {
	for in := &c.in; ; {
		// A transport that blocks might wait here for ever.
		if (in.buf == nil || !in.whole()) && (!c.polled || c.fill() != nil) {
			return nil
		}
		compatibility := record.Type(in.buf.data[in.r]) == record.ChangeCipherSpec
		_, ok, err := c.receive(nil)
		if err == nil && c.state == StateConnected {
			err = c.advance() // a KeyUpdate changes what the next record is read with
		}
		if err != nil || !ok || !compatibility {
			return err
		}
	}
}

// writeEnded makes a transport's write error final for a handshake, which cannot
// go on without writing.
func (c *Conn) writeEnded(err error) error {
	if c.state != StateConnected && c.err == nil {
		c.end(err)
	}
	return err
}
