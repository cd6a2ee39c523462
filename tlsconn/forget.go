package tlsconn

// forgetSession ends the session of a connection that ends with a fatal alert. RFC 5246 7.2.2:
// "Servers and clients MUST forget any session-identifiers, keys, and secrets associated
// with a failed connection"; RFC 8446 6.2 leaves it at a SHOULD for PSKs, and a server has no
// means to forget a ticket.
//
// It is for connections whose handshake was complete: an id can be read on the wire, and would
// let anybody end the session of another.
func (c *Conn) forgetSession() {
	switch {
	case c.in.receiver != nil:
		c.in.receiver.template.failed.Store(true)
	case c.kept12 == nil:
	case c.kept12.failed != nil:
		c.kept12.failed.Store(true)
	case c.kept12.id != nil:
		c.config.ServerSessions.RemoveSession(c.kept12.id[:])
	}
}
