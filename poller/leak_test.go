package poller

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// TestMain fails when the tests together leave a descriptor or a goroutine behind.
func TestMain(m *testing.M) {
	// The runtime opens its own epoll instance and eventfd with the first timer. That is no leak, so it
	// happens before counting.
	time.AfterFunc(time.Hour, func() {}).Stop()
	fds, goroutines := openDescriptors(), runtime.NumGoroutine()
	code := m.Run()
	if n := settle(openDescriptors, fds); n != fds {
		fmt.Fprintf(os.Stderr, "%d descriptors open before the tests, %d after\n", fds, n)
		code = 1
	}
	if n := settle(runtime.NumGoroutine, goroutines); n != goroutines {
		fmt.Fprintf(os.Stderr, "%d goroutines before the tests, %d after\n", goroutines, n)
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		code = 1
	}
	os.Exit(code)
}

func openDescriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(entries)
}

// settle gives goroutines that have been told to end up to a minute to do so.
func settle(count func() int, want int) int {
	n := count()
	for end := time.Now().Add(time.Minute); n > want && time.Now().Before(end); n = count() {
		runtime.Gosched()
	}
	return n
}
