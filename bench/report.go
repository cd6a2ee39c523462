package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
)

// A figure is one row of the report: how to take it from a sample, and how to write it.
type figure struct {
	name string
	of   func(sample) float64
	text func(float64) string
}

var handshakeFigures = []figure{
	{"CPU per handshake", func(s sample) float64 { return float64(s.cpuPerHandshake.Nanoseconds()) / 1000 },
		func(v float64) string { return fmt.Sprintf("%.1f us", v) }},
	{"handshakes per second", func(s sample) float64 { return s.handshakesPerSec },
		func(v float64) string { return fmt.Sprintf("%.0f", v) }},
}

var idleFigures = []figure{
	{"memory per idle connection", func(s sample) float64 { return float64(s.bytesPerIdle) / 1024 },
		func(v float64) string { return fmt.Sprintf("%.2f KiB", v) }},
	{"goroutines, a quarter of them", func(s sample) float64 { return float64(s.goroutinesQuarter) },
		func(v float64) string { return fmt.Sprintf("%.0f", v) }},
	{"goroutines, all of them", func(s sample) float64 { return float64(s.goroutinesAll) },
		func(v float64) string { return fmt.Sprintf("%.0f", v) }},
}

// report writes a table of medians, with least and greatest, and as ratio the median of the
// first server's ratios to the last, taken within each round, where both had the same noise.
func report(w io.Writer, names []string, rounds []map[string]sample, figures []figure) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	first, last := names[0], names[len(names)-1]
	fmt.Fprintf(table, "\t%s\tratio\n", strings.Join(names, "\t"))
	for _, f := range figures {
		cells := []string{f.name}
		for _, name := range names {
			var all []float64
			for _, r := range rounds {
				all = append(all, f.of(r[name]))
			}
			s := spreadOf(all)
			cells = append(cells, fmt.Sprintf("%s (%s..%s)", f.text(s.median), f.text(s.least), f.text(s.greatest)))
		}
		var ratios []float64
		for _, r := range rounds {
			ratios = append(ratios, f.of(r[first])/f.of(r[last]))
		}
		cells = append(cells, fmt.Sprintf("%.3f", spreadOf(ratios).median))
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	table.Flush()
}

// conditions says what a reader has to know of the machine.
func conditions(w io.Writer) {
	collector := os.Getenv("GOGC")
	if collector == "" {
		collector = "100, the default"
	}
	fmt.Fprintf(w, "%s %s/%s, %d processors, GOGC %s, load from the same machine\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), collector)
}
