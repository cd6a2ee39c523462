package tlsconn

import (
	"errors"
	"io"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// Role is the side of a connection.
type Role uint8

// The roles. A Conn of neither cannot be made.
const (
	RoleServer Role = iota + 1
	RoleClient
)

// String returns "server" or "client".
func (r Role) String() string {
	switch r {
	case RoleServer:
		return "server"
	case RoleClient:
		return "client"
	}
	return "no role"
}

// Conn is one TLS connection over a Transport. It never blocks unless the
// transport does: a call that cannot go on returns a want, and is repeated when
// the want is satisfied, as SSL_do_handshake(3) on a non-blocking BIO. It does
// all its work within the caller's calls, and starts no goroutine.
//
// A Conn, with its Workspace, belongs to one goroutine at a time; no method but
// the function given to SetWake may run beside another. A failure sticks: every
// later call returns it again. Output may be pending with any result, an error
// included (the alert): call Flush until it does not return ErrWantWrite.
//
// An idle connection holds its keys and what ConnectionState tells, and no
// buffers.
type Conn struct {
	transport Transport
	config    *Config
	ws        *Workspace
	hs        machine // nil once connected or failed
	err       error   // fatal, sticky, both directions
	in        inbound
	out       outbound
	state     State
	role      Role
	busy      bool // a verb is running
	polled    bool // the transport has said ErrWouldBlock, so it does not block
	closed    bool
	facts     facts
	exporter  keysched.Secret // of TLS 1.2 the master secret, which goes with
	kept12    *kept12         // this; nil in TLS 1.3
}

// inbound is the receiving half.
type inbound struct {
	halfConn
	buf *buffer
	// buf.data[plain:plainEnd] is application data opened in place, which Read has yet
	// to hand out; buf.data[r:w] is ciphertext yet to be opened.
	plain, plainEnd, r, w int
	messages              *record.Reassembler // nil unless handshake bytes are held
	receiver              *ticketReceiver     // nil unless a client keeps sessions
	held                  int32               // bytes charged to the Workspace's budget
	skipped               uint16              // bytes of refused 0-RTT data
	eof                   bool                // the peer sent close_notify
	untold                bool                // Read returned data that the end came behind

	// skipping: a server refused 0-RTT data and drops what it cannot open, skipped
	// bytes so far.
	skipping bool

	// Consecutive records of each kind that get nowhere, against their limits.
	emptyRecords, warningAlerts, changeCipherSpecs, keyUpdates, tickets uint8

	solicited uint8 // KeyUpdates that we have asked for and not yet got
	idleReads uint8
}

// outbound is the sending half.
type outbound struct {
	halfConn
	buf        *buffer
	start, end int   // buf.data[start:end] is sealed and not yet taken by the transport
	held       int   // bytes charged to the Workspace's budget
	err        error // what the transport's Write failed with, sticky
	closed     bool  // close_notify is queued
	answering  bool  // the peer's KeyUpdate is answered, and no data was sent since

	compatibility bool // a change_cipher_spec has to precede the next record

	// fragment is the most content of a record, in bytes; 0 means record.MaxPlaintext.
	fragment uint16
}

// pending returns the bytes that the transport has yet to take.
func (o *outbound) pending() int { return o.end - o.start }

// Server returns a connection in the accept state with a Workspace of its own;
// see Workspace.Server.
func Server(transport Transport, config *Config) *Conn {
	return newPrivateWorkspace().Server(transport, config)
}

// Client returns a connection in the connect state with a Workspace of its own;
// see Workspace.Client.
func Client(transport Transport, config *Config) *Conn {
	return newPrivateWorkspace().Client(transport, config)
}

func newConn(ws *Workspace, transport Transport, config *Config, role Role) *Conn {
	c := &Conn{transport: transport, config: config, ws: ws, role: role}
	if err := config.Validate(role); err != nil {
		// Nothing can be sent, not even an alert: the first call tells.
		c.err, c.state = configError{err}, StateFailed
		return c
	}
	c.out.fragment = uint16(config.MaxFragment)
	if role == RoleServer {
		c.hs, c.state = newServerStart(c), StateExpectClientHello
	} else if c.hs, c.state = newClient13(c), StateSendClientHello; config.Sessions != nil {
		c.state = StateAwaitSession
	}
	return c
}

// enter begins a verb and leave ends it: it keeps callbacks from calling back
// and gives buffers that are not needed until the next call back.
func (c *Conn) enter() error {
	if c.busy {
		return ErrReentrant
	}
	if c.closed {
		return ErrClosed
	}
	c.busy = true
	return nil
}

func (c *Conn) leave() {
	c.settleInput()
	c.settleOutput()
	c.busy = false
}

// Handshake drives the handshake as far as the transport lets it. It returns nil
// once the handshake is complete and all of it has been taken by the transport;
// ErrWantRead, ErrWantWrite or ErrWantApp when it has to be called again (it may
// be called at any time: with nothing new it does nothing and answers the
// same); any other error is final: a *LocalAlertError, a *PeerAlertError,
// io.ErrUnexpectedEOF when the transport ended, or the transport's own error.
func (c *Conn) Handshake() error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	return c.drive()
}

