package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tlsreactor/tlsreactor/reactor"
)

// errSecondSignal is why a drain was cut short.
var errSecondSignal = errors.New("ended at once by a second signal")

// untilSignalled waits for a signal that ends the program, and drains. Meanwhile it keeps the heap.
func (s *server) untilSignalled(signals *signals) error {
	heap, looks := newHeap(), time.NewTicker(heapInterval)
	defer looks.Stop()
	for {
		select {
		case <-looks.C:
			heap.keep()
		case <-signals.counters:
			s.logCounters()
		case <-s.reactor.Failed():
			s.journal.tell(slog.LevelError, "an event loop failed", slog.Any("error", s.reactor.Err()))
			return s.drain(signals)
		case sig := <-signals.end:
			s.journal.tell(slog.LevelInfo, "draining", slog.String("signal", sig.String()),
				slog.Uint64("connections", s.count().connections), slog.Duration("timeout", s.options.DrainTimeout))
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
			s.journal.tell(slog.LevelInfo, "ended", slog.Uint64("abandoned", abandoned))
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
