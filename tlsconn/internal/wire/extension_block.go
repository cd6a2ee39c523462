package wire

// An extension block, "Extension extensions<0..2^16-1>", is read by
//
//	after := r.open("extensions", 0, max16)
//	for !r.empty() {
//		t, next := r.beginExtension(&types)
//		... decode by t; r.rest() when t is not known ...
//		r.endExtension(next)
//	}
//	r.closeExtensions(after, types, false)
//
// and written alike.

// beginExtension enters the next extension and records its type in types.
// Until endExtension, failures name the extension. It returns what follows
// the extension.
func (r *reader) beginExtension(types *[]ExtensionType) (t ExtensionType, next []byte) {
	t = ExtensionType(r.uint16("extensions"))
	next = r.open("extensions", 0, max16)
	*types = append(*types, t)
	r.at.extension, r.at.inExtension = t, true
	return t, next
}

// endExtension refuses what decoding left of an extension: "receivers MUST
// abort the handshake with a decode_error alert if there is data left over
// after parsing the structure" (RFC 9846 section 4.3).
func (r *reader) endExtension(next []byte) {
	r.close(next, "")
	r.at.inExtension = false
}

// closeExtensions leaves the block. It fails if a type occurred twice: "There
// MUST NOT be more than one extension of the same type in a given extension
// block" (RFC 8446 section 4.2). The RFC names no alert; decode_error is what
// BoringSSL and crypto/tls send, and what BoGo demands, but for the messages that
// it wants to see refused as illegal: HelloRetryRequest and NewSessionTicket.
func (r *reader) closeExtensions(after []byte, types []ExtensionType, illegal bool) {
	r.close(after, "extensions")
	if t, found := firstDuplicate(types); found {
		r.fail(t.String(), "duplicate extension", illegal)
	}
}

// fewExtensions is the length of a block up to which comparing each type with
// each earlier one is cheaper than clearing a bitmap of 8 KiB.
const fewExtensions = 32

// firstDuplicate returns the first type that occurred before. It takes linear
// time: a 64 KiB hello of 16,000 empty extensions must not buy 128 million
// comparisons.
func firstDuplicate(types []ExtensionType) (ExtensionType, bool) {
	if len(types) > fewExtensions {
		return firstDuplicateOfMany(types)
	}
	for i, t := range types {
		for _, earlier := range types[:i] {
			if t == earlier {
				return t, true
			}
		}
	}
	return 0, false
}

// firstDuplicateOfMany is apart so that only a long block pays for its frame.
//
//go:noinline
func firstDuplicateOfMany(types []ExtensionType) (ExtensionType, bool) {
	var seen [1 << 16 / 64]uint64
	for _, t := range types {
		word, bit := &seen[t/64], uint64(1)<<(t%64)
		if *word&bit != 0 {
			return t, true
		}
		*word |= bit
	}
	return 0, false
}

// beginExtension starts an extension of type t and returns the mark for endExtension.
func (w *writer) beginExtension(t ExtensionType) int {
	w.uint16(uint16(t))
	w.at.extension, w.at.inExtension = t, true
	return w.open(max16)
}

func (w *writer) endExtension(mark int) {
	w.close(mark, "", 0, max16)
	w.at.inExtension = false
}

// closeOptionalBlock ends the block of a hello, which leaves it out when it has
// no extension, as TLS 1.2 did.
func (w *writer) closeOptionalBlock(start int) {
	if len(w.b) == start {
		w.b = w.b[:start-prefixLen(max16)]
		return
	}
	w.close(start, "extensions", 0, max16)
}
