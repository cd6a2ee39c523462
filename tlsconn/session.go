package tlsconn

// Session is a client's knowledge of how to resume a connection: a ticket, and
// the secret that belongs to it. It is immutable.
type Session struct{}

// SessionCache keeps a client's sessions between connections. One may serve any
// number of connections, of several goroutines at once if those do; its methods
// must not block.
type SessionCache interface {
	// GetSession answers with a session that PutSession was given for key, or nil.
	// RFC 8446 C.4 advises to use each only once, since who sees a ticket twice can
	// tell that the client is the same. A failure sends internal_error.
	GetSession(key string, answer *Completion[*Session])
	// PutSession is given a session to keep, which is the cache's then.
	PutSession(key string, session *Session)
}

// TicketProtector makes tickets of a server's session state and takes them back.
// One may serve any number of connections, of several goroutines at once if those
// do; its methods must not block.
type TicketProtector interface {
	// SealTicket makes a ticket of state, such that nobody else can read or change it.
	// No ticket with a nil error means that none is sent. state is lent for the call.
	SealTicket(state []byte) (ticket []byte, err error)
	// OpenTicket answers with the state in a ticket, or nil if it has none: a ticket of
	// somebody else's, forged, or under a key that is no longer accepted. A failure ends
	// the handshake with internal_error. ticket is the callee's to keep.
	OpenTicket(ticket []byte, answer *Completion[[]byte])
}
