package poller

import "strings"

// MaxBatch is the largest number of events that one Wait returns. It bounds the work between two
// looks at timers and posted work: a flood of ready descriptors delays those by one batch, not by
// the number of connections.
const MaxBatch = 256

// A Token names a slot of the caller's table: its index and its generation, as
// index<<32 | generation. It comes back in the events of the descriptor that it was added with.
type Token uint64

// wakeToken marks the event of the Waker's own descriptor. Add and Modify refuse it.
const wakeToken = ^Token(0)

// NewToken returns the token of a slot's index and generation. The pair of both maxima is reserved.
func NewToken(index, generation uint32) Token {
	return Token(index)<<32 | Token(generation)
}

// Index is the slot's index.
func (t Token) Index() uint32 { return uint32(t >> 32) }

// Generation is the slot's generation when the token was made.
func (t Token) Generation() uint32 { return uint32(t) }

// An Interest is a set of what Wait shall report of a descriptor. The empty set is allowed: HungUp
// and Failed are reported nevertheless.
type Interest uint8

// What can be asked for. Each may be reported without being acted upon only once: see the rule in
// the package's documentation.
const (
	Readable  Interest = 1 << iota // input, a pending connection, or the end of input
	Writable                       // room for output, or the end of a non-blocking connect
	HalfClose                      // the peer has shut down its writing side, perhaps behind unread data
)

// String returns names joined by "|", or "none".
func (i Interest) String() string {
	return join(uint8(i), "readable", "writable", "half-close")
}

// Ready is a set of what is true of a descriptor. The first three were asked for; the last two come
// unasked.
type Ready uint8

// What can be reported. The bits shared with Interest have the same values.
const (
	CanRead    = Ready(Readable)  // a read does not block: data, the end of input, or an error
	CanWrite   = Ready(Writable)  // a write does not block: room, or an error
	HalfClosed = Ready(HalfClose) // EPOLLRDHUP: no input will follow what is already queued
	HungUp     = Ready(1 << 3)    // EPOLLHUP: both directions are shut down
	Failed     = Ready(1 << 4)    // EPOLLERR: an error is pending; SocketError fetches it
)

// String returns names joined by "|", or "none".
func (r Ready) String() string {
	return join(uint8(r), "can-read", "can-write", "half-closed", "hung-up", "failed")
}

// An Event is what one Wait reports of one descriptor.
type Event struct {
	Token Token
	Ready Ready
}

// Is reports whether any of the facts in r is true.
func (e Event) Is(r Ready) bool { return e.Ready&r != 0 }

// join names the bits of a set, lowest first; a bit without a name is shown as "?".
func join(set uint8, names ...string) string {
	if set == 0 {
		return "none"
	}
	var b strings.Builder
	for i := range 8 {
		if set&(1<<i) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('|')
		}
		if i < len(names) {
			b.WriteString(names[i])
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}
