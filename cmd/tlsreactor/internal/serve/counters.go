package serve

import (
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/page"
	"github.com/tlsreactor/tlsreactor/reactor"
)

// reasons is how many the reactor knows.
const reasons = len(reactor.Counters{}.Closed)

// sums are what this package counts on one loop, which alone adds to them; anybody may read.
type sums struct {
	opened, ended  atomic.Uint64 // connections of clients, established
	received, sent atomic.Uint64 // bytes of clients, and for them, without TLS
	unreachable    atomic.Uint64 // backends that refused, or did not exist
	timedOut       atomic.Uint64 // of these, those that took too long to connect
	cutOff         atomic.Uint64 // backends that were lost with the answer unfinished
	failed         [reasons]atomic.Uint64
	_              [64]byte // the next loop's are on another line of the processor's cache
}

// sumsOf are those of a connection's loop.
func (s *server) sumsOf(c *reactor.Conn) *sums { return &s.sums[c.Loop().Index()] }

// totals are the sums of all loops.
type totals struct {
	connections, received, sent, unreachable, timedOut, cutOff uint64
	failed                                                     [reasons]uint64
}

// count adds the loops' sums up. It may be called from any goroutine.
func (s *server) count() (t totals) {
	for i := range s.sums {
		n := &s.sums[i]
		ended := n.ended.Load() // before those that were opened, never to be the more
		t.connections += n.opened.Load() - ended
		t.received += n.received.Load()
		t.sent += n.sent.Load()
		t.unreachable += n.unreachable.Load()
		t.timedOut += n.timedOut.Load()
		t.cutOff += n.cutOff.Load()
		for r := range n.failed {
			t.failed[r] += n.failed[r].Load()
		}
	}
	return t
}

// logCounters tells an operator how it goes.
func (s *server) logCounters() {
	c, t := s.reactor.Counters(), s.count()
	var failed []any
	for r, n := range t.failed {
		if n > 0 {
			name := strings.ReplaceAll(strings.ReplaceAll(reactor.Reason(r).String(), "'", ""), " ", "_")
			failed = append(failed, slog.Uint64(name, n))
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	s.journal.tell(slog.LevelInfo, "counters",
		slog.Uint64("connections", t.connections),
		slog.Uint64("accepted", c.Accepted),
		slog.Uint64("handshakes", c.HandshakesCompleted),
		slog.Uint64("handshakes_failed", c.HandshakesFailed),
		slog.Group("handshakes_failed_by", failed...),
		slog.Uint64("received", t.received),
		slog.Uint64("sent", t.sent),
		slog.Uint64("backends", c.Connected),
		slog.Uint64("backends_unreachable", t.unreachable),
		slog.Uint64("backends_timed_out", t.timedOut),
		slog.Uint64("backends_cut_off", t.cutOff),
		slog.Uint64("idle_ended", c.Closed[reactor.ReasonIdle]),
		slog.Uint64("truncated", c.Closed[reactor.ReasonTruncated]),
		slog.Uint64("reset", c.Closed[reactor.ReasonPeerReset]),
		slog.Uint64("paused_for_connections", c.PausedForConns),
		slog.Uint64("paused_for_handshakes", c.PausedForHandshakes),
		slog.Uint64("paused_for_descriptors", c.OutOfDescriptors),
		slog.Uint64("shed", c.Shed),
		slog.Uint64("log_lines_dropped", s.journal.lost.Load()),
		slog.Uint64("turns", c.Waits),
		slog.Int("goroutines", runtime.NumGoroutine()),
		slog.Uint64("heap_bytes", memory.HeapAlloc),
	)
}

// pageCounters are those that the page shows. They are cheap enough to be read on a loop.
func (s *server) pageCounters() []page.Counter {
	c, t := s.reactor.Counters(), s.count()
	return []page.Counter{
		{Name: "connections", Label: "Connections", Value: t.connections},
		{Name: "handshakes", Label: "Handshakes", Value: c.HandshakesCompleted},
		{Name: "handshakes_failed", Label: "Handshakes failed", Value: c.HandshakesFailed},
		{Name: "goroutines", Label: "Goroutines", Value: uint64(runtime.NumGoroutine())},
		{Name: "received", Label: "Bytes received", Value: t.received},
		{Name: "sent", Label: "Bytes sent", Value: t.sent},
	}
}