// Flush hands pending output to the transport. It returns nil when none is left,
// ErrWantWrite while the transport does not take it, or the transport's error. It
// works, and is needed, after a failure too: the alert is output.
func (c *Conn) Flush() error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	return c.flush()
}

// CloseWrite sends close_notify (RFC 8446 6.1): the peer's Read ends with io.EOF,
// and the peer may go on sending. It returns ErrWantWrite until the transport has
// taken it; repeating it sends nothing twice. It does not touch the transport.
func (c *Conn) CloseWrite() error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	if c.err != nil {
		return c.refuse()
	}
	if c.state != StateConnected {
		return ErrHandshakeIncomplete
	}
	if !c.out.closed {
		c.queueAlert(AlertCloseNotify)
		c.out.closed = true
	}
	return c.flush()
}

// Close gives every buffer back, clears the secrets and drops what is pending,
// received or to be sent. It sends nothing and does not close the transport:
// call CloseWrite before. Every later call returns ErrClosed. An operation that
// is pending ends without effect.
func (c *Conn) Close() error {
	if err := c.enter(); err != nil {
		return err
	}
	c.busy = false
	c.closed = true
	c.dropHandshake()
	c.dropInput()
	c.dropOutput()
	c.ws.clearKeys(&c.out.halfConn)
	clear(c.exporter[:])
	c.in.receiver.clear()
	c.in.receiver = nil
	return nil
}

// fail ends the connection: it drops what was not sealed, queues the alert that
// err names, and makes err stick. The caller flushes.
func (c *Conn) fail(err error) error {
	if c.err != nil {
		return c.err
	}
	if _, peers := err.(*PeerAlertError); !peers {
		local, ours := err.(*LocalAlertError)
		if !ours {
			local = &LocalAlertError{Alert: AlertInternalError, Err: err}
		}
		local.Err = final(local.Err)
		c.queueAlert(local.Alert)
		err = local
	}
	c.forgetSession()
	c.end(err)
	return c.err
}

// final keeps the reason of a failure from passing for a want, or for the
// peer's controlled end, because a callback's error wraps one of its own.
func final(reason error) error {
	for _, e := range []error{ErrWantRead, ErrWantWrite, ErrWantApp, ErrWouldBlock, io.EOF} {
		if errors.Is(reason, e) {
			return errors.New(reason.Error())
		}
	}
	return reason
}

// end makes err stick and lets go of everything that only a living connection
// needs, but for sealed output.
func (c *Conn) end(err error) {
	c.err = err
	c.transition(StateFailed)
	c.dropHandshake()
	c.dropInput()
	c.ws.clearKeys(&c.out.halfConn)
	clear(c.exporter[:])
	c.in.receiver.clear()
	c.in.receiver = nil
}

// dropHandshake clears the handshake's secrets and abandons its task.
func (c *Conn) dropHandshake() {
	if c.hs == nil {
		return
	}
	c.hs.shared().drop()
	c.hs.clearSecrets()
	c.hs = nil
}
