package reactor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// childMode is set when the test binary runs itself, to change what holds for a whole process.
const childMode = "REACTOR_TEST_CHILD"

// runChild is the main program of such a process.
func runChild(mode string) int {
	if err := runOutOfDescriptors(mode == "with a reserve"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestOutOfDescriptorsNeitherSpinsNorKillsTheLoop(t *testing.T) {
	for _, mode := range []string{"with a reserve", "without a reserve"} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), childMode+"="+mode)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// runOutOfDescriptors fills the descriptor table with connections beyond its limit: those that are up
// are served, the loop rests between attempts, and accepts again when there is room. Without the reserve,
// which another loop may have taken, those that wait stay in the backlog.
func runOutOfDescriptors(reserve bool) error {
	clock := newFakeClock()
	r, err := New(Config{Loops: 1, Clock: clock.Now})
	if err != nil {
		return err
	}
	l := r.Loops()[0]
	step := func() {
		done := make(chan struct{})
		l.Post(func() { close(done) })
		<-done
	}
	ln, err := r.Listen("tcp", "127.0.0.1:0", ListenConfig{Accept: func(*Conn) Handler { return &echoes{} }})
	if err != nil {
		return err
	}
	up, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	if err := ping(up); err != nil {
		return err
	}
	if !reserve {
		l.Post(func() { closeReserve(l.reserve); l.reserve = -1 })
		step()
	}
	// The loop is held while six clients take the descriptors that are left, so that all of them wait
	// in the backlog when it looks.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	enough := limit.Cur
	limit.Cur = uint64(openDescriptors() - 1 + 6)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	held, dialed := make(chan struct{}), make(chan struct{})
	l.Post(func() { close(held); <-dialed })
	<-held
	var clients []net.Conn
	for {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		clients = append(clients, c)
	}
	close(dialed)
	if len(clients) == 0 {
		return errors.New("no client connected")
	}
	for i := 0; r.Counters().OutOfDescriptors == 0; i++ {
		if i > 1000 {
			return fmt.Errorf("the limit was not met: %+v", r.Counters())
		}
		step()
	}
	step() // the turn that met it is over
	if n := r.Counters(); n.Shed > 0 != reserve {
		return fmt.Errorf("with a reserve %v: %+v", reserve, n)
	}
	before := r.Counters()
	for range 50 {
		step()
	}
	after := r.Counters()
	if after.Waits-before.Waits > 110 || after.Events-before.Events > 5 {
		return fmt.Errorf("%d turns and %d events in 50 posts: the loop spins", after.Waits-before.Waits, after.Events-before.Events)
	}
	if err := ping(up); err != nil {
		return fmt.Errorf("the connection that was up: %w", err)
	}
	for _, c := range clients {
		c.Close()
	}
	limit.Cur = enough
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	clock.mu.Lock()
	clock.now = clock.now.Add(acceptPause)
	clock.mu.Unlock()
	step()
	late, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	if err := ping(late); err != nil {
		return fmt.Errorf("a connection after the shortage: %w", err)
	}
	abandon(r)
	return r.Err()
}

// ping sends a byte and waits for it to come back.
func ping(c net.Conn) error {
	b := []byte("x")
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := c.Read(b)
	return err
}
