package reactor

import (
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A proxyEnd is one side of a tunnel that hands on every kind of end: order as order, failure as reset.
type proxyEnd struct{ other *Conn }

func (e *proxyEnd) Opened(*Conn) { e.other.ResumeRead() }
func (e *proxyEnd) Received(c *Conn) {
	switch _, err := e.other.ReadFrom(c); err {
	case nil:
		e.other.CloseWrite()
	case tlsconn.ErrWantWrite:
		c.PauseRead()
	}
}
func (e *proxyEnd) Writable(*Conn) { e.other.ResumeRead() }
func (e *proxyEnd) Closed(_ *Conn, reason Reason, _ error) {
	if reason != ReasonDone && e.other != nil {
		e.other.Reset()
	}
}

// Clients that behave in every way at once, through tunnels, on two loops: everything ends, nothing is
// left, nothing spins, and those who behave get their bytes back.
func TestClientsThatMisbehaveAtRandom(t *testing.T) {
	r := newReactor(t, Config{Loops: 2, CloseTimeout: 500 * time.Millisecond})
	backend := serveEach(t, r, nil, func(*Conn) Handler { return &echoes{} })
	front := serveEach(t, r, serverConfig(), func(c *Conn) Handler {
		toBackend := &proxyEnd{}
		p := newProbe()
		p.onOpened = func(c *Conn) {
			c.PauseRead()
			toBackend.other = c.Loop().Dial("tcp", backend, nil, &proxyEnd{other: c})
			c.SetHandler(toBackend)
		}
		return p
	})
	hello := clientHello(t)
	rng := rand.New(rand.NewPCG(3, 4))
	behaviours := []func(t *testing.T, peer *net.TCPConn, size int){
		func(t *testing.T, peer *net.TCPConn, size int) { exchange(t, tls.Client(peer, stdClientConfig), size) },
		func(t *testing.T, peer *net.TCPConn, size int) { // stops within the handshake
			peer.Write(hello[:size%len(hello)])
			peer.CloseWrite()
			io.Copy(io.Discard, peer)
		},
		func(t *testing.T, peer *net.TCPConn, size int) { // leaves within the handshake
			peer.Write(hello[:size%len(hello)])
			sendReset(t, peer)
		},
		func(t *testing.T, peer *net.TCPConn, size int) { // garbage instead of Finished
			peer.Write(hello)
			peer.Read(make([]byte, 1))
			peer.Write(make([]byte, size%100))
			peer.CloseWrite()
			io.Copy(io.Discard, peer)
		},
		func(t *testing.T, peer *net.TCPConn, size int) { // sends, takes nothing, resets
			conn := tls.Client(peer, stdClientConfig)
			conn.Write(make([]byte, size%50_000))
			sendReset(t, peer)
		},
		func(t *testing.T, peer *net.TCPConn, size int) { // ends TCP without ending TLS
			conn := tls.Client(peer, stdClientConfig)
			conn.Write(make([]byte, size%50_000))
			peer.CloseWrite()
			io.Copy(io.Discard, peer)
		},
		func(t *testing.T, peer *net.TCPConn, size int) { // closes with the answer unread
			conn := tls.Client(peer, stdClientConfig)
			conn.Write(make([]byte, size%50_000))
			conn.Close()
		},
	}
	const clients = 210
	slots := make(chan struct{}, 16) // at a time
	var wg sync.WaitGroup
	for i := range clients {
		behave, size := behaviours[i%len(behaviours)], rng.IntN(300_000)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			peer, err := net.Dial("tcp", front)
			if err != nil {
				t.Error(err)
				return
			}
			defer peer.Close()
			behave(t, peer.(*net.TCPConn), size)
		})
	}
	wg.Wait()
	for {
		turn(t, r)
		if n := r.Counters(); n.ClosedTotal() == n.Accepted+n.Dialed {
			break
		}
	}
	wantQuiet(t, r, "all clients have gone")
	n := r.Counters()
	if n.HandshakesCompleted+n.HandshakesFailed != clients || n.Dialed < clients/uint64(len(behaviours)) {
		t.Errorf("counters: %+v", n)
	}
}
