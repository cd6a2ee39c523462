package tlsconn

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
)

var _ SessionStore = (*MemoryStore)(nil)

// stored looks a session up; the answer has to be there at once.
func stored(t testing.TB, s SessionStore, id string) []byte {
	t.Helper()
	answer := new(Completion[[]byte])
	s.GetSession([]byte(id), answer)
	if !answer.ended() || answer.err != nil {
		t.Fatalf("ended is %v, %v", answer.ended(), answer.err)
	}
	return answer.value
}

func TestSessionStores(t *testing.T) {
	for _, c := range []struct {
		name     string
		capacity int
		lines    string // "put id state", "get id state" with "-" for none, "remove id -"
	}{
		{"one that is empty has nothing", 2, "get a -"},
		{"a session is found again and again", 2, "put a 1; get a 1; get a 1; get b -"},
		{"the last state of an id counts", 2, "put a 1; put a 2; get a 2"},
		{"a full one evicts (CVE-2024-2511)", 2, "put a 1; put b 2; put c 3; get a -; get b 2; get c 3"},
		{"what was looked up stays", 2, "put a 1; put b 2; get a 1; put c 3; get b -; get a 1"},
		{"what was put again stays", 2, "put a 1; put b 2; put a 3; put c 4; get b -; get a 3"},
		{"what is removed is gone, and makes room", 2, "put a 1; put b 2; remove a -; get a -; put c 3; get b 2; get c 3"},
		{"what is not there is removed without effect", 2, "put a 1; remove b -; get a 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewSessionStore(c.capacity)
			for line := range strings.SplitSeq(c.lines, "; ") {
				var verb, id, state string
				if _, err := fmt.Sscan(line, &verb, &id, &state); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				switch verb {
				case "put":
					m.PutSession([]byte(id), []byte(state))
				case "remove":
					m.RemoveSession([]byte(id))
				case "get":
					if got := string(stored(t, m, id)); got != strings.Trim(state, "-") {
						t.Errorf("%q: got %q", line, got)
					}
				default:
					t.Fatalf("%q is no line", line)
				}
				checkLRU(t, &m.lru)
			}
		})
	}
}

// Clients with long chains take no more memory than the others.
func TestASessionStoreIsBoundedInBytes(t *testing.T) {
	m := NewSessionStore(4)
	for i := range 20 {
		m.PutSession(fmt.Append(nil, "large", i), make([]byte, maxTicketState-cachedOverhead-32))
		checkLRU(t, &m.lru)
	}
	if n := len(m.lru.keys); n != 1 {
		t.Errorf("%d sessions of the greatest size in the room of one", n)
	}
	m.PutSession([]byte("too large"), make([]byte, m.lru.limit.bytes))
	if checkLRU(t, &m.lru); stored(t, m, "too large") != nil || stored(t, m, "large19") == nil {
		t.Error("a session larger than the store was kept, or cost another one")
	}
}

// What is lent and what is handed out are not the store's own; and what goes is cleared.
func TestASessionStoreKeepsToItself(t *testing.T) {
	m := NewSessionStore(1)
	lent := []byte("a state")
	m.PutSession([]byte("a"), lent)
	clear(lent)
	first := stored(t, m, "a")
	clear(first)
	if got := stored(t, m, "a"); string(got) != "a state" {
		t.Fatalf("the state became %q", got)
	}
	for name, end := range map[string]func(){
		"evicted":  func() { m.PutSession([]byte("b"), []byte("another")) },
		"replaced": func() { m.PutSession([]byte("a"), []byte("another")) },
		"removed":  func() { m.RemoveSession([]byte("a")) },
	} {
		m.PutSession([]byte("a"), []byte("a state"))
		kept := m.lru.keys["a"].value
		if end(); !bytes.Equal(kept, make([]byte, len(kept))) {
			t.Errorf("a state that was %s is left as %q", name, kept)
		}
	}
}

func TestASessionStoreIsSafeForConcurrentUse(t *testing.T) {
	m := NewSessionStore(4)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				id := fmt.Append(nil, i%6)
				m.PutSession(id, id)
				answer := new(Completion[[]byte])
				if m.GetSession(id, answer); answer.value != nil && !bytes.Equal(answer.value, id) {
					t.Errorf("session %s is %s", id, answer.value)
				}
				if i%7 == g {
					m.RemoveSession(id)
				}
			}
		})
	}
	all.Wait()
	checkLRU(t, &m.lru)
}
