package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startWithStderr runs serve with a standard error of the test's own, and returns the reading end after the
// line that says where it listens.
func startWithStderr(t *testing.T) (p *exec.Cmd, stderr *os.File, addr string) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p = exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--echo")
	p.Stderr = write
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
		read.Close()
	})
	lines := bufio.NewReaderSize(read, 16)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`listen=(\S+)`).FindStringSubmatch(line); m != nil {
			return p, read, m[1]
		}
	}
}

// failToGreet makes the program log a line.
func failToGreet(t *testing.T, addr string) {
	t.Helper()
	p := &program{t: t, addr: addr}
	conn := p.dial()
	if _, err := io.Copy(conn, strings.NewReader("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn) // an alert and the end, or a reset: it has been served either way
}

func TestAReaderOfTheLogThatLeavesEndsNobody(t *testing.T) {
	p, stderr, addr := startWithStderr(t)
	stderr.Close()
	for range 3 {
		failToGreet(t, addr)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after its log's reader had left: %v", err)
	}
}

func TestAReaderOfTheLogThatDoesNotReadStopsNoSignal(t *testing.T) {
	p, stderr, addr := startWithStderr(t)
	_ = stderr // open, and never read again
	const linesThatFillAPipeAndTheJournal = 5000
	for range linesThatFillAPipeAndTheJournal {
		failToGreet(t, addr)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Errorf("SIGTERM has had no effect within %v", patience)
	}
}
