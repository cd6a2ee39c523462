package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// patienceWithServer is how long a server may take to answer, start or end.
const patienceWithServer = 15 * time.Second

// patienceWithLoad is how long an order may take beyond the length that it has.
const patienceWithLoad = 5 * time.Minute

// A logLine is what the harness reads of a server's log in JSON; the fields are those of the
// lines "serving", "counters" and profileWritten.
type logLine struct {
	Msg         string `json:"msg"`
	Listen      string `json:"listen"`
	Connections int    `json:"connections"`
	Goroutines  int    `json:"goroutines"`

	Mallocs     int `json:"mallocs"` // since the start, as AllocBytes and Collections
	AllocBytes  int `json:"alloc_bytes"`
	Collections int `json:"collections"`
	Live        int `json:"live"` // bytes, as the next two
	HeapInUse   int `json:"heap_in_use"`
	Stacks      int `json:"stacks"`
}

// A server is a process that echoes.
type server struct {
	name  string
	addr  string
	cmd   *exec.Cmd
	in    io.WriteCloser // its standard input, for the profiled ones
	lines chan logLine   // closed when the process has closed its log
}

// startServer runs a command and waits until it says that it is serving.
func startServer(name string, at place, command ...string) (*server, error) {
	s := &server{name: name, cmd: exec.Command(command[0], command[1:]...), lines: make(chan logLine, 16)}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := at.start(s.cmd); err != nil {
		return nil, err
	}
	go s.follow(stderr)
	line, err := s.await("serving")
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.addr = line.Listen
	return s, nil
}

// follow passes the lines that the harness waits for on, and what is no log to the person.
func (s *server) follow(log io.Reader) {
	defer close(s.lines)
	for scanner := bufio.NewScanner(log); scanner.Scan(); {
		var line logLine
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, scanner.Text())
		} else if line.Msg == "serving" || line.Msg == "counters" || line.Msg == profileWritten {
			s.lines <- line
		}
	}
}

// await returns the next line with a message.
func (s *server) await(msg string) (logLine, error) {
	deadline := time.After(patienceWithServer)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return logLine{}, fmt.Errorf("%s ended before it logged %q", s.name, msg)
			}
			if line.Msg == msg {
				return line, nil
			}
		case <-deadline:
			return logLine{}, fmt.Errorf("%s did not log %q within %v", s.name, msg, patienceWithServer)
		}
	}
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// counters asks the server for its own count of goroutines and connections.
func (s *server) counters() (logLine, error) {
	if err := askForCounters(s.cmd.Process); err != nil {
		return logLine{}, err
	}
	return s.await("counters")
}

// stop ends the server: kindly, then not.
func (s *server) stop() error {
	if err := askToEnd(s.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	kill := time.AfterFunc(patienceWithServer, func() { s.cmd.Process.Kill() })
	defer kill.Stop()
	for range s.lines { // until the log ends, which Wait must not cut short
	}
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// A load is a load client's process.
type load struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	answers *json.Decoder
}

// startLoad runs this program again, as load client of a server.
func startLoad(self, addr, certFile string, at place) (*load, error) {
	l := &load{cmd: exec.Command(self, "-role", "load", "-addr", addr, "-cert", certFile)}
	l.cmd.Stderr = os.Stderr
	var err error
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.orders, l.answers = json.NewEncoder(l.in), json.NewDecoder(out)
	return l, at.start(l.cmd)
}

// do gives one order and waits until it is done.
func (l *load) do(o order) (answer, error) {
	kill := time.AfterFunc(o.Length+patienceWithLoad, func() { l.cmd.Process.Kill() })
	defer kill.Stop()
	if err := l.orders.Encode(o); err != nil {
		return answer{}, fmt.Errorf("load client: %w", err)
	}
	var a answer
	if err := l.answers.Decode(&a); err != nil {
		return answer{}, fmt.Errorf("the load client gave up on %q; it says above why, or took too long", o.Do)
	}
	return a, nil
}

// stop lets the client end its connections, and reports if one did not end as agreed.
func (l *load) stop() error {
	kill := time.AfterFunc(patienceWithLoad, func() { l.cmd.Process.Kill() })
	defer kill.Stop()
	l.in.Close()
	return l.cmd.Wait()
}
