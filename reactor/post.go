package reactor

import (
	"sync/atomic"

	"github.com/tlsreactor/tlsreactor/poller"
)

// A Handle names a connection for goroutines other than its loop's. It holds no memory of the
// connection, and goes on naming that one after its end, when posts to it are dropped. Handles can
// be compared with ==. The zero Handle names nothing.
type Handle struct {
	loop  *Loop
	token poller.Token
}

// Post makes the connection's loop call f with the connection. If the connection has ended, or ends
// before, f is dropped and never called. Posts from one goroutine to one loop run in order. The error
// is ErrPostsFull or ErrStopped. It never blocks, and may be called from any goroutine.
func (h Handle) Post(f func(*Conn)) error {
	if h.loop == nil {
		return ErrStopped
	}
	return h.loop.post(&post{token: h.token, onConn: f})
}

// Post makes the loop call f. It may be called from any goroutine, as Handle.Post.
func (l *Loop) Post(f func()) error { return l.post(&post{work: f}) }

// A post is one piece of posted work: work, or onConn for the connection that token names.
type post struct {
	next   *post
	work   func()
	onConn func(*Conn)
	token  poller.Token
}

// posts is a queue from any number of goroutines to one loop: a stack of compare-and-swaps that the
// loop takes whole and turns over, so that neither side ever waits for the other, which a mutex would
// make the loop do.
type posts struct {
	top     atomic.Pointer[post]
	waiting atomic.Int64
	taken   *post // the loop's: in order, not run yet
}

// endOfPosts is the top of a queue whose loop has ended.
var endOfPosts = new(post)

func (l *Loop) post(p *post) error {
	if l.posts.waiting.Load() >= maxPosts {
		return ErrPostsFull
	}
	if !l.push(p) {
		return ErrStopped
	}
	return nil
}

// push is post without the limit, for posts whose number is bounded otherwise: one for each slow
// operation, look-up or call of Listen and Shutdown. A wake-up that is lost would leave a handshake
// waiting for its deadline.
func (l *Loop) push(p *post) bool {
	for {
		top := l.posts.top.Load()
		if top == endOfPosts {
			return false
		}
		p.next = top
		if l.posts.top.CompareAndSwap(top, p) {
			break
		}
	}
	l.posts.waiting.Add(1)
	l.poller.Waker().Wake()
	return true
}

// take moves what was pushed to taken, which is empty, first come first.
func (q *posts) take() {
	if q.top.Load() == nil {
		return
	}
	for p := q.top.Swap(nil); p != nil; {
		p.next, q.taken, p = q.taken, p, p.next
	}
}

// runPosts does up to turnPosts pieces of posted work.
func (l *Loop) runPosts() {
	if l.posts.taken == nil {
		l.posts.take()
	}
	for range turnPosts {
		p := l.posts.taken
		if p == nil {
			return
		}
		l.posts.taken = p.next
		l.posts.waiting.Add(-1)
		if p.work != nil {
			p.work()
		} else if c := l.table.find(p.token); c != nil {
			p.onConn(c)
			c.touch()
		}
	}
}

// hasPosts reports whether work is left: from this turn, or pushed while a turn was busy with earlier
// work, when the wake-up for it may be consumed already. What is pushed after this wakes the poller.
func (l *Loop) hasPosts() bool { return l.posts.taken != nil || l.posts.top.Load() != nil }

// endPosts refuses further posts and drops what is left.
func (l *Loop) endPosts() {
	l.posts.top.Swap(endOfPosts)
	l.posts.taken = nil
}
