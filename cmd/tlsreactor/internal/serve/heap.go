package serve

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapInterval is how often the heap is looked at.
const heapInterval = time.Second

// A heap of so many bytes allocated between two looks is quiet: fifty handshakes or so.
const quietAllocation = 1 << 20

// The garbage and free memory that are worth a collection: this much, and a sixteenth of what lives,
// so that a quiet heap costs the same small part of a processor whatever its size.
const (
	minReclaimed  = 1 << 20
	livePerReward = 16
)

// A heap gives memory back to the system when a burst is over. By itself the collector lets the heap
// grow to twice what lives, which is right while connections come and go; but then the handshakes of
// connections that have long been idle take as much memory as those.
type heap struct {
	samples   []metrics.Sample
	allocated uint64 // bytes, ever, at the last look
}

// heapState is what a look at the heap tells, in bytes.
type heapState struct {
	allocated uint64 // ever
	live      uint64 // found by the last collection
	objects   uint64 // of these, and what was allocated since, garbage or not
	free      uint64 // neither used nor given back
}

func newHeap() *heap {
	return &heap{samples: []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}}
}

// look reads the state, which stops nobody.
func (h *heap) look() heapState {
	metrics.Read(h.samples)
	return heapState{
		allocated: h.samples[0].Value.Uint64(),
		live:      h.samples[1].Value.Uint64(),
		objects:   h.samples[2].Value.Uint64(),
		free:      h.samples[3].Value.Uint64(),
	}
}

// due tells, at each look, whether to collect: the heap is quiet, and there is something to give back.
func (h *heap) due(s heapState) bool {
	quiet := s.allocated-h.allocated < quietAllocation
	h.allocated = s.allocated
	reward := s.free + s.objects - min(s.live, s.objects)
	return quiet && reward > max(minReclaimed, s.live/livePerReward)
}

// keep looks, and gives back.
func (h *heap) keep() {
	if h.due(h.look()) {
		debug.FreeOSMemory()
	}
}
