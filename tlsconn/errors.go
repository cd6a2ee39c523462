package tlsconn

import (
	"errors"
	"fmt"
	"io"
)

// The wants: what a call needs before it can go on. They are not failures: do
// not log or count them, do what they ask for and repeat the call. They are
// returned as they are, never wrapped; compare with == or errors.Is.
var (
	// ErrWantRead asks for the transport to become readable, as
	// SSL_ERROR_WANT_READ does (SSL_get_error(3)).
	ErrWantRead = errors.New("tlsconn: want read")

	// ErrWantWrite asks for the transport to become writable, as
	// SSL_ERROR_WANT_WRITE does.
	ErrWantWrite = errors.New("tlsconn: want write")

	// ErrWantApp says that an operation outside the engine is pending (Conn.Pending
	// tells which): no readiness of the transport can help; the function given to
	// SetWake is called when the operation has ended. SSL_ERROR_WANT_ASYNC,
	// SSL_ERROR_WANT_X509_LOOKUP and SSL_ERROR_WANT_RETRY_VERIFY are of this kind.
	ErrWantApp = errors.New("tlsconn: want the end of a pending operation")
)

// Misuse by the caller. Nothing is sent to the peer and the connection is as
// it was.
var (
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("tlsconn: use of a closed connection")

	// ErrWriteClosed is returned by Write, ReadFrom and KeyUpdate after CloseWrite.
	ErrWriteClosed = errors.New("tlsconn: write after CloseWrite")

	// ErrHandshakeIncomplete is returned by calls that need the keys of a complete
	// handshake and do not drive it themselves.
	ErrHandshakeIncomplete = errors.New("tlsconn: handshake is not complete")

	// ErrClosureAlert is returned by Abort for close_notify, which CloseWrite sends.
	ErrClosureAlert = errors.New("tlsconn: close_notify does not abort a connection")

	// ErrNoKeyUpdate is returned by KeyUpdate on a connection of TLS 1.2, which has none.
	ErrNoKeyUpdate = errors.New("tlsconn: TLS 1.2 has no key update")

	// ErrReentrant is returned to a callback that calls a verb of the very
	// connection that is calling it.
	ErrReentrant = errors.New("tlsconn: connection used from within its own callback")
)

// LocalAlertError ended the connection from our side: the peer, or our own
// configuration, made going on impossible, and Alert was queued to be sent.
type LocalAlertError struct {
	// Alert is what the peer is told.
	Alert Alert
	// Err says what was wrong, and where.
	Err error
}

func (e *LocalAlertError) Error() string {
	return fmt.Sprintf("tlsconn: %v (sent alert %v)", e.Err, e.Alert)
}

// Unwrap returns the reason.
func (e *LocalAlertError) Unwrap() error { return e.Err }

// PeerAlertError ended the connection from the peer's side, by the
// specification: it sent a fatal alert, or close_notify within the handshake
// (which also is io.EOF to errors.Is).
type PeerAlertError struct {
	Alert Alert
}

func (e *PeerAlertError) Error() string {
	return fmt.Sprintf("tlsconn: peer sent alert %v", e.Alert)
}

// Is makes a close_notify match io.EOF: the controlled end of the stream.
func (e *PeerAlertError) Is(target error) bool {
	return target == io.EOF && e.Alert == AlertCloseNotify
}

// NotTLSError is why a LocalAlertError ended a handshake whose peer does not even
// begin like TLS: what came first tells a person what it speaks instead.
type NotTLSError struct {
	// Start is the beginning of what came, as much as was there and at most 128
	// bytes: a copy, of bytes of the peer's choice. Escape them before showing them.
	Start []byte

	reason string
}

func (e *NotTLSError) Error() string { return e.reason }

// configError is a Config that cannot be used: misuse, which the first call tells.
type configError struct{ error }

// Unwrap returns the reason.
func (e configError) Unwrap() error { return e.error }

// abort is how a handler ends the connection: the alert for the peer and the
// reason for us, together. Grep for it to find every alert that we can raise.
func abort(a Alert, format string, args ...any) error {
	return &LocalAlertError{Alert: a, Err: fmt.Errorf(format, args...)}
}

// Code is an SSL_ERROR_* value of SSL_get_error(3), with OpenSSL's numbers.
type Code int

