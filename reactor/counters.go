package reactor

import "sync/atomic"

// Counters are a Reactor's sums since its start, over all loops. They are read one after the other, so
// they may disagree with each other by what happened meanwhile.
type Counters struct {
	Waits               uint64              // returns of the poller's Wait, that is turns
	Events              uint64              // events that they brought, of connections and listeners
	StaleEvents         uint64              // events of connections that had gone within the batch
	Accepted            uint64              // connections accepted
	Refused             uint64              // of these, those that Accept gave no Handler
	Shed                uint64              // connections closed unserved for want of descriptors
	OutOfDescriptors    uint64              // times that accepting paused for want of descriptors
	PausedForConns      uint64              // times that it paused at MaxConns
	PausedForHandshakes uint64              // times that it paused at MaxHandshakes
	Dialed              uint64              // calls of Dial
	Connected           uint64              // of these, those whose socket got connected
	HandshakesCompleted uint64              // TLS handshakes, of both roles
	HandshakesFailed    uint64              // those that ended otherwise
	Suspensions         uint64              // times that a handshake had to await an operation outside
	PendingOperations   uint64              // those that are awaited now: the one number here that falls, too
	Closed              [reasonCount]uint64 // connections closed, by Reason
}

// ClosedTotal is the number of connections closed for any reason.
func (c *Counters) ClosedTotal() uint64 {
	var sum uint64
	for _, n := range c.Closed {
		sum += n
	}
	return sum
}

// counters are one loop's. Only the loop adds, so the cache line stays where it is; anybody may read.
type counters struct {
	waits, events, staleEvents, accepted, refused, shed, outOfDescriptors atomic.Uint64
	pausedForConns, pausedForHandshakes, dialed, connected                atomic.Uint64
	handshakesCompleted, handshakesFailed, suspensions, pendingOperations atomic.Uint64
	closed                                                                [reasonCount]atomic.Uint64
}

// Counters reads the sums. It may be called from any goroutine and disturbs no loop.
func (r *Reactor) Counters() Counters {
	var sum Counters
	for _, l := range r.loops {
		n := &l.counters
		sum.Waits += n.waits.Load()
		sum.Events += n.events.Load()
		sum.StaleEvents += n.staleEvents.Load()
		sum.Accepted += n.accepted.Load()
		sum.Refused += n.refused.Load()
		sum.Shed += n.shed.Load()
		sum.OutOfDescriptors += n.outOfDescriptors.Load()
		sum.PausedForConns += n.pausedForConns.Load()
		sum.PausedForHandshakes += n.pausedForHandshakes.Load()
		sum.Dialed += n.dialed.Load()
		sum.Connected += n.connected.Load()
		sum.HandshakesCompleted += n.handshakesCompleted.Load()
		sum.HandshakesFailed += n.handshakesFailed.Load()
		sum.Suspensions += n.suspensions.Load()
		sum.PendingOperations += n.pendingOperations.Load()
		for i := range n.closed {
			sum.Closed[i] += n.closed[i].Load()
		}
	}
	return sum
}
