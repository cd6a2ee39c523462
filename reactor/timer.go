package reactor

import "time"

// timers is a heap of the connections' deadlines, at most one for each connection: what the deadline
// is for follows from the connection's phase. Setting, moving and removing are O(log n). Entries hold
// slots, not pointers, so the collector has nothing to follow in them.
//
// The idle timeout is lazy: bytes that move only set Conn.active, and the entry is moved when it
// comes up too early.
type timers struct {
	heap []timerEntry
}

type timerEntry struct {
	when time.Duration // on the loop's clock
	slot uint32
}

// setTimer makes c's deadline when, in place of any other.
func (l *Loop) setTimer(c *Conn, when time.Duration) {
	h, s := &l.timers, &l.table.slots[c.slot]
	if s.timer == 0 {
		h.heap = append(h.heap, timerEntry{when, c.slot})
		s.timer = int32(len(h.heap))
	} else {
		h.heap[s.timer-1].when = when
	}
	l.siftTimer(int(s.timer - 1))
}

// clearTimer removes c's deadline, if it has one.
func (l *Loop) clearTimer(c *Conn) {
	s := &l.table.slots[c.slot]
	if s.timer == 0 {
		return
	}
	i, last := int(s.timer-1), len(l.timers.heap)-1
	s.timer = 0
	moved := l.timers.heap[last]
	l.timers.heap = l.timers.heap[:last]
	if i < last {
		l.placeTimer(i, moved)
		l.siftTimer(i)
	}
}

// placeTimer puts an entry at position i and tells its slot.
func (l *Loop) placeTimer(i int, e timerEntry) {
	l.timers.heap[i] = e
	l.table.slots[e.slot].timer = int32(i + 1)
}

// siftTimer moves the entry at i to where the heap's order wants it.
func (l *Loop) siftTimer(i int) {
	heap := l.timers.heap
	e := heap[i]
	for i > 0 && e.when < heap[(i-1)/2].when {
		l.placeTimer(i, heap[(i-1)/2])
		i = (i - 1) / 2
	}
	for {
		child := 2*i + 1
		if child+1 < len(heap) && heap[child+1].when < heap[child].when {
			child++
		}
		if child >= len(heap) || heap[child].when >= e.when {
			break
		}
		l.placeTimer(i, heap[child])
		i = child
	}
	l.placeTimer(i, e)
}

// untilTimer returns the time to the first deadline, or -1 if there is none.
func (l *Loop) untilTimer() time.Duration {
	if len(l.timers.heap) == 0 {
		return -1
	}
	return max(0, l.timers.heap[0].when-l.now)
}

// expireTimers acts on all deadlines that have passed. A deadline that is set meanwhile lies in the
// future, so this ends.
func (l *Loop) expireTimers() {
	for len(l.timers.heap) > 0 && l.timers.heap[0].when <= l.now {
		c := l.table.slots[l.timers.heap[0].slot].conn
		l.clearTimer(c)
		l.expired(c)
		c.touch()
	}
}
