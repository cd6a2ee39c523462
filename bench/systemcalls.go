package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// runtimeCalls are the system calls that the Go runtime makes for itself: its monitor sleeps and
// preempts, its threads wait for each other. Under strace, which slows everything else down, they
// are many.
var runtimeCalls = []string{"nanosleep", "futex", "sched_yield", "tgkill", "getpid", "rt_sigreturn", "madvise", "clock_gettime"}

// straceCounts reads the summary of `strace -c -U calls,name`: rows of a count and a name.
func straceCounts(text []byte) map[string]float64 {
	counts := make(map[string]float64)
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) != 2 || fields[1] == "total" {
			continue
		}
		if n, err := strconv.ParseFloat(fields[0], 64); err == nil {
			counts[fields[1]] += n
		}
	}
	return counts
}

// callTable is the system calls of one handshake and of one echo, less those of a run without, the
// most frequent first. What happens less than once in twenty times is left out.
func callTable(name string, base, shaken, echoed map[string]float64, handshakes, echoes int) [][]string {
	const often = 0.05
	rows := [][]string{{name + ": system call", "per handshake, echo and end", "per echo"}}
	calls := slices.Collect(maps.Keys(shaken))
	slices.SortFunc(calls, func(a, b string) int {
		return cmp.Or(cmp.Compare(shaken[b]-base[b], shaken[a]-base[a]), strings.Compare(a, b))
	})
	var all, runtimes [2]float64
	for _, call := range calls {
		n := [2]float64{(shaken[call] - base[call]) / float64(handshakes), (echoed[call] - base[call]) / float64(echoes)}
		if max(n[0], n[1]) < often {
			continue
		}
		sum := &all
		if slices.Contains(runtimeCalls, call) {
			sum = &runtimes
		} else {
			rows = append(rows, []string{call, fmt.Sprintf("%.1f", max(0, n[0])), fmt.Sprintf("%.1f", max(0, n[1]))})
		}
		sum[0], sum[1] = sum[0]+n[0], sum[1]+n[1]
	}
	return append(rows,
		[]string{"**all**", fmt.Sprintf("**%.1f**", all[0]), fmt.Sprintf("**%.1f**", all[1])},
		[]string{"and the runtime's own", fmt.Sprintf("%.1f", runtimes[0]), fmt.Sprintf("%.1f", runtimes[1])})
}
