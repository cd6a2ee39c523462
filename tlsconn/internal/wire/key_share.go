package wire

// KeyShare is a KeyShareEntry (RFC 8446 section 4.2.8).
type KeyShare struct {
	// Group is a NamedGroup.
	Group uint16
	// KeyExchange is the public value in the format of the group, never empty.
	KeyExchange []byte
}

// keyShare reads one KeyShareEntry.
func (r *reader) keyShare() KeyShare {
	return KeyShare{
		Group:       r.uint16("group"),
		KeyExchange: r.opaque("key_exchange", 1, max16),
	}
}

func (w *writer) keyShare(s KeyShare) {
	w.uint16(s.Group)
	w.opaque("key_exchange", s.KeyExchange, 1, max16)
}

// keyShares appends a KeyShareClientHello to dst: "KeyShareEntry
// client_shares<0..2^16-1>". An empty one asks for a HelloRetryRequest.
func (r *reader) keyShares(dst []KeyShare) []KeyShare {
	after := r.open("client_shares", 0, max16)
	for !r.empty() {
		dst = append(dst, r.keyShare())
	}
	r.close(after, "client_shares")
	return dst
}

func (w *writer) keyShares(shares []KeyShare) {
	list := w.open(max16)
	for _, s := range shares {
		w.keyShare(s)
	}
	w.close(list, "client_shares", 0, max16)
}
