package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	plan
	keys      keyPlan
	remoteKey bool
	binary    string
	profile   string
	role      string // of a process that the harness starts
	program   string // to be profiled
	addr      string
	cert, key string
	backend   string
}

func parse() (options, error) {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/tlsreactor", "the program to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of handshakes, bulk and echoes")
	flag.IntVar(&o.idleRounds, "idle-rounds", 3, "rounds of idle connections")
	flag.IntVar(&o.handshakes, "handshakes", 2000, "handshakes per server and round; 0 for none")
	flag.IntVar(&o.resumed, "resumed", 2000, "handshakes per server and round that resume a session; 0 for none")
	flag.IntVar(&o.parallel, "parallel", 32, "connections that the load client opens at once")
	flag.IntVar(&o.bulk, "bulk", 256, "MiB echoed per server and round; 0 for none")
	flag.DurationVar(&o.calm, "calm", 2*time.Second, "length of the calm echoes per server and round; 0 for none")
	flag.DurationVar(&o.storm, "storm", 2*time.Second, "length of the echoes in a storm of handshakes; 0 for none")
	flag.Float64Var(&o.stormRate, "storm-rate", 0, "handshakes per second of the storm; 0 for four fifths of what the slower server of a job reaches")
	flag.IntVar(&o.idle, "idle", 9900, "idle connections per server and round; 0 for none")
	flag.DurationVar(&o.settle, "settle", 5*time.Second, "how long connections are idle before memory is read")
	flag.StringVar(&o.profile, "profile", "", "instead: write heap and CPU profiles and system calls to this directory")
	flag.BoolVar(&o.remoteKey, "remote-key", false, "instead: echoes and bursts of handshakes with the key in another process (-rounds, -calm, -storm)")
	flag.DurationVar(&o.keys.delay, "key-delay", 50*time.Millisecond, "with -remote-key: how long its process takes for an answer")
	flag.IntVar(&o.keys.burst, "burst", 200, "with -remote-key: handshakes that begin at once")
	flag.StringVar(&o.role, "role", "", "for the harness's own use, with those below")
	flag.StringVar(&o.program, "program", "", "")
	flag.StringVar(&o.addr, "addr", "", "")
	flag.StringVar(&o.backend, "backend", "", "")
	flag.StringVar(&o.cert, "cert", "", "")
	flag.StringVar(&o.key, "key", "", "")
	flag.Parse()
	p := &o.plan
	switch {
	case flag.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case p.rounds < 1 || p.idleRounds < 1 || p.parallel < 1:
		return o, errors.New("-rounds, -idle-rounds and -parallel must be at least 1")
	case min(p.handshakes, p.resumed, p.bulk, p.idle) < 0 || min(p.calm, p.storm, p.settle) < 0 || p.stormRate < 0:
		return o, errors.New("a number or length is negative")
	case p.idle > 0 && p.idle < 4:
		return o, errors.New("-idle must be 0 or at least 4: memory is the slope between a quarter and all")
	case o.keys.burst < 1 || o.keys.delay < 0 || o.remoteKey && min(p.calm, p.storm) == 0:
		return o, errors.New("-remote-key needs a -burst, -calm and -storm")
	case p.storm > 0 && p.handshakes == 0 && p.stormRate == 0:
		return o, errors.New("-storm without -handshakes needs a -storm-rate")
	}
	return o, nil
}

func run() error {
	o, err := parse()
	if err != nil {
		return err
	}
	switch o.role {
	case "":
		if o.remoteKey {
			return o.remoteKeys()
		}
		return o.contest()
	case "load":
		return runLoad(o.addr, o.cert, os.Stdin, os.Stdout)
	case "crypto-tls":
		return runPeer(o.cert, o.key, o.backend)
	case "profiled":
		return runProfiled(o.program, o.cert, o.key, os.Stdin)
	case "key":
		go endWithHarness(os.Stdin)
		return runKeyHolder(o.cert, o.key, o.addr, o.keys.delay)
	case "keyless":
		go endWithHarness(os.Stdin)
		return runKeyless(o.cert, o.key, o.addr)
	case "backend":
		return runBackend()
	}
	return fmt.Errorf("-role %s: there is no such role", o.role)
}

// contest is the harness: it makes the certificate, starts the processes and reports.
func (o options) contest() error {
	dir, err := os.MkdirTemp("", "tlsreactor-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, keyFile, err := o.prepare(dir)
	if err != nil {
		return err
	}
	if c.backend, err = startServer("backend", c.loadCore, c.self, "-role", "backend"); err != nil {
		return err
	}
	defer c.backend.stop()
	c.enrol(o.binary, keyFile)
	if o.profile != "" {
		return (&profiler{contest: c, dir: o.profile, keyFile: keyFile, out: os.Stdout}).profile()
	}
	c.progress = newProgress(c.length())
	if err := c.run(); err != nil {
		return err
	}
	c.progress.end()
	c.conditions(os.Stdout)
	c.book.report(os.Stdout, jobEcho)
	c.book.report(os.Stdout, jobTerminate)
	return nil
}

// prepare makes the certificate in a directory, and finds out where everything runs.
func (o options) prepare(dir string) (c *contest, keyFile string, err error) {
	c = &contest{plan: o.plan, certFile: filepath.Join(dir, "cert.pem")}
	keyFile = filepath.Join(dir, "key.pem")
	if err := writeCertificate(c.certFile, keyFile); err != nil {
		return nil, "", err
	}
	if c.self, err = os.Executable(); err != nil {
		return nil, "", err
	}
	return c, keyFile, c.choosePlaces()
}

// choosePlaces gives the servers one core and everything else another, if there are two.
func (c *contest) choosePlaces() error {
	all, err := cores()
	if err != nil {
		return err
	}
	c.serverCore.core, c.loadCore.core = -1, -1
	if len(all) > 1 {
		c.loadCore.core, c.serverCore.core = all[0], all[1]
	}
	return nil
}

// enrol writes the command lines.
func (c *contest) enrol(binary, keyFile string) {
	files := []string{"--cert", c.certFile, "--key", keyFile}
	serve := append([]string{binary, "serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--access-log=false"}, files...)
	peer := append([]string{c.self, "-role", "crypto-tls"}, files...)
	behind := []string{"--backend", c.backend.addr}
	with := func(command []string, more ...string) []string {
		return append(command[:len(command):len(command)], more...)
	}
	c.servers = []contestant{
		{ours, jobEcho, with(serve, "--echo")},
		{theirs, jobEcho, peer},
		{ours, jobTerminate, with(serve, behind...)},
		{theirs, jobTerminate, with(peer, behind...)},
	}
}
