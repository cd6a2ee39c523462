package tlsconn

import (
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// keyUpdateLen is the length of an encoded KeyUpdate.
const keyUpdateLen = wire.HeaderLen + 1

// afterHandshake handles the messages of RFC 8446 4.6.
func (c *Conn) afterHandshake(m message) (State, error) {
	switch m.typ {
	case wire.TypeKeyUpdate:
		return StateConnected, c.readKeyUpdate(m)
	case wire.TypeNewSessionTicket:
		return StateConnected, c.readNewSessionTicket(m)
	case wire.TypeClientHello, wire.TypeHelloRequest:
		// The peer may only be answered with a warning (RFC 5246 7.2.2), but goes on asking, or
		// is somebody in between (CVE-2009-3555): nobody renegotiates any more.
		return StateConnected, abort(AlertNoRenegotiation, "%v: renegotiation is refused", m.typ)
	}
	return StateConnected, fmt.Errorf("internal: %v after the handshake", m.typ)
}

// readKeyUpdate changes the receiving key, and ours if the peer asks for it (RFC
// 8446 4.6.3).
func (c *Conn) readKeyUpdate(m message) error {
	var ku wire.KeyUpdate
	if err := ku.Unmarshal(m.body()); err != nil {
		return decodeError(err)
	}
	if c.in.solicited > 0 {
		c.in.solicited-- // the answer to a request of ours
	} else if c.in.keyUpdates++; c.in.keyUpdates > maxKeyUpdates {
		return abort(AlertUnexpectedMessage, "key_update: more than %d without application data", maxKeyUpdates)
	}
	next := c.in.secret
	c.ws.deriver(c.facts.suite.hash).NextTrafficSecret(&next, &next)
	if err := c.setReadSecret(&next); err != nil {
		return err
	}
	clear(next[:])
	// This "causes an implementation which receives multiple KeyUpdates while it is
	// silent to respond with a single update": the keys of the answer are still unused.
	if ku.RequestUpdate && !c.out.answering && !c.out.closed && c.out.err == nil {
		c.queueKeyUpdate(false)
		c.out.answering = true
	}
	return nil
}

// queueKeyUpdate seals a KeyUpdate and changes the sending key behind it.
func (c *Conn) queueKeyUpdate(requestPeer bool) {
	var b [keyUpdateLen]byte
	c.appendRecords(record.Handshake, (&wire.KeyUpdate{RequestUpdate: requestPeer}).Append(b[:0]))
	if requestPeer && c.in.solicited < maxKeyUpdates {
		c.in.solicited++
	}
	next := c.out.secret
	c.ws.deriver(c.facts.suite.hash).NextTrafficSecret(&next, &next)
	c.ws.install(&c.out.halfConn, &next)
	clear(next[:])
}
