package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// inspections is how many connections of crypto/tls look at a server before the load begins.
const inspections = 3

// patience is how long one of them may take.
const patience = time.Minute

// inspect checks a server with a client that is not ours: our own stack on both ends could agree
// on something wrong. It also counts the session tickets, which it asks for as the clients of
// resumed handshakes do (RFC 8446 4.2.9), and those of full ones do not.
func inspect(addr string, agreed agreement) error {
	for range inspections {
		raw, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			return err
		}
		err = inspectOn(raw, agreed)
		raw.Close()
		if err != nil {
			return fmt.Errorf("inspection by crypto/tls: %w", err)
		}
	}
	return nil
}

// ticketCounter is a session cache that has nothing and counts what it is given.
type ticketCounter struct{ n int }

func (*ticketCounter) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (t *ticketCounter) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		t.n++
	}
}

// countedConn counts what is read from a socket.
type countedConn struct {
	net.Conn
	read int
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read += n
	return n, err
}

// closeNotify is the size of a TLS 1.3 record with an alert: header, level and description,
// the content type and the AEAD's tag (RFC 8446 5.2).
const closeNotify = 5 + 2 + 1 + 16

func inspectOn(raw net.Conn, agreed agreement) error {
	if err := raw.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var tickets ticketCounter
	wire := &countedConn{Conn: raw}
	conn := tls.Client(wire, &tls.Config{
		InsecureSkipVerify: true, // checkChain is stricter
		ServerName:         serverName,
		CurvePreferences:   []tls.CurveID{tls.X25519},
		ClientSessionCache: &tickets,
	})
	if err := conn.Handshake(); err != nil {
		return err
	}
	s := conn.ConnectionState()
	err := agreed.check(outcome{s.Version, s.CipherSuite, s.CurveID, s.DidResume}, false)
	if err := errors.Join(err, agreed.checkChain(s.PeerCertificates)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{'x'}); err != nil {
		return err
	}
	echo := make([]byte, 1)
	if _, err := io.ReadFull(conn, echo); err != nil || echo[0] != 'x' {
		return fmt.Errorf("unequal work: no echo, but %q: %w", echo, err)
	}
	if tickets.n != 1 { // any would have come before the echo
		return fmt.Errorf("unequal work: the server sent %d session tickets, one is agreed", tickets.n)
	}
	return inspectEnd(conn, wire)
}

// inspectEnd sends close_notify, which the server has to answer with its own.
func inspectEnd(conn *tls.Conn, wire *countedConn) error {
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	before := wire.read
	n, err := conn.Read(make([]byte, 1))
	switch {
	case n != 0:
		return errors.New("unequal work: the server sent more than the echo")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("unequal work: the server did not end with close_notify: %w", err)
	// crypto/tls says io.EOF too when the socket just ends, so the record is looked for.
	case wire.read-before != closeNotify:
		return fmt.Errorf("unequal work: the server ended with %d bytes, close_notify has %d", wire.read-before, closeNotify)
	}
	return nil
}
