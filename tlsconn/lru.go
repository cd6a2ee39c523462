package tlsconn

import "math"

// lru is a map in memory, bounded in the number of keys and in bytes: what has not been
// used for longest goes first. It is for one goroutine at a time.
type lru[V any] struct {
	keys  map[string]*lruEntry[V]
	all   lruEntry[V] // the ring of all; next is the one that was used last
	limit struct{ keys, bytes int }
	bytes int
	// evicted, if not nil, is told of each value that goes.
	evicted func(V)
}

// lruEntry is a key with its value.
type lruEntry[V any] struct {
	key        string
	value      V
	size       int // that it counts
	prev, next *lruEntry[V]
}

const (
	// defaultCachedKeys is the capacity of who names none.
	defaultCachedKeys = 64

	// cachedOverhead is what a session costs beyond its content, and a key with one.
	cachedOverhead = 512
)

// init makes an empty map for capacity keys, less than one means defaultCachedKeys, and as
// many times bytesPerKey.
func (m *lru[V]) init(capacity, bytesPerKey int) {
	if capacity < 1 {
		capacity = defaultCachedKeys
	}
	m.keys = make(map[string]*lruEntry[V])
	m.limit.keys = capacity
	m.limit.bytes = min(capacity, math.MaxInt/bytesPerKey) * bytesPerKey
	m.all.prev, m.all.next = &m.all, &m.all
}

// get returns the value of a key, which is used thereby.
func (m *lru[V]) get(key string) (value V, ok bool) {
	e := m.keys[key]
	if e == nil {
		return value, false
	}
	m.use(e)
	return e.value, true
}

// put gives a key a value of size bytes, and makes room for it; size is no more than there
// is in all.
func (m *lru[V]) put(key string, value V, size int) {
	e := m.keys[key]
	if e == nil {
		e = &lruEntry[V]{key: key}
		e.prev, e.next = e, e
		m.keys[key] = e
	}
	m.bytes += size - e.size
	e.value, e.size = value, size
	m.use(e)
	for len(m.keys) > m.limit.keys || m.bytes > m.limit.bytes {
		m.remove(m.all.prev.key)
	}
}

// remove removes a key, if it is there.
func (m *lru[V]) remove(key string) {
	e := m.keys[key]
	if e == nil {
		return
	}
	delete(m.keys, key)
	m.bytes -= e.size
	e.unlink()
	if m.evicted != nil {
		m.evicted(e.value)
	}
}

// use makes an entry the one that was used last.
func (m *lru[V]) use(e *lruEntry[V]) {
	e.unlink()
	e.prev, e.next = &m.all, m.all.next
	e.prev.next, e.next.prev = e, e
}

// unlink takes an entry out of the ring.
func (e *lruEntry[V]) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
}
