package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// serverName is what every client sends and the certificate is for.
const serverName = "localhost"

// A crew is the load client: one loop of package reactor with all of its connections, so that the
// load costs little beside the server. Its jobs run one at a time, on the loop; whatever a server
// does that was not agreed ends the job with an error, and the crew with it.
type crew struct {
	addr   string
	agreed agreement
	config *tlsconn.Config
	// resuming is config for connections that ask for tickets and resume what purse has.
	resuming *tlsconn.Config
	purse    *purse
	engine   *reactor.Reactor
	loop     *reactor.Loop
	held     []*session // open connections that wait for a job
	done     chan error // how a job has ended; the first failure counts
}

func newCrew(addr string, agreed agreement) (*crew, error) {
	engine, err := reactor.New(reactor.Config{Loops: 1, Workers: -1, IdleTimeout: -1, HandshakeTimeout: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	config := func(sessions tlsconn.SessionCache) *tlsconn.Config {
		return &tlsconn.Config{
			ServerName:         serverName,
			InsecureSkipVerify: true, // checkChain is stricter
			VerifyPeer:         func(peer *tlsconn.Peer) error { return agreed.checkChain(peer.Certificates) },
			MinVersion:         tls.VersionTLS13,
			CurvePreferences:   []tls.CurveID{tls.X25519},
			Sessions:           sessions,
		}
	}
	sessions := new(purse)
	return &crew{
		addr:     addr,
		agreed:   agreed,
		config:   config(nil),
		resuming: config(sessions),
		purse:    sessions,
		engine:   engine,
		loop:     engine.Loops()[0],
		done:     make(chan error, 1),
	}, nil
}

// run does one job: begin is called on the loop, and somebody calls finish.
func (c *crew) run(begin func()) error {
	if err := c.loop.Post(begin); err != nil {
		return err
	}
	return <-c.done
}

// finish ends the job, with the first error if there were several. It belongs to the loop.
func (c *crew) finish(err error) {
	select {
	case c.done <- err:
	default:
	}
}

// end resets what is open.
func (c *crew) end() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.engine.Shutdown(ctx) // its error is ctx's
}

// dial begins a connection with a full handshake, whose turns j is told of.
func (c *crew) dial(j job) { c.dialWith(j, c.config, false) }

func (c *crew) dialWith(j job, config *tlsconn.Config, resumed bool) {
	s := &session{crew: c, job: j, resumed: resumed}
	s.conn = c.loop.Dial("tcp", c.addr, config, s)
}

// every calls f on the loop every so often until f says that it is enough. It may be called from
// anywhere.
func (c *crew) every(period time.Duration, f func(now time.Time) (more bool)) {
	go func() {
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		more := make(chan bool)
		for range ticker.C {
			if c.loop.Post(func() { more <- f(time.Now()) }) != nil || !<-more {
				return
			}
		}
	}()
}

// A job is told what happens to the sessions that it is the job of.
type job interface {
	opened(*session) // the handshake is complete, and as agreed
	echoed(*session) // the whole of what was sent has come back
	ended(*session)  // closed in order, after session.end
}

// A session is one connection of the load client.
type session struct {
	crew    *crew
	conn    *reactor.Conn
	job     job
	message []byte // what is to be echoed; shared by many, never written to
	unsent  int    // bytes of it that were not taken yet
	missing int    // bytes of it that have not come back
	ending  bool
	resumed bool        // as agreed for this one
	due     []time.Time // see echoes
}

// send begins an echo.
func (s *session) send(message []byte) {
	s.message, s.unsent, s.missing = message, len(message), len(message)
	s.push()
}

func (s *session) push() {
	n, _ := s.conn.Write(s.message[len(s.message)-s.unsent:]) // Writable or Closed follows an error
	s.unsent -= n
}

// end ends the connection with close_notify, which the server has to answer with its own.
func (s *session) end() {
	s.ending = true
	_ = s.conn.CloseWrite() // Closed follows an error
}

// refuse ends the job because the server did what was not agreed.
func (s *session) refuse(format string, args ...any) {
	s.crew.finish(fmt.Errorf("unequal work: "+format, args...))
}
