package tlsconn

import (
	"errors"
	"strings"
)

// Operation is a set of kinds of work that can suspend a handshake.
type Operation uint8

// The members of Operation.
const (
	// OpInspect is the inspection of the ClientHello, Config.InspectClientHello.
	OpInspect Operation = 1 << iota
	// OpCertificate is the choice of the own certificate, Config.ChooseCertificate and
	// Config.ChooseClientCertificate.
	OpCertificate
	// OpSign is a signature with the own private key.
	OpSign
	// OpTicket is the opening of a ticket by a server, Config.Tickets.
	OpTicket
	// OpSession is the look-up of a session: by a client in Config.Sessions, by a server in
	// Config.ServerSessions.
	OpSession
	// OpVerify is the verification of the peer's certificate chain.
	OpVerify
)

// String returns the members joined by "|", or "none".
func (o Operation) String() string {
	var names []string
	for i, name := range [...]string{"inspect", "certificate", "sign", "ticket", "session", "verify"} {
		if o&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "|")
}

// errNoReason stands for the reason of a failure that came without one.
var errNoReason = errors.New("failed without a reason")

// ask starts an operation: work is given the Completion, and answers at once or
// has it answered later. The await state takes the answer.
func ask[T any](hs *handshake, kind Operation, work func(*Completion[T])) (*Completion[T], error) {
	c := new(Completion[T])
	c.kind, c.wake = kind, hs.wake
	hs.op = &c.suspension
	work(c)
	if !c.phase.CompareAndSwap(uint32(phaseAsking), uint32(phaseWaiting)) {
		return c, nil // answered already
	}
	ws := hs.c.ws
	ws.suspended++
	hs.suspended = true
	if ws.suspended > ws.suspendedLimit {
		hs.abandon()
		return nil, abort(AlertInternalError, "%v: more than %d operations are pending", kind, ws.suspendedLimit)
	}
	return c, nil
}

// run starts work that may take time: in place, or, if it is slow and the
// Workspace has an Offload, elsewhere. It must touch nothing of the Conn's, which
// goes on living beside it.
func run[T any](hs *handshake, kind Operation, slow bool, work func() (T, error)) (*Completion[T], error) {
	offload := hs.c.ws.offload
	return ask(hs, kind, func(c *Completion[T]) {
		if !slow || offload == nil {
			c.finish(work())
			return
		}
		taken := offload(func() {
			if !c.Abandoned() {
				c.finish(work())
			}
		})
		if !taken {
			c.Fail(abort(AlertInternalError, "%v: too many slow operations are waiting", kind))
		}
	})
}

// forget ends the operation, whose answer has been taken.
func (hs *handshake) forget() {
	hs.op = nil
	if hs.suspended {
		hs.suspended = false
		hs.c.ws.suspended--
	}
}

// abandon ends the operation, if there is one, whatever it will answer.
func (hs *handshake) abandon() {
	if hs.op != nil {
		hs.op.phase.Store(uint32(phaseAbandoned))
		hs.forget()
	}
}

// failed makes the end of a handshake of an operation's failure: with the alert
// that the failure names, or else alert.
func failed(err error, alert Alert, what string) error {
	var local *LocalAlertError
	if errors.As(err, &local) && local.Alert != AlertCloseNotify {
		alert = local.Alert // close_notify is the zero value, and would make it a controlled end
	}
	return abort(alert, "%s: %w", what, err)
}

// Pending returns the operations that have to end before the handshake can go
// on; none outside of ErrWantApp.
func (c *Conn) Pending() Operation {
	if c.hs == nil {
		return 0
	}
	if op := c.hs.shared().op; op != nil && !op.ended() {
		return op.kind
	}
	return 0
}

// SetWake sets the function that is called when a pending operation has ended,
// upon which the owner repeats the call that returned ErrWantApp. It is called
// from any goroutine, at most once for each operation, possibly before the call
// that reports ErrWantApp has returned, and rarely after Close; it must not
// block nor use the Conn. Set it before the first call; without it the owner
// has to ask again on its own.
func (c *Conn) SetWake(wake func()) {
	if c.hs != nil {
		c.hs.shared().wake = wake
	}
}
