package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// The load is a process of its own, so that its work is nobody else's. It talks with the
// harness in lines: it says "ready" when it has done what it was last told, and the harness
// tells it the next number with a newline.

// runLoad obeys the lines of commands:
//
//	handshakes N   make N connections and end them
//	hold N         open N more connections
//
// and ends, with what it holds, at the end of its input.
func runLoad(addr, certFile string, parallel int, commands io.Reader, answers io.Writer) error {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return err
	}
	c, err := newClient(addr, certPEM)
	if err != nil {
		return err
	}
	var held []*connection
	for lines := bufio.NewScanner(commands); lines.Scan(); {
		var verb string
		var n int
		if _, err := fmt.Sscan(lines.Text(), &verb, &n); err != nil {
			return fmt.Errorf("command %q: %w", lines.Text(), err)
		}
		switch verb {
		case "handshakes":
			err = c.handshakes(n, parallel)
		case "hold":
			var more []*connection
			more, err = c.hold(n, parallel)
			held = append(held, more...)
		default:
			err = fmt.Errorf("there is no command %q", verb)
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(answers, "ready"); err != nil {
			return err
		}
	}
	for _, conn := range held {
		if err := c.finish(conn); err != nil {
			return err
		}
	}
	return nil
}
