package record

// messageHeaderLen is the length in bytes of a handshake message's header: type and 24-bit length
// (RFC 8446 4).
const messageHeaderLen = 4

// minStorage is the first allocation for split messages: enough that one sent byte by byte does not
// reallocate for each of its first bytes.
const minStorage = 64

// Reassembler cuts handshake messages out of the payloads of handshake records, which may each hold
// several messages, one, or a piece (RFC 8446 5.1). The zero value is ready. It is not for
// concurrent use.
//
// A message that lies wholly in one payload is handed out in place. One that was split, or left
// over when its payload had to be given back, is copied to storage of the Reassembler's own, once. The
// storage grows by doubling with the bytes that arrived, never with what a header declares, so
// the copying is linear in them, however small the pieces.
type Reassembler struct {
	lent []byte // the unread rest of the payload last fed, the caller's memory
	own  []byte // bytes kept from payloads before it; own[read:] are unread
	read int
}

// Feed lends payload, the content of the next handshake record. The caller must not change it until
// Next has returned false, or Stash or Release was called. Unread bytes of a payload fed before are
// stashed first; to keep storage small, feed only after Next has returned false.
func (r *Reassembler) Feed(payload []byte) {
	r.Stash()
	r.lent = payload
}

// Next returns the next whole handshake message, header included. It is valid until the next call of
// any method but Empty and Buffered; the caller may not append to it. It returns false when more
// payload is needed, and then no payload is lent any more.
//
// Check is asked about each message as soon as its header is there, with its type and the length of
// its body in bytes. Its error is returned as it is, again at each further call, before anything is
// allocated for the message.
func (r *Reassembler) Next(check func(typ byte, length int) error) (msg []byte, ok bool, err error) {
	r.forget()
	if len(r.own) == 0 {
		n, err := messageLen(r.lent, check)
		if err != nil {
			return nil, false, err
		}
		if n <= len(r.lent) {
			msg, r.lent = r.lent[:n:n], r.lent[n:]
			return msg, true, nil
		}
		r.Stash()
		return nil, false, nil
	}

	r.fill(messageHeaderLen)
	n, err := messageLen(r.own[r.read:], check)
	if err != nil {
		return nil, false, err
	}
	r.fill(n)
	if n > len(r.own)-r.read {
		return nil, false, nil
	}
	msg = r.own[r.read : r.read+n : r.read+n]
	r.read += n
	return msg, true, nil
}

// Stash ends the loan of the payload: what is unread of it is copied to own storage.
func (r *Reassembler) Stash() {
	r.forget()
	r.keep(len(r.lent))
}

// Empty reports that no byte of any message is left unread. A change of keys requires it:
// "Handshake messages MUST NOT span key changes" (RFC 8446 5.1).
func (r *Reassembler) Empty() bool {
	return len(r.lent) == 0 && r.Buffered() == 0
}

// Buffered is the number of unread bytes held in own storage.
func (r *Reassembler) Buffered() int { return len(r.own) - r.read }

// Release clears and drops the storage, and what was unread with it. The Reassembler is as new.
func (r *Reassembler) Release() {
	clear(r.own)
	*r = Reassembler{}
}

// messageLen is the length of the message that b begins with, header included: at least
// messageHeaderLen, which is all that is known of it while b is shorter than that.
func messageLen(b []byte, check func(typ byte, length int) error) (int, error) {
	if len(b) < messageHeaderLen {
		return messageHeaderLen, nil
	}
	body := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	if err := check(b[0], body); err != nil {
		return 0, err
	}
	return messageHeaderLen + body, nil
}

// fill tops the unread part of own up to n bytes, as far as the lent payload reaches.
func (r *Reassembler) fill(n int) {
	if missing := n - r.Buffered(); missing > 0 {
		r.keep(min(missing, len(r.lent)))
	}
}

// keep moves the first n bytes of lent to own.
func (r *Reassembler) keep(n int) {
	if unread := r.own[r.read:]; len(r.own)+n > cap(r.own) {
		// At least double, so that each byte is copied once more on average.
		grown := make([]byte, len(unread), max(len(unread)+n, 2*len(unread), minStorage))
		copy(grown, unread)
		clear(r.own)
		r.own, r.read = grown, 0
	}
	r.own = append(r.own, r.lent[:n]...)
	r.lent = r.lent[n:]
}

// forget clears messages handed out from own once no unread byte follows them. They expire with the
// call that it is part of; clearing makes a use after that fail, not merely misbehave one day.
func (r *Reassembler) forget() {
	if r.read > 0 && r.read == len(r.own) {
		clear(r.own)
		r.own, r.read = r.own[:0], 0
	}
}
