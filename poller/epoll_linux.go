package poller

import (
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// A Poller is one epoll instance with its Waker. It belongs to one goroutine: no method may run
// beside another of the same Poller. The Waker's Wake is the exception.
type Poller struct {
	epfd  int
	waker *Waker
	raw   [MaxBatch]unix.EpollEvent // what the kernel fills; here, so that Wait does not allocate
}

// New makes a Poller. Close gives its two descriptors back.
func New() (*Poller, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("poller: epoll_create1: %w", err)
	}
	w, err := newWaker(epfd)
	if err != nil {
		unix.Close(epfd)
		return nil, err
	}
	return &Poller{epfd: epfd, waker: w}, nil
}

// Waker returns the Poller's Waker, always the same one. The Waker itself may be used by any
// goroutine, also after Close.
func (p *Poller) Waker() *Waker { return p.waker }

// Descriptor is that of the epoll instance itself. It is readable while anything watched is ready
// (epoll(7)), so one Poller can be added to another: the outer one then tells that the inner one
// has work, and the inner one keeps it until it is asked. It is not the caller's to close.
func (p *Poller) Descriptor() int { return p.epfd }

// Close releases the epoll instance and ends the Waker: a later Wake does nothing. Descriptors that
// were added stay open; they are the caller's. Close may be called once. Owner only.
func (p *Poller) Close() error {
	p.waker.close()
	if err := unix.Close(p.epfd); err != nil {
		return fmt.Errorf("poller: close: %w", err)
	}
	return nil
}

// Add begins to watch fd, which must be open, non-blocking and not added yet. Owner only.
func (p *Poller) Add(fd int, token Token, interest Interest) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, token, interest)
}

// Modify replaces the token and the interest of fd. An event that Wait has already returned keeps
// the token it was returned with. Owner only.
func (p *Poller) Modify(fd int, token Token, interest Interest) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, token, interest)
}

// Remove stops watching fd, HungUp and Failed included. Remove before closing: the kernel forgets a
// descriptor only when its last duplicate is closed (epoll(7)), and a child process may hold one.
// Owner only.
func (p *Poller) Remove(fd int) error {
	return p.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

func (p *Poller) control(op, fd int, token Token, interest Interest) error {
	if token == wakeToken {
		return fmt.Errorf("poller: %s fd %d: the token is reserved", opNames[op], fd)
	}
	ev := unix.EpollEvent{
		Events: epollEvents(interest),
		Fd:     int32(token.Index()),
		Pad:    int32(token.Generation()),
	}
	if err := unix.EpollCtl(p.epfd, op, fd, &ev); err != nil {
		return controlError(op, fd, err)
	}
	return nil
}

var opNames = [...]string{
	unix.EPOLL_CTL_ADD: "add",
	unix.EPOLL_CTL_MOD: "modify",
	unix.EPOLL_CTL_DEL: "remove",
}

// controlError says what an errno of epoll_ctl(2) means here; "file exists" tells nobody that a
// descriptor was added twice.
func controlError(op, fd int, err error) error {
	reason := ""
	switch {
	case errors.Is(err, unix.EEXIST):
		reason = "already added: "
	case errors.Is(err, unix.ENOENT):
		reason = "not added: "
	case errors.Is(err, unix.EBADF):
		reason = "not open: "
	case errors.Is(err, unix.EPERM):
		reason = "cannot be polled: "
	}
	return fmt.Errorf("poller: %s fd %d: %s%w", opNames[op], fd, reason, err)
}

// Wait fills events with what is ready and returns how many it filled, at most MaxBatch. It blocks
// for no longer than timeout, rounded up to whole milliseconds; 0 only looks, a negative timeout
// blocks without limit. It returns 0 when the time is over, when the Waker was used, and when a
// signal cut a limited wait short: look at the clock and at posted work after every Wait. An empty
// events is an error.
//
// Wait does not allocate. Owner only.
func (p *Poller) Wait(events []Event, timeout time.Duration) (int, error) {
	raw := p.raw[:min(len(events), MaxBatch)]
	msec := milliseconds(timeout)
	n, err := unix.EpollWait(p.epfd, raw, msec)
	for err == unix.EINTR && msec <= 0 {
		n, err = unix.EpollWait(p.epfd, raw, msec)
	}
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("poller: epoll_wait for %d events: %w", len(raw), err)
	}
	filled := 0
	for i := range raw[:n] {
		token := NewToken(uint32(raw[i].Fd), uint32(raw[i].Pad))
		if token == wakeToken {
			p.waker.consumed()
			continue
		}
		events[filled] = Event{Token: token, Ready: readyFrom(raw[i].Events)}
		filled++
	}
	return filled, nil
}

// milliseconds rounds up: a wait that ends before its timer is due is repeated with 0 until it is.
func milliseconds(d time.Duration) int {
	switch {
	case d < 0:
		return -1
	case d > math.MaxInt32*time.Millisecond:
		return math.MaxInt32
	}
	return int((d + time.Millisecond - 1) / time.Millisecond)
}

func epollEvents(i Interest) uint32 {
	var e uint32
	if i&Readable != 0 {
		e |= unix.EPOLLIN
	}
	if i&Writable != 0 {
		e |= unix.EPOLLOUT
	}
	if i&HalfClose != 0 {
		e |= unix.EPOLLRDHUP
	}
	return e
}

func readyFrom(e uint32) Ready {
	var r Ready
	if e&unix.EPOLLIN != 0 {
		r |= CanRead
	}
	if e&unix.EPOLLOUT != 0 {
		r |= CanWrite
	}
	if e&unix.EPOLLRDHUP != 0 {
		r |= HalfClosed
	}
	if e&unix.EPOLLHUP != 0 {
		r |= HungUp
	}
	if e&unix.EPOLLERR != 0 {
		r |= Failed
	}
	return r
}

// SocketError fetches and clears the error pending on a socket (SO_ERROR): why it is Failed, or
// how a non-blocking connect ended. It returns nil when none is pending. Owner of fd only.
func SocketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("poller: SO_ERROR of fd %d: %w", fd, err)
	}
	if n != 0 {
		return unix.Errno(n)
	}
	return nil
}
