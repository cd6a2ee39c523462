package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long one connection may take from its dial to its end; under a full load it
// takes milliseconds.
const patience = 30 * time.Second

// A client makes connections and refuses, with an error, every one whose work was not the
// agreed one. It may be used by many goroutines.
type client struct {
	addr    string
	config  *tls.Config
	leaf    []byte       // DER of the certificate that the server has to show
	tickets atomic.Int64 // that any server has sent us
}

func newClient(addr string, certPEM []byte) (*client, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(certPEM) {
		return nil, errors.New("no certificate in the PEM")
	}
	leaf, err := leafOf(certPEM)
	if err != nil {
		return nil, err
	}
	c := &client{addr: addr, leaf: leaf}
	c.config = &tls.Config{
		RootCAs:            pool,
		ServerName:         "localhost",
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   []tls.CurveID{tls.X25519},
		ClientSessionCache: ticketCounter{&c.tickets},
	}
	return c, nil
}

// ticketCounter is a session cache that has nothing and counts what it is given.
type ticketCounter struct{ n *atomic.Int64 }

func (ticketCounter) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (t ticketCounter) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		t.n.Add(1)
	}
}

// A connection is an open one, with a count of the ciphertext that has come.
type connection struct {
	*tls.Conn
	wire *countedConn
}

// countedConn counts what is read from a socket. It belongs to one goroutine.
type countedConn struct {
	net.Conn
	read int
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read += n
	return n, err
}

// open makes a connection, checks its handshake and echoes payload once.
func (c *client) open(ctx context.Context, payload []byte) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, err
	}
	wire := &countedConn{Conn: raw}
	conn := tls.Client(wire, c.config)
	if err := c.prove(ctx, conn, payload); err != nil {
		raw.Close()
		return nil, err
	}
	return &connection{conn, wire}, nil
}

// prove does what open promises on a connected socket.
func (c *client) prove(ctx context.Context, conn *tls.Conn, payload []byte) error {
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	if err := c.checkEqualWork(conn.ConnectionState()); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write(payload); err != nil {
		return err
	}
	echo := make([]byte, len(payload))
	if _, err := io.ReadFull(conn, echo); err != nil {
		return fmt.Errorf("reading the echo: %w", err)
	}
	if !bytes.Equal(echo, payload) {
		return errors.New("the echo is not what was sent")
	}
	// A ticket would have come before the echo.
	if n := c.tickets.Load(); n != 0 {
		return fmt.Errorf("unequal work: the server sent %d session tickets, none are agreed", n)
	}
	return nil
}

// checkEqualWork compares a finished handshake with the agreed one.
func (c *client) checkEqualWork(s tls.ConnectionState) error {
	switch {
	case s.Version != tls.VersionTLS13:
		return fmt.Errorf("unequal work: %s, not TLS 1.3", tls.VersionName(s.Version))
	case s.CipherSuite != tls.TLS_AES_128_GCM_SHA256:
		return fmt.Errorf("unequal work: %s, not TLS_AES_128_GCM_SHA256", tls.CipherSuiteName(s.CipherSuite))
	case s.CurveID != tls.X25519:
		return fmt.Errorf("unequal work: group %v, not X25519", s.CurveID)
	case s.DidResume:
		return errors.New("unequal work: a resumed handshake, not a full one")
	case len(s.PeerCertificates) != 1 || !bytes.Equal(s.PeerCertificates[0].Raw, c.leaf):
		return errors.New("unequal work: another certificate than the agreed one")
	}
	return nil
}

// closeNotify is the size of a TLS 1.3 record with an alert: header, level and description,
// the content type and the AEAD's tag (RFC 8446 5.2).
const closeNotify = 5 + 2 + 1 + 16

// finish ends a connection with close_notify, which the server has to answer with its own.
func (c *client) finish(conn *connection) error {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	before := conn.wire.read
	n, err := conn.Read(make([]byte, 1))
	switch {
	case n != 0:
		return errors.New("unequal work: the server sent more than the echo")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("unequal work: the server did not end with close_notify: %w", err)
	// crypto/tls says io.EOF too when the socket just ends, so the record is looked for.
	case conn.wire.read-before != closeNotify:
		return fmt.Errorf("unequal work: the server ended with %d bytes, close_notify has %d", conn.wire.read-before, closeNotify)
	}
	return nil
}

// each runs work n times on a number of goroutines and returns the first error, upon which no
// more is begun.
func each(n, parallel int, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for range parallel {
		all.Go(func() {
			for ctx.Err() == nil && left.Add(-1) >= 0 {
				if err := work(ctx); err != nil {
					cancel(err) // the first call counts
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// handshakes makes n connections, each with one echo of one byte, and ends them.
func (c *client) handshakes(n, parallel int) error {
	return each(n, parallel, func(ctx context.Context) error {
		conn, err := c.open(ctx, []byte{'x'})
		if err != nil {
			return err
		}
		return c.finish(conn)
	})
}

// hold opens n connections, each of which echoes 1 KiB, and leaves them open.
func (c *client) hold(n, parallel int) ([]*connection, error) {
	var mu sync.Mutex
	var held []*connection
	payload := bytes.Repeat([]byte("0123456789abcdef"), 64)
	err := each(n, parallel, func(ctx context.Context) error {
		conn, err := c.open(ctx, payload)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		held = append(held, conn)
		return nil
	})
	return held, err
}
