package tlsconn

import (
	"slices"
	"sync"
)

// MemorySessions is a SessionCache in memory, bounded in the number of keys and in
// bytes: what has not been used for longest goes first. It has no clock: sessions
// that have expired lie in it until they are handed out, upon which the connection
// ignores them, or newer ones take their place. It is safe for concurrent use.
type MemorySessions struct {
	mu  sync.Mutex
	lru lru[[]*Session] // of a key the newest is last; never none
}

const (
	// maxCachedPerKey bounds the sessions of a key: who connects often is given more
	// tickets than it uses. As many connections at a time resume without showing a
	// ticket twice (RFC 8446 C.4).
	maxCachedPerKey = 4

	// cachedBytesPerKey times the capacity bounds the bytes: a session holds the server's
	// chain, for which a hostile one can take maxCertificateMessage, and four sessions
	// with an honest one have under 32 KiB.
	cachedBytesPerKey = 32 << 10
)

// NewSessionCache returns an empty cache for the sessions of capacity keys; less
// than one means 64. It holds up to four sessions of each, and 32 KiB times capacity
// in all.
func NewSessionCache(capacity int) *MemorySessions {
	m := new(MemorySessions)
	m.lru.init(capacity, cachedBytesPerKey)
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
	sessions, ok := m.lru.get(key)
	if !ok {
		return nil
	}
	last := len(sessions) - 1
	s := sessions[last]
	m.set(key, slices.Delete(sessions, last, last+1))
	return s
}

// PutSession implements SessionCache. The oldest of five sessions of key goes, and so
// do those that were not used for longest if there is no room. A session that is
// larger than the cache is not kept.
func (m *MemorySessions) PutSession(key string, session *Session) {
	if session == nil || cachedSize(key, session) > m.lru.limit.bytes {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sessions, _ := m.lru.get(key)
	m.set(key, append(sessions, session))
}

// set makes sessions those of key, but for the oldest if they are too many.
func (m *MemorySessions) set(key string, sessions []*Session) {
	size := 0
	for _, s := range sessions {
		size += cachedSize(key, s)
	}
	for len(sessions) > maxCachedPerKey || size > m.lru.limit.bytes {
		size -= cachedSize(key, sessions[0])
		sessions = slices.Delete(sessions, 0, 1)
	}
	if len(sessions) == 0 {
		m.lru.remove(key)
		return
	}
	m.lru.put(key, sessions, size)
}

// cachedSize is what a session counts against the bound on bytes.
func cachedSize(key string, s *Session) int {
	return cachedOverhead + len(key) + s.size() + len(s.ticket)
}
