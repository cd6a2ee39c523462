package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// backend is a server of the test's own, which hands each accepted connection out.
type backend struct {
	t        *testing.T
	listener net.Listener
}

func listen(t *testing.T, network, address string) *backend {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &backend{t, l}
}

func listenTCP(t *testing.T) *backend { return listen(t, "tcp", "127.0.0.1:0") }

func (b *backend) addr() string { return b.listener.Addr().String() }

// accept waits for the next connection, which has a deadline that bounds the test.
func (b *backend) accept() net.Conn {
	b.t.Helper()
	if l, ok := b.listener.(*net.TCPListener); ok {
		if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
			b.t.Fatal(err)
		}
	}
	conn, err := b.listener.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	return conn
}

// tunnelled returns both ends of a new tunnel.
func tunnelled(t *testing.T) (p *program, client *tls.Conn, behind *net.TCPConn) {
	t.Helper()
	b := listenTCP(t)
	p = start(t, "--backend", b.addr())
	client = p.connect()
	return p, client, b.accept().(*net.TCPConn)
}

// joined returns when the tunnel carries: the backend's kernel accepts a connection before the program
// knows, to whom a reset at that time would be a connect that failed.
func joined(t *testing.T, client, behind net.Conn) {
	t.Helper()
	sends(t, behind, "x")
	receives(t, client, "x")
}

// receives checks what arrives next.
func receives(t *testing.T, conn io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("received %q, %v; want %q", got, err, want)
	}
}

func sends(t *testing.T, conn io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatalf("sending %q: %v", text, err)
	}
}

func TestHTTPPassesInBothDirections(t *testing.T) {
	const size = 64 << 20
	content := make([]byte, size)
	rand.Read(content)
	sum := sha256.Sum256(content)
	want := hex.EncodeToString(sum[:])
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Write(content)
			return
		}
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, hash.Sum(nil), err)
	}))
	defer site.Close()
	p := start(t, "--backend", site.Listener.Addr().String())

	dir := t.TempDir()
	down, up := filepath.Join(dir, "down"), filepath.Join(dir, "up")
	if err := os.WriteFile(up, content, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "curl", "-sS", "-k", "-o", down, "https://"+p.addr+"/")
	if got, err := os.ReadFile(down); err != nil || sha256.Sum256(got) != sum {
		t.Errorf("the download has %d bytes, %v; want %d with another hash", len(got), err, size)
	}
	got := tool(t, "", "curl", "-sS", "-k", "-T", up, "https://"+p.addr+"/")
	if want := fmt.Sprintf("%d %s <nil>", size, want); got != want {
		t.Errorf("the backend received %s, want %s", got, want)
	}
	if peak := peakMemory(t, p.cmd.Process.Pid); !underRace() && peak > 64<<20 {
		t.Errorf("the program took %d KiB, want at most 64 MiB", peak>>10)
	}
}

// peakMemory returns the most resident memory that a process has had (VmHWM, proc_pid_status(5)).
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if f := strings.Fields(string(line)); len(f) == 3 && f[0] == "VmHWM:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel tells no VmHWM")
	return 0
}

func TestAUnixBackendIsServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	b := listen(t, "unix", path)
	p := start(t, "--backend", "unix:"+path)
	client := p.connect()
	behind := b.accept()
	sends(t, client, "question")
	receives(t, behind, "question")
	sends(t, behind, "answer")
	receives(t, client, "answer")
}

func TestTheClientMayEndItsDirectionFirst(t *testing.T) {
	_, client, behind := tunnelled(t)
	sends(t, client, "question")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(behind); err != nil || string(got) != "question" {
		t.Fatalf("the backend received %q, %v; want the question and its end", got, err)
	}
	sends(t, behind, "answer")
	receives(t, client, "answer")
	behind.Close()
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client's end is %v, want io.EOF", err)
	}
}

func TestTheBackendMayEndItsDirectionFirst(t *testing.T) {
	_, client, behind := tunnelled(t)
	sends(t, behind, "greeting")
	if err := behind.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); err != nil || string(got) != "greeting" {
		t.Fatalf("the client received %q, %v; want the greeting and its end", got, err)
	}
	sends(t, client, "thanks")
	receives(t, behind, "thanks")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := behind.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the backend's end is %v, want io.EOF", err)
	}
}

