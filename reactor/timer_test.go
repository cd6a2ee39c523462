package reactor

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The heap is compared with a plain list of deadlines through a random life of set, move and clear.
func TestTimersAgreeWithAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := &Loop{}
	conns := make([]*Conn, 200)
	list := map[*Conn]time.Duration{}
	for i := range conns {
		conns[i] = &Conn{loop: l}
		l.table.add(conns[i])
	}
	for range 20_000 {
		c := conns[rng.IntN(len(conns))]
		if rng.IntN(3) == 0 {
			l.clearTimer(c)
			delete(list, c)
		} else {
			when := time.Duration(rng.IntN(1000))
			l.setTimer(c, when)
			list[c] = when
		}
		first := time.Duration(-1)
		for _, when := range list {
			if first < 0 || when < first {
				first = when
			}
		}
		if got := l.untilTimer(); got != first {
			t.Fatalf("first deadline %v, want %v", got, first)
		}
	}
	for i, e := range l.timers.heap {
		if int(l.table.slots[e.slot].timer) != i+1 {
			t.Fatalf("slot %d says its entry is at %d, it is at %d", e.slot, l.table.slots[e.slot].timer-1, i)
		}
	}
	if len(l.timers.heap) != len(list) {
		t.Errorf("%d entries for %d deadlines", len(l.timers.heap), len(list))
	}
}

func TestTableFindsNothingByAnOldToken(t *testing.T) {
	var table table
	a, b := &Conn{}, &Conn{}
	table.add(a)
	old := a.token()
	table.remove(a)
	table.add(b)
	if b.slot != a.slot {
		t.Fatalf("slot %d, want the freed one %d", b.slot, a.slot)
	}
	if c := table.find(old); c != nil {
		t.Error("the old token finds the new connection")
	}
	if c := table.find(b.token()); c != b {
		t.Error("the new token does not find its connection")
	}
	if c := table.find(1 << 40); c != nil || table.count != 1 {
		t.Error("a slot that never was has a connection")
	}
}
