package reactor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tlsreactor/tlsreactor/poller"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// ListenConfig says what becomes of the connections that a listener accepts.
type ListenConfig struct {
	// TLS makes them TLS connections, in the server's role; nil means plain.
	TLS *tlsconn.Config

	// Accept gives a connection its Handler, or nil to turn it away with RST. It runs on the loop of
	// the connection, before the handshake; c has its addresses and nothing else yet. To choose a
	// Handler by what the handshake negotiates, return one that calls SetHandler when Opened.
	Accept func(c *Conn) Handler
}

// A Listener listens on every loop of a Reactor.
type Listener struct {
	reactor *Reactor
	config  ListenConfig
	addr    net.Addr
	path    string // of a unix socket, to be removed
	closed  atomic.Bool
	removed atomic.Bool // path is removed; once, for a successor may have it
}

// An acceptor is one loop's part of a Listener.
type acceptor struct {
	listener *Listener
	fd       int
	index    int // in Loop.listeners
	ready    bool
	watched  bool
}

// Listen begins to accept connections on every loop. network is "tcp" (an empty or unspecified IPv6 host
// means both IPv4 and IPv6), "tcp4", "tcp6" or "unix"; address is host:port, port 0 meaning any that is
// free, or a path. Each loop gets a socket of its own, among which the kernel spreads TCP connections
// (SO_REUSEPORT); the port is refused all the same if anybody else listens on it (EADDRINUSE). A unix
// socket's path that nobody listens on is replaced.
func (r *Reactor) Listen(network, address string, config ListenConfig) (*Listener, error) {
	if config.Accept == nil {
		return nil, errors.New("reactor: ListenConfig.Accept is missing")
	}
	if config.TLS != nil {
		if err := config.TLS.Validate(tlsconn.RoleServer); err != nil {
			return nil, fmt.Errorf("reactor: listen on %s: %w", address, err)
		}
	}
	ln := &Listener{reactor: r, config: config}
	fds, err := ln.openSockets(network, address, len(r.loops))
	if err != nil {
		return nil, fmt.Errorf("reactor: listen on %s %q: %w", network, address, err)
	}
	r.mu.Lock()
	stopping := r.stopping
	r.mu.Unlock()
	if stopping {
		err = ErrStopped
	}
	if err == nil {
		err = ln.addToLoops(fds)
	} else {
		for _, fd := range fds {
			closeDescriptor(fd)
		}
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("reactor: listen on %s %q: %w", network, address, err)
	}
	return ln, nil
}

// addToLoops gives each loop its socket and waits until all have it. It owns fds.
func (ln *Listener) addToLoops(fds []int) error {
	type answer struct {
		socket int
		err    error
	}
	answers := make(chan answer, len(fds)) // buffered: a loop must not wait
	for i, fd := range fds {
		l := ln.reactor.loops[i]
		l.push(&post{work: func() { answers <- answer{i, l.addListener(ln, fd)} }})
	}
	var err error
	for left := len(fds); left > 0; left-- {
		select {
		case a := <-answers:
			fds[a.socket] = -1
			err = errors.Join(err, a.err)
			continue
		case <-ln.reactor.done:
		}
		break
	}
	close(answers) // either all have answered or all loops have ended
	for a := range answers {
		fds[a.socket] = -1
	}
	for _, fd := range fds {
		if fd >= 0 {
			closeDescriptor(fd)
			err = ErrStopped
		}
	}
	return err
}

// openSockets opens n listening sockets.
func (ln *Listener) openSockets(network, address string, n int) ([]int, error) {
	if network == "unix" {
		fds, err := listenUnix(address, n)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(address, "@") {
			ln.path = address
		}
		ln.addr = &net.UnixAddr{Name: address, Net: "unix"}
		return fds, nil
	}
	at, dual, err := resolveListen(network, address)
	if err != nil {
		return nil, err
	}
	fds, bound, err := listenTCP(at, dual, n)
	ln.addr = net.TCPAddrFromAddrPort(bound)
	return fds, err
}

// resolveListen makes an address of what Listen was given. dual asks for one IPv6 socket that serves
// IPv4 as well.
func resolveListen(network, address string) (at netip.AddrPort, dual bool, err error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return at, false, net.UnknownNetworkError(network)
	}
	addr, err := net.ResolveTCPAddr(network, address)
	if err != nil {
		return at, false, err
	}
	at = addr.AddrPort()
	ip := at.Addr().Unmap()
	if !ip.IsValid() { // no host
		ip, dual = netip.IPv6Unspecified(), network == "tcp"
		if network == "tcp4" {
			ip = netip.IPv4Unspecified()
		}
	} else if ip == netip.IPv6Unspecified() {
		dual = network == "tcp"
	}
	return netip.AddrPortFrom(ip, at.Port()), dual, nil
}

// Addr is the address, with the port that was chosen for port 0.
func (ln *Listener) Addr() net.Addr { return ln.addr }

// Close stops accepting and closes the sockets; connections that the kernel holds for Accept are reset.
// It returns without waiting for the loops, and may be called again, and on a loop.
func (ln *Listener) Close() error {
	if ln.closed.Swap(true) {
		return nil
	}
	ln.removePath()
	for _, l := range ln.reactor.loops {
		l.push(&post{work: func() { l.removeListener(ln) }})
	}
	return nil
}

// removePath removes a unix socket's path, so that the next one can be bound.
func (ln *Listener) removePath() {
	if ln.path != "" && !ln.removed.Swap(true) {
		unlink(ln.path)
	}
}

