package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	tests := []struct {
		name    string
		figures []float64
		want    spread
	}{
		{"of one figure is that figure", []float64{3}, spread{3, 3, 3}},
		{"of an odd number has the middle one", []float64{9, 1, 2}, spread{2, 1, 9}},
		{"of an even number has the mean of the middle two", []float64{9, 1, 2, 4}, spread{3, 1, 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := spreadOf(tt.figures); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestEachContestantBeginsInTurn(t *testing.T) {
	c := contest{servers: []contestant{{name: "a"}, {name: "b"}}}
	var order []string
	for round := range 3 {
		for _, who := range c.turn(round) {
			order = append(order, who.name)
		}
	}
	if want := []string{"a", "b", "b", "a", "a", "b"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

func TestMemoryIsReadFromTheKernelsText(t *testing.T) {
	got, err := rssAnon([]byte("VmRSS:\t  5000 kB\nRssAnon:\t    1234 kB\nRssFile:\t 1 kB\n"))
	if err != nil || got != 1234<<10 {
		t.Errorf("%d, %v; want %d", got, err, 1234<<10)
	}
	if _, err := rssAnon([]byte("VmRSS:\t  5000 kB\n")); err == nil {
		t.Error("memory from a text without any")
	}
	if got, err := anonymousMemory(os.Getpid()); err != nil || got < 1<<20 {
		t.Errorf("this process has %d bytes, %v; want at least a MiB", got, err)
	}
}

func TestCPUTimeGrowsWithWork(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after < before+10*time.Millisecond; {
		if after, err = cpuTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cpuTime(1 << 27); err == nil {
		t.Error("CPU time of a process that cannot exist")
	}
}

func TestTheReportComparesWithinRounds(t *testing.T) {
	rounds := []map[string]sample{
		{"a": {cpuPerHandshake: 100}, "b": {cpuPerHandshake: 200}},
		{"a": {cpuPerHandshake: 600}, "b": {cpuPerHandshake: 1000}},
		{"a": {cpuPerHandshake: 70}, "b": {cpuPerHandshake: 100}},
	}
	var out strings.Builder
	report(&out, []string{"a", "b"}, rounds, handshakeFigures[:1])
	if row := strings.Split(out.String(), "\n")[1]; !strings.HasPrefix(row, "CPU per handshake  0.1 us (0.1 us..0.6 us)  0.2 us (0.1 us..1.0 us)  0.600") {
		t.Errorf("row %q", row)
	}
}
