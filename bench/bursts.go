package main

import "time"

// bursts is the job of a number of handshakes that begin at once, again and again for a time. A burst
// takes from its first connect to the end of its last handshake. A connection that is complete echoes a
// byte and ends; the next burst begins when all have.
type bursts struct {
	crew         *crew
	size         int
	until, begun time.Time
	shaking      int // connections of this burst whose handshake is not complete
	open         int // those that have not ended
	microseconds []int64
}

// bursts returns how long each of them took, in microseconds.
func (c *crew) bursts(size int, length time.Duration) ([]int64, error) {
	j := &bursts{crew: c, size: size, until: time.Now().Add(length)}
	err := c.run(j.next)
	return j.microseconds, err
}

func (j *bursts) next() {
	j.begun = time.Now()
	if j.begun.After(j.until) {
		j.crew.finish(nil)
		return
	}
	j.shaking, j.open = j.size, j.size
	for range j.size {
		j.crew.dial(j)
	}
}

func (j *bursts) opened(s *session) {
	if j.shaking--; j.shaking == 0 {
		j.microseconds = append(j.microseconds, time.Since(j.begun).Microseconds())
	}
	s.send(one)
}

func (*bursts) echoed(s *session) { s.end() }

func (j *bursts) ended(*session) {
	if j.open--; j.open == 0 {
		j.next()
	}
}
