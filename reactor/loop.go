package reactor

import (
	"time"

	"github.com/tlsreactor/tlsreactor/poller"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A Loop is one goroutine with the connections that live on it. Its methods belong to that goroutine,
// and are called from handlers and posted functions, unless they say otherwise.
type Loop struct {
	reactor    *Reactor
	index      int
	poller     *poller.Poller
	handshakes *poller.Poller // watches connections within the handshake; is watched by poller
	workspace  *tlsconn.Workspace
	table      table
	timers     timers
	posts      posts
	counters   counters

	now  time.Duration // since the reactor's start, read once a turn
	turn uint32        // counts turns, from 1

	touched         []*Conn        // to be settled in this turn
	settling        []*Conn        // those of the current pass
	ready, served   []poller.Token // to be served in the next turn; and the list of this one, for reuse
	listeners       []*acceptor
	handshaking     int            // connections in phaseHandshaking
	handshakesReady bool           // the poller of the handshakes has some
	answered        []poller.Token // handshakes whose operation outside has ended
	acceptAgain     time.Duration  // while accepting is paused: not before
	acceptPaused    bool
	state           loopState
	reserve         int // a descriptor to give up when there are no others
	outputs         []*output
	source          boundedSource

	events          [poller.MaxBatch]poller.Event
	handshakeEvents [handshakeBatch]poller.Event
	scratch, relay  [scratchSize]byte
}

// A loopState is how far a loop is from its end.
type loopState uint8

const (
	loopRuns     loopState = iota
	loopDrains             // listeners are closed; ends with the last connection
	loopAbandons           // connections are reset
)

// newLoop makes a loop that does not run yet.
func newLoop(r *Reactor, index int) (*Loop, error) {
	l := &Loop{reactor: r, index: index, reserve: -1}
	var err error
	if l.poller, err = poller.New(); err != nil {
		return nil, err
	}
	if l.handshakes, err = poller.New(); err == nil {
		err = l.poller.Add(l.handshakes.Descriptor(), poller.NewToken(handshakesIndex, 0), poller.Readable)
	}
	if err != nil {
		l.release()
		return nil, err
	}
	l.reserve = openReserve()
	l.workspace = tlsconn.NewWorkspace(r.config.Workspace)
	return l, nil
}

// Scratch is a buffer of 64 KiB for the duration of the current call of a handler or posted function; what
// that calls may overwrite it if it uses Scratch as well. Idle connections need no buffer of their own.
func (l *Loop) Scratch() []byte { return l.scratch[:] }

// Now is the time of the current turn by the reactor's Clock: coarse, and free.
func (l *Loop) Now() time.Time { return l.reactor.start.Add(l.now) }

// Index is the loop's position in Reactor.Loops. It may be called from any goroutine.
func (l *Loop) Index() int { return l.index }

// run is the loop's goroutine.
func (l *Loop) run() {
	defer l.release()
	for l.state == loopRuns || l.table.count > 0 || len(l.touched) > 0 {
		n, err := l.poller.Wait(l.events[:], l.patience())
		if err != nil {
			l.reactor.fail(err)
			l.abandon()
			l.settle()
			return
		}
		l.counters.waits.Add(1)
		l.counters.events.Add(uint64(n))
		l.tick()
		l.turn++
		for _, e := range l.events[:n] {
			l.dispatch(e)
		}
		l.runPosts()
		l.serveReady()
		l.expireTimers()
		l.accept()
		l.settle()
		l.serveHandshakes()
		l.resumeAccepting()
	}
}

// tick reads the clock.
func (l *Loop) tick() { l.now = l.reactor.config.Clock().Sub(l.reactor.start) }

// patience is how long the loop may wait for events.
func (l *Loop) patience() time.Duration {
	if len(l.ready) > 0 || len(l.touched) > 0 || len(l.answered) > 0 || l.hasPosts() {
		return 0
	}
	d := l.untilTimer()
	if l.acceptPaused && l.acceptAgain > l.now && (d < 0 || l.acceptAgain-l.now < d) {
		d = l.acceptAgain - l.now
	}
	return d
}

// dispatch acts on one event of an established connection, a listener, or one that is coming or
// going; handshakes only note that there are some.
func (l *Loop) dispatch(e poller.Event) {
	switch i := e.Token.Index(); {
	case i == handshakesIndex:
		l.handshakesReady = true
		return
	case i >= firstListenerIndex:
		if a := l.listeners[i-firstListenerIndex]; a != nil {
			a.ready = true
		}
		return
	}
	c := l.table.find(e.Token)
	if c == nil {
		l.counters.staleEvents.Add(1)
		return
	}
	l.serve(c, e)
}

// serveHandshakes serves the handshakes that can go on until the turn's budget for them is spent: those
// whose operation outside has ended come first, since they have waited and are nearly done. The rest
// stay in the queue, and in the poller's list, which is reported again.
func (l *Loop) serveHandshakes() {
	if !l.handshakesReady && len(l.answered) == 0 {
		return
	}
	started := l.reactor.config.Clock()
	for range turnHandshakes / handshakeBatch {
		n := l.serveAnswered(handshakeBatch)
		n += l.pollHandshakes(handshakeBatch - n)
		// Before the next look: what is not wanted any more would be reported again.
		l.settle()
		if n < handshakeBatch || l.reactor.config.Clock().Sub(started) >= turnHandshakeTime {
			break
		}
	}
	l.handshakesReady = false
}

// pollHandshakes serves up to limit of the handshakes whose sockets are ready, and returns how many of
// them there were.
func (l *Loop) pollHandshakes(limit int) int {
	if limit == 0 || !l.handshakesReady {
		return 0
	}
	n, err := l.handshakes.Wait(l.handshakeEvents[:limit], 0)
	if err != nil {
		l.reactor.fail(err)
		return 0
	}
	l.counters.events.Add(uint64(n))
	for _, e := range l.handshakeEvents[:n] {
		if c := l.table.find(e.Token); c != nil {
			l.serve(c, e)
		}
	}
	return n
}

// settle brings every touched connection's poller interest, queues and phase in line with what it
// wants now. Handlers called from here may touch others, which the next pass settles.
func (l *Loop) settle() {
	for range settlePasses {
		if len(l.touched) == 0 {
			return
		}
		l.touched, l.settling = l.settling[:0], l.touched
		for i, c := range l.settling {
			l.settleOne(c)
			c.touched = false // only now: what it did to itself is done
			l.settling[i] = nil
		}
	}
}

func (l *Loop) settleOne(c *Conn) {
	if c.phase == phaseGone {
		return
	}
	if c.phase == phaseOpen && c.reason == 0 {
		l.settleEnds(c)
	}
	if c.reason != 0 && c.phase <= phaseOpen {
		l.beginClose(c)
	}
	if c.paused && (c.hungUp || c.outputBroken) && c.phase == phaseOpen && c.reason == 0 {
		// The peer has gone, and nobody reads what it left: not for as long as an idle one may stay.
		l.setTimer(c, l.now+l.reactor.config.CloseTimeout)
	}
	if c.hasWork() {
		l.enqueue(c)
	}
	l.settleInterest(c)
	if c.phase == phaseClosed {
		l.bury(c)
	}
}

// settleEnds hands the end of output to the socket once all output is there, and closes a connection
// whose directions have both ended.
func (l *Loop) settleEnds(c *Conn) {
	if c.outputBroken && c.inputEnded {
		c.fail(c.err)
		return
	}
	if !c.outputEnded || c.pending() {
		return
	}
	if !c.finSent {
		c.finSent = true
		if c.tls == nil {
			if err := shutdownWrite(int(c.fd)); err != nil {
				c.fail(err)
				return
			}
		}
	}
	if c.inputEnded {
		c.finish(ReasonDone, nil)
	}
}

// settleInterest tells the poller what changed, and only that.
func (l *Loop) settleInterest(c *Conn) {
	if c.fd < 0 {
		return // closed, or a name is being looked up
	}
	interest, watch := interestOf(situation{phase: c.phase, wants: c.wants(), paused: c.paused, hungUp: c.hungUp})
	if c.watched && (!watch || c.amongHandshakes != (c.phase == phaseHandshaking)) {
		l.unwatch(c)
	}
	var err error
	switch {
	case !watch:
		return
	case !c.watched:
		c.amongHandshakes = c.phase == phaseHandshaking
		c.watched, c.interest = true, interest
		if err = l.pollerOf(c).Add(int(c.fd), c.token(), interest); err != nil {
			c.watched = false
		}
	case c.interest != interest:
		c.interest = interest
		err = l.pollerOf(c).Modify(int(c.fd), c.token(), interest)
	}
	if err != nil {
		// Only for want of kernel memory or watches (epoll_ctl(2)): nothing can be waited for.
		c.fail(err)
		l.closeNow(c)
	}
}

// pollerOf is the poller that watches c.
func (l *Loop) pollerOf(c *Conn) *poller.Poller {
	if c.amongHandshakes {
		return l.handshakes
	}
	return l.poller
}

// unwatch takes c out of its poller.
func (l *Loop) unwatch(c *Conn) {
	if c.watched {
		c.watched = false
		if err := l.pollerOf(c).Remove(int(c.fd)); err != nil {
			l.reactor.fail(err) // our own books are wrong: the descriptor was open and added
		}
	}
}

// setPhase is the one place where a connection's phase changes.
func (l *Loop) setPhase(c *Conn, next phase) {
	if c.phase == phaseHandshaking {
		l.setAwaits(c, 0)
		l.handshaking--
		switch {
		case c.tls == nil || next == phaseHandshaking: // a plain connection, or the beginning
		case next == phaseOpen:
			l.counters.handshakesCompleted.Add(1)
		default:
			l.counters.handshakesFailed.Add(1)
		}
	}
	if next == phaseHandshaking {
		l.handshaking++
	}
	c.phase = next
}

// drain begins the end: see Reactor.Shutdown.
func (l *Loop) drain() {
	if l.state != loopRuns {
		return
	}
	l.state = loopDrains
	l.closeListeners()
	for i := range l.table.slots {
		if c := l.table.slots[i].conn; c != nil && c.phase == phaseOpen && c.reason == 0 {
			l.tellDraining(c)
		}
	}
}

// tellDraining asks an open connection to end.
func (l *Loop) tellDraining(c *Conn) {
	if h, ok := c.handler.(Drainer); ok {
		h.Draining(c)
		c.touch()
		return
	}
	c.Close()
}

// abandon resets every connection.
func (l *Loop) abandon() {
	l.drain()
	l.state = loopAbandons
	for i := range l.table.slots {
		if c := l.table.slots[i].conn; c != nil {
			c.reset(ReasonShutdown, nil)
		}
	}
}

// release gives back what the loop holds, at its end.
func (l *Loop) release() {
	l.endPosts()
	closeReserve(l.reserve)
	for _, p := range []*poller.Poller{l.handshakes, l.poller} {
		if p != nil {
			if err := p.Close(); err != nil {
				l.reactor.fail(err)
			}
		}
	}
}
