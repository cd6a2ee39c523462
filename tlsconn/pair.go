package tlsconn

import "io"

// pairLimit is the bytes that wait in each direction of a Pair before Write says
// ErrWouldBlock: as much as a Conn has pending itself.
const pairLimit = outputHighWater

// pairKept is the capacity that an empty direction of a Pair keeps.
const pairKept = 2 << 10

// PairEnd is one end of a Pair. What is written to it is read from the other. It
// is a non-blocking Transport, and both ends belong to one goroutine at a time.
type PairEnd struct {
	in, out *pipe
}

// pipe is one direction: data[r:] waits to be read.
type pipe struct {
	data   []byte
	r      int
	closed bool
}

// Pair returns two connected ends of a buffering transport, as BIO_new_bio_pair(3)
// does: give one to a Conn, and carry bytes between the other and the real
// transport. This is how another event loop, or a test, drives a Conn.
func Pair() (*PairEnd, *PairEnd) {
	a, b := new(pipe), new(pipe)
	return &PairEnd{a, b}, &PairEnd{b, a}
}

// Read takes bytes that were written to the other end: ErrWouldBlock if there are
// none, io.EOF if the other end was closed besides.
func (e *PairEnd) Read(p []byte) (int, error) {
	n := copy(p, e.in.data[e.in.r:])
	e.Discard(n)
	switch {
	case n > 0 || len(p) == 0:
		return n, nil
	case e.in.closed:
		return 0, io.EOF
	}
	return 0, ErrWouldBlock
}

// Write takes bytes for the other end, up to the limit, and then says
// ErrWouldBlock with the number that it took. After Close it says
// io.ErrClosedPipe.
func (e *PairEnd) Write(p []byte) (int, error) {
	if e.out.closed {
		return 0, io.ErrClosedPipe
	}
	n := min(len(p), pairLimit-e.Pending())
	if free := cap(e.out.data) - len(e.out.data); free < n && e.out.r > 0 {
		e.out.data = e.out.data[:copy(e.out.data, e.out.data[e.out.r:])]
		e.out.r = 0
	}
	e.out.data = append(e.out.data, p[:n]...)
	if n < len(p) {
		return n, ErrWouldBlock
	}
	return n, nil
}

// Peek returns what Read would, without taking it: valid until the next call on
// either end, and not to be changed.
func (e *PairEnd) Peek() []byte { return e.in.data[e.in.r:len(e.in.data):len(e.in.data)] }

// Discard takes the first n bytes of what Peek returns, such as those that the
// real transport has accepted.
func (e *PairEnd) Discard(n int) {
	p := e.in
	clear(p.data[p.r : p.r+n])
	if p.r += n; p.r == len(p.data) {
		p.data, p.r = p.data[:0], 0
		if cap(p.data) > pairKept {
			p.data = nil // an idle pair holds little
		}
	}
}

// Pending returns the bytes written to this end that the other has yet to read.
func (e *PairEnd) Pending() int { return len(e.out.data) - e.out.r }

// Close ends what this end writes: the other reads the rest and then io.EOF. It
// never fails.
func (e *PairEnd) Close() error {
	e.out.closed = true
	return nil
}
