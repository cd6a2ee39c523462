package tlsconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The peers of some tests are programs of other TLS stacks, over loopback.

// program is a running command of the machine.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // of both outputs, closed at the end
	seen  []string
}

// launch starts a command, which ends with the test at the latest.
func launch(t *testing.T, name string, args ...string) *program {
	t.Helper()
	return launchFor(t, patience, name, args...)
}

// launchFor is launch for a command that may take so long.
func launchFor(t *testing.T, patience time.Duration, name string, args ...string) *program {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("the %s command is missing: `make deps` installs it", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	p := &program{t: t, cmd: exec.CommandContext(ctx, path, args...), lines: make(chan string, 1000)}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		defer out.Close()
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		cancel() // ends the command if the test has not
		for range p.lines {
		}
		_ = p.cmd.Wait() // its result counts where a test has waited for it
	})
	return p
}

// String is the command's name, with the subcommand of those that have some.
func (p *program) String() string {
	name := filepath.Base(p.cmd.Path)
	if len(p.cmd.Args) > 1 && !strings.HasPrefix(p.cmd.Args[1], "-") {
		name += " " + p.cmd.Args[1]
	}
	return name
}

// expect reads the output up to a line that holds text, and returns the line.
func (p *program) expect(text string) string {
	p.t.Helper()
	return p.match(regexp.QuoteMeta(text))[0]
}

// match reads the output up to a line that has a match for pattern, and returns the line
// and the groups of the match.
func (p *program) match(pattern string) []string {
	p.t.Helper()
	expression := regexp.MustCompile("^.*?" + pattern + ".*$")
	for line := range p.lines {
		p.seen = append(p.seen, line)
		if groups := expression.FindStringSubmatch(line); groups != nil {
			return groups
		}
	}
	p.t.Fatalf("%v: no %q in its output:\n%s", p, pattern, brief(strings.Join(p.seen, "\n")))
	return nil
}

// reaches reads the output up to a line that holds text, and says whether there is one.
func (p *program) reaches(text string) bool {
	for line := range p.lines {
		p.seen = append(p.seen, line)
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// say writes a line to the command's input.
func (p *program) say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatalf("%v: %v", p, err)
	}
}

// finish waits for the command's end and returns all of its output, and how it ended.
func (p *program) finish() (output string, err error) {
	p.stdin.Close()
	for line := range p.lines {
		p.seen = append(p.seen, line)
	}
	return strings.Join(p.seen, "\n"), p.cmd.Wait()
}

// end waits for the command to end well, and returns all of its output.
func (p *program) end() string {
	p.t.Helper()
	output, err := p.finish()
	if err != nil {
		p.t.Fatalf("%v: %v\n%s", p, err, brief(output))
	}
	return output
}

// freePort returns a port that was free a moment ago, for servers that cannot choose one. It
// is none of those that the kernel gives away from 32768 on (ip(7), ip_local_port_range), or
// else whoever connects or listens meanwhile might get it.
func freePort(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		var l net.Listener
		if l, err = net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal(err)
	return ""
}

// pemFiles writes the CA's certificate, and a certificate's chain and key.
func pemFiles(t *testing.T, ca *testCA, cert tls.Certificate) (caFile, certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "ca.pem", pemBlocks("CERTIFICATE", ca.cert.Raw)),
		writeFile(t, "cert.pem", pemBlocks("CERTIFICATE", cert.Certificate...)),
		writeFile(t, "key.pem", pemBlocks("PRIVATE KEY", key))
}

// chainFile writes what is between a certificate and its root; nothing is the empty name.
func chainFile(t *testing.T, cert tls.Certificate) string {
	t.Helper()
	if len(cert.Certificate) == 1 {
		return ""
	}
	return writeFile(t, "chain.pem", pemBlocks("CERTIFICATE", cert.Certificate[1:]...))
}

func pemBlocks(kind string, ders ...[]byte) (blocks []byte) {
	for _, der := range ders {
		blocks = append(blocks, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return blocks
}

// writeFile makes a file for the time of the test and returns its path.
func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
