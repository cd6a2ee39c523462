package serve

import "testing"

const mib = 1 << 20

func TestMemoryIsGivenBackWhenABurstIsOver(t *testing.T) {
	h := newHeap()
	for _, look := range []struct {
		name  string
		state heapState
		want  bool
	}{
		{"a burst", heapState{allocated: 200 * mib, live: 4 * mib, objects: 7 * mib}, false},
		{"it goes on", heapState{allocated: 300 * mib, live: 10 * mib, objects: 19 * mib}, false},
		{"it is over", heapState{allocated: 300*mib + 1000, live: 10 * mib, objects: 19 * mib}, true},
		{"all is given back", heapState{allocated: 300*mib + 2000, live: 12 * mib, objects: 12 * mib}, false},
		{"a few connections come and go", heapState{allocated: 300*mib + 900_000, live: 12 * mib, objects: 12*mib + 900_000}, false},
		{"and more of them", heapState{allocated: 301*mib + 800_000, live: 12 * mib, objects: 13*mib + 800_000}, true},
		{"the collector was faster, and left free memory", heapState{allocated: 302 * mib, live: 12 * mib, objects: 12 * mib, free: 5 * mib}, true},
		{"a large heap is not collected for as little", heapState{allocated: 302 * mib, live: 600 * mib, objects: 630 * mib}, false},
		{"but for more", heapState{allocated: 302 * mib, live: 600 * mib, objects: 640 * mib}, true},
		{"less is left than the last collection found alive", heapState{allocated: 302 * mib, live: 600 * mib, objects: 12 * mib}, false},
	} {
		if got := h.due(look.state); got != look.want {
			t.Errorf("%s: %v, want %v", look.name, got, look.want)
		}
	}
}

var kept [][]byte

func TestTheRuntimeTellsTheStateOfTheHeap(t *testing.T) {
	h := newHeap()
	before := h.look()
	for range 64 {
		kept = append(kept, make([]byte, 100<<10))
	}
	after := h.look()
	kept = nil
	if grown := after.allocated - before.allocated; grown < 6*mib || after.objects == 0 || after.live == 0 {
		t.Errorf("%d bytes were allocated: %+v, %+v", grown, before, after)
	}
	h.keep()
}
