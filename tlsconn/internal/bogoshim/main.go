package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// The exit codes that the runner understands.
const (
	exitPassed        = 0
	exitFailed        = 1
	exitUnimplemented = 89
	exitBroken        = 90
)

// unimplementedError says what the shim, or the engine, cannot do.
type unimplementedError struct{ what string }

func (e *unimplementedError) Error() string { return "unimplemented: " + e.what }

func unimplemented(format string, args ...any) error {
	return &unimplementedError{fmt.Sprintf(format, args...)}
}

// brokenError says that the engine broke its contract with its caller, whatever
// the peer did.
type brokenError struct{ how string }

func (e *brokenError) Error() string { return "contract broken: " + e.how }

func broken(format string, args ...any) error {
	return &brokenError{fmt.Sprintf(format, args...)}
}

func main() {
	if slices.Contains(os.Args[1:], "-is-handshaker-supported") {
		fmt.Println("No") // the split handshake is an experiment of BoringSSL's
		return
	}
	err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	var missing *unimplementedError
	var breach *brokenError
	switch {
	case err == nil:
		return exitPassed
	case errors.As(err, &breach):
		return exitBroken
	case errors.As(err, &missing):
		return exitUnimplemented
	}
	return exitFailed
}

// run makes the connections of one test, in turn.
func run(args []string) error {
	sets, err := parse(args)
	if err != nil {
		return err
	}
	if err := sets.unimplemented(); err != nil {
		return err
	}
	p, err := newProcess(&sets.initial)
	if err != nil {
		return err
	}
	for i := range 1 + sets.initial.resumeCount {
		set := &sets.initial
		if i > 0 {
			set = &sets.resume
		}
		if err := p.connect(set, i > 0); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	return nil
}
