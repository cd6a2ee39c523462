package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// A figure is one row of the report.
type figure int

// The figures, in the order of the report.
const (
	handshakeCPU figure = iota
	handshakeAt50
	handshakeRate
	resumedCPU
	resumedAt50
	resumedRate
	idleMemory
	idleGoroutines
	bulkCPU
	calmMedian
	calmTail
	calmWorst
	stormMedian
	stormTail99
	stormRate
	stormShare
	burstTime
	burstSlowest
	burstMedian
	burstTail
	burstWorst
	figureCount
)

// looks says how a figure is written.
var looks = [figureCount]struct {
	name, unit string
	decimals   int
}{
	handshakeCPU:   {"CPU per full handshake", "us", 0},
	handshakeAt50:  {"the same, at50", "us", 0},
	handshakeRate:  {"handshakes per second", "", 0},
	resumedCPU:     {"CPU per resumed handshake", "us", 0},
	resumedAt50:    {"the same, at50", "us", 0},
	resumedRate:    {"resumed handshakes per second", "", 0},
	idleMemory:     {"memory per idle connection", "KiB", 2},
	idleGoroutines: {"goroutines, all idle connections", "", 0},
	bulkCPU:        {"CPU per byte, bulk", "ns", 2},
	calmMedian:     {"echo, calm: p50", "us", 0},
	calmTail:       {"echo, calm: p99", "us", 0},
	calmWorst:      {"echo, calm: the longest", "us", 0},
	stormMedian:    {"echo, in a storm: p50", "us", 0},
	stormTail99:    {"echo, in a storm: p99", "us", 0},
	stormRate:      {"handshakes per second of that storm", "", 0},
	stormShare:     {"the server's core, meanwhile", "% busy", 0},
	burstTime:      {"burst, first connect to last handshake", "ms", 0},
	burstSlowest:   {"the slowest burst of a round", "ms", 0},
	burstMedian:    {"echo, in bursts: p50", "us", 0},
	burstTail:      {"echo, in bursts: p99", "us", 0},
	burstWorst:     {"echo, in bursts: the longest", "us", 0},
}

// A book holds the samples of all rounds.
type book struct {
	closed      bool      // what comes now does not count
	derivations []float64 // nanoseconds
	samples     map[entry][]float64
}

type entry struct {
	program, job string
	figure       figure
}

func (b *book) add(who contestant, f figure, value float64) {
	if b.closed {
		return
	}
	if b.samples == nil {
		b.samples = make(map[entry][]float64)
	}
	e := entry{who.program, who.job, f}
	b.samples[e] = append(b.samples[e], value)
}

func (b *book) of(who contestant, f figure) []float64 {
	return b.samples[entry{who.program, who.job, f}]
}

// A spread is the median of some samples, the least and the greatest.
type spread struct{ median, least, greatest float64 }

// spreadOf needs at least one sample.
func spreadOf(samples []float64) spread {
	sorted := slices.Sorted(slices.Values(samples))
	n := len(sorted)
	return spread{(sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]}
}

// write writes median, unit and, if there is any, the spread.
func (s spread) write(unit string, decimals int) string {
	if unit != "" {
		unit = " " + unit
	}
	text := fmt.Sprintf("%.*f%s", decimals, s.median, unit)
	if s.least == s.greatest {
		return text
	}
	return text + fmt.Sprintf(" (%.*f..%.*f)", decimals, s.least, decimals, s.greatest)
}

// report writes a job's table in Markdown: medians of the rounds with least and greatest, and the
// same of the rounds' ratios, in which both servers had the same noise.
func (b *book) report(w io.Writer, job string) { b.compare(w, job, ours, theirs) }

// compare is report for any two programs.
func (b *book) compare(w io.Writer, job, one, other string) {
	rows := [][]string{{job, one, other, "ratio"}}
	for f := range figureCount {
		our, their := b.samples[entry{one, job, f}], b.samples[entry{other, job, f}]
		if len(our) == 0 || len(our) != len(their) {
			continue
		}
		look := looks[f]
		ratios := make([]float64, len(our))
		for i := range our {
			ratios[i] = our[i] / their[i]
		}
		rows = append(rows, []string{look.name, spreadOf(our).write(look.unit, look.decimals),
			spreadOf(their).write(look.unit, look.decimals), spreadOf(ratios).write("", 3)})
	}
	if len(rows) > 1 {
		fmt.Fprintln(w)
		writeTable(w, rows)
	}
}

// writeTable writes rows, the first of which is the heading, so that they line up as text too.
func writeTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for i, row := range rows {
		for j, cell := range row {
			fmt.Fprintf(w, "| %-*s ", widths[j], cell)
		}
		fmt.Fprintln(w, "|")
		if i == 0 {
			for _, width := range widths {
				fmt.Fprint(w, "|", strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

// conditions says what a reader has to know of the machine and of the work.
func (c *contest) conditions(w io.Writer) {
	collector := os.Getenv("GOGC")
	if collector == "" {
		collector = "100, the default"
	}
	where := "on any core, because there is only one"
	if c.serverCore.core >= 0 {
		where = fmt.Sprintf("the servers on core %d, everything else on core %d", c.serverCore.core, c.loadCore.core)
	}
	fmt.Fprintf(w, "%s %s/%s, GOGC %s; %s.\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, collector, where)
	fmt.Fprintf(w, "One X25519 derivation of the standard library: %s on the servers' core.\n",
		spreadOf(c.book.derivations).write("ns", 0))
	fmt.Fprintf(w, "TLS 1.3, ECDSA P-256, X25519, TLS_AES_128_GCM_SHA256, a ticket to each client that asks, close_notify both ways: checked on each connection.\n")
	memory := ""
	if c.idle > 0 {
		memory = fmt.Sprintf(", for memory of %d", c.idleRounds)
	}
	fmt.Fprintf(w, "Medians (least..greatest) of %d rounds%s.\n", c.rounds, memory)
}
