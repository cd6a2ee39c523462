package tlsconn

import (
	"crypto/tls"
	"sync/atomic"
	"time"
)

// session is what one side remembers of a connection, to resume it (RFC 8446
// 4.6.1): a server in the ticket, a client beside it.
type session struct {
	version uint16
	suite   uint16 // the PSK is bound to its hash
	psk     []byte // of the hash's length, 32 or 48

	// created is when the ticket was issued; on a client, when it was received.
	created time.Time
	// authenticated is when the full handshake was at which the peer proved who it is:
	// tickets got with a ticket do not prolong that for ever.
	authenticated time.Time
	lifetime      time.Duration // of the ticket, from created; whole seconds
	ageAdd        uint32

	extended bool // of TLS 1.2: with extended_master_secret (RFC 7627)

	// What the ticket is bound to.
	serverName, protocol, scope string
	clientAuth                  tls.ClientAuthType // the server's policy; a client's is 0

	// failed is set when a connection of a client's session has ended with a fatal alert.
	// All sessions that one full handshake brought about share it; nil on a server, and for
	// one that comes from outside of the process.
	failed *atomic.Bool

	chain  [][]byte // the peer's certificates, DER, leaf first; nil without
	rawKey bool     // chain is a client's raw public key instead
	ocsp   []byte   // what came with the leaf; nil without
	scts   [][]byte
}

// clientType is the form in which the client showed who it is, of a server's session
// with a chain.
func (s *session) clientType() CertificateType {
	if s.rawKey {
		return CertificateRawPublicKey
	}
	return CertificateX509
}

// agreed is what a session of either side says of this connection: who the peer is and
// since when, and what was settled.
func (hs *parties) agreed() session {
	p, _ := hs.c.config.prepare()
	f := &hs.c.facts
	s := session{
		version:       f.suite.version,
		suite:         f.suite.id,
		authenticated: p.now(),
		serverName:    f.serverName,
		protocol:      f.protocol,
		chain:         hs.chain,
	}
	if hs.session != nil {
		s.authenticated = hs.session.authenticated
	}
	return s
}

// ageAt returns how long ago the ticket was issued or received, never negative.
// It goes by the wall clock alone: the monotonic one stands still while a machine
// is suspended, and a session may come from before the last start.
func (s *session) ageAt(now time.Time) time.Duration {
	return max(0, now.Round(0).Sub(s.created))
}

// fresh reports whether the session may be resumed at the time now: within the
// ticket's lifetime and within maxTicketLifetime of the authentication. A clock that
// went back by more than maxClockStep says nothing about either.
func (s *session) fresh(now time.Time) bool {
	now = now.Round(0)
	latest := now.Add(maxClockStep)
	if s.created.After(latest) || s.authenticated.After(latest) {
		return false
	}
	return s.ageAt(now) < min(s.lifetime, maxTicketLifetime) && now.Sub(s.authenticated) < maxTicketLifetime
}

// Session is a client's knowledge of how to resume a connection: a ticket, and
// the secret that belongs to it. It is immutable but for UnmarshalBinary, and so
// may be used by several goroutines at once. Once a connection of the session has
// ended with a fatal alert it is not resumed any more, wherever it is kept (RFC 5246
// 7.2.2, RFC 8446 6.2).
type Session struct {
	session
	ticket []byte // 1 to 2^16-1 bytes (RFC 8446 4.6.1)
	id     []byte // of TLS 1.2, the name that the server gave the session instead of a ticket
}

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

// SessionStore keeps the sessions of TLS 1.2 servers between connections, for clients that
// name them by an id (RFC 5246 7.4.1.2): those that know no tickets, or are given none. It
// is a map in memory (NewSessionStore), or a cache outside that many machines share. One
// may serve any number of connections, of several goroutines at once if those do; its
// methods must not block.
//
// What it keeps is as secret as a ticket key: who reads a state can read all that is sent
// on the connections of the session, and who writes one is taken for any client. It need
// not keep a state for longer than Config.TicketLifetime, or at all.
type SessionStore interface {
	// GetSession answers with the state that PutSession was given for id, a copy that the
	// connection clears, or with nil. It is asked with whatever 32 bytes a client sends,
	// which a TLS 1.3 client makes up (RFC 8446 4.1.2). A failure ends the handshake with
	// internal_error: answer with nil if a cache that is out of reach should only cost a full
	// handshake. id is the callee's to keep.
	GetSession(id []byte, answer *Completion[[]byte])
	// PutSession is given the state of a session that has just begun. id and state are lent
	// for the call.
	PutSession(id, state []byte)
	// RemoveSession makes an id be forgotten: a connection of the session ended with a fatal
	// alert, after which it must not be resumed (RFC 5246 7.2.2). id is lent for the call.
	RemoveSession(id []byte)
}

// TicketProtector makes tickets of a server's session state and takes them back.
// One may serve any number of connections, of several goroutines at once if those
// do; its methods must not block.
type TicketProtector interface {
	// SealTicket makes a ticket of state, such that nobody else can read or change it.
	// No ticket with a nil error means that none is sent. state is lent for the call.
	SealTicket(state []byte) (ticket []byte, err error)
	// OpenTicket answers with the state in a ticket, a copy that the connection clears, or
	// with nil if it has none: a ticket of somebody else's, forged, or under a key that is
	// no longer accepted. A failure ends the handshake with internal_error. ticket is the
	// callee's to keep.
	OpenTicket(ticket []byte, answer *Completion[[]byte])
}
