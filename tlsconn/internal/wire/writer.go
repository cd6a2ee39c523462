package wire

import "encoding/binary"

// writer appends to b. Like a reader's, its first failure sticks, and its
// methods mirror the reader's with the same floors and ceilings: what they
// let through, the reader accepts.
type writer struct {
	at    position
	b     []byte
	start int // of the message in b
}

// newWriter starts a message of type t behind b; finish ends it.
func newWriter(b []byte, t MessageType) writer {
	w := writer{at: position{message: t}, b: b, start: len(b)}
	w.b = AppendHeader(w.b, t, 0)
	return w
}

// finish fills in the length of the message. When the message cannot be
// encoded, it returns the bytes as they were before it, and why.
func (w *writer) finish() ([]byte, error) {
	n := len(w.b) - w.start - HeaderLen
	if n > max24 {
		w.at.fail("", reasonLength, false)
	}
	if w.at.err != nil {
		return w.b[:w.start], w.at.err
	}
	putLength(w.b[w.start+1:w.start+HeaderLen], n)
	return w.b, nil
}

func (w *writer) uint8(v uint8)   { w.b = append(w.b, v) }
func (w *writer) uint16(v uint16) { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) uint32(v uint32) { w.b = binary.BigEndian.AppendUint32(w.b, v) }

// opaque writes "opaque field<floor..ceiling>".
func (w *writer) opaque(field string, v []byte, floor, ceiling int) {
	if len(v) < floor || len(v) > ceiling {
		w.at.fail(field, reasonLength, false)
	}
	if w.at.err != nil {
		return
	}
	vector := w.open(ceiling)
	w.b = append(w.b, v...)
	w.close(vector, field, floor, ceiling)
}

// open leaves room for the length of a vector and returns where its content
// begins; close fills the length in.
func (w *writer) open(ceiling int) int {
	w.b = append(w.b, 0, 0, 0)
	w.b = w.b[:len(w.b)-3+prefixLen(ceiling)]
	return len(w.b)
}

// close ends the vector "field<floor..ceiling>" whose content begins at start.
func (w *writer) close(start int, field string, floor, ceiling int) {
	n := len(w.b) - start
	if n < floor || n > ceiling {
		w.at.fail(field, reasonLength, false)
		return
	}
	putLength(w.b[start-prefixLen(ceiling):start], n)
}

// uint16s writes "uint16 field<floor..ceiling>".
func (w *writer) uint16s(field string, v []uint16, floor, ceiling int) {
	vector := w.open(ceiling)
	for _, x := range v {
		w.uint16(x)
	}
	w.close(vector, field, floor, ceiling)
}

// opaques writes a vector field<floor..ceiling> whose entries are each an
// "opaque entry<1..entryCeiling>".
func (w *writer) opaques(field string, v [][]byte, floor, ceiling int, entry string, entryCeiling int) {
	vector := w.open(ceiling)
	for _, x := range v {
		w.opaque(entry, x, 1, entryCeiling)
	}
	w.close(vector, field, floor, ceiling)
}

// putLength writes n, which fits, to all of dst.
func putLength(dst []byte, n int) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte(n)
		n >>= 8
	}
}
