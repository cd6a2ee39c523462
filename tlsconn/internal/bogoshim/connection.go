package main

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// connection is one connection to the runner.
type connection struct {
	process *process
	set     *settings
	resumes bool // a connection before it has a session to resume
	conn    *tlsconn.Conn
	seen    observed

	pending  pending
	sessions sessions          // of a client
	store    store             // of a server
	metered  *meteredTransport // of -async only
}

// connect makes one connection and runs it to its end.
func (p *process) connect(set *settings, resumes bool) error {
	x := &connection{process: p, set: set, resumes: resumes}
	x.pending.async = set.async
	x.store = store{stored: p.stored, pending: &x.pending}
	x.sessions = sessions{offer: p.session, pending: &x.pending}
	if resumes && !set.server && p.session == nil {
		return errNoOffer
	}
	config, err := x.config()
	if err != nil {
		return err
	}
	if err := config.Validate(set.role()); err != nil && set.allowsNothing() {
		return err // a test of its own
	} else if err != nil {
		// Such as a key that can sign in TLS 1.2 only.
		return unimplemented("a configuration that the engine refuses: %v", err)
	}
	socket, err := dial(set)
	if err != nil {
		return err
	}
	defer finish(socket)

	var transport tlsconn.Transport = socket
	var workspace tlsconn.WorkspaceConfig
	if set.async {
		x.metered = &meteredTransport{under: socket}
		transport, workspace.Offload = x.metered, x.pending.offload
	}
	if set.server {
		x.conn = tlsconn.NewWorkspace(workspace).Server(transport, config)
	} else {
		x.conn = tlsconn.NewWorkspace(workspace).Client(transport, config)
	}
	x.conn.SetWake(x.pending.wake)

	err = x.exchange()
	if missing := set.unimplementedIn(x.conn.ConnectionState()); missing != nil {
		err = missing
	}
	p.session = x.sessions.got
	p.now = p.now.Add(time.Duration(set.resumptionDelay) * time.Second)
	if err != nil {
		// The alert may still be pending. Its peer may be gone, which is no news.
		_ = x.drive("flush", x.conn.Flush)
	}
	if cerr := x.conn.Close(); cerr != nil {
		return broken("close: %v", cerr)
	}
	return err
}

// dial connects to the runner and says which shim this is.
func dial(set *settings) (*net.TCPConn, error) {
	host := "127.0.0.1"
	if set.ipv6 {
		host = "::1"
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(set.port)))
	if err != nil {
		return nil, err
	}
	socket := conn.(*net.TCPConn)
	_, err = socket.Write(binary.LittleEndian.AppendUint64(nil, uint64(set.shimID)))
	if err != nil {
		socket.Close()
		return nil, err
	}
	return socket, nil
}

// finish closes the socket such that the runner can read all that was sent: a
// close with unread input would reset the connection and lose it. By now there is
// nothing that an error could change.
func finish(socket *net.TCPConn) {
	_ = socket.CloseWrite()
	_, _ = io.Copy(io.Discard, socket)
	_ = socket.Close()
}

// drive calls a verb of the engine until it does not want anything, and grants
// what it wants.
func (x *connection) drive(what string, call func() error) error {
	for {
		err := call()
		var want tlsconn.Want
		switch err {
		case tlsconn.ErrWantRead:
			want = tlsconn.WantRead
		case tlsconn.ErrWantWrite:
			want = tlsconn.WantWrite
		case tlsconn.ErrWantApp:
			want = tlsconn.WantApp
		default:
			return err
		}
		if x.metered == nil {
			return broken("%s: %v on a transport that blocks", what, err)
		}
		if has := x.conn.Wants(); has&want == 0 {
			return broken("%s: answered %v, but Wants is %v", what, err, has)
		}
		if err := x.grant(want); err != nil {
			return err
		}
	}
}

// grant lets one byte through, or a pending operation advance.
func (x *connection) grant(want tlsconn.Want) error {
	switch want {
	case tlsconn.WantRead:
		x.metered.readable++
	case tlsconn.WantWrite:
		x.metered.writeable++
	case tlsconn.WantApp:
		if x.conn.Pending() == 0 {
			return broken("WantApp, but Pending is none")
		}
		return x.pending.advance()
	}
	return nil
}

// driveToEnd is drive for the verbs whose failures stick: a failure, or the end
// of the stream, has to be told again.
func (x *connection) driveToEnd(what string, call func() error) error {
	err := x.drive(what, call)
	if err == nil {
		return nil
	}
	if again := call(); again != err {
		return broken("%s: answered %v, and then %v", what, err, again)
	}
	return err
}

// write writes all of p and flushes it.
func (x *connection) write(p []byte) error {
	for len(p) > 0 {
		err := x.drive("write", func() error {
			n, err := x.conn.Write(p)
			p = p[n:]
			return err
		})
		if err != nil {
			return err
		}
	}
	return x.drive("flush", x.conn.Flush)
}

// read calls Read or Peek until it gives something.
func (x *connection) read(what string, call func([]byte) (int, error), p []byte) (n int, err error) {
	err = x.driveToEnd(what, func() (err error) {
		n, err = call(p)
		return err
	})
	if (n > 0) == (err != nil) {
		return n, broken("%s: %d bytes with error %v", what, n, err)
	}
	return n, err
}
