package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		role       = flag.String("role", "", "what this process is: load or crypto-tls; empty for the harness")
		binary     = flag.String("binary", "bin/tlsreactor", "the program to measure")
		rounds     = flag.Int("rounds", 10, "how often the handshakes of each server are measured")
		handshakes = flag.Int("handshakes", 1000, "handshakes per server and round; 0 for none")
		idleRounds = flag.Int("idle-rounds", 3, "how often the idle connections of each server are measured")
		idle       = flag.Int("idle", 9900, "idle connections per server and round; 0 for none")
		parallel   = flag.Int("parallel", 32, "connections that the load client opens at once")
		addr       = flag.String("addr", "", "load: the server's address")
		cert       = flag.String("cert", "", "load, crypto-tls: PEM file of the certificate")
		key        = flag.String("key", "", "crypto-tls: PEM file of the key")
	)
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case *rounds < 1 || *idleRounds < 1 || *handshakes < 0 || *idle < 0 || *parallel < 1:
		return errors.New("-rounds, -idle-rounds and -parallel must be at least 1, -handshakes and -idle at least 0")
	}
	switch *role {
	case "load":
		return runLoad(*addr, *cert, *parallel, os.Stdin, os.Stdout)
	case "crypto-tls":
		return runCryptoTLS(*cert, *key)
	case "":
		c, remove, err := newContest(*binary, *parallel)
		if err != nil {
			return err
		}
		defer remove()
		conditions(os.Stdout)
		if err := c.compareHandshakes(*rounds, *handshakes); err != nil {
			return err
		}
		return c.compareIdle(*idleRounds, *idle)
	}
	return fmt.Errorf("-role %s: there is no such role", *role)
}

// newContest makes the certificate, in a directory that remove removes, and the command lines.
func newContest(binary string, parallel int) (c *contest, remove func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "tlsreactor-bench-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	c = &contest{self: self, certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"), parallel: parallel}
	if err := writeCertificate(c.certFile, c.keyFile); err != nil {
		remove()
		return nil, nil, err
	}
	files := []string{"--cert", c.certFile, "--key", c.keyFile}
	c.servers = []contestant{
		{"tlsreactor", append([]string{binary, "serve", "--echo", "--listen", "127.0.0.1:0", "--log-format", "json"}, files...)},
		{"crypto/tls", append([]string{self, "--role", "crypto-tls"}, files...)},
	}
	return c, remove, nil
}

func (c *contest) names() []string {
	var names []string
	for _, s := range c.servers {
		names = append(names, s.name)
	}
	return names
}

func (c *contest) compareHandshakes(rounds, handshakes int) error {
	if handshakes == 0 {
		return nil
	}
	results, err := c.handshakeRounds(rounds, handshakes)
	if err != nil {
		return err
	}
	fmt.Printf("\nFull TLS 1.3 handshake, ECDSA P-256, X25519, TLS_AES_128_GCM_SHA256, no tickets; one byte echoed,\n"+
		"close_notify both ways. %d a round; median (least..greatest) of %d rounds.\n\n", handshakes, rounds)
	report(os.Stdout, c.names(), results, handshakeFigures)
	return nil
}

func (c *contest) compareIdle(rounds, idle int) error {
	if idle == 0 {
		return nil
	}
	var results []map[string]sample
	for i := range rounds {
		samples, err := c.idleRound(i, idle)
		if err != nil {
			return err
		}
		results = append(results, samples)
	}
	fmt.Printf("\nIdle connections after 1 KiB each way. %d a round; median (least..greatest) of %d rounds.\n\n", idle, rounds)
	report(os.Stdout, c.names(), results, idleFigures)
	return nil
}
