package tlsconn

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// sessionFormat is the first byte of an encoded session. Whatever changes the
// encoding changes it, so that state of another version of this package is told
// from damage: it is refused, and a full handshake follows.
const sessionFormat = 1

// The encoding of a session: the format, the version and the suite, then the
// other fields in their order. Numbers are big-endian, times in milliseconds since
// 1970 (64 bits), the lifetime in seconds (32); a string has its length before it,
// in 32 bits so that nothing that fits into memory has to be cut off; a list is a
// string of strings. Each session has one encoding.

// append appends the session's encoding to b. What cannot be (a time before 1970)
// is encoded as something that parseSession refuses.
func (s *session) append(b []byte) []byte {
	b = append(b, sessionFormat)
	b = binary.BigEndian.AppendUint16(b, s.version)
	b = binary.BigEndian.AppendUint16(b, s.suite)
	b = appendString(b, s.psk)
	b = binary.BigEndian.AppendUint64(b, uint64(s.created.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(s.authenticated.UnixMilli()))
	// RFC 8446 4.6.1: a client counts no more than seven days, whatever the server said.
	lifetime := min(max(0, s.lifetime), maxTicketLifetime)
	b = binary.BigEndian.AppendUint32(b, uint32(lifetime/time.Second))
	b = binary.BigEndian.AppendUint32(b, s.ageAdd)
	b = appendString(b, s.serverName)
	b = appendString(b, s.protocol)
	b = appendString(b, s.scope)
	policy := byte(s.clientAuth)
	if s.extended {
		policy |= extendedBit
	}
	if s.rawKey {
		policy |= rawKeyBit
	}
	b = append(b, policy)
	b = appendStrings(b, s.chain)
	b = appendString(b, s.ocsp)
	return appendStrings(b, s.scts)
}

// size is the length of the encoding.
func (s *session) size() int {
	const fixed = 1 + 2 + 2 + 8 + 8 + 4 + 4 + 1 // the format, the numbers, clientAuth
	const lengths = 7 * 4                       // of the strings and the lists
	n := fixed + lengths + len(s.psk) + len(s.serverName) + len(s.protocol) + len(s.scope) + len(s.ocsp)
	return n + sizeOfStrings(s.chain) + sizeOfStrings(s.scts)
}

// fitsTicket reports whether a server may put the session into a ticket.
func (s *session) fitsTicket() bool {
	return len(s.chain) <= maxTicketCertificates && s.size() <= maxTicketState
}

func appendString[S []byte | string](b []byte, s S) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func appendStrings(b []byte, list [][]byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(sizeOfStrings(list)))
	for _, s := range list {
		b = appendString(b, s)
	}
	return b
}

// sizeOfStrings is the length of a list's encoding, without its own length.
func sizeOfStrings(list [][]byte) int {
	n := 0
	for _, s := range list {
		n += 4 + len(s)
	}
	return n
}

// parseSession decodes what session.append encoded, all of b. It refuses anything
// else, with an error that names the field, and aliases nothing of b.
func parseSession(b []byte) (*session, error) {
	r := sessionReader{b: bytes.Clone(b)}
	s := new(session)
	r.session(s)
	if err := r.end(); err != nil {
		return nil, err
	}
	return s, nil
}

// These stand beside clientAuth for session.extended and session.rawKey.
const (
	extendedBit = 0x80
	rawKeyBit   = 0x40
)

// sessionReader decodes from b, of which the results are parts. After the first
// error it yields nothing.
type sessionReader struct {
	b   []byte
	err error
}

// session decodes a session, and refuses the values that none can have.
func (r *sessionReader) session(s *session) {
	if format := r.number("format", 1); format != sessionFormat {
		r.refuse("format", "%d is unknown", format)
	}
	s.version = uint16(r.number("version", 2))
	if s.version != tls.VersionTLS12 && s.version != tls.VersionTLS13 {
		r.refuse("version", "%#04x is unknown", s.version)
	}
	s.suite = uint16(r.number("suite", 2))
	s.psk = r.string("psk")
	if n := len(s.psk); n != 32 && n != 48 {
		r.refuse("psk", "%d bytes", n)
	} else if known := suiteByID(s.suite); known != nil && known.hash.Size() != n {
		r.refuse("psk", "%d bytes, the suite's hash has %d", n, known.hash.Size())
	} else if s.version == tls.VersionTLS12 && n != 48 {
		r.refuse("psk", "%d bytes, a master secret has 48", n)
	}
	s.created = r.time("created")
	s.authenticated = r.time("authenticated")
	s.lifetime = time.Duration(r.number("lifetime", 4)) * time.Second
	if s.lifetime > maxTicketLifetime {
		r.refuse("lifetime", "%v is longer than %v", s.lifetime, maxTicketLifetime)
	}
	s.ageAdd = uint32(r.number("age add", 4))
	s.serverName = string(r.string("server name"))
	s.protocol = string(r.string("protocol"))
	s.scope = string(r.string("scope"))
	policy := r.number("client auth", 1)
	s.extended = policy&extendedBit != 0
	if s.extended && s.version != tls.VersionTLS12 {
		r.refuse("client auth", "extended_master_secret is of TLS 1.2")
	}
	s.rawKey = policy&rawKeyBit != 0
	s.clientAuth = tls.ClientAuthType(policy &^ (extendedBit | rawKeyBit))
	if s.clientAuth > tls.RequireAndVerifyClientCert {
		r.refuse("client auth", "%d is unknown", int(s.clientAuth))
	}
	s.chain = r.strings("chain")
	if len(s.chain) > maxPeerCertificates {
		r.refuse("chain", "more than %d certificates", maxPeerCertificates)
	}
	if s.rawKey && len(s.chain) != 1 {
		r.refuse("chain", "%d raw public keys", len(s.chain))
	}
	s.ocsp = r.string("ocsp")
	s.scts = r.strings("scts")
}

