package reactor

import (
	"bytes"
	"crypto/tls"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

func TestWorkersAreNicedAndTheirThreadsEnd(t *testing.T) {
	wantNoLeaks(t)
	w, err := startWorkers(2, 4)
	must(t, err)
	type worker struct{ tid, nice int }
	seen := make(chan worker)
	both := make(chan struct{})
	for range 2 {
		ok := w.offload(func() {
			tid := unix.Gettid()
			seen <- worker{tid, niceOf(t, tid)}
			<-both // so that the other worker takes the other task
		})
		if !ok {
			t.Fatal("an empty queue refuses a task")
		}
	}
	a, b := <-seen, <-seen
	close(both)
	if a.tid == b.tid || a.nice != workerNice || b.nice != workerNice {
		t.Errorf("workers %+v and %+v: want two threads at %d", a, b, workerNice)
	}
	if n := niceOf(t, unix.Gettid()); n == workerNice {
		t.Errorf("the test's own thread has nice %d", n)
	}
	w.stop()
}

// niceOf reads the nice value of a thread of this process: field 19 of proc_pid_stat(5).
func niceOf(t *testing.T, tid int) int {
	b, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(tid) + "/stat")
	if err != nil {
		t.Error(err)
		return -1
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // from field 3 on
	n, err := strconv.Atoi(string(fields[16]))
	if err != nil {
		t.Error(err)
	}
	return n
}

func TestWorkersQueueIsBounded(t *testing.T) {
	wantNoLeaks(t)
	w, err := startWorkers(1, 2)
	must(t, err)
	hold, held := make(chan struct{}), make(chan struct{})
	if !w.offload(func() { close(held); <-hold }) {
		t.Fatal("refused")
	}
	<-held
	ran := 0
	for i, want := range []bool{true, true, false} {
		if got := w.offload(func() { ran++ }); got != want {
			t.Errorf("task %d behind a busy worker: accepted %v, want %v", i, got, want)
		}
	}
	close(hold)
	w.stop()
	if ran != 2 {
		t.Errorf("%d tasks ran, want those 2 that were accepted", ran)
	}
}

// An RSA signature leaves the loop, an ECDSA one does not; the loop serves others meanwhile.
func TestOnlySlowSignaturesLeaveTheLoop(t *testing.T) {
	s := newShelf()
	r := newReactor(t, Config{Workspace: tlsconn.WorkspaceConfig{Offload: s.offload}})
	slow := dialTCP(t, serveEach(t, r, rsaServerConfig(), func(*Conn) Handler { return &echoes{} }))
	done := make(chan error, 1)
	conn := tls.Client(slow, stdClientConfig)
	go func() { done <- conn.Handshake() }()
	<-s.put
	fast := dialTLS(t, serveEach(t, r, serverConfig(), func(*Conn) Handler { return &echoes{} }))
	exchange(t, fast, 1000)
	wantQuiet(t, r, "awaiting a signature")
	if len(s.tasks) != 1 {
		t.Errorf("%d operations left the loop, want the RSA signature alone", len(s.tasks))
	}
	s.runAll()
	must(t, <-done)
	exchange(t, conn, 1000)
}

func TestFullQueueOfSlowOperationsFailsTheHandshake(t *testing.T) {
	r := newReactor(t, Config{Workspace: tlsconn.WorkspaceConfig{Offload: func(func()) bool { return false }}})
	p := newProbe()
	conn := tls.Client(dialTCP(t, serve(t, r, rsaServerConfig(), p)), stdClientConfig)
	if err := conn.Handshake(); err == nil {
		t.Error("the handshake was completed")
	}
	conn.Close()
	p.wantClosed(t, ReasonProtocol)
}
