package wire

import "encoding/binary"

// The ceilings of vectors whose length prefix has one, two or three bytes.
const (
	max8  = 1<<8 - 1
	max16 = 1<<16 - 1
	max24 = 1<<24 - 1
)

// prefixLen is the number of bytes of a vector's length: "as many bytes as
// required to hold the vector's specified maximum (ceiling) length"
// (RFC 8446 section 3.4).
func prefixLen(ceiling int) int {
	switch {
	case ceiling <= max8:
		return 1
	case ceiling <= max16:
		return 2
	}
	return 3
}

// reader consumes b from the front. The first failure sticks: from then on b
// is empty and every read returns zero, so that callers decode straight on and
// ask once, at the end. Its methods follow the RFC's presentation language:
// opaque(f, 1, max16) reads "opaque f<1..2^16-1>".
type reader struct {
	at position
	b  []byte
}

func newReader(body []byte, t MessageType) reader {
	return reader{at: position{message: t}, b: body}
}

// fail ends reading.
func (r *reader) fail(field, reason string, illegal bool) {
	r.at.fail(field, reason, illegal)
	r.b = nil
}

// empty reports that nothing is left in the innermost vector, or that reading
// has failed; it ends every list.
func (r *reader) empty() bool { return len(r.b) == 0 }

// take returns the next n bytes, aliasing the body, or nil.
func (r *reader) take(field string, n int) []byte {
	if len(r.b) < n {
		r.fail(field, reasonTruncated, false)
		return nil
	}
	v := r.b[:n:n] // clipped: an append by the holder cannot reach what follows
	r.b = r.b[n:]
	return v
}

func (r *reader) uint8(field string) uint8 {
	if v := r.take(field, 1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) uint16(field string) uint16 {
	if v := r.take(field, 2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (r *reader) uint32(field string) uint32 {
	if v := r.take(field, 4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// opaque reads "opaque field<floor..ceiling>".
func (r *reader) opaque(field string, floor, ceiling int) []byte {
	prefix := r.take(field, prefixLen(ceiling))
	if prefix == nil {
		return nil
	}
	n := 0
	for _, c := range prefix {
		n = n<<8 | int(c)
	}
	if n < floor || n > ceiling {
		r.fail(field, reasonLength, false)
		return nil
	}
	return r.take(field, n)
}

// open enters a vector of structures, "T field<floor..ceiling>": until close
// r reads within it. It returns what follows the vector, for close.
func (r *reader) open(field string, floor, ceiling int) (after []byte) {
	content := r.opaque(field, floor, ceiling)
	after, r.b = r.b, content
	return after
}

// close leaves the vector, which has to be used up.
func (r *reader) close(after []byte, field string) {
	r.end(field)
	if r.at.err == nil {
		r.b = after
	}
}

// uint16s appends "uint16 field<floor..ceiling>" to dst.
func (r *reader) uint16s(dst []uint16, field string, floor, ceiling int) []uint16 {
	v := r.opaque(field, floor, ceiling)
	if len(v)%2 != 0 {
		r.fail(field, reasonOdd, false)
		return dst
	}
	for ; len(v) > 0; v = v[2:] {
		dst = append(dst, binary.BigEndian.Uint16(v))
	}
	return dst
}

// opaques appends the entries of a vector field<floor..ceiling>, each an
// "opaque entry<1..entryCeiling>", to dst. No list of TLS has entries that may
// be empty.
func (r *reader) opaques(dst [][]byte, field string, floor, ceiling int, entry string, entryCeiling int) [][]byte {
	after := r.open(field, floor, ceiling)
	for !r.empty() {
		dst = append(dst, r.opaque(entry, 1, entryCeiling))
	}
	r.close(after, field)
	return dst
}

// rest returns what is left in the innermost vector, and consumes it.
func (r *reader) rest() []byte { return r.take("", len(r.b)) }

// end refuses what is left in the innermost vector.
func (r *reader) end(field string) {
	if len(r.b) > 0 {
		r.fail(field, reasonTrailing, false)
	}
}

// finish ends the message, of which nothing may be left (RFC 8446 section 6.2:
// "the length of the message was incorrect").
func (r *reader) finish() error {
	r.end("")
	if r.at.err != nil {
		return r.at.err
	}
	return nil
}
