package main

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// A place is where a process runs.
type place struct {
	core int  // -1 for any
	idle bool // only while nobody else wants the core (SCHED_IDLE, sched(7))
}

// cores returns the processors that this process may use.
func cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var all []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	return all, nil
}

// onThread runs f on a thread of its own at a place. The thread ends with it: a thread that may
// only idle could not come back (RLIMIT_NICE in setrlimit(2)).
func (p place) onThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so the runtime ends the thread
		err := p.enter()
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// enter moves the calling thread; what it starts stays there.
func (p place) enter() error {
	if p.core >= 0 {
		var set unix.CPUSet
		set.Set(p.core)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("sched_setaffinity to processor %d: %w", p.core, err)
		}
	}
	if p.idle {
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			return fmt.Errorf("sched_setattr: %w", err)
		}
	}
	return nil
}

// start starts a command at the place. The Go runtime of the child sees one processor.
func (p place) start(cmd *exec.Cmd) error { return p.onThread(cmd.Start) }
