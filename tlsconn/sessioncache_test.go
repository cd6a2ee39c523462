package tlsconn

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
)

var _ SessionCache = (*MemorySessions)(nil)

// cached is a session that a test knows by its ticket.
func cached(ticket string) *Session {
	return &Session{session: *plainSession(), ticket: []byte(ticket)}
}

// found takes a session out of the cache; the answer has to be there at once.
func found(t testing.TB, c SessionCache, key string) string {
	t.Helper()
	answer := new(Completion[*Session])
	c.GetSession(key, answer)
	if !answer.ended() || answer.err != nil {
		t.Fatalf("ended is %v, %v", answer.ended(), answer.err)
	}
	if answer.value == nil {
		return ""
	}
	return string(answer.value.ticket)
}

// A play is what is done to a cache, in words: "put key ticket", "get key ticket",
// with "-" for none.
func play(t *testing.T, m *MemorySessions, lines ...string) {
	t.Helper()
	for _, line := range lines {
		var verb, key, ticket string
		if _, err := fmt.Sscan(line, &verb, &key, &ticket); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch verb {
		case "put":
			m.PutSession(key, cached(ticket))
		case "get":
			if got := found(t, m, key); got != strings.Trim(ticket, "-") {
				t.Errorf("%q: got %q", line, got)
			}
		default:
			t.Fatalf("%q is no line of a play", line)
		}
		checkCache(t, m)
	}
}

// checkCache checks what always holds.
func checkCache(t *testing.T, m *MemorySessions) {
	t.Helper()
	for _, e := range checkLRU(t, &m.lru) {
		bytes := 0
		for _, s := range e.value {
			bytes += cachedSize(e.key, s)
		}
		if len(e.value) == 0 || len(e.value) > maxCachedPerKey || bytes != e.size {
			t.Fatalf("key %q with %d sessions of %d bytes is not well", e.key, len(e.value), bytes)
		}
	}
}

// checkLRU checks what always holds, and returns the entries.
func checkLRU[V any](t *testing.T, m *lru[V]) (entries []*lruEntry[V]) {
	t.Helper()
	bytes := 0
	for e := m.all.next; e != &m.all; e = e.next {
		if m.keys[e.key] != e || e.next.prev != e {
			t.Fatalf("key %q is not well", e.key)
		}
		bytes += e.size
		entries = append(entries, e)
	}
	if n := len(entries); n != len(m.keys) || n > m.limit.keys {
		t.Fatalf("%d keys in the ring, %d in the map, %d at most", n, len(m.keys), m.limit.keys)
	}
	if bytes != m.bytes || bytes > m.limit.bytes {
		t.Fatalf("%d bytes, %d counted, %d at most", bytes, m.bytes, m.limit.bytes)
	}
	return entries
}

func TestSessionCaches(t *testing.T) {
	for _, c := range []struct {
		name     string
		capacity int
		lines    []string
	}{
		{"one that is empty has nothing", 2, []string{"get a -"}},
		{"a session is handed out once (RFC 8446 C.4)", 2, []string{"put a 1", "get b -", "get a 1", "get a -"}},
		{"the newest comes first", 2, []string{"put a 1", "put a 2", "put a 3", "get a 3", "get a 2", "get a 1", "get a -"}},
		{"the oldest of five goes", 2, []string{
			"put a 1", "put a 2", "put a 3", "put a 4", "put a 5",
			"get a 5", "get a 4", "get a 3", "get a 2", "get a -",
		}},
		{"a full one evicts (CVE-2024-2511)", 2, []string{"put a 1", "put b 2", "put c 3", "get a -", "get b 2", "get c 3"}},
		{"all sessions of the key that is evicted", 1, []string{"put a 1", "put a 2", "put b 3", "get a -", "get b 3"}},
		{"what was put again stays", 2, []string{"put a 1", "put b 2", "put a 3", "put c 4", "get b -", "get a 3", "get a 1"}},
		{"what was asked for stays", 2, []string{"put a 1", "put a 2", "put b 3", "get a 2", "put c 4", "get b -", "get a 1"}},
		{"what was taken makes room", 2, []string{"put a 1", "put b 2", "get a 1", "put c 3", "get b 2", "get c 3"}},
		{"a capacity of one", 1, []string{"put a 1", "get a 1", "put b 2", "put c 3", "get b -", "get c 3"}},
	} {
		t.Run(c.name, func(t *testing.T) { play(t, NewSessionCache(c.capacity), c.lines...) })
	}
}

