package poller

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// writes is how often the Waker wrote to its eventfd since the last call.
func writes(t *testing.T, w *Waker) uint64 {
	t.Helper()
	var b [8]byte
	if _, err := unix.Read(w.fd, b[:]); err == unix.EAGAIN {
		return 0
	} else if err != nil {
		t.Fatal(err)
	}
	return binary.NativeEndian.Uint64(b[:])
}

func TestWakeBeforeWaitIsNotLost(t *testing.T) {
	p := newPoller(t)
	var events [1]Event
	for range 3 {
		p.Waker().Wake()
		if n, err := p.Wait(events[:], -1); n != 0 || err != nil {
			t.Fatalf("Wait = %d, %v; want to be woken without an event", n, err)
		}
	}
}

func TestWakesBeforeOneWaitAreOneWakeUp(t *testing.T) {
	p := newPoller(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				p.Waker().Wake()
			}
		})
	}
	wg.Wait()
	var events [1]Event
	p.Wait(events[:], -1)
	if n := writes(t, p.waker); n != 1 {
		t.Errorf("8,000 wakes wrote %d times, want once", n)
	}
	if p.waker.state.Load() != wakerIdle {
		t.Error("Wait did not consume the wake-up")
	}
}

// Eight goroutines post work and wake; the waiting one must see all of it, and return no more often
// than the eventfd was written to.
func TestWakeStormLosesNothingAndIsDeduplicated(t *testing.T) {
	const goroutines, each = 8, 20_000
	p := newPoller(t)
	var posted atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				posted.Add(1)
				p.Waker().Wake()
			}
		})
	}
	var events [1]Event
	returns := uint64(0)
	for posted.Load() < goroutines*each {
		if _, err := p.Wait(events[:], -1); err != nil {
			t.Fatal(err)
		}
		returns++
	}
	wg.Wait()
	if w := writes(t, p.waker); returns > w || w > goroutines*each {
		t.Errorf("%d returns of Wait for %d writes and %d wakes", returns, w, goroutines*each)
	}
}

func TestWakeIsSeenBesideManyEvents(t *testing.T) {
	p := newPoller(t)
	for i := range uint32(3 * MaxBatch) {
		fd, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		must(t, err)
		closeAtEnd(t, fd)
		must(t, p.Add(fd, NewToken(i, 0), Readable))
	}
	p.Waker().Wake()
	events := make([]Event, MaxBatch)
	for range 8 {
		p.Wait(events, 0)
	}
	if p.waker.state.Load() != wakerIdle {
		t.Error("a wake-up starves behind ready descriptors")
	}
}

// The number of the eventfd is free after Close; a late Wake must not write into whatever has got it.
func TestWakeAfterAndDuringCloseTouchesNoDescriptor(t *testing.T) {
	for range 200 {
		p, err := New()
		must(t, err)
		w := p.Waker()
		var wg sync.WaitGroup
		var start sync.WaitGroup
		start.Add(1)
		for range 4 {
			wg.Go(func() {
				start.Wait()
				for range 20 {
					w.Wake()
				}
			})
		}
		start.Done()
		must(t, p.Close())
		reused, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		must(t, err)
		w.Wake()
		wg.Wait()
		var b [8]byte
		if _, err := unix.Read(reused, b[:]); err != unix.EAGAIN {
			t.Fatalf("a Wake wrote to a descriptor that is not its own: %v", err)
		}
		must(t, unix.Close(reused))
	}
}
