package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The programs and the jobs that they are compared in.
const (
	ours         = "tlsreactor"
	theirs       = "crypto/tls"
	jobEcho      = "echo server"
	jobTerminate = "terminator"
)

// A plan says how much is measured.
type plan struct {
	rounds, idleRounds int
	handshakes         int // per server and round
	resumed            int // the same, of handshakes that resume
	parallel           int // connections that the load client opens at once
	idle               int // connections per server and round
	settle             time.Duration
	bulk               int // MiB per server and round
	calm, storm        time.Duration
	stormRate          float64 // handshakes per second; 0 for what the slower server reached before
}

// A contest is the servers side by side, the load that they get, and what came of it.
type contest struct {
	plan
	self, certFile string // this program, and the agreed certificate
	servers        []contestant
	backend        *server
	serverCore     place
	loadCore       place
	book           book
	progress       *progress
	derivation     time.Duration // one X25519 derivation, in this round
}

// A contestant is a server's name and command line.
type contestant struct {
	program, job string
	command      []string
}

func (who contestant) String() string { return who.program + " " + who.job }

// turn returns the contestants in the order of a round: each begins as often as the others.
func (c *contest) turn(round int) []contestant {
	n := round % len(c.servers)
	return slices.Concat(c.servers[n:], c.servers[:n])
}

// A pairing is a server and the load clients that it is measured with.
type pairing struct {
	server *server
	load   *load
	storm  *load // another client, which only gets the time that the first one leaves
}

func (c *contest) start(who contestant) (p pairing, err error) {
	if p.server, err = startServer(who.String(), c.serverCore, who.command...); err != nil {
		return p, err
	}
	if p.load, err = startLoad(c.self, p.server.addr, c.certFile, c.loadCore); err == nil {
		p.storm, err = startLoad(c.self, p.server.addr, c.certFile, place{c.loadCore.core, true})
	}
	if err != nil {
		return p, errors.Join(err, p.stop())
	}
	return p, nil
}

// stop ends a pairing, the clients first, which check that their connections end as agreed.
func (p pairing) stop() error {
	var all []error
	for _, l := range []*load{p.load, p.storm} {
		if l != nil {
			all = append(all, l.stop())
		}
	}
	return errors.Join(append(all, p.server.stop())...)
}

// A measure takes one sample of one server.
type measure func(who contestant, p pairing) error

// run measures everything that the plan asks for.
func (c *contest) run() error {
	if err := c.runTogether(c.parts()); err != nil {
		return err
	}
	if c.idle == 0 {
		return nil
	}
	for round := range c.idleRounds {
		if err := c.calibrate(); err != nil {
			return err
		}
		// In a new process each: one that has had a storm of handshakes would hide the next
		// connections in the heap that it has grown.
		for _, who := range c.turn(round) {
			c.progress.now("idle connections, round %d of %d: %v", round+1, c.idleRounds, who)
			p, err := c.start(who)
			if err != nil {
				return fmt.Errorf("%v: %w", who, err)
			}
			if err := errors.Join(c.measureIdle(who, p), p.stop()); err != nil {
				return fmt.Errorf("%v: %w", who, err)
			}
			c.progress.done(c.idleTime())
		}
	}
	return nil
}

// runTogether measures all but memory: each server in one process for all rounds, of which the
// others, meanwhile, are idle.
func (c *contest) runTogether(parts []part) (err error) {
	running := make(map[string]pairing)
	defer func() {
		for name, p := range running {
			if stopped := p.stop(); stopped != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", name, stopped))
			}
		}
	}()
	for _, who := range c.servers {
		if running[who.String()], err = c.start(who); err != nil {
			delete(running, who.String())
			return fmt.Errorf("%v: %w", who, err)
		}
	}
	for _, part := range parts {
		for round := range c.rounds + part.warmUp {
			if err := c.calibrate(); err != nil {
				return err
			}
			c.book.closed = round < part.warmUp
			for _, who := range c.turn(round) {
				c.progress.now("%s, round %d of %d: %v", part.name, max(1, round+1-part.warmUp), c.rounds, who)
				if err := part.measure(who, running[who.String()]); err != nil {
					return fmt.Errorf("%s: %v: %w", part.name, who, err)
				}
				c.progress.done(part.takes)
			}
		}
	}
	return nil
}

// A part is one kind of measurement that running servers take.
type part struct {
	name    string
	warmUp  int           // rounds that do not count
	takes   time.Duration // about, for the progress bar
	measure measure
}

// parts lists those that the plan asks for. The storm comes after the handshakes, whose rate it has.
func (c *contest) parts() []part {
	var all []part
	if c.handshakes > 0 {
		all = append(all, part{"handshakes", 1, time.Duration(c.handshakes) * 400 * time.Microsecond, c.measureHandshakes})
	}
	if c.resumed > 0 {
		all = append(all, part{"resumed handshakes", 1, time.Duration(c.resumed) * 300 * time.Microsecond, c.measureResumed})
	}
	if c.bulk > 0 {
		all = append(all, part{"bulk", 1, time.Duration(c.bulk) * 4 * time.Millisecond, c.measureBulk})
	}
	if c.calm > 0 {
		all = append(all, part{"echoes, calm", 0, c.calm, c.measureCalm})
	}
	if c.storm > 0 {
		all = append(all, part{"echoes, in a storm", 0, c.storm + stormLead + stormTail, c.measureStorm})
	}
	return all
}

// idleTime is about what the idle connections of one server take.
func (c *contest) idleTime() time.Duration {
	return 2*c.settle + time.Duration(c.idle)*600*time.Microsecond
}

// length is about what all of it takes.
func (c *contest) length() time.Duration {
	sum := c.lengthOf(c.parts())
	if c.idle > 0 {
		sum += c.idleTime() * time.Duration(c.idleRounds*len(c.servers))
	}
	return sum
}

// lengthOf is about what some parts take.
func (c *contest) lengthOf(parts []part) (sum time.Duration) {
	for _, part := range parts {
		sum += part.takes * time.Duration((c.rounds+part.warmUp)*len(c.servers))
	}
	return sum
}

// calibrate measures the servers' core, while they are idle.
func (c *contest) calibrate() error {
	return c.serverCore.onThread(func() (err error) {
		c.derivation, err = derivationTime()
		c.book.derivations = append(c.book.derivations, float64(c.derivation.Nanoseconds()))
		return err
	})
}
