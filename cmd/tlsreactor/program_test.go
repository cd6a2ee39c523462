package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests run the built program as its users do, with nothing of it replaced. They wait
// for what the program says or does, never for time to pass; patience only bounds the wait, and is
// more than a machine with other work needs.
const patience = 2 * time.Minute

// binary is the program, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tlsreactor-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "tlsreactor")
		build := []string{"build", "-o", binary}
		if underRace() {
			build = append(build, "-race")
		}
		if out, err := exec.Command("go", append(build, ".")...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// underRace reports whether the tests run under the race detector: then the program does too.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// program is a running `tlsreactor serve`.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string // where it listens
	ended  chan struct{}
	exit   error // set when ended is closed
	mu     sync.Mutex
	output bytes.Buffer  // standard output and error, as they came
	more   chan struct{} // a hint that there is more output
}

// start runs `tlsreactor serve --listen 127.0.0.1:0` with more arguments and waits until it
// serves. When the test ends, so does the program; a failed test shows its output.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := launch(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	line := p.await(`msg["=:]+serving\b.*listen["=:]+([^\s"]+)`) // as text or as JSON
	p.addr = line[1]
	return p
}

// launch runs the program and does not wait.
func launch(t *testing.T, args ...string) *program {
	t.Helper()
	return launchCommand(t, exec.Command(binary, args...))
}

// launchCommand runs any command as launch does the program.
func launchCommand(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, ended: make(chan struct{}), more: make(chan struct{}, 1)}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	err = p.cmd.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	go p.follow(read)
	t.Cleanup(func() {
		select {
		case <-p.ended:
		default:
			p.cmd.Process.Kill()
			<-p.ended
		}
		if t.Failed() {
			t.Logf("the program's output:\n%s", p.text())
		}
		if strings.Contains(p.text(), "DATA RACE") || strings.Contains(p.text(), "panic:") {
			t.Errorf("the program has a race or a panic:\n%s", p.text())
		}
	})
	return p
}

// follow collects the output until its end, and then the exit status.
func (p *program) follow(read *os.File) {
	defer read.Close()
	lines := bufio.NewReader(read)
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		p.output.WriteString(line)
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			break
		}
	}
	p.exit = p.cmd.Wait()
	close(p.ended)
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// await waits until the output matches, and returns the match and its groups.
func (p *program) await(pattern string) []string {
	p.t.Helper()
	return p.awaitAfter(0, pattern)
}

// awaitAfter is await for what comes after so many bytes of output.
func (p *program) awaitAfter(seen int, pattern string) []string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		if match := expression.FindStringSubmatch(p.text()[seen:]); match != nil {
			return match
		}
		select {
		case <-p.more:
		case <-p.ended:
			if match := expression.FindStringSubmatch(p.text()[seen:]); match != nil {
				return match
			}
			p.t.Fatalf("the program ended (%v) without %q in its output", p.exit, pattern)
		case <-deadline:
			p.t.Fatalf("no %q in the output within %v", pattern, patience)
		}
	}
}

// awaitCounters asks for the counters until they match, and returns the match and its groups.
func (p *program) awaitCounters(pattern string) []string {
	p.t.Helper()
	expression := regexp.MustCompile("^.*msg=counters .*" + pattern)
	for deadline := time.Now().Add(patience); ; {
		before := len(p.text())
		p.signal(syscall.SIGUSR1)
		line := p.awaitAfter(before, `(?m)^.*msg=counters .*$`)[0]
		if match := expression.FindStringSubmatch(line); match != nil {
			return match
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the counters do not become %q within %v, but are %s", pattern, patience, line)
		}
	}
}

// wait waits for the program's end and returns its exit status, -1 for death by a signal.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("the program did not end within %v", patience)
		return -1
	}
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// dial connects to the program; the socket has a deadline that bounds the test.
func (p *program) dial() *net.TCPConn {
	p.t.Helper()
	conn, err := net.DialTimeout("tcp", p.addr, patience)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// connect dials and shakes hands, trusting any certificate.
func (p *program) connect() *tls.Conn {
	p.t.Helper()
	conn := tls.Client(p.dial(), &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	return conn
}

// echoes checks that what is sent comes back.
func echoes(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatalf("writing %q: %v", text, err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("echo of %q is %q: %v", text, got, err)
	}
}

// refusing returns an address of loopback that refuses connections: it is bound, so that nobody else may
// listen there meanwhile, and does not listen.
func refusing(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	return boundTo(t, fd)
}

// boundTo is the address that an IPv4 socket is bound to.
func boundTo(t *testing.T, fd int) string {
	t.Helper()
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := bound.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String()
}

// isReset reports whether a connection ended with a RST.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// runProgram runs the program to its end and returns what it wrote and its exit status.
func runProgram(t *testing.T, args ...string) (output string, status int) {
	t.Helper()
	p := launch(t, args...)
	status = p.wait()
	return p.text(), status
}

// certificateFiles makes a self-signed certificate for localhost with a key, nil for a new
// ECDSA P-256 key, and returns the names of its files.
func certificateFiles(t *testing.T, key crypto.Signer) (certFile, keyFile string) {
	t.Helper()
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	template := &x509.Certificate{
		NotBefore:   time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "cert.pem", "CERTIFICATE", cert), writePEM(t, "key.pem", "PRIVATE KEY", keyDER)
}

func writePEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	return writeFile(t, name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// tool runs a command of the machine to its end, with an input, and returns its output.
func tool(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	out, err := toolResult(t, input, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func toolResult(t *testing.T, input, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}
