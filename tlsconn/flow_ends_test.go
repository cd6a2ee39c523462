package tlsconn

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// endsAt is a transport whose input ends behind so many bytes.
type endsAt struct {
	*testTransport
	at int
}

func (e endsAt) Read(p []byte) (int, error) {
	left := e.at - e.in.read
	if left <= 0 {
		return 0, io.EOF
	}
	return e.testTransport.Read(p[:min(len(p), left)])
}

// Wherever the transport ends, it is a truncation: no call says that the peer has ended,
// none goes on wanting, and nothing is held, no secret either. With everything that can
// suspend suspending.
func TestTransportsThatEndAnywhere(t *testing.T) {
	cast := newCast(t)
	for _, version := range bothVersions {
		open := func(t *testing.T) *pair {
			s := newScene(cast)
			s.only(version)
			s.remember()
			s.require()
			s.slowClient()
			s.slowServer()
			return s.open(t, 0)
		}
		whole := open(t)
		whole.handshake()
		sizes := map[Role]int{RoleServer: len(whole.client.tr.out.bytes), RoleClient: len(whole.server.tr.out.bytes)}
		rng := rand.New(rand.NewPCG(5, 6))
		for role, size := range sizes {
			for _, at := range append(offsets(size, exhaustive, sampledSplits, rng), 0, size) {
				t.Run(fmt.Sprintf("%s, a %v after %d of %d bytes", tls.VersionName(version), role, at, size), func(t *testing.T) {
					p := open(t)
					s := p.server
					if role == RoleClient {
						s = p.client
					}
					s.conn.transport = endsAt{s.tr, at}
					_, _ = p.failHandshake()
					err := s.conn.Handshake()
					for err == nil {
						err = s.read(100) // of a handshake that is complete all the same
					}
					if err != io.ErrUnexpectedEOF || ErrorCode(err) != CodeSSL {
						t.Fatalf("%v, code %v%v", err, ErrorCode(err), p)
					}
					if c := s.conn; c.Wants() != 0 || c.in.buf != nil || c.out.buf != nil || c.in.messages != nil || c.ws.suspended != 0 || c.ws.buffers.input != 0 {
						t.Fatalf("wants %v of nobody, or holds what it had%v", c.Wants(), p)
					}
					checkCleared(t, s.conn)
				})
			}
		}
	}
}