// addListener begins to accept on fd.
func (l *Loop) addListener(ln *Listener, fd int) error {
	if l.state != loopRuns {
		closeDescriptor(fd)
		return ErrStopped
	}
	a := &acceptor{listener: ln, fd: fd}
	// A place may be taken again at once: what an old event in this batch would do is to look into the
	// new one's queue.
	if a.index = slices.Index(l.listeners, nil); a.index < 0 {
		a.index = len(l.listeners)
		l.listeners = append(l.listeners, nil)
	}
	l.listeners[a.index] = a
	if l.acceptPaused {
		return nil
	}
	return l.watchListener(a)
}

func (l *Loop) watchListener(a *acceptor) error {
	err := l.poller.Add(a.fd, poller.NewToken(firstListenerIndex+uint32(a.index), 0), poller.Readable)
	a.watched = err == nil
	return err
}

// removeListener ends the loop's part of ln.
func (l *Loop) removeListener(ln *Listener) {
	for i, a := range l.listeners {
		if a != nil && a.listener == ln {
			l.closeAcceptor(a)
			l.listeners[i] = nil
		}
	}
}

func (l *Loop) closeAcceptor(a *acceptor) {
	if a.watched {
		a.watched = false
		if err := l.poller.Remove(a.fd); err != nil {
			l.reactor.fail(err)
		}
	}
	closeDescriptor(a.fd)
}

// closeListeners serves what the backlogs hold and closes all listeners of the loop.
func (l *Loop) closeListeners() {
	for i, a := range l.listeners {
		if a == nil {
			continue
		}
		a.ready = true
		for turns := 0; a.ready && turns < drainAccepts/turnAccepts && !l.acceptPaused; turns++ {
			l.acceptSome(a)
		}
		l.closeAcceptor(a)
		a.listener.removePath()
		l.listeners[i] = nil
	}
}

// accept takes new connections from the listeners that have some.
func (l *Loop) accept() {
	for _, a := range l.listeners {
		if a != nil && a.ready && !l.acceptPaused {
			l.acceptSome(a)
			a.ready = false // level-triggered: what is left is reported again
		}
	}
}

// acceptSome takes up to turnAccepts connections, and clears a.ready when there are no more.
func (l *Loop) acceptSome(a *acceptor) {
	for range turnAccepts {
		switch {
		case l.reactor.accepted.Load() >= int64(l.reactor.config.MaxConns):
			l.counters.pausedForConns.Add(1)
			l.pauseAccepting(acceptPause)
			return
		case l.handshaking >= l.reactor.config.MaxHandshakes && a.listener.config.TLS != nil:
			l.counters.pausedForHandshakes.Add(1)
			l.pauseAccepting(0)
			return
		}
		fd, remote, outcome := acceptOne(a.fd)
		switch outcome {
		case acceptedOne:
			l.counters.accepted.Add(1)
			l.welcome(a, fd, remote)
		case acceptEmpty:
			a.ready = false
			return
		case acceptGone:
		case acceptNoDescriptor:
			l.counters.outOfDescriptors.Add(1)
			l.shed(a)
			fallthrough
		case acceptFailed:
			l.pauseAccepting(acceptPause)
			return
		}
	}
}

// welcome makes a Conn of an accepted descriptor.
func (l *Loop) welcome(a *acceptor, fd int, remote netip.AddrPort) {
	c := &Conn{loop: l, fd: int32(fd), remote: remote, accepted: true}
	l.table.add(c)
	l.reactor.accepted.Add(1)
	l.setPhase(c, phaseHandshaking)
	c.handler = a.listener.config.Accept(c)
	switch {
	case c.handler == nil:
		l.counters.refused.Add(1)
		c.handler = nobody{}
		c.reset(ReasonReset, nil)
	case c.reason != 0: // Accept ended it, which is carried out when it is settled
	case a.listener.config.TLS == nil:
		l.open(c)
	default:
		l.startTLS(c, l.workspace.Server, a.listener.config.TLS)
	}
}

// nobody is the Handler of connections that were turned away.
type nobody struct{}

func (nobody) Opened(*Conn)                {}
func (nobody) Received(*Conn)              {}
func (nobody) Writable(*Conn)              {}
func (nobody) Closed(*Conn, Reason, error) {}

// shed gives the reserved descriptor up for a moment to accept the first waiting connection and close
// it: its client learns at once that it is not served, instead of waiting for its own time-out.
func (l *Loop) shed(a *acceptor) {
	if l.reserve < 0 {
		return
	}
	closeDescriptor(l.reserve)
	if fd, _, outcome := acceptOne(a.fd); outcome == acceptedOne {
		closeDescriptor(fd)
		l.counters.shed.Add(1)
	}
	l.reserve = openReserve()
}

// pauseAccepting mutes all listeners of the loop for at least d.
func (l *Loop) pauseAccepting(d time.Duration) {
	l.acceptPaused, l.acceptAgain = true, l.now+d
	for _, a := range l.listeners {
		if a != nil && a.watched {
			a.watched = false
			if err := l.poller.Remove(a.fd); err != nil {
				l.reactor.fail(err)
			}
		}
	}
}

// resumeAccepting ends a pause when its time is over and there is room for handshakes.
func (l *Loop) resumeAccepting() {
	if !l.acceptPaused || l.now < l.acceptAgain || l.handshaking >= l.reactor.config.MaxHandshakes {
		return
	}
	l.acceptPaused = false
	if l.reserve < 0 {
		l.reserve = openReserve()
	}
	for _, a := range l.listeners {
		if a == nil || a.watched {
			continue
		}
		if err := l.watchListener(a); err != nil {
			l.pauseAccepting(acceptPause)
			return
		}
	}
}

// resolve looks a name up, off the loop.
func resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, strings.Replace(network, "tcp", "ip", 1), host)
}
