package serve

import (
	"os"
	"os/signal"
	"syscall"
)

// signals are what an operator tells a running process.
type signals struct {
	end      chan os.Signal // SIGTERM, SIGINT: drain; once more: end at once
	counters chan os.Signal // SIGUSR1: log the counters
}

// catchSignals begins to catch them; release ends that.
func catchSignals() *signals {
	// A reader of standard error that goes away must not take the terminator with it.
	signal.Ignore(syscall.SIGPIPE)
	s := &signals{end: make(chan os.Signal, 2), counters: make(chan os.Signal, 1)}
	signal.Notify(s.end, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.counters, syscall.SIGUSR1)
	return s
}

func (s *signals) release() {
	signal.Stop(s.end)
	signal.Stop(s.counters)
}
