package poller

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// stream returns two connected, non-blocking stream sockets.
func stream(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

// tcp returns both ends of a TCP connection over loopback, non-blocking.
func tcp(t *testing.T) (a, b int) {
	t.Helper()
	const kind = unix.SOCK_STREAM | unix.SOCK_CLOEXEC
	l, err := unix.Socket(unix.AF_INET, kind, 0)
	must(t, err)
	defer unix.Close(l)
	must(t, unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(l, 1))
	addr, err := unix.Getsockname(l)
	must(t, err)
	a, err = unix.Socket(unix.AF_INET, kind, 0)
	must(t, err)
	must(t, unix.Connect(a, addr))
	must(t, unix.SetNonblock(a, true))
	b, _, err = unix.Accept4(l, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	must(t, err)
	return a, b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func closeAtEnd(t *testing.T, fds ...int) {
	t.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
}

// reset closes fd so that its peer gets an RST.
func reset(t *testing.T, fd int) {
	t.Helper()
	must(t, unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	must(t, unix.Close(fd))
}

// waitOne waits for exactly one event and returns it.
func waitOne(t *testing.T, p *Poller) Event {
	t.Helper()
	var events [4]Event
	n, err := p.Wait(events[:], -1)
	if err != nil || n != 1 {
		t.Fatalf("Wait = %d events %v, %v; want one", n, events[:n], err)
	}
	return events[0]
}

// wantQuiet fails if anything is ready.
func wantQuiet(t *testing.T, p *Poller, when string) {
	t.Helper()
	var events [4]Event
	if n, err := p.Wait(events[:], 0); err != nil || n != 0 {
		t.Fatalf("%s: Wait = %v, %v; want no event", when, events[:n], err)
	}
}

func TestWhatIsReadyIsToldApart(t *testing.T) {
	const everything = Readable | Writable | HalfClose
	fill := func(t *testing.T, fd int) {
		// A size that is set stays: the kernel would let the buffer grow, and find room again.
		must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
		junk := make([]byte, 64<<10)
		for {
			if _, err := unix.Write(fd, junk); err == unix.EAGAIN {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name     string
		happens  func(t *testing.T, local, peer int)
		interest Interest
		want     Ready
	}{
		{"a fresh connection can be written to",
			func(*testing.T, int, int) {}, everything, CanWrite},
		{"data can be read",
			func(t *testing.T, _, peer int) { unix.Write(peer, []byte("x")) }, everything, CanRead | CanWrite},
		{"with a full send buffer nothing is ready but the data of the peer",
			func(t *testing.T, local, peer int) { fill(t, local); unix.Write(peer, []byte("x")) },
			everything, CanRead},
		{"the peer's half-close leaves the connection writable",
			func(t *testing.T, _, peer int) { unix.Shutdown(peer, unix.SHUT_WR) },
			everything, CanRead | CanWrite | HalfClosed},
		{"a half-close that was not asked for is silent",
			func(t *testing.T, _, peer int) { unix.Shutdown(peer, unix.SHUT_WR) }, 0, 0},
		{"a half-close shows while reading is not wanted",
			func(t *testing.T, _, peer int) {
				unix.Write(peer, []byte("unread"))
				unix.Shutdown(peer, unix.SHUT_WR)
			}, HalfClose, HalfClosed},
		{"both sides shut down is a hang-up",
			func(t *testing.T, local, peer int) {
				unix.Shutdown(peer, unix.SHUT_WR)
				unix.Shutdown(local, unix.SHUT_WR)
			}, everything, CanRead | CanWrite | HalfClosed | HungUp},
		{"a reset is a failure as well as a hang-up",
			func(t *testing.T, _, peer int) { reset(t, peer) },
			everything, CanRead | CanWrite | HalfClosed | HungUp | Failed},
		{"a reset cannot be masked",
			func(t *testing.T, _, peer int) { reset(t, peer) }, 0, HungUp | Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPoller(t)
			local, peer := tcp(t)
			defer unix.Close(local)
			defer unix.Close(peer) // EBADF after a reset: these tests are serial, nobody has the number
			must(t, p.Add(local, NewToken(3, 9), c.interest))
			c.happens(t, local, peer)
			var got Ready
			// Loopback delivers within the sender's system call as a rule; under load the kernel may defer
			// it, and until then what was ready before is reported again.
			for end := time.Now().Add(time.Minute); got != c.want; {
				e := waitOne(t, p)
				if e.Token != NewToken(3, 9) {
					t.Fatalf("event of token %#x", uint64(e.Token))
				}
				if got = e.Ready; got != c.want && time.Now().After(end) {
					t.Fatalf("ready: %v, want %v", got, c.want)
				}
			}
			if c.want == 0 {
				wantQuiet(t, p, "at the end")
			}
		})
	}
}

func TestSocketErrorSaysWhyASocketFailed(t *testing.T) {
	p := newPoller(t)
	local, peer := tcp(t)
	closeAtEnd(t, local)
	must(t, p.Add(local, 0, 0))
	if err := SocketError(local); err != nil {
		t.Errorf("SocketError of a sound connection = %v", err)
	}
	reset(t, peer)
	if e := waitOne(t, p); !e.Is(Failed) {
		t.Fatalf("ready: %v, want failed", e.Ready)
	}
	if err := SocketError(local); err != unix.ECONNRESET {
		t.Errorf("SocketError = %v, want ECONNRESET", err)
	}
	if err := SocketError(local); err != nil {
		t.Errorf("second SocketError = %v: fetching clears it", err)
	}
	if err := SocketError(-1); !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), "fd -1") {
		t.Errorf("SocketError(-1) = %v", err)
	}
}

// A connection whose owner wants nothing must not turn the loop: the owner removes it at the first
// unwanted report, and finds it again when it wants something.
func TestUnwantedHangUpDoesNotSpinOnceRemoved(t *testing.T) {
	p := newPoller(t)
	local, peer := tcp(t)
	closeAtEnd(t, local)
	must(t, p.Add(local, 7, 0))
	reset(t, peer)
	waitOne(t, p)
	must(t, p.Remove(local))
	for range 100 {
		wantQuiet(t, p, "removed at the first report of the hang-up")
	}
	must(t, p.Add(local, 7, Readable))
	if e := waitOne(t, p); !e.Is(CanRead) || !e.Is(HungUp) || !e.Is(Failed) {
		t.Errorf("after Add: %v, want the state that still stands", e.Ready)
	}
}

func TestDroppedHalfCloseIsSilentAndReturns(t *testing.T) {
	p := newPoller(t)
	local, peer := stream(t)
	closeAtEnd(t, local, peer)
	must(t, p.Add(local, 7, HalfClose))
	must(t, unix.Shutdown(peer, unix.SHUT_WR))
	if e := waitOne(t, p); e.Ready != HalfClosed {
		t.Fatalf("ready: %v", e.Ready)
	}
	must(t, p.Modify(local, 7, 0))
	wantQuiet(t, p, "without half-close in the interest")
	must(t, p.Modify(local, 7, Readable|HalfClose))
	if e := waitOne(t, p); e.Ready != CanRead|HalfClosed {
		t.Errorf("when wanted again: %v", e.Ready)
	}
}

func TestLevelTriggeredReportsAgainUntilDrained(t *testing.T) {
	p := newPoller(t)
	local, peer := stream(t)
	closeAtEnd(t, local, peer)
	must(t, p.Add(local, 7, Readable))
	unix.Write(peer, []byte("ab"))
	var b [1]byte
	for range 2 {
		if e := waitOne(t, p); e.Ready != CanRead {
			t.Fatalf("ready: %v", e.Ready)
		}
		unix.Read(local, b[:])
	}
	wantQuiet(t, p, "drained")
}

// The batch holds events of two connections; serving the first closes the second, and a new
// connection gets its descriptor's number. The event must be recognisable as stale.
func TestDescriptorReuseWithinOneBatchIsRecognised(t *testing.T) {
	p := newPoller(t)
	var local, peer [2]int
	generation := [2]uint32{1, 1}
	for i := range local {
		local[i], peer[i] = stream(t)
		must(t, p.Add(local[i], NewToken(uint32(i), generation[i]), Readable))
		unix.Write(peer[i], []byte("x"))
	}
	closeAtEnd(t, local[0], peer[0], peer[1])
	var events [4]Event
	n, err := p.Wait(events[:], -1)
	if err != nil || n != 2 {
		t.Fatalf("Wait = %d, %v; want both in one batch", n, err)
	}

	must(t, p.Remove(local[1]))
	must(t, unix.Close(local[1]))
	generation[1]++
	again, newPeer := stream(t)
	closeAtEnd(t, again, newPeer)
	if again != local[1] {
		t.Fatalf("the kernel gave fd %d, want the lowest free number %d", again, local[1])
	}
	must(t, p.Add(again, NewToken(1, generation[1]), Readable))

	stale := 0
	for _, e := range events[:n] {
		if e.Token.Generation() != generation[e.Token.Index()] {
			stale++
		}
	}
	if stale != 1 {
		t.Errorf("%d stale events, want 1", stale)
	}
	unix.Write(newPeer, []byte("y"))
	for _, e := range waitN(t, p, 2) {
		if e.Token.Generation() != generation[e.Token.Index()] {
			t.Errorf("event of the new connection carries the old generation: %#x", uint64(e.Token))
		}
	}
}

func waitN(t *testing.T, p *Poller, want int) []Event {
	t.Helper()
	events := make([]Event, 2*want)
	n, err := p.Wait(events, -1)
	if err != nil || n != want {
		t.Fatalf("Wait = %v, %v; want %d events", events[:n], err, want)
	}
	return events[:n]
}

func TestBatchIsBounded(t *testing.T) {
	p := newPoller(t)
	const many = MaxBatch + 10
	seen := map[uint32]bool{}
	for i := range uint32(many) {
		fd, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		must(t, err)
		closeAtEnd(t, fd)
		must(t, p.Add(fd, NewToken(i, 0), Readable))
	}
	events := make([]Event, 2*many)
	for turn := 0; turn < 4 && len(seen) < many; turn++ {
		n, err := p.Wait(events, 0)
		if err != nil || n > MaxBatch {
			t.Fatalf("Wait = %d, %v; want at most %d", n, err, MaxBatch)
		}
		for _, e := range events[:n] {
			seen[e.Token.Index()] = true
		}
	}
	if len(seen) != many {
		t.Errorf("%d of %d descriptors were reported in 4 batches: the rest starve", len(seen), many)
	}
	if n, err := p.Wait(events[:3], 0); err != nil || n != 3 {
		t.Errorf("Wait for 3 = %d, %v", n, err)
	}
}

func TestErrorsNameTheOperationAndTheDescriptor(t *testing.T) {
	p := newPoller(t)
	local, peer := stream(t)
	closeAtEnd(t, local, peer)
	must(t, p.Add(local, 1, Readable))
	for _, c := range []struct {
		name  string
		err   error
		want  string
		errno error
	}{
		{"added twice", p.Add(local, 2, Readable), "add fd # already added", unix.EEXIST},
		{"modified but never added", p.Modify(peer, 2, Readable), "modify fd # not added", unix.ENOENT},
		{"removed but never added", p.Remove(peer), "remove fd # not added", unix.ENOENT},
		{"not open", p.Add(1<<20, 2, Readable), "add fd # not open", unix.EBADF},
		{"its own epoll instance", p.Add(p.epfd, 2, Readable), "add fd #", unix.EINVAL},
		{"the reserved token", p.Add(peer, wakeToken, Readable), "reserved", nil},
	} {
		if c.err == nil || (c.errno != nil && !errors.Is(c.err, c.errno)) {
			t.Errorf("%s: error %v, want one that is %v", c.name, c.err, c.errno)
			continue
		}
		for part := range strings.SplitSeq(c.want, "#") {
			if !strings.Contains(c.err.Error(), strings.TrimSpace(part)) {
				t.Errorf("%s: error %q does not say %q", c.name, c.err, part)
			}
		}
	}
	var events [1]Event
	if _, err := p.Wait(events[:0], 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("Wait without room for events = %v, want EINVAL", err)
	}
}

func TestARegularFileCannotBePolled(t *testing.T) {
	p := newPoller(t)
	fd, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	closeAtEnd(t, fd)
	if err := p.Add(fd, 1, Readable); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "cannot be polled") {
		t.Errorf("Add of a regular file = %v", err)
	}
}

func TestTimeoutsRoundUp(t *testing.T) {
	for _, c := range []struct {
		name string
		d    time.Duration
		want int
	}{
		{"a negative time has no limit", -1, -1},
		{"zero only looks", 0, 0},
		{"a nanosecond is a millisecond", 1, 1},
		{"whole milliseconds stay", 7 * time.Millisecond, 7},
		{"a part more is one more", 7*time.Millisecond + 1, 8},
		{"what the kernel cannot hold is cut", math.MaxInt64, math.MaxInt32},
	} {
		if got := milliseconds(c.d); got != c.want {
			t.Errorf("%s: %v is %d ms, want %d", c.name, c.d, got, c.want)
		}
	}
}

func TestSteadyWorkDoesNotAllocate(t *testing.T) {
	p := newPoller(t)
	local, peer := stream(t)
	closeAtEnd(t, local, peer)
	must(t, p.Add(local, 1, Readable|Writable))
	events := make([]Event, MaxBatch)
	for name, f := range map[string]func(){
		"Wait":   func() { p.Wait(events, -1) },
		"Modify": func() { p.Modify(local, 1, Writable) },
		"Wake":   func() { p.Waker().Wake(); p.Wait(events, 0) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func TestOnePollerCanWatchAnother(t *testing.T) {
	outer, inner := newPoller(t), newPoller(t)
	local, peer := stream(t)
	closeAtEnd(t, local, peer)
	must(t, inner.Add(local, 7, Readable))
	must(t, outer.Add(inner.Descriptor(), 8, Readable))
	wantQuiet(t, outer, "nothing to read")
	unix.Write(peer, []byte("x"))
	for range 2 { // level-triggered, as for any other descriptor
		if e := waitOne(t, outer); e != (Event{Token: 8, Ready: CanRead}) {
			t.Fatalf("outer event %v", e)
		}
	}
	if e := waitOne(t, inner); e != (Event{Token: 7, Ready: CanRead}) {
		t.Fatalf("inner event %v", e)
	}
	var b [1]byte
	unix.Read(local, b[:])
	wantQuiet(t, outer, "all read")
}
