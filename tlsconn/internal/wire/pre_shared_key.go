package wire

import "errors"

// PSKIdentity is a PskIdentity (RFC 8446 section 4.2.11).
type PSKIdentity struct {
	// Identity is a ticket or the label of an external key, never empty.
	Identity []byte
	// ObfuscatedTicketAge is in milliseconds, plus the ticket's AgeAdd, modulo 2^32.
	ObfuscatedTicketAge uint32
}

// A binder is an HMAC, "opaque PskBinderEntry<32..255>", in binders<33..2^16-1>.
const minBinder = 32

const reasonBinders = "binders and identities differ in number"

// offeredPSKs reads the OfferedPsks of a ClientHello and appends to both lists,
// which are to have equal lengths: "one for each value in the identities list
// and in the same order".
func (r *reader) offeredPSKs(identities []PSKIdentity, binders [][]byte) ([]PSKIdentity, [][]byte) {
	after := r.open("identities", 7, max16)
	for !r.empty() {
		identities = append(identities, PSKIdentity{
			Identity:            r.opaque("identity", 1, max16),
			ObfuscatedTicketAge: r.uint32("obfuscated_ticket_age"),
		})
	}
	r.close(after, "identities")
	// One of a wrong length is as wrong as one of wrong bytes, which whoever checks it
	// tells with decrypt_error: the bound of 32 is only obeyed in what we send.
	after = r.open("binders", 1, max16)
	for !r.empty() {
		binders = append(binders, r.opaque("binder", 0, max8))
	}
	r.close(after, "binders")
	if len(identities) != len(binders) {
		r.fail("binders", reasonBinders, true)
	}
	return identities, binders
}

func (w *writer) offeredPSKs(identities []PSKIdentity, binders [][]byte) {
	list := w.open(max16)
	for _, id := range identities {
		w.opaque("identity", id.Identity, 1, max16)
		w.uint32(id.ObfuscatedTicketAge)
	}
	w.close(list, "identities", 7, max16)
	list = w.open(max16)
	for _, binder := range binders {
		w.opaque("binder", binder, minBinder, max8)
	}
	w.close(list, "binders", minBinder+1, max16)
	if len(identities) != len(binders) {
		w.at.fail("binders", reasonBinders, true)
	}
}

// BindersLen returns how many bytes at the end of the encoded message the list
// of PSK binders takes, its length prefix included; 0 without pre_shared_key.
// The transcript that binders are computed over ends before these bytes (RFC
// 8446 section 4.2.11.2).
func (m *ClientHello) BindersLen() int {
	if !m.Has(ExtPreSharedKey) {
		return 0
	}
	return bindersLen(m.PSKBinders)
}

func bindersLen(binders [][]byte) int {
	n := 2
	for _, binder := range binders {
		n += 1 + len(binder)
	}
	return n
}

// PatchBinders writes binders over those at the end of msg, an encoded
// ClientHello. The message is encoded first, with binders of the final lengths
// and any content, as the lengths are part of what the binders authenticate.
// Binders that do not have those lengths are refused and msg is left as it was.
func PatchBinders(msg []byte, binders [][]byte) error {
	n := bindersLen(binders)
	if n > len(msg) {
		return errBinders
	}
	r := newReader(msg[len(msg)-n:], TypeClientHello)
	after := r.open("binders", minBinder+1, max16)
	for _, binder := range binders {
		if len(r.opaque("binder", minBinder, max8)) != len(binder) {
			return errBinders
		}
	}
	r.close(after, "binders")
	if r.finish() != nil {
		return errBinders
	}
	rest := msg[len(msg)-n+2:]
	for _, binder := range binders {
		copy(rest[1:], binder)
		rest = rest[1+len(binder):]
	}
	return nil
}

// errBinders is the engine's own mistake, never the peer's.
var errBinders = errors.New("wire: binders do not fit those of the encoded client_hello")
