package main

import "bytes"

// kibibyte is what each connection echoes before it rests.
var kibibyte = bytes.Repeat([]byte("0123456789abcdef"), 64)

// hold is the job of opening connections, each of which echoes 1 KiB and stays open.
type hold struct {
	crew          *crew
	left, missing int // to be dialed; to be echoed
}

// hold opens n more connections, a number of them at a time.
func (c *crew) hold(n, parallel int) error {
	if n == 0 {
		return nil
	}
	j := &hold{crew: c, left: n, missing: n}
	return c.run(func() {
		for range min(n, parallel) {
			j.next()
		}
	})
}

func (j *hold) next() {
	if j.left > 0 {
		j.left--
		j.crew.dial(j)
	}
}

func (*hold) opened(s *session) { s.send(kibibyte) }

func (j *hold) echoed(s *session) {
	j.crew.held = append(j.crew.held, s)
	j.next()
	if j.missing--; j.missing == 0 {
		j.crew.finish(nil)
	}
}

func (*hold) ended(*session) {} // a held connection ends by release only

// release is the job of ending what is held.
type release struct {
	crew *crew
	left int
}

// release ends all connections that are held, and checks that they do so as agreed.
func (c *crew) release() error {
	if len(c.held) == 0 {
		return nil
	}
	j := &release{crew: c, left: len(c.held)}
	return c.run(func() {
		for _, s := range c.held {
			s.job = j
			s.end()
		}
		c.held = nil
	})
}

func (*release) opened(*session) {} // before
func (*release) echoed(*session) {} // before

func (j *release) ended(*session) {
	if j.left--; j.left == 0 {
		j.crew.finish(nil)
	}
}
