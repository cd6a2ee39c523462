package tlsconn

import (
	"errors"
	"hash"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// machine is the handshake of one role and version. A handler that step calls
// completes or fails: it returns the next state, or an error that has ended the
// connection. It gets whole messages and appends to the outgoing flight, so it
// never meets a want. Only a state that waits returns itself, for "not yet".
type machine interface {
	// step does one unit of work in c.state. m is zero unless the state consumes a
	// message.
	step(m message) (State, error)
	// shared returns the part that all machines have.
	shared() *handshake
	// kept is the number of bytes of the peer's messages that the machine holds on to.
	kept() int
	// clearSecrets zeroes what the machine itself holds.
	clearSecrets()
}

// message is a whole handshake message, lent for one step.
type message struct {
	typ wire.MessageType
	raw []byte // with its header
}

func (m message) body() []byte { return m.raw[wire.HeaderLen:] }

// handshake is what the machines share.
type handshake struct {
	c          *Conn
	flight     []byte // messages appended and not yet sealed
	transcript hash.Hash
	d          *keysched.Deriver // of the suite's hash
	sum        keysched.Secret   // scratch for the transcript's hash
	op         *suspension       // pending or not yet taken
	suspended  bool              // op counts among the Workspace's pending operations
	wake       func()
	trace      func(State)
}

func (hs *handshake) shared() *handshake { return hs }

// drop abandons the pending operation and clears what was not sealed.
func (hs *handshake) drop() {
	hs.abandon()
	clear(hs.flight)
	hs.flight = nil
}

// SetTrace sets a function that is called, within the verbs of the Conn and on
// their goroutine, with each state that the handshake enters, StateConnected or
// StateFailed last. It must not use the Conn but for ConnectionState and Wants.
// Set it before the first call.
func (c *Conn) SetTrace(trace func(State)) {
	if c.hs != nil {
		c.hs.shared().trace = trace
	}
}

// State returns what the connection awaits or does next.
func (c *Conn) State() State { return c.state }

// drive runs the handshake until it is complete, fails or has to wait.
func (c *Conn) drive() error {
	for {
		if c.err != nil {
			return c.refuse()
		}
		if err := c.flush(); err == ErrWantWrite {
			if c.state == StateConnected {
				return nil // later output is not the handshake's
			}
			return err
		} else if err != nil && c.state != StateConnected {
			return c.writeFailed(err)
		}
		if c.state == StateConnected {
			return nil
		}
		if err := c.advance(); err != nil {
			c.fail(err)
			continue
		}
		if c.out.pending() > 0 || c.state == StateConnected {
			continue
		}
		if !c.state.consumesMessage() {
			if c.Pending() != 0 {
				return ErrWantApp
			}
			continue // the operation has ended meanwhile
		}
		if _, ok, err := c.receive(nil); err != nil {
			c.fail(err)
		} else if !ok {
			if err := c.fill(); err != nil {
				return c.await(err)
			}
		}
	}
}

// advance runs the machine until it needs something that it does not have, or
// is connected, or fails. Messages after the handshake go through it as well.
func (c *Conn) advance() error {
	for {
		var m message
		if c.state.consumesMessage() {
			var ok bool
			var err error
			if m, ok, err = c.nextMessage(); err != nil || !ok {
				return err
			}
		}
		next, err := c.step(m)
		if err != nil {
			return err
		}
		if next == c.state && !next.consumesMessage() {
			return nil // still waiting
		}
		c.transition(next)
	}
}

func (c *Conn) step(m message) (State, error) {
	if c.state == StateConnected {
		return c.afterHandshake(m)
	}
	return c.hs.step(m)
}

// transition is the only assignment of a handshake's state.
func (c *Conn) transition(next State) {
	if next == c.state {
		return
	}
	c.state = next
	if c.hs == nil {
		return
	}
	if trace := c.hs.shared().trace; trace != nil {
		trace(next)
	}
	if next == StateConnected {
		c.facts.complete = true
		c.dropHandshake()
	}
}

// nextMessage cuts the next whole message out of what was received, and refuses
// one that the state does not accept.
func (c *Conn) nextMessage() (m message, ok bool, err error) {
	if c.in.messages == nil {
		return m, false, nil
	}
	raw, ok, err := c.in.messages.Next(c.checkMessage)
	if err != nil || !ok {
		return m, false, err
	}
	c.traceMessage(false, record.Handshake, raw)
	return message{typ: wire.MessageType(raw[0]), raw: raw}, true, nil
}

// version is the one that was negotiated, 0 as long as it is not settled.
func (c *Conn) version() uint16 {
	if c.facts.suite == nil {
		return 0
	}
	return c.facts.suite.version
}

// checkMessage refuses a message by its header, before any of it is stored.
func (c *Conn) checkMessage(typ byte, length int) error {
	t := wire.MessageType(typ)
	if want := c.state.accepts(c.role, c.version()); !slices.Contains(want, t) {
		return abort(AlertUnexpectedMessage, "handshake message: got %v in state %v, which expects %v", t, c.state, want)
	}
	if limit := c.messageLimit(t); length > limit {
		return abort(AlertIllegalParameter, "handshake message: %v of %d bytes is over %d", t, length, limit)
	}
	return nil
}

// endOfFlight refuses bytes behind a message that ends what the peer may say
// before we answer (RFC 8446 5.1: "Handshake messages MUST NOT span key changes",
// CVE-2025-61730; and a HelloRetryRequest's two sides).
func (c *Conn) endOfFlight() error {
	if c.in.midMessage() {
		return abort(AlertUnexpectedMessage, "handshake message: more data behind a message that changes keys or ends a flight, in state %v", c.state)
	}
	return nil
}

// decodeError turns an error of the codec into the alert that it asks for.
func decodeError(err error) error {
	var w *wire.Error
	if errors.As(err, &w) && w.Illegal {
		return abort(AlertIllegalParameter, "%w", err)
	}
	return abort(AlertDecodeError, "%w", err)
}

// begin starts the transcript and the key schedule once the suite is known.
func (hs *handshake) begin(s *suite) {
	hs.c.facts.suite = s
	hs.d = hs.c.ws.deriver(s.hash)
	hs.transcript = s.hash.New()
}

// send takes the flight that a message's Append has lengthened, and adds the
// message to the transcript.
func (hs *handshake) send(flight []byte) error {
	if len(flight) == len(hs.flight) {
		return errors.New("internal: a message of ours cannot be encoded")
	}
	hs.transcript.Write(flight[len(hs.flight):])
	hs.flight = flight
	return nil
}

// seal makes records of the flight, under the keys of the moment.
func (hs *handshake) seal() {
	hs.c.appendRecords(record.Handshake, hs.flight)
	hs.flight = hs.flight[:0]
}

// transcriptHash returns Transcript-Hash of the messages so far (RFC 8446
// 4.4.1), valid until the next call.
func (hs *handshake) transcriptHash() []byte {
	return hs.transcript.Sum(hs.sum[:0])
}

// awaitFlush makes Handshake return nil only once the peer can know that the handshake
// is complete, as SSL_do_handshake does: for the side that has the last word.
func (hs *handshake) awaitFlush() (State, error) {
	if hs.c.out.pending() > 0 {
		return StateAwaitFlush, nil
	}
	return StateConnected, nil
}

// cloneHash returns a hash in the same state. Those of the standard library can do it.
func cloneHash(h hash.Hash) hash.Hash {
	c, err := h.(hash.Cloner).Clone()
	if err != nil {
		panic("tlsconn: internal: " + err.Error())
	}
	return c
}

// retryTranscript replaces the first ClientHello in the transcript by the
// synthetic message_hash of RFC 8446 4.4.1.
func (hs *handshake) retryTranscript() {
	first := hs.transcriptHash()
	hs.transcript.Reset()
	hs.transcript.Write(wire.AppendMessageHash(nil, first))
}

// setReadSecret changes the receiving keys. What the peer sent must end with
// the message that is being handled.
func (c *Conn) setReadSecret(secret *keysched.Secret) error {
	if err := c.endOfFlight(); err != nil {
		return err
	}
	c.ws.install(&c.in.halfConn, secret)
	return nil
}

// setWriteSecret changes the sending keys, after sealing what is to go out under
// the old ones.
func (hs *handshake) setWriteSecret(secret *keysched.Secret) {
	hs.seal()
	hs.c.ws.install(&hs.c.out.halfConn, secret)
}
