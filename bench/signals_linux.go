package main

import (
	"os"
	"os/signal"
	"syscall"
)

// countersAsked yields once for each SIGUSR1, which is how an operator asks a server for its
// counters.
func countersAsked() <-chan os.Signal {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	return asked
}

// askForCounters sends SIGUSR1.
func askForCounters(p *os.Process) error { return p.Signal(syscall.SIGUSR1) }

// askToEnd sends SIGTERM.
func askToEnd(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
