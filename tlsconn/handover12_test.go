package tlsconn

import (
	"crypto/tls"
	"testing"
)

// A client that knows a server from TLS 1.2 offers that session in a ClientHello of both
// versions. The server may have learnt TLS 1.3 since, and ask for another share.
func TestARetryWhileASessionOfTLS12IsOffered(t *testing.T) {
	inBothWays(t, func(t *testing.T, r *resumption) {
		r.want("the first connection", false)
		r.client.MaxVersion, r.server.MaxVersion = 0, 0
		r.client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
		r.server.CurvePreferences = []tls.CurveID{tls.CurveP256}
		p := r.want("of TLS 1.3, with a HelloRetryRequest", false)
		state := p.client.conn.ConnectionState()
		if state.Version != tls.VersionTLS13 || !state.HelloRetryRequest {
			t.Fatalf("%+v", state)
		}
		r.server.SessionTicketsDisabled = false
		r.connect("of TLS 1.3, which gives a ticket")
		r.want("with the ticket of TLS 1.3", true)
	})
}
