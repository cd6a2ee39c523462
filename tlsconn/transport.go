package tlsconn

import (
	"errors"
	"io"
)

// ErrWouldBlock is what the methods of a non-blocking Transport return when
// they can do nothing now: EAGAIN in the words of read(2) and write(2).
var ErrWouldBlock = errors.New("tlsconn: transport would block")

// Transport carries the ciphertext, as a BIO does for SSL. Read and Write obey
// io.Reader and io.Writer, but may return ErrWouldBlock (unwrapped), Write with
// the number of bytes it took before that. Neither may keep the slice it is
// given. A transport that never says ErrWouldBlock, such as any net.Conn, is a
// blocking one: then no verb of Conn returns ErrWantRead or ErrWantWrite.
//
// An error that is os.ErrDeadlineExceeded, as a net.Conn's passed deadline, does
// not end the connection: the call may be repeated.
type Transport interface {
	io.Reader
	io.Writer
}
