package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	profileHandshakes = 20_000 // at about 300 us, and 100 samples a second, some 600 samples
	straceHandshakes  = 200
)

// A profiler writes profiles into a directory and what they say, in Markdown, to a writer.
type profiler struct {
	*contest
	dir, keyFile string
	out          io.Writer
}

// profile profiles the echo servers of both programs.
func (p *profiler) profile() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	for _, program := range []string{ours, theirs} {
		if err := p.heap(program); err != nil {
			return fmt.Errorf("heap of %s: %w", program, err)
		}
		if err := p.cpu(program); err != nil {
			return fmt.Errorf("handshakes of %s: %w", program, err)
		}
	}
	if _, err := exec.LookPath("strace"); err != nil {
		fmt.Fprintln(p.out, "\nNo strace here, so system calls are not counted.")
		return nil
	}
	for _, who := range p.servers {
		if err := p.systemCalls(who); err != nil {
			return fmt.Errorf("system calls of %v: %w", who, err)
		}
	}
	return nil
}

// profiled starts a server that obeys commands; every allocation is recorded with precise, as
// long as it lives.
func (p *profiler) profiled(program string, precise bool) (pairing, error) {
	who := contestant{program: program, job: jobEcho, command: []string{p.self, "-role", "profiled", "-program", program,
		"-cert", p.certFile, "-key", p.keyFile}}
	if precise {
		who.command = append([]string{"env", "GODEBUG=memprofilerate=1"}, who.command...)
	}
	return p.start(who)
}

// tell gives a profiled server a command and returns what it then says of its memory.
func (s *server) tell(format string, args ...any) (logLine, error) {
	if _, err := fmt.Fprintf(s.in, format+"\n", args...); err != nil {
		return logLine{}, err
	}
	return s.await(profileWritten)
}

// heap says where the bytes of idle connections go: what lives with all of them and not with a
// quarter, by where it was allocated.
func (p *profiler) heap(program string) error {
	var files [2]string
	var said [2]logLine
	quarter := p.idle / 4
	err := p.during(program, true, func(pair pairing) error {
		for i, more := range [2]int{quarter, p.idle - quarter} {
			if _, err := pair.load.do(order{Do: doHold, Number: more, Parallel: p.parallel}); err != nil {
				return err
			}
			time.Sleep(p.settle)
			files[i] = p.file(program, fmt.Sprintf("heap-%d", []int{quarter, p.idle}[i]))
			var err error
			if said[i], err = pair.server.tell("heap %s", files[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	traces, err := pprofTraces("B", "-sample_index=inuse_space", "-base="+files[0], p.self, files[1])
	if err != nil {
		return err
	}
	n := float64(p.idle - quarter)
	rows := append([][]string{{program + ": allocated in", "bytes per idle connection"}}, siteRows(traces, n)...)
	for _, sum := range []struct {
		name string
		of   func(logLine) int
	}{
		{"**all that is live**", func(l logLine) int { return l.Live }},
		{"**heap in use, live or not yet swept**", func(l logLine) int { return l.HeapInUse }},
		{"**stacks of goroutines**", func(l logLine) int { return l.Stacks }},
	} {
		rows = append(rows, []string{sum.name, fmt.Sprintf("%.0f", float64(sum.of(said[1])-sum.of(said[0]))/n)})
	}
	fmt.Fprintln(p.out)
	writeTable(p.out, rows)
	return nil
}

// cpu says where the time of handshakes goes, and how much they allocate.
func (p *profiler) cpu(program string) error {
	file := p.file(program, "cpu")
	var said [2]logLine
	var spent time.Duration
	err := p.during(program, false, func(pair pairing) error {
		handshakes := func(n int) error {
			_, err := pair.load.do(order{Do: doHandshakes, Number: n, Parallel: p.parallel})
			return err
		}
		err := handshakes(profileHandshakes / 10)
		if err == nil {
			said[0], err = pair.server.tell("cpu %s", file)
		}
		if err != nil {
			return err
		}
		if spent, err = pair.server.cpuOf(func() error { return handshakes(profileHandshakes) }); err != nil {
			return err
		}
		said[1], err = pair.server.tell("stop")
		return err
	})
	if err != nil {
		return err
	}
	traces, err := pprofTraces("us", p.self, file)
	if err != nil {
		return err
	}
	each := microseconds(spent) / profileHandshakes
	fmt.Fprintf(p.out, "\n%s: %.0f us of CPU per handshake, %.0f allocations of %.1f KiB in all, %d collections in %d handshakes.\n\n",
		program, each, float64(said[1].Mallocs-said[0].Mallocs)/profileHandshakes,
		float64(said[1].AllocBytes-said[0].AllocBytes)/profileHandshakes/1024, said[1].Collections-said[0].Collections, profileHandshakes)
	writeTable(p.out, stepTable(program, traces, each))
	return nil
}

// systemCalls counts the system calls of a server, with one connection at a time so that none is
// shared: those of handshakes with their echo and their end, and those of echoes alone.
func (p *profiler) systemCalls(who contestant) error {
	count := func(name string, orders ...order) (map[string]float64, answer, error) {
		file := p.file(strings.ReplaceAll(who.String(), " ", "-"), "strace-"+name)
		traced := who
		traced.command = append([]string{"strace", "-D", "-f", "-c", "-U", "calls,name", "-o", file}, who.command...)
		pair, err := p.start(traced)
		if err != nil {
			return nil, answer{}, err
		}
		var last answer
		for _, o := range orders {
			if last, err = pair.load.do(o); err != nil {
				break
			}
		}
		if err := errors.Join(err, pair.stop()); err != nil {
			return nil, answer{}, err
		}
		text, err := os.ReadFile(file)
		return straceCounts(text), last, err
	}
	one := order{Do: doHold, Number: 1, Parallel: 1}
	base, _, err := count("base", one)
	if err != nil {
		return err
	}
	shaken, _, err := count("handshakes", one, order{Do: doHandshakes, Number: straceHandshakes, Parallel: 1})
	if err != nil {
		return err
	}
	echoed, echoes, err := count("echoes", one, order{Do: doEchoes, Rate: 200, Length: 2 * time.Second})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out)
	writeTable(p.out, callTable(who.String(), base, shaken, echoed, straceHandshakes, int(echoes.Echoes)))
	return nil
}

// during runs f with a server that is profiled, and ends it.
func (p *profiler) during(program string, precise bool, f func(pairing) error) error {
	pair, err := p.profiled(program, precise)
	if err != nil {
		return err
	}
	return errors.Join(f(pair), pair.stop())
}

func (p *profiler) file(program, what string) string {
	return filepath.Join(p.dir, strings.ReplaceAll(program, "/", "-")+"."+what)
}

// pprofTraces runs `go tool pprof -traces` with values in a unit.
func pprofTraces(unit string, args ...string) ([]trace, error) {
	cmd := exec.Command("go", append([]string{"tool", "pprof", "-traces", "-unit=" + unit}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go tool pprof: %w: %s", err, &stderr)
	}
	return readTraces(text, unit), nil
}
