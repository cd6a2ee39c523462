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

// A trace is a stack, the innermost function first, and what a profile says was used there.
type trace struct {
	value float64
	stack []string
}

// readTraces reads the text of `go tool pprof -traces`. Each trace begins with a line of dashes;
// the first function follows the value, the others stand alone; a heap's has a line "bytes:".
func readTraces(text []byte, unit string) []trace {
	var traces []trace
	begun := false
	for line := range bytes.Lines(text) {
		s := strings.TrimSuffix(strings.TrimSpace(string(line)), " (inline)")
		if strings.HasPrefix(s, "-----------+") {
			begun = true
			traces = append(traces, trace{})
			continue
		}
		if !begun || s == "" || strings.HasPrefix(s, "bytes:") {
			continue
		}
		last := &traces[len(traces)-1]
		if last.stack == nil {
			value, function, _ := strings.Cut(s, " ")
			last.value, _ = strconv.ParseFloat(strings.TrimSuffix(value, unit), 64) // a plain 0 has no unit
			s = strings.TrimSpace(function)
		}
		if generic, _, ok := strings.Cut(s, "[go.shape"); ok {
			s = generic
		}
		last.stack = append(last.stack, s)
	}
	// The last line of dashes ends the text.
	return slices.DeleteFunc(traces, func(t trace) bool { return t.stack == nil })
}

// innermost returns the innermost function of the stack that begins with one of the prefixes, or "".
func (t trace) innermost(prefixes ...string) string {
	for _, function := range t.stack {
		for _, p := range prefixes {
			if strings.HasPrefix(function, p) {
				return function
			}
		}
	}
	return ""
}

const ourModule = "github.com/tlsreactor/tlsreactor/"

// A step is a part of a handshake, known by functions whose names begin like this.
type step struct {
	name     string
	prefixes []string
}

// steps sort the time of handshakes by what it is for: the first that a stack has decides.
var steps = []step{
	{"collecting garbage", []string{"runtime.gcBgMarkWorker", "runtime.gcAssist", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart", "runtime.gcMark", "runtime.deductSweep"}},
	{"stacks that grow", []string{"runtime.newstack", "runtime.morestack"}},
	{"allocating", []string{"runtime.mallocgc", "runtime.newobject", "runtime.makeslice", "runtime.growslice"}},
	{"X25519, key generation", []string{"crypto/ecdh.(*x25519Curve).GenerateKey"}},
	{"X25519, derivation", []string{"crypto/ecdh.(*x25519Curve).ecdh"}},
	{"ECDSA P-256, signature", []string{"crypto/ecdsa.Sign"}},
	{"write(2)", []string{"golang.org/x/sys/unix.Write", "golang.org/x/sys/unix.write", "syscall.Write", "syscall.write"}},
	{"read(2)", []string{"golang.org/x/sys/unix.Read", "golang.org/x/sys/unix.read", "syscall.Read", "syscall.read"}},
	{"accept4(2)", []string{"golang.org/x/sys/unix.Accept", "golang.org/x/sys/unix.accept", "internal/poll.accept", "internal/poll.(*FD).Accept"}},
	{"close(2), shutdown(2)", []string{"golang.org/x/sys/unix.Close", "golang.org/x/sys/unix.Shutdown", "syscall.Close", "syscall.Shutdown"}},
	{"epoll_ctl(2)", []string{"golang.org/x/sys/unix.EpollCtl", "runtime.netpollopen", "runtime.netpollclose", "internal/runtime/syscall/linux.EpollCtl", "internal/poll.runtime_poll"}},
	{"epoll_wait(2)", []string{"golang.org/x/sys/unix.EpollWait", "runtime.netpoll", "internal/runtime/syscall/linux.EpollWait"}},
	{"other system calls", []string{"internal/runtime/syscall/linux.Syscall6", "golang.org/x/sys/unix.", "syscall."}},
	{"key schedule, transcript and records: hashes and AEADs", []string{"crypto/internal/", "crypto/sha", "crypto/hmac", "crypto/aes", "crypto/cipher", "crypto/hkdf", "golang.org/x/crypto/",
		ourModule + "tlsconn/internal/keysched", ourModule + "tlsconn/internal/record"}},
	{"the engine besides (tlsconn, crypto/tls)", []string{ourModule + "tlsconn", "crypto/tls.(*Conn)", "crypto/tls.(*serverHand"}},
	{"reactor and poller; package net", []string{ourModule + "reactor", ourModule + "poller", "net.", "internal/poll.", "main."}},
}

// stepTable divides the microseconds that one handshake takes by steps.
func stepTable(program string, traces []trace, each float64) [][]string {
	sums := make([]float64, len(steps)+1)
	total := 0.0
	for _, t := range traces {
		i := slices.IndexFunc(steps, func(s step) bool { return t.innermost(s.prefixes...) != "" })
		if i < 0 {
			i = len(steps)
		}
		sums[i] += t.value
		total += t.value
	}
	rows := [][]string{{program + ": what", "us per handshake", "share"}}
	for i, sum := range sums {
		name := "the rest: scheduling"
		if i < len(steps) {
			name = steps[i].name
		}
		if sum != 0 {
			rows = append(rows, []string{name, fmt.Sprintf("%.1f", sum/total*each), fmt.Sprintf("%.0f %%", 100*sum/total)})
		}
	}
	return append(rows, []string{"**all**", fmt.Sprintf("**%.0f**", each), ""})
}

// siteRows divides the bytes of a connection by where they were allocated, the most first, and by
// whom of us if that was in somebody else's function. What is less than 8 bytes is added up.
func siteRows(traces []trace, connections float64) [][]string {
	sums := make(map[[2]string]float64)
	rest := 0.0
	for _, t := range traces {
		asker := t.innermost(ourModule, "crypto/tls.", "net.", "main.")
		if asker == t.stack[0] {
			asker = ""
		}
		sums[[2]string{t.stack[0], asker}] += t.value / connections
	}
	sites := slices.SortedFunc(maps.Keys(sums), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	var rows [][]string
	for _, site := range sites {
		if sums[site] < 8 {
			rest += sums[site]
			continue
		}
		name := strings.TrimPrefix(site[0], ourModule)
		if site[1] != "" {
			name += ", for " + strings.TrimPrefix(site[1], ourModule)
		}
		rows = append(rows, []string{name, fmt.Sprintf("%.0f", sums[site])})
	}
	return append(rows, []string{"elsewhere", fmt.Sprintf("%.0f", rest)})
}