func TestATruncatedClientIsNotTheEndToTheBackend(t *testing.T) {
	_, client, behind := tunnelled(t)
	sends(t, client, "half a questi")
	receives(t, behind, "half a questi")
	if err := client.NetConn().(*net.TCPConn).CloseWrite(); err != nil { // FIN without close_notify
		t.Fatal(err)
	}
	if _, err := behind.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the backend's end is %v, want a reset", err)
	}
}

func TestAClientsResetReachesTheBackend(t *testing.T) {
	_, client, behind := tunnelled(t)
	sends(t, client, "half a questi")
	receives(t, behind, "half a questi")
	raw := client.NetConn().(*net.TCPConn)
	if err := errors.Join(raw.SetLinger(0), raw.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := behind.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the backend's end is %v, want a reset", err)
	}
}

func TestABackendsResetReachesTheClient(t *testing.T) {
	_, client, behind := tunnelled(t)
	sends(t, behind, "half an answ")
	receives(t, client, "half an answ")
	if err := errors.Join(behind.SetLinger(0), behind.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the client's end is %v, want a reset", err)
	}
}

func TestAWholeAnswerIsNotSpoiledByABackendThatWantsNoMore(t *testing.T) {
	_, client, behind := tunnelled(t)
	sends(t, client, "question")
	receives(t, behind, "question")
	sends(t, behind, "answer")
	if err := behind.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Fatalf("the client received %q, %v; want the answer and its end", got, err)
	}
	if err := errors.Join(behind.SetLinger(0), behind.Close()); err != nil {
		t.Fatal(err)
	}
	// A RST here could destroy an answer that the client has not read yet.
	if _, err := client.NetConn().Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client's connection ends with %v, want io.EOF", err)
	}
}

func TestABackendThatRefusesIsLoggedAndNoCleanEnd(t *testing.T) {
	addr := refusing(t)
	p := start(t, "--backend", addr)
	if _, err := p.connect().Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the client's end is %v, want a reset", err)
	}
	p.await(`level=WARN msg="backend unreachable" backend=` + addr + ` error=".*connection refused`)
	p.awaitCounters("backends_unreachable=1")
}

func TestABackendThatDoesNotExistIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent.sock")
	p := start(t, "--backend", "unix:"+path)
	if _, err := p.connect().Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the client's end is %v, want a reset", err)
	}
	p.await(`msg="backend unreachable" backend=unix:` + path + ` error=".*no such file`)
}

func TestIdleTunnelsKeepNoBuffers(t *testing.T) {
	b := listenTCP(t)
	p := start(t, "--backend", b.addr())
	for range 50 {
		client := p.connect()
		behind := b.accept()
		block := strings.Repeat("x", 256<<10)
		go io.WriteString(client, block)
		receives(t, behind, block)
		go io.WriteString(behind, block)
		receives(t, client, block)
	}
	line := p.awaitCounters(`connections=50 .*goroutines=(\d+) heap_bytes=(\d+)`)
	if n, err := strconv.Atoi(line[1]); err != nil || n > 30 {
		t.Errorf("%d goroutines for 50 tunnels, %v", n, err)
	}
	// Buffers of 64 KiB in each direction would make 6.4 MiB.
	if n, err := strconv.Atoi(line[2]); err != nil || !underRace() && n > 6<<20 {
		t.Errorf("%d bytes of heap for 50 idle tunnels, %v", n, err)
	}
}

func TestTheDrainLetsATunnelFinish(t *testing.T) {
	p, client, behind := tunnelled(t)
	sends(t, client, "question")
	receives(t, behind, "question")
	p.signal(syscall.SIGTERM)
	p.await("msg=draining")
	sends(t, behind, "answer")
	behind.Close()
	in := bufio.NewReader(client)
	if got, err := io.ReadAll(in); err != nil || string(got) != "answer" {
		t.Fatalf("the client received %q, %v; want the answer and its end", got, err)
	}
	client.Close()
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}
