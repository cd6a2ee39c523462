package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A contest is the servers side by side and the load that they get.
type contest struct {
	self     string // this program
	certFile string
	keyFile  string
	servers  []contestant
	parallel int // connections that the load client opens at once
}

// A contestant is a server's name and command line.
type contestant struct {
	name    string
	command []string
}

// A sample is what one round found out about one server.
type sample struct {
	cpuPerHandshake   time.Duration
	handshakesPerSec  float64
	bytesPerIdle      int
	goroutinesQuarter int // with a quarter of the idle connections
	goroutinesAll     int // with all of them
}

// turn returns the contestants in the order of a round: each begins as often as the others.
func (c *contest) turn(round int) []contestant {
	n := round % len(c.servers)
	return slices.Concat(c.servers[n:], c.servers[:n])
}

// A pairing is a server and the load client that it is measured with.
type pairing struct {
	server *server
	load   *load
}

func (c *contest) start(who contestant) (pairing, error) {
	srv, err := startServer(who.name, who.command...)
	if err != nil {
		return pairing{}, err
	}
	client, err := startLoad(c.self, srv.addr, c.certFile, c.parallel)
	if err != nil {
		return pairing{}, errors.Join(err, srv.stop())
	}
	return pairing{srv, client}, nil
}

// stop ends both, the client first, which checks that its connections end as agreed.
func (p pairing) stop() error {
	return errors.Join(p.load.stop(), p.server.stop())
}

// idleRound measures the memory of each server in a new process: one that has had its storm
// of handshakes would hide the next one's connections in the heap that it has grown.
func (c *contest) idleRound(number, idle int) (map[string]sample, error) {
	samples := make(map[string]sample)
	for _, who := range c.turn(number) {
		p, err := c.start(who)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", who.name, err)
		}
		s, err := measureIdle(p, idle)
		if err := errors.Join(err, p.stop()); err != nil {
			return nil, fmt.Errorf("%s: %w", who.name, err)
		}
		samples[who.name] = s
	}
	return samples, nil
}

// handshakeRounds measures the handshakes of all servers, each in one process for all rounds,
// warmed up by a round that does not count.
func (c *contest) handshakeRounds(rounds, handshakes int) (all []map[string]sample, err error) {
	running := make(map[string]pairing)
	defer func() {
		for name, p := range running {
			if stopped := p.stop(); stopped != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", name, stopped))
			}
		}
	}()
	for _, who := range c.servers {
		p, err := c.start(who)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", who.name, err)
		}
		running[who.name] = p
	}
	for number := range rounds + 1 {
		samples := make(map[string]sample)
		for _, who := range c.turn(number) {
			s, err := measureHandshakes(running[who.name], handshakes)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", who.name, err)
			}
			samples[who.name] = s
		}
		if number > 0 {
			all = append(all, samples)
		}
	}
	return all, nil
}

func measureIdle(p pairing, idle int) (sample, error) {
	pid := p.server.cmd.Process.Pid
	quarter := idle / 4
	var memory [2]int
	var said [2]logLine
	for i, more := range [2]int{quarter, idle - quarter} {
		if err := p.load.do("hold", more); err != nil {
			return sample{}, err
		}
		var err error
		if memory[i], err = settledMemory(pid); err != nil {
			return sample{}, err
		}
		if said[i], err = p.server.counters(); err != nil {
			return sample{}, err
		}
	}
	if said[1].Connections != idle {
		return sample{}, fmt.Errorf("the server counts %d connections, the client holds %d", said[1].Connections, idle)
	}
	return sample{
		bytesPerIdle:      (memory[1] - memory[0]) / (idle - quarter),
		goroutinesQuarter: said[0].Goroutines,
		goroutinesAll:     said[1].Goroutines,
	}, nil
}

func measureHandshakes(p pairing, handshakes int) (sample, error) {
	pid := p.server.cmd.Process.Pid
	before, err := cpuTime(pid)
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	if err := p.load.do("handshakes", handshakes); err != nil {
		return sample{}, err
	}
	elapsed := time.Since(start)
	after, err := cpuTime(pid)
	if err != nil {
		return sample{}, err
	}
	return sample{
		cpuPerHandshake:  (after - before) / time.Duration(handshakes),
		handshakesPerSec: float64(handshakes) / elapsed.Seconds(),
	}, nil
}

// A spread is the median of some figures, the least and the greatest.
type spread struct{ median, least, greatest float64 }

// spreadOf needs at least one figure.
func spreadOf(figures []float64) spread {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return spread{(sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]}
}
