package tlsconn

import (
	"bytes"
	"sync"
)

// MemoryStore is a SessionStore in memory, bounded in the number of sessions and in bytes:
// what has not been used for longest goes first (CVE-2024-2511). It has no clock: sessions
// that have expired lie in it until newer ones take their place, and are refused by the
// connection that finds them. It is safe for concurrent use.
type MemoryStore struct {
	mu  sync.Mutex
	lru lru[[]byte]
}

// storedBytes times the capacity bounds the bytes of a MemoryStore: a session of a client
// without a certificate has under 256 bytes, one with a chain of two some 2 KiB.
const storedBytes = 4 << 10

// NewSessionStore returns an empty store for capacity sessions; less than one means 64. It
// holds 4 KiB times capacity in all, of which a session takes half a KiB and its client's
// certificates.
func NewSessionStore(capacity int) *MemoryStore {
	m := new(MemoryStore)
	m.lru.init(capacity, storedBytes)
	m.lru.evicted = func(state []byte) { clear(state) }
	return m
}

// GetSession implements SessionStore. It answers at once.
func (m *MemoryStore) GetSession(id []byte, answer *Completion[[]byte]) {
	m.mu.Lock()
	state, _ := m.lru.get(string(id))
	state = bytes.Clone(state)
	m.mu.Unlock()
	answer.Complete(state)
}

// PutSession implements SessionStore. A session that is larger than the store is not kept.
func (m *MemoryStore) PutSession(id, state []byte) {
	size := cachedOverhead + len(id) + len(state)
	if size > m.lru.limit.bytes {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lru.remove(string(id))
	m.lru.put(string(id), bytes.Clone(state), size)
}

// RemoveSession implements SessionStore.
func (m *MemoryStore) RemoveSession(id []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lru.remove(string(id))
}
