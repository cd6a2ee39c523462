package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The experiment of the remote key: one loop whose private key is in another process, at a distance
// in time, beside the same server with the key in its own. What it has to show is that a handshake
// which awaits its signature costs the loop nothing: a burst takes the distance and the work, and
// not the distance for each, and established connections notice only the work.
const (
	remote      = "key in another process"
	local       = "key of its own"
	keyEchoes   = 50   // established connections
	keyEchoRate = 5000 // echoes per second over all of them
	keyLead     = 300 * time.Millisecond
	keyTail     = 300 * time.Millisecond
)

// A keyPlan says how much of it is measured.
type keyPlan struct {
	delay time.Duration // from a request's coming to its answer
	burst int           // handshakes that begin at once
}

// remoteKeys is the harness of the experiment.
func (o options) remoteKeys() error {
	dir, err := os.MkdirTemp("", "tlsreactor-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, keyFile, err := o.prepare(dir)
	if err != nil {
		return err
	}
	c.idle = 0
	socket := filepath.Join(dir, "key.sock")
	holder, err := startServer("the key's process", c.loadCore, c.self, "-role", "key", "-cert", c.certFile,
		"-key", keyFile, "-addr", socket, "-key-delay", o.keys.delay.String())
	if err != nil {
		return err
	}
	defer holder.stop()
	job := fmt.Sprintf("one loop, %d handshakes at once, key at %v", o.keys.burst, o.keys.delay)
	keyless := []string{c.self, "-role", "keyless", "-cert", c.certFile}
	c.servers = []contestant{
		{remote, job, append(keyless[:len(keyless):len(keyless)], "-addr", socket)},
		{local, job, append(keyless[:len(keyless):len(keyless)], "-key", keyFile)},
	}
	parts := []part{
		{"echoes, calm", 0, o.calm, c.measureKeyCalm},
		{"echoes, in bursts", 1, o.storm + keyLead + keyTail, func(who contestant, p pairing) error {
			return c.measureBursts(who, p, o.keys.burst)
		}},
	}
	c.progress = newProgress(c.lengthOf(parts))
	if err := c.runTogether(parts); err != nil {
		return err
	}
	c.progress.end()
	c.conditions(os.Stdout)
	c.book.compare(os.Stdout, job, remote, local)
	return nil
}

func (c *contest) measureKeyCalm(who contestant, p pairing) error {
	return p.holding(keyEchoes, func() error {
		a, err := p.load.do(order{Do: doEchoes, Rate: keyEchoRate, Length: c.calm})
		if err != nil {
			return err
		}
		c.book.add(who, calmMedian, float64(a.Median))
		c.book.add(who, calmTail, float64(a.Percentile99))
		c.book.add(who, calmWorst, float64(a.Worst))
		return nil
	})
}

// measureBursts times echoes on established connections while another client makes one burst of
// handshakes after the other, and those bursts.
func (c *contest) measureBursts(who contestant, p pairing, size int) error {
	return p.holding(keyEchoes, func() error {
		a, bursting, err := p.beside(order{Do: doBursts, Number: size, Length: keyLead + c.storm + keyTail}, keyLead, func() (answer, error) {
			return p.load.do(order{Do: doEchoes, Rate: keyEchoRate, Length: c.storm})
		})
		if err != nil {
			return err
		}
		times := make([]float64, len(bursting.Bursts))
		for i, us := range bursting.Bursts {
			times[i] = float64(us) / 1000
		}
		if len(times) == 0 {
			return fmt.Errorf("no burst of %d handshakes was complete within %v", size, c.storm)
		}
		c.book.add(who, burstTime, spreadOf(times).median)
		c.book.add(who, burstSlowest, spreadOf(times).greatest)
		c.book.add(who, burstMedian, float64(a.Median))
		c.book.add(who, burstTail, float64(a.Percentile99))
		c.book.add(who, burstWorst, float64(a.Worst))
		return nil
	})
}
