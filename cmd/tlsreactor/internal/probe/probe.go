package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A Lookup finds a name's addresses of one family, network being "ip4" or "ip6", in order of preference.
// It runs on a goroutine of its own, and ends when ctx does. net.Resolver.LookupNetIP is one.
type Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// Run probes and writes what it finds to w, which is used by no other goroutine. lookup finds the addresses
// of a name; nil means package net's resolver. An error means that the probe itself could not work; what
// is wrong with the server is in the Status.
func Run(o *Options, w io.Writer, lookup Lookup) (Status, error) {
	roots := o.Roots
	if roots == nil {
		var err error
		if roots, err = x509.SystemCertPool(); err != nil { // now, not within the time of the handshake
			return StatusError, fmt.Errorf("the system's certificates: %w", err)
		}
	}
	if lookup == nil {
		lookup = net.DefaultResolver.LookupNetIP
	}
	r, err := reactor.New(reactor.Config{
		Loops:            1,
		Workers:          1,                       // verifies
		HandshakeTimeout: o.Timeout + time.Second, // never reached: expire comes before
		ConnectTimeout:   o.Timeout + time.Second,
		IdleTimeout:      -1,
	})
	if err != nil {
		return StatusError, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &prober{options: o, lookup: lookup, ctx: ctx, loop: r.Loops()[0], lines: make(chan line, maxLines), began: time.Now()}
	p.config = o.config(func() { p.asked = true }, func(chain []*x509.Certificate) error {
		n := inspection{chain: chain, name: o.VerifyName, roots: roots, now: time.Now()}
		found := n.findings()
		p.found.Store(&found)
		return nil
	})
	err = p.loop.Post(p.begin)
	if err == nil {
		err = p.print(w, r.Failed())
	}
	cancel()
	end, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if stopped := r.Shutdown(end); stopped != nil && !errors.Is(stopped, context.DeadlineExceeded) {
		err = errors.Join(err, stopped) // a loop has failed
	}
	if err != nil {
		return StatusError, err
	}
	return p.status, nil
}

// print writes lines as they come, until the last. If they cannot be written it goes on taking them, for
// the loop must not wait.
func (p *prober) print(w io.Writer, failed <-chan struct{}) (err error) {
	for {
		select {
		case l, more := <-p.lines:
			if !more {
				return err
			}
			if err == nil {
				err = write(w, l, p.options.JSON)
			}
		case <-failed:
			return err // Shutdown tells why
		}
	}
}

// A prober is one probe. It belongs to the loop, but for what says otherwise.
type prober struct {
	options *Options
	lookup  Lookup
	ctx     context.Context // of the look-ups; ends with the probe
	config  *tlsconn.Config
	loop    *reactor.Loop
	lines   chan line // to Run's goroutine; closed after the last
	began   time.Time
	found   atomic.Pointer[[]finding] // written by the worker that verifies

	race     race
	tries    int        // attempts so far
	trying   []*attempt // in progress
	overdue  bool       // the next attempt only waits for an address
	failures []string   // of look-ups or attempts
	winner   *attempt   // has connected
	asked    bool       // the server wants a certificate
	ended    bool       // the result is told
	status   Status

	// Milestones, since began; 0 for what has not happened.
	named                 bool // there was something to resolve
	dialedAt, connectedAt time.Duration
	reached               map[tlsconn.State]time.Duration
}

func (p *prober) elapsed() time.Duration { return time.Since(p.began) }

// stamp begins a line about now.
func (p *prober) stamp(event string) stamp { return stamp{event, millisecondsOf(p.elapsed())} }

// tell hands a line to be written.
func (p *prober) tell(l line) {
	if !p.ended {
		p.lines <- l
	}
}

// after calls f on the loop when d has passed, unless the probe has ended.
func (p *prober) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() { p.post(f) })
}

// post calls f on the loop, unless the probe has ended.
func (p *prober) post(f func()) {
	// An error means that the loop has ended, and the probe with it.
	_ = p.loop.Post(func() {
		if !p.ended {
			f()
		}
	})
}

