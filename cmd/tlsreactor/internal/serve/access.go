package serve

import (
	"crypto/tls"
	"log/slog"

	"github.com/tlsreactor/tlsreactor/reactor"
)

// line is what the log tells of a connection. What the client sent is in it as it came: the log's
// handler quotes what could pass for another field or line.
func (n *session) line(c *reactor.Conn, e ending) []slog.Attr {
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs, slog.String("client", c.Remote().String()), slog.String("local", n.local.String()))
	state := c.ConnectionState()
	attrs = append(attrs, slog.String("sni", state.ServerName))
	if state.Version != 0 {
		attrs = append(attrs,
			slog.String("version", tls.VersionName(state.Version)),
			slog.String("suite", tls.CipherSuiteName(state.CipherSuite)),
			slog.String("group", state.Group.String()),
			slog.String("alpn", state.NegotiatedProtocol),
			slog.Bool("resumed", state.DidResume))
	}
	if n.shaken > 0 {
		attrs = append(attrs,
			slog.Duration("handshake", n.shaken),
			slog.Uint64("received", n.received),
			slog.Uint64("sent", n.sent))
	}
	attrs = append(attrs,
		slog.Duration("duration", n.now()-n.began),
		slog.String("side", e.side.String()),
		slog.String("reason", e.reason.String()))
	if e.err != nil {
		attrs = append(attrs, slog.Any("error", e.err))
	}
	return attrs
}
