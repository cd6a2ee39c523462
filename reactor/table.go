package reactor

import "github.com/tlsreactor/tlsreactor/poller"

// A table is a loop's connections by slot. A slot's generation changes when its connection goes, so a
// token of the old one finds nothing. All operations are O(1).
type table struct {
	slots []slot
	free  []uint32
	count int
}

type slot struct {
	conn       *Conn
	generation uint32
	timer      int32 // 1 + the position of the connection's entry in the timer heap; 0 for none
}

// Indices from here on are no slots. Two billion connections need more memory than there is.
const (
	firstListenerIndex = 1 << 31       // listener i of the loop
	handshakesIndex    = 1<<32 - 1 - 1 // the poller of the handshakes
)

// add gives c a slot.
func (t *table) add(c *Conn) {
	var i uint32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		i = uint32(len(t.slots))
		t.slots = append(t.slots, slot{})
	}
	t.slots[i].conn = c
	c.slot, c.generation = i, t.slots[i].generation
	t.count++
}

// remove frees c's slot; its tokens are stale from now on.
func (t *table) remove(c *Conn) {
	s := &t.slots[c.slot]
	s.conn = nil
	s.generation++
	t.free = append(t.free, c.slot)
	t.count--
}

// find returns the connection that token names, or nil if that has gone.
func (t *table) find(token poller.Token) *Conn {
	i := token.Index()
	if i >= uint32(len(t.slots)) || t.slots[i].generation != token.Generation() {
		return nil
	}
	return t.slots[i].conn
}
