package main

import (
	"crypto/tls"
	"io"
	"slices"

	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// An echo server on package reactor in the harness's own program. Without TLS it is the backend of
// both terminators: one loop, so that it takes little of the load's core. With TLS it is what
// `tlsreactor serve --echo` is, where a profile can be taken of it (profile.go).

// startReactorEcho serves on an address that it returns; config is nil for no TLS.
func startReactorEcho(config *tlsconn.Config) (*reactor.Reactor, string, error) {
	engine, err := reactor.New(reactor.Config{Loops: 1, Workers: -1, IdleTimeout: -1})
	if err != nil {
		return nil, "", err
	}
	listener, err := engine.Listen("tcp", "127.0.0.1:0", reactor.ListenConfig{
		TLS:    config,
		Accept: func(*reactor.Conn) reactor.Handler { return reactorEcho{} },
	})
	if err != nil {
		return nil, "", err
	}
	return engine, listener.Addr().String(), nil
}

// reactorConfig is the agreed work for package tlsconn.
func reactorConfig(cert tls.Certificate) *tlsconn.Config {
	return &tlsconn.Config{Certificates: []tls.Certificate{cert}}
}

// reactorEcho is the Handler of all connections; it keeps nothing of any.
type reactorEcho struct{}

func (reactorEcho) Opened(*reactor.Conn)                        {}
func (reactorEcho) Writable(*reactor.Conn)                      {}
func (reactorEcho) Closed(*reactor.Conn, reactor.Reason, error) {}

func (e reactorEcho) Received(c *reactor.Conn) {
	chunk := c.Loop().Scratch()
	for {
		n, err := c.Read(chunk)
		if err != nil {
			if err == io.EOF {
				c.CloseWrite()
			}
			return
		}
		if k, err := c.Write(chunk[:n]); err == tlsconn.ErrWantWrite && k < n {
			c.PauseRead()
			c.SetHandler(&reactorDebt{rest: slices.Clone(chunk[k:n])})
			return
		}
	}
}

// reactorDebt is the Handler of a connection whose client does not read: it keeps what is owed.
type reactorDebt struct {
	reactorEcho
	rest []byte
}

func (*reactorDebt) Received(*reactor.Conn) {}

func (d *reactorDebt) Writable(c *reactor.Conn) {
	k, err := c.Write(d.rest)
	if d.rest = d.rest[k:]; err == nil {
		c.SetHandler(d.reactorEcho)
		c.ResumeRead()
		d.reactorEcho.Received(c) // the end of input may be in the engine already
	}
}
