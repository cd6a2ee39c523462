package poller

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Waker ends a Wait from another goroutine.
type Waker struct {
	fd      int
	state   atomic.Uint32
	writers atomic.Int32 // Wakes that have passed the first look at state
}

// States of a Waker.
const (
	wakerIdle   uint32 = iota // the next Wake writes
	wakerCalled               // a write was made, or is about to be; further Wakes have nothing to add
	wakerClosed               // the descriptor is gone, or about to be
)

// one is what a wake-up adds to the eventfd's counter, in the machine's byte order (eventfd(2)).
// Never written to.
var one = binary.NativeEndian.AppendUint64(nil, 1)

// newWaker makes an eventfd and registers it edge-triggered, the one exception to the package's
// rule: each write is an edge of its own, so the counter need never be read, and a wake-up costs one
// system call and not two. The counter would have to be written 2^64-1 times to be full.
func newWaker(epfd int) (*Waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("poller: eventfd: %w", err)
	}
	token := wakeToken
	ev := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLET,
		Fd:     int32(token.Index()),
		Pad:    int32(token.Generation()),
	}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("poller: add the waker: %w", err)
	}
	return &Waker{fd: fd}, nil
}

// Wake makes the Wait that is running, or else the next one, return. Put what the waiting goroutine
// shall find into its queue first, then call Wake; the waiting goroutine looks into the queue after
// every Wait. All calls between two such looks cost one system call together. After the Poller's
// Close, Wake does nothing. It never blocks, and may be called from any goroutine.
func (w *Waker) Wake() {
	if w.state.Load() != wakerIdle {
		return
	}
	w.writers.Add(1)
	if w.state.CompareAndSwap(wakerIdle, wakerCalled) {
		// The error says nothing: an eventfd refuses a valid write only when its counter is full.
		_, _ = unix.Write(w.fd, one)
	}
	w.writers.Add(-1)
}

// consumed is called by Wait when it has seen the eventfd's edge, and so before the caller looks
// into its queue. A Wake that found wakerCalled just before this has put its work there already; one
// that comes after writes again.
func (w *Waker) consumed() { w.state.Store(wakerIdle) }

// close ends the Waker. A Wake that is on its way to the descriptor is waited for, because the
// number may belong to somebody else as soon as it is closed; its write does not block.
func (w *Waker) close() {
	w.state.Store(wakerClosed)
	for w.writers.Load() != 0 {
		runtime.Gosched()
	}
	unix.Close(w.fd)
}
