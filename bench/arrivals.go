package main

import (
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// pace is how often a job with a rate looks at what is due.
const pace = time.Millisecond

// dueBy returns how many more are due after a time at a rate per second, if done were before; at
// most limit at a time, so that a client which was kept from its processor does not come back
// with a burst that no rate has.
func dueBy(elapsed time.Duration, rate float64, done, limit int) int {
	return max(0, min(int(elapsed.Seconds()*rate)-done, limit))
}

// handshakes is the job of n connections, each of which echoes one byte and ends.
type handshakes struct {
	crew       *crew
	left, open int
	config     *tlsconn.Config
	resumed    bool // each has to resume; else none may
}

// handshakes makes full handshakes, a number of them at a time.
func (c *crew) handshakes(n, parallel int) error {
	return c.connect(&handshakes{crew: c, left: n, config: c.config}, parallel)
}

// connect runs the job with a number of connections at a time.
func (c *crew) connect(j *handshakes, parallel int) error {
	return c.run(func() {
		for range parallel {
			j.next()
		}
	})
}

func (j *handshakes) next() {
	if j.left > 0 {
		j.left--
		j.open++
		j.crew.dialWith(j, j.config, j.resumed)
	} else if j.open == 0 {
		j.crew.finish(nil)
	}
}

func (*handshakes) opened(s *session) { s.send(one) }
func (*handshakes) echoed(s *session) { s.end() }
func (j *handshakes) ended(*session)  { j.open--; j.next() }

var one = []byte{'x'}

// maxStorm is how many connections of a storm may be open: those that a server is too slow for
// are not begun, and the rate that the report shows is lower.
const maxStorm = 256

// storm is the job of as many handshakes per second as a rate says, for a time.
type storm struct {
	crew        *crew
	rate        float64
	start       time.Time
	length      time.Duration
	begun, open int
	served      int // within the time
	over        bool
}

// storm returns how many connections were served per second.
func (c *crew) storm(rate float64, length time.Duration) (perSecond float64, err error) {
	j := &storm{crew: c, rate: rate, start: time.Now(), length: length}
	c.every(pace, j.tick)
	err = <-c.done
	return float64(j.served) / length.Seconds(), err
}

func (j *storm) tick(now time.Time) (more bool) {
	elapsed := now.Sub(j.start)
	if elapsed >= j.length {
		j.over = true
		j.finishIfOver()
		return false
	}
	due := dueBy(elapsed, j.rate, j.begun, maxStorm)
	j.begun += due
	for range min(due, maxStorm-j.open) {
		j.open++
		j.crew.dial(j)
	}
	return true
}

func (j *storm) finishIfOver() {
	if j.over && j.open == 0 {
		j.crew.finish(nil)
	}
}

func (*storm) opened(s *session) { s.send(one) }
func (*storm) echoed(s *session) { s.end() }

func (j *storm) ended(*session) {
	j.open--
	if !j.over {
		j.served++
	}
	j.finishIfOver()
}
