package main

import (
	"bytes"
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// errNoneHeld is the answer to a job for held connections without any.
var errNoneHeld = errors.New("no connections are held")

// overHeld is the part of a job that neither opens nor ends the connections that it uses.
type overHeld struct{}

func (overHeld) opened(*session) {}
func (overHeld) ended(*session)  {}

// bulkMessage is what each connection sends, and waits for, again and again: a full record.
var bulkMessage = bytes.Repeat([]byte("tlsreactor bench"), 16<<10/16)

// bulk is the job of echoing bytes on all connections that are held.
type bulk struct {
	overHeld
	crew       *crew
	left, open int // messages to be sent; messages that are under way
}

// bulk echoes that many messages of 16 KiB, one at a time on each connection.
func (c *crew) bulk(messages int) error {
	if len(c.held) == 0 {
		return errNoneHeld
	}
	j := &bulk{crew: c, left: messages}
	return c.run(func() {
		for _, s := range c.held {
			s.job = j
			j.open++
			j.echoed(s)
		}
	})
}

func (j *bulk) echoed(s *session) {
	if j.left > 0 {
		j.left--
		s.send(bulkMessage)
		return
	}
	if j.open--; j.open == 0 {
		j.crew.finish(nil)
	}
}

// echoes is the job of echoing 100 bytes at a rate, over all connections that are held in turn.
//
// A connection whose echo is still under way when its next one is due sends that one late, but its
// time counts from when it was due: else the server's worst moments would be those in which it is
// asked least (coordinated omission).
type echoes struct {
	overHeld
	crew         *crew
	rate         float64
	start        time.Time
	length       time.Duration
	begun, open  int
	over         bool
	microseconds *hdrhistogram.Histogram
}

var hundredBytes = bulkMessage[:100]

// echoes returns the times of the echoes, in microseconds.
func (c *crew) echoes(rate float64, length time.Duration) (*hdrhistogram.Histogram, error) {
	if len(c.held) == 0 {
		return nil, errNoneHeld
	}
	j := &echoes{crew: c, rate: rate, start: time.Now(), length: length, microseconds: newHistogram()}
	c.every(pace, j.tick)
	err := <-c.done
	return j.microseconds, err
}

// newHistogram has a range of a microsecond to a minute, exact to a thousandth.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

func (j *echoes) tick(now time.Time) (more bool) {
	elapsed := now.Sub(j.start)
	if elapsed >= j.length && j.begun > 0 { // late though it may be, there is something to tell
		j.over = true
		j.finishIfOver()
		return false
	}
	for range dueBy(elapsed, j.rate, j.begun, len(j.crew.held)) {
		s := j.crew.held[j.begun%len(j.crew.held)]
		j.begun++
		j.open++
		s.job = j
		// Now, not when it was due by the rate: a timer that was late is the client's, not the server's.
		s.due = append(s.due, time.Now())
		if len(s.due) == 1 {
			s.send(hundredBytes)
		}
	}
	return true
}

func (j *echoes) finishIfOver() {
	if j.over && j.open == 0 {
		j.crew.finish(nil)
	}
}

func (j *echoes) echoed(s *session) {
	if err := j.microseconds.RecordValue(time.Since(s.due[0]).Microseconds()); err != nil {
		j.crew.finish(err) // longer than a minute
	}
	s.due = s.due[1:]
	if j.open--; len(s.due) > 0 {
		s.send(hundredBytes)
	}
	j.finishIfOver()
}
