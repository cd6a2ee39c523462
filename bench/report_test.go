package main

import (
	"slices"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	tests := []struct {
		name    string
		samples []float64
		want    spread
		text    string
	}{
		{"of one sample is that sample", []float64{3}, spread{3, 3, 3}, "3.0 us"},
		{"of an odd number has the middle one", []float64{9, 1, 2}, spread{2, 1, 9}, "2.0 us (1.0..9.0)"},
		{"of an even number has the mean of the middle two", []float64{9, 1, 2, 4}, spread{3, 1, 9}, "3.0 us (1.0..9.0)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := spreadOf(tt.samples)
			if got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if text := got.write("us", 1); text != tt.text {
				t.Errorf("%q, want %q", text, tt.text)
			}
		})
	}
}

func TestEachContestantBeginsInTurn(t *testing.T) {
	c := contest{servers: []contestant{{program: "a"}, {program: "b"}}}
	var order []string
	for round := range 3 {
		for _, who := range c.turn(round) {
			order = append(order, who.program)
		}
	}
	if want := []string{"a", "b", "b", "a", "a", "b"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

func TestTheReportComparesWithinRounds(t *testing.T) {
	var b book
	our, their := contestant{program: ours, job: jobEcho}, contestant{program: theirs, job: jobEcho}
	for _, round := range [][2]float64{{100, 200}, {600, 1000}, {70, 100}} {
		b.add(our, handshakeCPU, round[0])
		b.add(their, handshakeCPU, round[1])
	}
	b.add(our, bulkCPU, 1) // of one server only: no row
	b.closed = true
	b.add(our, handshakeCPU, 5000) // a round that does not count
	var out strings.Builder
	b.report(&out, jobTerminate)
	if out.Len() != 0 {
		t.Errorf("a report of a job without samples: %q", &out)
	}
	b.report(&out, jobEcho)
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	const want = "| CPU per full handshake | 100 us (70..600) | 200 us (100..1000) | 0.600 (0.500..0.700) |"
	if len(rows) != 3 || rows[2] != want || !strings.HasPrefix(rows[0], "| echo server            | tlsreactor       | crypto/tls         | ratio ") {
		t.Errorf("report:\n%s\nwant a heading and %q", &out, want)
	}
}

func TestTheStormHasTheSlowerServersRate(t *testing.T) {
	our, their := contestant{program: ours, job: jobEcho}, contestant{program: theirs, job: jobEcho}
	c := contest{servers: []contestant{our, their, {program: ours, job: jobTerminate}}}
	if _, err := c.rateOfStorm(jobEcho); err == nil {
		t.Error("a rate although no handshakes were measured")
	}
	for _, rate := range []float64{1000, 3000, 2000} {
		c.book.add(our, handshakeRate, rate)
		c.book.add(their, handshakeRate, rate-300)
	}
	if rate, err := c.rateOfStorm(jobEcho); err != nil || rate != 1700*stormPart {
		t.Errorf("rate %v, %v; want four fifths of 1700", rate, err)
	}
	c.stormRate = 5
	if rate, err := c.rateOfStorm(jobTerminate); err != nil || rate != 5 {
		t.Errorf("rate %v, %v; want the one that was asked for", rate, err)
	}
}
