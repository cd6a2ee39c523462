package main

import (
	"errors"
	"fmt"
	"time"
)

const (
	// bulkConnections is what bulk is spread over, echoConnections what the echoes are.
	bulkConnections = 16
	echoConnections = 64
	// echoRate is the echoes per second over all connections: enough for a percentile, too few to
	// be a load.
	echoRate = 2000
	// A storm begins before the echoes that are measured in it, and ends after them.
	stormLead = 500 * time.Millisecond
	stormTail = 200 * time.Millisecond
	// stormPart is the part of the rate that the handshakes alone reached: the echoes and their client
	// take some of both cores, and a rate that only one of two servers keeps up with is not equal work.
	stormPart = 0.8
)

// cpuOf returns the CPU that a server uses while f runs.
func (s *server) cpuOf(f func() error) (time.Duration, error) {
	before, err := cpuTime(s.pid())
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := cpuTime(s.pid())
	return after - before, err
}

// each returns how an order's result is divided by a number.
func each(d time.Duration, n int) time.Duration { return d / time.Duration(n) }

func (c *contest) measureHandshakes(who contestant, p pairing) error {
	return c.measureConnections(who, p, order{Do: doHandshakes, Number: c.handshakes, Parallel: c.parallel},
		handshakeRate, handshakeCPU, handshakeAt50)
}

// measureResumed is the same with tickets, for each of the connections at a time one that a full
// handshake got before.
func (c *contest) measureResumed(who contestant, p pairing) error {
	if _, err := p.load.do(order{Do: doPrime, Number: c.parallel}); err != nil {
		return err
	}
	return c.measureConnections(who, p, order{Do: doResumed, Number: c.resumed, Parallel: c.parallel},
		resumedRate, resumedCPU, resumedAt50)
}

// measureConnections takes the figures of an order for a number of connections.
func (c *contest) measureConnections(who contestant, p pairing, o order, rate, used, usedAt50 figure) error {
	start := time.Now()
	cpu, err := p.server.cpuOf(func() error {
		_, err := p.load.do(o)
		return err
	})
	if err != nil {
		return err
	}
	c.book.add(who, rate, float64(o.Number)/time.Since(start).Seconds())
	cpu = each(cpu, o.Number)
	c.book.add(who, used, microseconds(cpu))
	c.book.add(who, usedAt50, microseconds(at50(cpu, c.derivation)))
	return nil
}

func (c *contest) measureBulk(who contestant, p pairing) error {
	return p.holding(bulkConnections, func() error {
		messages := c.bulk << 20 / len(bulkMessage)
		cpu, err := p.server.cpuOf(func() error {
			_, err := p.load.do(order{Do: doBulk, Number: messages})
			return err
		})
		if err != nil {
			return err
		}
		c.book.add(who, bulkCPU, float64(cpu.Nanoseconds())/float64(messages*len(bulkMessage)))
		return nil
	})
}

// holding runs f while the load client holds a few connections.
func (p pairing) holding(connections int, f func() error) error {
	if _, err := p.load.do(order{Do: doHold, Number: connections, Parallel: connections}); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	_, err := p.load.do(order{Do: doRelease})
	return err
}

func (c *contest) measureCalm(who contestant, p pairing) error {
	return p.holding(echoConnections, func() error {
		a, err := p.load.do(order{Do: doEchoes, Rate: echoRate, Length: c.calm})
		if err != nil {
			return err
		}
		c.book.add(who, calmMedian, float64(a.Median))
		c.book.add(who, calmTail, float64(a.Percentile99))
		return nil
	})
}

// measureStorm times echoes on connections that are established before another client begins
// its handshakes, at one rate for all servers of a job.
func (c *contest) measureStorm(who contestant, p pairing) error {
	rate, err := c.rateOfStorm(who.job)
	if err != nil {
		return err
	}
	return p.holding(echoConnections, func() error {
		var busy float64
		a, stormed, err := p.beside(order{Do: doStorm, Rate: rate, Length: stormLead + c.storm + stormTail}, stormLead, func() (a answer, err error) {
			start := time.Now()
			cpu, err := p.server.cpuOf(func() (err error) {
				a, err = p.load.do(order{Do: doEchoes, Rate: echoRate, Length: c.storm})
				return err
			})
			busy = cpu.Seconds() / time.Since(start).Seconds()
			return a, err
		})
		if err != nil {
			return err
		}
		c.book.add(who, stormMedian, float64(a.Median))
		c.book.add(who, stormTail99, float64(a.Percentile99))
		c.book.add(who, stormRate, stormed.PerSecond)
		c.book.add(who, stormShare, 100*busy)
		return nil
	})
}

// beside runs f while the storm's client is at an order, from a moment after it has begun; the order is
// to end later than f.
func (p pairing) beside(o order, lead time.Duration, f func() (answer, error)) (of, stormed answer, err error) {
	type result struct {
		answer
		error
	}
	storm := make(chan result, 1)
	go func() {
		a, err := p.storm.do(o)
		storm <- result{a, err}
	}()
	time.Sleep(lead)
	of, err = f()
	s := <-storm
	return of, s.answer, errors.Join(err, s.error)
}

// rateOfStorm is most of the rate that the slower one of a job's servers reached when it had nothing
// else to do, so that both can be asked for the same.
func (c *contest) rateOfStorm(job string) (float64, error) {
	if c.stormRate > 0 {
		return c.stormRate, nil
	}
	least := 0.0
	for _, who := range c.servers {
		rates := c.book.of(who, handshakeRate)
		if who.job != job {
			continue
		}
		if len(rates) == 0 {
			return 0, fmt.Errorf("a storm without -storm-rate has the rate of the handshakes, and none were measured")
		}
		if rate := spreadOf(rates).median; least == 0 || rate < least {
			least = rate
		}
	}
	return least * stormPart, nil
}

// measureIdle takes the slope of anonymous resident memory between a quarter of the connections
// and all of them, each time after a while in which nothing happens and nothing is forced.
func (c *contest) measureIdle(who contestant, p pairing) error {
	quarter := c.idle / 4
	var memory [2]int
	var said logLine
	for i, more := range [2]int{quarter, c.idle - quarter} {
		if _, err := p.load.do(order{Do: doHold, Number: more, Parallel: c.parallel}); err != nil {
			return err
		}
		time.Sleep(c.settle)
		var err error
		if memory[i], err = anonymousMemory(p.server.pid()); err != nil {
			return err
		}
		if said, err = p.server.counters(); err != nil {
			return err
		}
	}
	if said.Connections != c.idle {
		return fmt.Errorf("the server counts %d connections, the client holds %d", said.Connections, c.idle)
	}
	c.book.add(who, idleMemory, float64(memory[1]-memory[0])/float64(c.idle-quarter)/1024)
	c.book.add(who, idleGoroutines, float64(said.Goroutines))
	return nil
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
