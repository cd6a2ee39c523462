package reactor

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestPostsRunInOrder(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	const n = 3 * turnPosts
	var got []int
	for i := range n {
		must(t, l.Post(func() { got = append(got, i) }))
	}
	onLoop(t, l, func() {})
	if len(got) != n {
		t.Fatalf("%d of %d posts ran", len(got), n)
	}
	for i, v := range got {
		if v != i {
			t.Fatalf("post %d ran as number %d", v, i)
		}
	}
}

// The last post of one turn posts again. The wake-up for it is consumed by the next turn, which is
// busy with what was taken before, and ends with nothing left of that.
func TestPostWhoseWakeUpABusyTurnConsumedIsNotForgotten(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	release := holdLoop(t, l)
	done := make(chan struct{})
	for i := range 2 * turnPosts {
		must(t, l.Post(func() {
			if i == turnPosts-1 {
				l.Post(func() { close(done) })
			}
		}))
	}
	release()
	<-done
}

func TestPostsThatPostAgainDoNotHoldTheLoop(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	stop := false
	var again func()
	again = func() {
		if !stop {
			l.Post(again)
		}
	}
	must(t, l.Post(again))
	p := newProbe()
	dialTCP(t, serve(t, r, nil, p))
	<-p.opened // the loop serves others meanwhile
	onLoop(t, l, func() { stop = true })
}

func TestPostsAreBounded(t *testing.T) {
	r := newReactor(t, Config{})
	l := r.Loops()[0]
	release := holdLoop(t, l)
	n := 0
	for ; n <= maxPosts; n++ {
		if err := l.Post(func() {}); err != nil {
			if err != ErrPostsFull {
				t.Errorf("error %v", err)
			}
			break
		}
	}
	release()
	if n < maxPosts-1 || n > maxPosts {
		t.Errorf("%d posts were accepted, the limit is %d", n, maxPosts)
	}
	for l.posts.waiting.Load() > 0 { // there is room again
		runtime.Gosched()
	}
	onLoop(t, l, func() {})
}

func TestPostAfterTheEndIsRefused(t *testing.T) {
	wantNoLeaks(t)
	r, err := New(Config{Loops: 2})
	must(t, err)
	p := newProbe()
	c := dial(t, r, "unix", "/nonexistent", nil, p)
	h := c.Handle()
	p.wantClosed(t, ReasonConnect)
	if err := h.Post(func(*Conn) { t.Error("a post reached a connection that had gone") }); err != nil {
		t.Errorf("Post to a connection that has gone = %v; it is dropped", err)
	}
	must(t, r.Shutdown(context.Background()))
	must(t, r.Shutdown(context.Background()))
	if err := r.Loops()[1].Post(func() {}); err != ErrStopped {
		t.Errorf("Post = %v", err)
	}
	if err := h.Post(func(*Conn) {}); err != ErrStopped {
		t.Errorf("Handle.Post = %v", err)
	}
	if err := (Handle{}).Post(func(*Conn) {}); err != ErrStopped {
		t.Errorf("Post of the zero Handle = %v", err)
	}
	if _, err := r.Listen("tcp", "127.0.0.1:0", ListenConfig{Accept: func(*Conn) Handler { return nil }}); !errors.Is(err, ErrStopped) {
		t.Errorf("Listen = %v", err)
	}
}

// Eight goroutines post to a connection that comes and goes; the loop turns no more often than it was
// woken.
func TestWakeStorm(t *testing.T) {
	r := newReactor(t, Config{})
	p := newProbe()
	dialTCP(t, serve(t, r, nil, p))
	c := <-p.opened
	h := c.Handle()
	before := r.Counters().Waits
	const goroutines, each = 8, 5000
	ran := 0
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				for h.Post(func(*Conn) { ran++ }) == ErrPostsFull {
				}
			}
		})
	}
	wg.Wait()
	onLoop(t, c.Loop(), func() {})
	if ran != goroutines*each {
		t.Errorf("%d of %d posts ran", ran, goroutines*each)
	}
	if waits := r.Counters().Waits - before; waits > goroutines*each+2 {
		t.Errorf("%d turns for %d posts", waits, ran)
	}
	wantQuiet(t, r, "after the storm")
}

func TestClockIsReadOnceATurn(t *testing.T) {
	clock := newFakeClock()
	r := newReactor(t, Config{Clock: clock.Now})
	l := r.Loops()[0]
	clock.advance(t, r, time.Hour)
	onLoop(t, l, func() {
		if !l.Now().Equal(clock.Now()) {
			t.Errorf("Now = %v, the clock says %v", l.Now(), clock.Now())
		}
	})
}
