package reactor

import (
	"io"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// BenchmarkEcho is a 100-byte echo, the peer's work included.
func BenchmarkEcho(b *testing.B) {
	for _, kind := range []struct {
		name   string
		config *tlsconn.Config
	}{{"plain", nil}, {"TLS", serverConfig()}} {
		b.Run(kind.name, func(b *testing.B) {
			r, err := New(Config{Loops: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer abandon(r)
			var peer io.ReadWriter = dialTCP(b, serveEach(b, r, kind.config, func(*Conn) Handler { return &echoes{} }))
			if kind.config != nil {
				peer = tlsconn.Client(peer, clientConfig())
			}
			p := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				peer.Write(p)
				io.ReadFull(peer, p)
			}
		})
	}
}
