package tlsconn

import (
	"math"
	"slices"
	"sync"
)

// MemorySessions is a SessionCache in memory, bounded in the number of keys and in
// bytes: what has not been used for longest goes first. It has no clock: sessions
// that have expired lie in it until they are handed out, upon which the connection
// ignores them, or newer ones take their place. It is safe for concurrent use.
type MemorySessions struct {
	mu    sync.Mutex
	keys  map[string]*cachedSessions
	all   cachedSessions // the ring of all; next is the one that was used last
	limit struct{ keys, bytes int }
	bytes int
}

const (
	// defaultCachedKeys is the capacity of who names none.
	defaultCachedKeys = 64

	// maxCachedPerKey bounds the sessions of a key: who connects often is given more
	// tickets than it uses. As many connections at a time resume without showing a
	// ticket twice (RFC 8446 C.4).
	maxCachedPerKey = 4

	// cachedBytesPerKey times the capacity bounds the bytes: a session holds the server's
	// chain, for which a hostile one can take maxCertificateMessage, and four sessions
	// with an honest one have under 32 KiB.
	cachedBytesPerKey = 32 << 10

	// cachedOverhead is what a session costs beyond its content, and a key with one.
	cachedOverhead = 512
)

// cachedSessions are the sessions of a key, in a ring with those of the other keys.
type cachedSessions struct {
	key        string
	sessions   []*Session // the newest last; never empty
	prev, next *cachedSessions
}

// NewSessionCache returns an empty cache for the sessions of capacity keys; less
// than one means 64. It holds up to four sessions of each, and 32 KiB times capacity
// in all.
func NewSessionCache(capacity int) *MemorySessions {
	if capacity < 1 {
		capacity = defaultCachedKeys
	}
	m := &MemorySessions{keys: make(map[string]*cachedSessions)}
	m.limit.keys = capacity
	m.limit.bytes = min(capacity, math.MaxInt/cachedBytesPerKey) * cachedBytesPerKey
	m.all.prev, m.all.next = &m.all, &m.all
	return m
}

// GetSession implements SessionCache. It answers at once, with the session of key
// that was put last, and hands out each only once (RFC 8446 C.4).
func (m *MemorySessions) GetSession(key string, answer *Completion[*Session]) {
	answer.Complete(m.take(key))
}

// take takes the newest session of key out.
func (m *MemorySessions) take(key string) *Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.keys[key]
	if of == nil {
		return nil
	}
	last := len(of.sessions) - 1
	s := of.sessions[last]
	m.remove(of, last)
	if last > 0 {
		m.use(of)
	}
	return s
}

// PutSession implements SessionCache. The oldest of five sessions of key goes, and so
// do those that were not used for longest if there is no room. A session that is
// larger than the cache is not kept.
func (m *MemorySessions) PutSession(key string, session *Session) {
	if session == nil || cachedSize(key, session) > m.limit.bytes {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.keys[key]
	if of == nil {
		of = &cachedSessions{key: key}
		of.prev, of.next = of, of
		m.keys[key] = of
	}
	of.sessions = append(of.sessions, session)
	m.bytes += cachedSize(key, session)
	m.use(of)
	if len(of.sessions) > maxCachedPerKey {
		m.remove(of, 0)
	}
	for len(m.keys) > m.limit.keys || m.bytes > m.limit.bytes {
		m.remove(m.all.prev, 0)
	}
}

// use makes a key the one that was used last.
func (m *MemorySessions) use(of *cachedSessions) {
	of.unlink()
	of.prev, of.next = &m.all, m.all.next
	of.prev.next, of.next.prev = of, of
}

// unlink takes a key out of the ring.
func (of *cachedSessions) unlink() {
	of.prev.next, of.next.prev = of.next, of.prev
}

// remove removes a session of a key, and with the last one the key.
func (m *MemorySessions) remove(of *cachedSessions, i int) {
	m.bytes -= cachedSize(of.key, of.sessions[i])
	of.sessions = slices.Delete(of.sessions, i, i+1)
	if len(of.sessions) == 0 {
		of.unlink()
		delete(m.keys, of.key)
	}
}

// cachedSize is what a session counts against the bound on bytes.
func cachedSize(key string, s *Session) int {
	return cachedOverhead + len(key) + s.size() + len(s.ticket)
}
