package deploy

import (
	"bytes"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds the wait for what a program has to say or do.
const patience = 60 * time.Second

// A program is a command whose output is waited for.
type program struct {
	t   *testing.T
	cmd *exec.Cmd

	mu     sync.Mutex
	output bytes.Buffer  // standard output and error
	more   chan struct{} // a hint that there is more of it
	ended  chan struct{} // closed at its end
}

// command prepares a program. When the test ends, so does what was started.
func command(t *testing.T, name string, args ...string) *program {
	p := &program{t: t, cmd: exec.Command(name, args...), more: make(chan struct{}, 1), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	return p
}

func (p *program) start() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait() // how it ended stands in ProcessState
		close(p.ended)
	}()
	p.t.Cleanup(func() {
		p.cmd.Process.Kill() // an error says that it has ended
		<-p.ended
		if p.t.Failed() {
			p.t.Logf("the output of %s:\n%s", p.cmd, p.text())
		}
	})
}

// Write takes output.
func (p *program) Write(output []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
	return p.output.Write(output)
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// await waits until the output matches, and returns the match and its groups.
func (p *program) await(pattern string) []string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		if match := expression.FindStringSubmatch(p.text()); match != nil {
			return match
		}
		select {
		case <-p.more:
		case <-p.ended:
			if match := expression.FindStringSubmatch(p.text()); match != nil {
				return match
			}
			p.t.Fatalf("the program ended (%v) without %q in its output", p.cmd.ProcessState, pattern)
		case <-deadline:
			p.t.Fatalf("no %q in the output within %v", pattern, patience)
		}
	}
}

// terminate does what systemd and Docker do to stop a service.
func (p *program) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// ends waits for the program's end, with an exit status.
func (p *program) ends(status int) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("the program does not end within %v", patience)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Errorf("the program ended with %v, want status %d", p.cmd.ProcessState, status)
	}
}
