package serve

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/tlsreactor/tlsreactor/reactor"
)

// errSecondSignal is why a drain was cut short.
var errSecondSignal = errors.New("ended at once by a second signal")

// untilSignalled waits for a signal that ends the program, and drains.
func (s *server) untilSignalled(signals *signals) error {
	for {
		select {
		case <-signals.counters:
			s.logCounters()
		case <-s.reactor.Failed():
			s.log.Error("an event loop failed", "error", s.reactor.Err())
			return s.drain(signals)
		case sig := <-signals.end:
			s.log.Info("draining", "signal", sig.String(), "connections", s.clients.Load(), "timeout", s.options.DrainTimeout)
			return s.drain(signals)
		}
	}
}

// drain accepts nothing more and waits for the connections that are open, until the deadline or
// another signal; what is left then is reset.
func (s *server) drain(signals *signals) error {
	deadline, release := context.WithTimeout(context.Background(), s.options.DrainTimeout)
	defer release()
	ctx, cancel := context.WithCancelCause(deadline)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- s.reactor.Shutdown(ctx) }()
	for {
		select {
		case <-signals.counters:
			s.logCounters()
		case <-signals.end:
			cancel(errSecondSignal)
		case err := <-ended:
			counters := s.reactor.Counters()
			abandoned := counters.Closed[reactor.ReasonShutdown]
			s.log.Info("ended", "abandoned", abandoned)
			switch {
			case context.Cause(ctx) == errSecondSignal:
				return fmt.Errorf("%w, with %d connections open", errSecondSignal, abandoned)
			case errors.Is(err, context.DeadlineExceeded):
				return nil // as announced
			}
			return err
		}
	}
}

// logCounters tells an operator how it goes.
func (s *server) logCounters() {
	c := s.reactor.Counters()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	s.log.Info("counters",
		"connections", s.clients.Load(),
		"accepted", c.Accepted,
		"handshakes", c.HandshakesCompleted,
		"handshakes_failed", c.HandshakesFailed,
		"backends", c.Connected,
		"backends_unreachable", s.unreachable.Load(),
		"idle_ended", c.Closed[reactor.ReasonIdle],
		"truncated", c.Closed[reactor.ReasonTruncated],
		"reset", c.Closed[reactor.ReasonPeerReset],
		"paused_for_connections", c.PausedForConns,
		"paused_for_descriptors", c.OutOfDescriptors,
		"turns", c.Waits,
		"goroutines", runtime.NumGoroutine(),
		"heap_bytes", memory.HeapAlloc,
	)
}