// refuse makes a field the reason why nothing is decoded, unless there is one.
func (r *sessionReader) refuse(field, format string, args ...any) {
	if r.err == nil {
		r.b, r.err = nil, fmt.Errorf("session: "+field+": "+format, args...)
	}
}

// number decodes a number of 1 to 8 bytes.
func (r *sessionReader) number(field string, size int) uint64 {
	if r.err != nil || len(r.b) < size {
		r.refuse(field, "cut off")
		return 0
	}
	var n uint64
	for _, b := range r.b[:size] {
		n = n<<8 | uint64(b)
	}
	r.b = r.b[size:]
	return n
}

// time decodes a time.
func (r *sessionReader) time(field string) time.Time {
	n := r.number(field, 8)
	if n > math.MaxInt64 {
		r.refuse(field, "before 1970")
		return time.Time{}
	}
	return time.UnixMilli(int64(n))
}

// string decodes a string; nil for an empty one.
func (r *sessionReader) string(field string) []byte {
	n := r.number(field, 4)
	if n == 0 {
		return nil
	}
	if n > uint64(len(r.b)) {
		r.refuse(field, "cut off")
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

// strings decodes a list of strings, none of which is empty; nil for an empty list.
func (r *sessionReader) strings(field string) [][]byte {
	items := sessionReader{b: r.string(field)}
	var list [][]byte
	for len(items.b) > 0 {
		s := items.string(field)
		if s == nil {
			items.refuse(field, "an empty item")
			r.b, r.err = nil, items.err
			return nil
		}
		list = append(list, s)
	}
	return list
}

// end returns the first error, or one if anything is left to be decoded.
func (r *sessionReader) end() error {
	if len(r.b) > 0 {
		r.refuse("end", "%d bytes too many", len(r.b))
	}
	return r.err
}

// MarshalBinary implements encoding.BinaryMarshaler, to keep a session beyond the
// life of the process. The result holds secrets: who reads it can read and change
// what is sent on the connections that are resumed with it. Its format is that of
// this version of the package; another version may refuse it. A session that has failed
// is an error: it must not come back.
func (s *Session) MarshalBinary() ([]byte, error) {
	if len(s.ticket)+len(s.id) == 0 {
		return nil, errors.New("tlsconn: session: it is the zero value")
	}
	if s.failed != nil && s.failed.Load() {
		return nil, errors.New("tlsconn: session: a connection of it ended with a fatal alert")
	}
	b := s.append(make([]byte, 0, s.size()+4+len(s.ticket)+4+len(s.id)))
	return appendString(appendString(b, s.ticket), s.id), nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler. It makes a new Session
// into the one that MarshalBinary was called on; data stays the caller's. Anything
// that MarshalBinary does not return is refused, and leaves the Session as it was.
// data has to be as trustworthy as the Config is: nothing in it is authenticated.
func (s *Session) UnmarshalBinary(data []byte) error {
	r := sessionReader{b: bytes.Clone(data)}
	var decoded Session
	r.session(&decoded.session)
	decoded.ticket = r.string("ticket")
	decoded.id = r.string("id")
	if n := len(decoded.ticket); (n == 0) == (len(decoded.id) == 0) || n > math.MaxUint16 { // RFC 8446 4.6.1
		r.refuse("ticket", "%d bytes", n)
	}
	if n := len(decoded.id); n > 32 || n > 0 && decoded.version != tls.VersionTLS12 { // RFC 5246 7.4.1.2
		r.refuse("id", "%d bytes", n)
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("tlsconn: %w", err)
	}
	*s = decoded
	return nil
}
