package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/certs"
	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A server is what all connections share.
type server struct {
	options *Options
	started time.Time
	journal *journal // the log
	reactor *reactor.Reactor
	sums    []sums // one of each loop
}

// now is the server's clock.
func (s *server) now() time.Duration { return time.Since(s.started) }

// Run serves until a signal ends it. It logs to stderr, and tells a person on stdout what to try.
// Its errors name the flag where there is one.
func Run(o *Options, stdout, stderr io.Writer) error {
	s := &server{options: o, started: time.Now(), journal: newJournal(o, stderr)}
	defer s.journal.close()
	config, err := s.tlsConfig()
	if err != nil {
		return err
	}
	if o.KeyLog != "" {
		file, err := os.OpenFile(o.KeyLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("--keylog %s: %w", o.KeyLog, rootCause(err))
		}
		defer file.Close()
		config.KeyLogWriter = file
		s.journal.tell(slog.LevelWarn, "writing the secrets of ALL connections: whoever reads the file reads the traffic",
			slog.String("file", o.KeyLog))
	}
	signals := catchSignals()
	defer signals.release()
	if err := s.startReactor(); err != nil {
		return err
	}
	listener, err := s.reactor.Listen("tcp", o.Listen, reactor.ListenConfig{
		TLS:    config,
		Accept: s.welcome,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("--listen %s: %w", o.Listen, rootCause(err)), s.reactor.Shutdown(context.Background()))
	}
	s.journal.tell(slog.LevelInfo, "serving", slog.String("job", s.job()), slog.String("listen", listener.Addr().String()),
		slog.Int("loops", len(s.reactor.Loops())), slog.Int("processors", runtime.GOMAXPROCS(0)), slog.Int("pid", os.Getpid()))
	if o.servesPage() {
		fmt.Fprintf(stdout, "\nTry:  curl -k https://%s/\n\n", reachable(listener.Addr()))
	}
	return s.untilSignalled(signals)
}

// tlsConfig loads the certificates, or makes one.
func (s *server) tlsConfig() (*tlsconn.Config, error) {
	o := s.options
	config := &tlsconn.Config{NextProtos: o.NextProtos, MinVersion: uint16(o.Min), MaxVersion: uint16(o.Max)}
	if o.servesPage() {
		config.NextProtos = []string{"http/1.1"}
	}
	if len(o.Certs) == 0 {
		cert, err := certs.Ephemeral(time.Now())
		if err != nil {
			return nil, err
		}
		s.journal.tell(slog.LevelInfo, "without --cert: made a certificate for localhost, for this process only",
			slog.String("sha256", certs.Fingerprint(&cert)))
		config.Certificates = []tls.Certificate{cert}
		return config, nil
	}
	loaded, warnings, err := certs.LoadAll(o.Certs, time.Now())
	for _, w := range warnings {
		s.journal.tell(slog.LevelWarn, w)
	}
	config.Certificates = loaded
	return config, err
}

// startReactor starts the loops and the workers, with processors for both (see the package's
// documentation).
func (s *server) startReactor() error {
	o := s.options
	loops, workers := o.Loops, o.Workers
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	if workers == 0 {
		workers = max(1, loops/2)
	}
	runtime.GOMAXPROCS(loops + workers)
	s.sums = make([]sums, loops)
	idle := o.IdleTimeout
	if idle == 0 {
		idle = -1 // the reactor's word for none
	}
	var err error
	s.reactor, err = reactor.New(reactor.Config{
		Loops:            loops,
		Workers:          workers,
		MaxConns:         o.MaxConnections,
		HandshakeTimeout: o.HandshakeTimeout,
		ConnectTimeout:   o.ConnectTimeout,
		IdleTimeout:      idle,
		IdleResets:       o.Backend != "", // whether an answer is whole, silence does not tell
	})
	return err
}

// job names what is done with connections, for the log.
func (s *server) job() string {
	switch {
	case s.options.Echo:
		return "echo"
	case s.options.Backend != "":
		return "backend " + s.options.Backend
	}
	return "page"
}

// welcome returns the Handler of a connection that was just accepted.
func (s *server) welcome(c *reactor.Conn) reactor.Handler {
	switch n := s.newSession(c); {
	case s.options.Echo:
		return &echo{session: n}
	case s.options.Backend != "":
		return (*clientSide)(&tunnel{session: n})
	default:
		return &visitor{session: n}
	}
}

// dialBackend begins a connection to the backend.
func (s *server) dialBackend(l *reactor.Loop, h reactor.Handler) *reactor.Conn {
	if path, isUnix := strings.CutPrefix(s.options.Backend, "unix:"); isUnix {
		return l.Dial("unix", path, nil, h)
	}
	return l.Dial("tcp", s.options.Backend, nil, h)
}

// reachable is a listener's address as a client on this machine writes it.
func reachable(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return a.String()
}

// rootCause strips an error of who was told what by whom: the flag says all of that.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