// The codes that a caller of a handshake, a read, a write or a shutdown can meet.
const (
	CodeNone              Code = 0 // the call succeeded
	CodeSSL               Code = 1 // protocol failure, or a fatal alert from the peer
	CodeWantRead          Code = 2
	CodeWantWrite         Code = 3
	CodeWantX509Lookup    Code = 4  // the choice of a certificate is pending
	CodeSyscall           Code = 5  // the transport failed
	CodeZeroReturn        Code = 6  // the peer sent close_notify
	CodeWantAsync         Code = 9  // an operation outside is pending
	CodeWantClientHelloCB Code = 11 // the inspection of the ClientHello is pending
	CodeWantRetryVerify   Code = 12 // the verification of the peer's chain is pending
)

// codeNames are OpenSSL's.
var codeNames = map[Code]string{
	CodeNone:              "SSL_ERROR_NONE",
	CodeSSL:               "SSL_ERROR_SSL",
	CodeWantRead:          "SSL_ERROR_WANT_READ",
	CodeWantWrite:         "SSL_ERROR_WANT_WRITE",
	CodeWantX509Lookup:    "SSL_ERROR_WANT_X509_LOOKUP",
	CodeSyscall:           "SSL_ERROR_SYSCALL",
	CodeZeroReturn:        "SSL_ERROR_ZERO_RETURN",
	CodeWantAsync:         "SSL_ERROR_WANT_ASYNC",
	CodeWantClientHelloCB: "SSL_ERROR_WANT_CLIENT_HELLO_CB",
	CodeWantRetryVerify:   "SSL_ERROR_WANT_RETRY_VERIFY",
}

// String returns OpenSSL's name, such as "SSL_ERROR_WANT_READ".
func (c Code) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return fmt.Sprintf("SSL_ERROR(%d)", int(c))
}

// ErrorCode tells what SSL_get_error(3) would, for an error returned by any
// verb of Conn, so that code written against OpenSSL can be ported line by line.
// A transport that ended without close_notify is SSL_ERROR_SSL, as since
// OpenSSL 3.0; misuse is SSL_ERROR_SSL too. ErrWantApp is SSL_ERROR_WANT_ASYNC:
// Conn.ErrorCode tells the operations apart.
func ErrorCode(err error) Code {
	var local *LocalAlertError
	var peer *PeerAlertError
	var config configError
	switch {
	case err == nil:
		return CodeNone
	case errors.As(err, &local):
		return CodeSSL // whatever error of a callback is its reason
	case errors.Is(err, ErrWantRead), errors.Is(err, ErrWouldBlock): // of ReadFrom's source
		return CodeWantRead
	case errors.Is(err, ErrWantWrite):
		return CodeWantWrite
	case errors.Is(err, ErrWantApp):
		return CodeWantAsync
	case errors.Is(err, io.EOF):
		return CodeZeroReturn
	case errors.As(err, &peer), errors.As(err, &config), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, ErrClosed), errors.Is(err, ErrWriteClosed), errors.Is(err, ErrClosureAlert),
		errors.Is(err, ErrHandshakeIncomplete), errors.Is(err, ErrReentrant), errors.Is(err, ErrNoKeyUpdate):
		return CodeSSL
	}
	return CodeSyscall
}

// ErrorCode is the function of that name for the error that the last verb of this
// connection has returned, and tells a pending operation's kind, as SSL_get_error's
// first argument does: SSL_ERROR_WANT_CLIENT_HELLO_CB for the inspection of the
// ClientHello, SSL_ERROR_WANT_X509_LOOKUP for the choice of a certificate,
// SSL_ERROR_WANT_RETRY_VERIFY for a verification, and SSL_ERROR_WANT_ASYNC for a
// signature, a ticket or a session, which OpenSSL cannot wait for otherwise.
func (c *Conn) ErrorCode(err error) Code {
	code := ErrorCode(err)
	if code != CodeWantAsync || c.hs == nil || c.hs.shared().op == nil {
		return code
	}
	// Not Pending: the operation may have ended since, and the call is still to be repeated.
	switch c.hs.shared().op.kind {
	case OpInspect:
		return CodeWantClientHelloCB
	case OpCertificate:
		return CodeWantX509Lookup
	case OpVerify:
		return CodeWantRetryVerify
	case OpSign, OpTicket, OpSession:
	}
	return code
}