func TestTheCapacityOfASessionCache(t *testing.T) {
	for _, c := range []struct{ capacity, keys, bytes int }{
		{-1, 64, 2 << 20},
		{0, 64, 2 << 20},
		{1, 1, 32 << 10},
		{1000, 1000, 1000 * 32 << 10},
		{math.MaxInt, math.MaxInt, math.MaxInt - math.MaxInt%(32<<10)}, // no overflow
	} {
		m := NewSessionCache(c.capacity)
		if m.lru.limit.keys != c.keys || m.lru.limit.bytes != c.bytes {
			t.Errorf("%d: %+v", c.capacity, m.lru.limit)
		}
		play(t, m, "put a 1", "get a 1")
	}
}

// A hostile server's chain takes no more memory than the honest ones'.
func TestASessionCacheIsBoundedInBytes(t *testing.T) {
	large := func(ticket string, chain int) *Session {
		s := cached(ticket)
		s.chain = [][]byte{make([]byte, chain)}
		return s
	}
	m := NewSessionCache(4)
	for i := range 20 {
		m.PutSession(fmt.Sprint("small", i), cached("small"))
	}
	m.PutSession("large", large("1", 120<<10))
	checkCache(t, m)
	if found(t, m, "small19") != "small" {
		t.Error("what there was room for is gone")
	}
	m.PutSession("large", large("2", 120<<10))
	checkCache(t, m)
	if a, b := found(t, m, "large"), found(t, m, "large"); a != "2" || b != "" {
		t.Errorf("found %q and %q", a, b)
	}
	play(t, m, "put a 1")
	m.PutSession("a", large("2", 200<<10)) // more than there is in all
	play(t, m, "get a 1", "get a -", "get small18 small", "get small17 small")
	if m.lru.bytes != 0 || len(m.lru.keys) != 0 || m.lru.all.next != &m.lru.all {
		t.Errorf("%d bytes, %d keys left", m.lru.bytes, len(m.lru.keys))
	}
}

func TestNoSessionIsNotCached(t *testing.T) {
	m := NewSessionCache(1)
	m.PutSession("a", nil)
	play(t, m, "get a -")
}

// envoy#47350: names of the peer's choice must not fill the memory.
func TestRandomKeysKeepASessionCacheFlat(t *testing.T) {
	m := NewSessionCache(8)
	highest := 0
	for i := range 10_000 {
		m.PutSession(fmt.Sprint("key", i), cached("ticket"))
		highest = max(highest, m.lru.bytes)
	}
	checkCache(t, m)
	if len(m.lru.keys) != 8 || highest > 9*cachedSize("key9999", cached("ticket")) {
		t.Errorf("%d keys, %d bytes at the highest", len(m.lru.keys), highest)
	}
}

func TestASessionCacheIsSafeForConcurrentUse(t *testing.T) {
	m := NewSessionCache(4)
	var mu sync.Mutex
	handed := make(map[string]int)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				m.PutSession(fmt.Sprint(i%6), cached(fmt.Sprint(g, "/", i)))
				answer := new(Completion[*Session])
				m.GetSession(fmt.Sprint((i+g)%6), answer)
				if s := answer.value; s != nil {
					mu.Lock()
					handed[string(s.ticket)]++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	checkCache(t, m)
	for ticket, n := range handed {
		if n != 1 {
			t.Errorf("session %s was handed out %d times", ticket, n)
		}
	}
	if len(handed) == 0 {
		t.Error("nothing was found")
	}
}
