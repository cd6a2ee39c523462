package reactor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A dialing is what a connection needs until its socket is connected.
type dialing struct {
	network  string
	path     string // of a unix socket
	addrs    []netip.AddrPort
	next     int // the index of the address to be tried next
	deadline time.Duration
	config   *tlsconn.Config // nil for a plain connection
	cancel   context.CancelFunc
	err      error // of the last address
}

// abandon ends a look-up that is running.
func (d *dialing) abandon() {
	if d.cancel != nil {
		d.cancel()
	}
}

// ErrConnectTimeout is why a Dial ended that took longer than Config.ConnectTimeout.
var ErrConnectTimeout = errors.New("reactor: connect: timed out")

// Dial begins to connect to address and returns at once; h is called when the connection is Opened,
// or Closed with ReasonConnect, never from within Dial. network and address are as for Listen. A name is
// looked up on a goroutine of its own; its addresses are tried in order. config makes it a TLS
// connection, in the client's role; nil means plain.
func (l *Loop) Dial(network, address string, config *tlsconn.Config, h Handler) *Conn {
	if l.state == loopAbandons {
		// No slot has this generation, so its Handle names nobody.
		return &Conn{loop: l, handler: h, fd: -1, phase: phaseGone, reason: ReasonShutdown, err: ErrStopped, generation: math.MaxUint32}
	}
	d := &dialing{network: network, config: config, deadline: l.now + l.reactor.config.ConnectTimeout}
	c := &Conn{loop: l, handler: h, fd: -1, dialing: d, phase: phaseConnecting}
	l.table.add(c)
	l.counters.dialed.Add(1)
	l.setTimer(c, d.deadline)
	c.touch()
	if err := l.dialStart(c, d, address); err != nil {
		c.finish(ReasonConnect, fmt.Errorf("reactor: dial %s %q: %w", network, address, err))
	}
	return c
}

func (l *Loop) dialStart(c *Conn, d *dialing, address string) error {
	if d.config != nil {
		if err := d.config.Validate(tlsconn.RoleClient); err != nil {
			return err
		}
	}
	switch d.network {
	case "unix":
		d.path = address
		l.connectNext(c)
		return nil
	case "tcp", "tcp4", "tcp6":
	default:
		return net.UnknownNetworkError(d.network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	port, err := net.LookupPort(d.network, service) // a number, or a name from a local table
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		d.addrs = []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), uint16(port))}
		l.connectNext(c)
		return nil
	}
	return l.lookUp(c, d, host, uint16(port))
}

// lookUp resolves host on a goroutine of its own, which posts the answer.
func (l *Loop) lookUp(c *Conn, d *dialing, host string, port uint16) error {
	r := l.reactor
	if r.lookups.Add(1) > maxLookups {
		r.lookups.Add(-1)
		return errors.New("too many names are being looked up")
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	token := c.token()
	r.ended.Go(func() {
		defer cancel()
		ips, err := resolve(ctx, d.network, host)
		r.lookups.Add(-1)
		l.push(&post{token: token, onConn: func(c *Conn) { l.lookedUp(c, ips, port, err) }})
	})
	return nil
}

func (l *Loop) lookedUp(c *Conn, ips []netip.Addr, port uint16, err error) {
	if c.phase != phaseConnecting || c.reason != 0 {
		return
	}
	if err != nil {
		c.finish(ReasonConnect, fmt.Errorf("reactor: dial: %w", err))
		return
	}
	for _, ip := range ips {
		c.dialing.addrs = append(c.dialing.addrs, netip.AddrPortFrom(ip.Unmap(), port))
	}
	l.connectNext(c)
}

// connectNext tries the next address, and the one after it if that fails at once.
func (l *Loop) connectNext(c *Conn) {
	d := c.dialing
	l.dropAttempt(c)
	c.touch()
	for d.next < max(len(d.addrs), 1) {
		if d.path == "" && len(d.addrs) == 0 {
			d.err = errors.New("the name has no address")
			break
		}
		var at netip.AddrPort
		if d.path == "" {
			at = d.addrs[d.next]
		}
		left := max(len(d.addrs), 1) - d.next
		d.next++
		fd, err := connectStart(at, d.path)
		if err != nil {
			d.err = err
			continue
		}
		c.fd, c.remote = int32(fd), at
		// Each address gets its share of the time that is left, the last one all of it.
		share := max((d.deadline-l.now)/time.Duration(left), minAttempt)
		l.setTimer(c, min(d.deadline, l.now+share))
		return // also when it is connected already: the poller says so, and Dial calls no handler
	}
	target := d.path
	if target == "" && c.remote.IsValid() {
		target = c.remote.String()
	}
	c.finish(ReasonConnect, fmt.Errorf("reactor: connect to %s: %w", target, d.err))
}

// dropAttempt closes the socket of an attempt that has failed.
func (l *Loop) dropAttempt(c *Conn) {
	l.unwatch(c)
	if c.fd >= 0 {
		closeDescriptor(int(c.fd))
		c.fd = -1
	}
	c.hungUp = false
}

// connected acts on the end of a non-blocking connect, good or bad.
func (l *Loop) connected(c *Conn) {
	d := c.dialing
	if c.reason != 0 || c.fd < 0 {
		return
	}
	if err := connectResult(int(c.fd)); err != nil {
		d.err = err
		l.connectNext(c)
		return
	}
	l.counters.connected.Add(1)
	c.dialing = nil
	if d.config == nil {
		l.open(c)
		return
	}
	l.startTLS(c, l.workspace.Client, d.config)
}

// attemptExpired ends an attempt that took its share of the time, or the dial that took all.
func (l *Loop) attemptExpired(c *Conn) {
	d := c.dialing
	d.err = ErrConnectTimeout
	if l.now < d.deadline && c.fd >= 0 {
		l.connectNext(c)
		return
	}
	c.finish(ReasonConnect, ErrConnectTimeout)
}
