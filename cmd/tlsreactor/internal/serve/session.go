package serve

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/tlsreactor/tlsreactor/reactor"
)

// A session is what every connection of a client has, whatever is done with it: each Handler of a
// client embeds one.
type session struct {
	*server
	began          time.Duration // on the server's clock: when it was accepted
	shaken         time.Duration // how long its handshake took; 0 as long as that is not complete
	received, sent uint64        // bytes of the client's, and for the client, without TLS
	local          netip.AddrPort
}

// newSession begins one for a connection that was just accepted.
func (s *server) newSession(c *reactor.Conn) session {
	n := session{server: s, began: s.now()}
	if s.logsAccess() { // the socket knows it only until its end
		if at, ok := c.LocalAddr().(*net.TCPAddr); ok {
			n.local = at.AddrPort()
		}
	}
	return n
}

// established takes note of the end of the handshake.
func (n *session) established(c *reactor.Conn) {
	n.shaken = max(n.now()-n.began, 1)
	n.sumsOf(c).opened.Add(1)
}

// moved counts bytes of the client's, and for it.
func (n *session) moved(c *reactor.Conn, received, sent int) {
	n.received += uint64(received)
	n.sent += uint64(sent)
	sums := n.sumsOf(c)
	sums.received.Add(uint64(received))
	sums.sent.Add(uint64(sent))
}

// An ending is how a connection ended, and on which side it began to.
type ending struct {
	side   side
	reason reactor.Reason // none as long as it has not
	err    error
}

// A side is where an ending began.
type side uint8

const (
	sideClient side = iota
	sideBackend
)

func (s side) String() string {
	if s == sideBackend {
		return "backend"
	}
	return "client"
}

// over takes note of the end of the client's connection, and logs it.
func (n *session) over(c *reactor.Conn, e ending) {
	msg, sums := "access", n.sumsOf(c)
	if n.shaken > 0 {
		sums.ended.Add(1)
	} else {
		msg = "handshake failed"
		sums.failed[e.reason].Add(1)
	}
	if n.logsAccess() {
		n.journal.post(slog.LevelInfo, msg, n.line(c, e)...)
	}
}

// logsAccess reports whether there is a line for each connection.
func (s *server) logsAccess() bool {
	return s.options.AccessLog && s.journal.enabled(slog.LevelInfo)
}
