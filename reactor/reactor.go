package reactor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// Errors of posting.
var (
	// ErrStopped says that the loop has ended, or the reactor is shutting down.
	ErrStopped = errors.New("reactor: stopped")
	// ErrPostsFull says that a loop has as much posted work as it may hold.
	ErrPostsFull = errors.New("reactor: too many posts are waiting")
)

// Config configures a Reactor. Its zero value is useful; a Config must not be changed after New.
type Config struct {
	// Loops is the number of event loops. Zero means runtime.GOMAXPROCS(0).
	Loops int

	// Workers is the number of goroutines for slow private-key operations, shared by all loops; each
	// has a thread of its own, niced to +15. Zero means one for two loops, at least one; a negative
	// number none: then the operations run on the loops. The program should add them to GOMAXPROCS, so
	// that they do not take the loops' turns.
	Workers int

	// Workspace configures the tlsconn.Workspace of each loop. An Offload in it takes the place
	// of the Workers. Its PendingOperations are each loop's too.
	Workspace tlsconn.WorkspaceConfig

	// MaxConns is the number of accepted connections, over all loops, at which listeners pause; those
	// that come wait in the kernel's backlog. Zero means 1<<20.
	MaxConns int

	// MaxHandshakes is the number of TLS handshakes in progress, on each loop, at which its listeners
	// pause. Zero means 10,000.
	MaxHandshakes int

	// HandshakeTimeout is the time from accepting, or connecting, to the end of the handshake. No
	// data extends it. Zero means 10 seconds.
	HandshakeTimeout time.Duration

	// OperationTimeout is how long a handshake awaits one operation outside: a key in another process, an
	// answer to a callback. It is counted for each anew; HandshakeTimeout stays the end of all. A
	// connection that it ends gets the alert internal_error. Zero means 5 seconds.
	OperationTimeout time.Duration

	// IdleTimeout closes an open connection of which no byte was read or written for that long. Zero
	// means 15 minutes, a negative value never.
	IdleTimeout time.Duration

	// IdleResets makes the idle timeout end connections with Reset instead of Close: what a proxy
	// wants, to whom silence says nothing of whether the stream was whole.
	IdleResets bool

	// ConnectTimeout is the time of a Dial up to the connected socket. Zero means 10 seconds.
	ConnectTimeout time.Duration

	// CloseTimeout is how long Close waits for the peer to take pending output. Zero means 5 seconds.
	CloseTimeout time.Duration

	// Clock tells the time for timers; each loop asks it once a turn, and within a turn of handshakes.
	// Nil means time.Now. A test that moves a clock of its own wakes the loops with Post.
	Clock func() time.Time
}

// withDefaults returns the Config with its zero values replaced.
func (c Config) withDefaults() Config {
	setDefault(&c.Loops, runtime.GOMAXPROCS(0))
	setDefault(&c.Workers, max(1, c.Loops/2))
	setDefault(&c.MaxConns, defaultMaxConns)
	setDefault(&c.MaxHandshakes, defaultMaxHandshakes)
	setDefault(&c.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&c.OperationTimeout, defaultOperationTimeout)
	setDefault(&c.IdleTimeout, defaultIdleTimeout)
	setDefault(&c.ConnectTimeout, defaultConnectTimeout)
	setDefault(&c.CloseTimeout, defaultCloseTimeout)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// check refuses what has no meaning.
func (c *Config) check() error {
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"Loops", c.Loops < 0 || c.Loops > 1<<12},
		{"MaxConns", c.MaxConns < 0},
		{"MaxHandshakes", c.MaxHandshakes < 0},
		{"HandshakeTimeout", c.HandshakeTimeout < 0},
		{"OperationTimeout", c.OperationTimeout < 0},
		{"ConnectTimeout", c.ConnectTimeout < 0},
		{"CloseTimeout", c.CloseTimeout < 0},
	} {
		if f.bad {
			return fmt.Errorf("reactor: Config.%s is out of range", f.name)
		}
	}
	return nil
}

// A Reactor is a set of event loops. Its methods may be called from any goroutine but a loop's,
// unless they say otherwise.
type Reactor struct {
	config  Config
	start   time.Time
	loops   []*Loop
	workers *workers // nil without
	ended   sync.WaitGroup
	done    chan struct{}
	failed  chan struct{} // closed at the first failure of a loop
	failure atomic.Pointer[error]

	accepted atomic.Int64 // accepted connections that are open, over all loops
	lookups  atomic.Int64 // names being looked up

	mu       sync.Mutex // guards what follows; never locked on a loop
	stopping bool
}

// New makes a Reactor and starts its loops. Shutdown ends it.
func New(config Config) (*Reactor, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	r := &Reactor{config: config.withDefaults(), done: make(chan struct{}), failed: make(chan struct{})}
	r.start = r.config.Clock()
	if r.config.Workers > 0 && r.config.Workspace.Offload == nil {
		w, err := startWorkers(r.config.Workers, r.config.Workers*workQueue)
		if err != nil {
			return nil, err
		}
		r.workers = w
		r.config.Workspace.Offload = w.offload
	}
	for i := range r.config.Loops {
		l, err := newLoop(r, i)
		if err != nil {
			for _, l := range r.loops {
				l.release()
			}
			r.workers.stop()
			return nil, err
		}
		r.loops = append(r.loops, l)
	}
	for _, l := range r.loops {
		r.ended.Go(l.run)
	}
	go func() {
		r.ended.Wait()
		r.workers.stop()
		close(r.done)
	}()
	return r, nil
}

// Loops returns the loops, for posting to and dialing from. It may be called from any goroutine.
func (r *Reactor) Loops() []*Loop { return r.loops }

// Failed is closed when a loop could not go on, which only a failing kernel interface causes; Err says
// why. The other loops go on; Shutdown ends them. It may be called from any goroutine.
func (r *Reactor) Failed() <-chan struct{} { return r.failed }

// Err returns why a loop could not go on, or nil. It may be called from any goroutine.
func (r *Reactor) Err() error {
	if err := r.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail records a loop's end.
func (r *Reactor) fail(err error) {
	if r.failure.CompareAndSwap(nil, &err) {
		close(r.failed)
	}
}

// Shutdown ends the reactor: listeners serve what their backlogs hold and are closed; handlers that are
// Drainers are told, other connections are closed in order; then it waits for all connections to end.
// When ctx is done first, the connections that are left are reset with ReasonShutdown, and Shutdown
// returns ctx's error. It returns after all goroutines of the reactor have ended, and may be called again.
func (r *Reactor) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	first := !r.stopping
	r.stopping = true
	r.mu.Unlock()
	if first {
		for _, l := range r.loops {
			l.push(&post{work: l.drain})
		}
	}
	select {
	case <-r.done:
		return r.Err()
	case <-ctx.Done():
	}
	for _, l := range r.loops {
		l.push(&post{work: l.abandon})
	}
	<-r.done
	return ctx.Err()
}