// begin looks for addresses.
func (p *prober) begin() {
	p.reached = make(map[tlsconn.State]time.Duration)
	p.after(p.options.Timeout, p.expire)
	if ip, err := netip.ParseAddr(p.options.Host); err == nil {
		p.race.answer(ipv4, []netip.Addr{ip.Unmap()}) // of whatever family: it is the only one
		p.tryNext()
		return
	}
	p.named = true
	for f := range familyCount {
		p.race.awaited[f] = f == ipv6 && !p.options.Only4 || f == ipv4 && !p.options.Only6
	}
	for f := range familyCount {
		if p.race.awaited[f] {
			go func() {
				addrs, err := p.lookup(p.ctx, f.network(), p.options.Host)
				p.post(func() { p.resolved(f, addrs, err) })
			}()
		}
	}
}

// resolved takes the answer to a look-up.
func (p *prober) resolved(f family, addrs []netip.Addr, err error) {
	l := resolved{stamp: p.stamp("resolved"), Family: f.String()}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
		l.Addresses = append(l.Addresses, addrs[i].String())
	}
	if err != nil {
		l.Error = reasonOf(err)
	} else if len(addrs) == 0 {
		l.Error = "no address"
	}
	if l.Error != "" {
		addrs = nil
		p.failures = append(p.failures, fmt.Sprintf("%v: %s", f, l.Error))
	}
	p.tell(l)
	p.race.answer(f, addrs)
	switch {
	case p.winner != nil:
	case p.tries == 0 && p.race.exhausted():
		p.finish(StatusResolve, fmt.Sprintf("%s has no address (%s)", p.options.Host, strings.Join(p.failures, "; ")))
	case p.overdue || p.tries == 0 && p.race.mayBegin():
		p.tryNext()
	case p.tries == 0:
		p.after(resolutionDelay, func() {
			if p.tries == 0 {
				p.tryNext()
			}
		})
	}
}

// reasonOf leaves out of a resolver's error what the line says already.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*net.AddrError](err); ok { // the name has addresses, but of the other family
		return e.Err
	}
	return rootCause(err).Error()
}

// tryNext tries the next address, and the one after it when the Connection Attempt Delay is over and
// nothing else has been tried meanwhile.
func (p *prober) tryNext() {
	if p.winner != nil {
		return
	}
	ip, ok := p.race.next()
	if p.overdue = !ok; p.overdue {
		if len(p.trying) == 0 && p.race.exhausted() {
			p.finish(StatusConnect, "no address takes a connection: "+strings.Join(p.failures, "; "))
		}
		return
	}
	if p.tries == 0 {
		p.dialedAt = p.elapsed()
		p.failures = nil // of look-ups: there is an address after all
	}
	p.tries++
	a := &attempt{prober: p, at: netip.AddrPortFrom(ip, p.options.Port), number: p.tries}
	p.trying = append(p.trying, a)
	p.tell(attempted{stamp: p.stamp("connecting"), Address: a.at.String()})
	a.conn = p.loop.Dial("tcp", a.at.String(), p.config, a)
	p.after(attemptDelay, func() {
		if a.number == p.tries {
			p.tryNext()
		}
	})
}

// expire ends the probe because the time is up.
func (p *prober) expire() {
	if w := p.winner; w != nil && w.open {
		w.verdict()
		return
	} else if w != nil && w.failed {
		w.conn.Reset() // Closed tells why it failed; only its orderly end takes long
		return
	}
	what := "looking for addresses"
	switch {
	case p.winner != nil:
		what = fmt.Sprintf("in state %v of the handshake", p.winner.state)
	case len(p.trying) > 0:
		var addresses []string
		for _, a := range p.trying {
			addresses = append(addresses, a.at.String())
		}
		what = "connecting to " + strings.Join(addresses, ", ")
	}
	if len(p.failures) > 0 {
		what += " (" + strings.Join(p.failures, "; ") + ")"
	}
	p.describe()
	p.finish(StatusTimeout, fmt.Sprintf("the time of %v was up while %s", p.options.Timeout, what))
}

// finish tells the times and the result, and ends what still goes on.
func (p *prober) finish(status Status, message string) {
	if p.ended {
		return
	}
	p.tell(p.times())
	p.tell(result{stamp: p.stamp("result"), Outcome: status.String(), Status: status, Message: message, Wrong: p.wrong()})
	p.ended, p.status = true, status
	close(p.lines)
	for _, a := range p.trying {
		a.conn.Reset()
	}
	switch w := p.winner; {
	case w == nil:
	case w.open:
		w.conn.Close() // in order: Run gives it the time
	default:
		w.conn.Reset()
	}
}
