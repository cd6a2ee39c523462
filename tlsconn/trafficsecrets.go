package tlsconn

import "crypto/tls"

// TrafficSecrets is what protects an established connection at one moment: whoever
// has it can read and forge both directions. See Conn.TrafficSecrets.
type TrafficSecrets struct {
	// CipherSuite is the IANA number of the suite, such as tls.TLS_AES_128_GCM_SHA256.
	CipherSuite uint16
	// Receive protects the next record to be opened, Send the next one to be sealed.
	Receive, Send TrafficKeys

	// Unread is the number of bytes that were taken from the transport and that Read has
	// not returned, and Unsent that of the sealed bytes that the transport has yet to
	// take. A direction can be handed over where its number is zero: until then, Read or
	// Flush.
	Unread, Unsent int
}

// TrafficKeys is the protection of one direction.
type TrafficKeys struct {
	// Secret is the traffic secret (RFC 8446 7.2), from which a KeyUpdate derives the
	// next one; nil in TLS 1.2.
	Secret []byte
	// Key and IV are the AEAD's key and its write_iv, of 12 bytes (7.3); of AES-GCM in TLS
	// 1.2 the four bytes of the salt (RFC 5288 3). Of AES-GCM's
	// IV Linux calls the first four bytes salt, and the others iv.
	Key, IV []byte
	// Sequence is the record's sequence number (5.3), Linux's rec_seq as a number.
	Sequence uint64
}

// TrafficSecrets returns copies of the current keys of both directions, for who
// hands an established connection over to another implementation, such as kernel TLS
// (setsockopt with TLS_TX and TLS_RX, tls(7)), and for debugging.
//
// This is dangerous. Keep what it returns out of logs and dumps, and clear it after
// use. Two implementations that seal under one key and sequence number reveal the
// data and the authentication key of AES-GCM: after the other one has taken over, call
// no verb but Close. The keys change with each KeyUpdate, the peer's as well.
//
// Errors: ErrHandshakeIncomplete, ErrClosed, or the failure that sticks.
func (c *Conn) TrafficSecrets() (TrafficSecrets, error) {
	switch {
	case c.closed:
		return TrafficSecrets{}, ErrClosed
	case c.err != nil:
		return TrafficSecrets{}, c.err
	case c.state != StateConnected:
		return TrafficSecrets{}, ErrHandshakeIncomplete
	}
	in := &c.in
	t := TrafficSecrets{
		CipherSuite: c.facts.suite.id,
		Receive:     c.trafficKeys(&in.halfConn),
		Send:        c.trafficKeys(&c.out.halfConn),
		Unread:      in.plainEnd - in.plain + in.w - in.r,
		Unsent:      c.out.pending(),
	}
	if in.messages != nil {
		t.Unread += in.messages.Buffered()
	}
	return t, nil
}

func (c *Conn) trafficKeys(h *halfConn) TrafficKeys {
	s := c.facts.suite
	if s.version == tls.VersionTLS12 {
		n := s.aead.KeyLen()
		return TrafficKeys{
			Key:      append([]byte(nil), h.secret[:n]...),
			IV:       append([]byte(nil), h.secret[n:n+s.aead.IVLen12()]...),
			Sequence: h.seq,
		}
	}
	k := TrafficKeys{
		Secret:   append([]byte(nil), h.secret[:s.hash.Size()]...),
		Key:      make([]byte, s.aead.KeyLen()),
		IV:       make([]byte, 12),
		Sequence: h.seq,
	}
	c.ws.deriver(s.hash).TrafficKey(k.Key, k.IV, &h.secret)
	return k
}
