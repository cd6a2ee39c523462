package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// The load is a process of its own, so that its work is nobody else's. The harness gives it
// orders, and it answers each when it is done, in lines of JSON.

// A verb says what an order is for.
type verb string

const (
	doHandshakes verb = "handshakes" // Number connections, Parallel at a time, each ended after a byte
	doPrime      verb = "prime"      // Number handshakes at once, whose tickets are kept for doResumed
	doResumed    verb = "resumed"    // doHandshakes with a ticket for each, which is renewed
	doHold       verb = "hold"       // open Number more connections, Parallel at a time, and keep them
	doRelease    verb = "release"    // end those that are kept
	doBulk       verb = "bulk"       // echo Number messages of 16 KiB on those that are kept
	doEchoes     verb = "echoes"     // echo 100 bytes Rate times a second for Length on those that are kept
	doStorm      verb = "storm"      // Rate handshakes a second for Length
	doBursts     verb = "bursts"     // Number handshakes at once, again and again for Length
)

// An order is what the harness wants done.
type order struct {
	Do               verb
	Number, Parallel int
	Rate             float64
	Length           time.Duration
}

// An answer is what came of an order.
type answer struct {
	PerSecond float64 // of a storm: what was served
	// Of echoes, in microseconds.
	Median, Percentile99, Worst int64
	Echoes                      int64
	Bursts                      []int64 // microseconds that each took
}

// Beside a load client's loop, a goroutine waits for the next tick or order: with one processor
// of the runtime's, it would get it only when the monitor takes it from the sleeping loop.
const loadProcessors = 2

// runLoad inspects the server and obeys the orders; it ends, and with it what it holds, at the
// end of its input.
func runLoad(addr, certFile string, orders io.Reader, answers io.Writer) error {
	runtime.GOMAXPROCS(loadProcessors)
	debug.SetGCPercent(400) // the load's memory does not matter, its share of the processor does
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return err
	}
	agreed, err := agreementOn(certPEM)
	if err != nil {
		return err
	}
	if err := inspect(addr, agreed); err != nil {
		return err
	}
	c, err := newCrew(addr, agreed)
	if err != nil {
		return err
	}
	defer c.end()
	decoder, encoder := json.NewDecoder(orders), json.NewEncoder(answers)
	for {
		var o order
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return c.release()
		case err != nil:
			return fmt.Errorf("an order: %w", err)
		}
		a, err := c.obey(o)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Do, err)
		}
		if err := encoder.Encode(a); err != nil {
			return err
		}
	}
}

// obey does what an order says.
func (c *crew) obey(o order) (a answer, err error) {
	switch o.Do {
	case doHandshakes:
		err = c.handshakes(o.Number, o.Parallel)
	case doPrime:
		err = c.prime(o.Number)
	case doResumed:
		err = c.resumed(o.Number, o.Parallel)
	case doHold:
		err = c.hold(o.Number, o.Parallel)
	case doRelease:
		err = c.release()
	case doBulk:
		err = c.bulk(o.Number)
	case doEchoes:
		times, failed := c.echoes(o.Rate, o.Length)
		if err = failed; err == nil {
			a.Median, a.Percentile99 = times.ValueAtPercentile(50), times.ValueAtPercentile(99)
			a.Worst, a.Echoes = times.Max(), times.TotalCount()
		}
	case doStorm:
		a.PerSecond, err = c.storm(o.Rate, o.Length)
	case doBursts:
		a.Bursts, err = c.bursts(o.Number, o.Length)
	default:
		err = errors.New("there is no such order")
	}
	return a, err
}
