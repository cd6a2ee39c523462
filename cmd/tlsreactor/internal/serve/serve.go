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
	"sync/atomic"
	"time"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/certs"
	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A server is what all connections share.
type server struct {
	options *Options
	log     *slog.Logger
	journal *journal // the log, for event loops
	reactor *reactor.Reactor
	echo    *echo
	arrival *arrival

	clients     atomic.Int64  // established connections of clients that are open
	unreachable atomic.Uint64 // connections to the backend that failed
}

// Run serves until a signal ends it. It logs to stderr, and tells a person on stdout what to try.
// Its errors name the flag where there is one.
func Run(o *Options, stdout, stderr io.Writer) error {
	s := &server{options: o, log: newLog(o, stderr)}
	s.echo, s.arrival = &echo{s}, &arrival{s}
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
		s.log.Warn("writing the secrets of ALL connections: whoever reads the file reads the traffic", "file", o.KeyLog)
	}
	signals := catchSignals()
	defer signals.release()
	s.journal = newJournal(s.log)
	defer s.journal.close()
	if err := s.startReactor(); err != nil {
		return err
	}
	listener, err := s.reactor.Listen("tcp", o.Listen, reactor.ListenConfig{
		TLS:    config,
		Accept: func(*reactor.Conn) reactor.Handler { return s.arrival },
	})
	if err != nil {
		return errors.Join(fmt.Errorf("--listen %s: %w", o.Listen, rootCause(err)), s.reactor.Shutdown(context.Background()))
	}
	s.log.Info("serving", "job", s.job(), "listen", listener.Addr().String(), "loops", len(s.reactor.Loops()),
		"processors", runtime.GOMAXPROCS(0), "pid", os.Getpid())
	if o.Backend == "" && !o.Echo {
		fmt.Fprintf(stdout, "\nTry:  curl -k https://%s/\n\n", reachable(listener.Addr()))
	}
	return s.untilSignalled(signals)
}

// newLog makes the log that the options ask for.
func newLog(o *Options, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: o.LogLevel}
	if o.LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// tlsConfig loads the certificate, or makes one.
func (s *server) tlsConfig() (*tlsconn.Config, error) {
	var cert tls.Certificate
	var err error
	if o := s.options; o.CertFile != "" {
		var warnings []string
		cert, warnings, err = certs.Load(o.CertFile, o.KeyFile, time.Now())
		for _, w := range warnings {
			s.log.Warn(w)
		}
	} else if cert, err = certs.Ephemeral(time.Now()); err == nil {
		s.log.Info("without --cert: made a certificate for localhost, for this process only", "sha256", certs.Fingerprint(&cert))
	}
	if err != nil {
		return nil, err
	}
	config := &tlsconn.Config{Certificates: []tls.Certificate{cert}}
	if s.options.Backend == "" && !s.options.Echo {
		config.NextProtos = []string{"http/1.1"}
	}
	return config, nil
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
		IdleTimeout:      idle,
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

// handler returns the Handler of a new established connection.
func (s *server) handler() reactor.Handler {
	switch {
	case s.options.Echo:
		return s.echo
	case s.options.Backend != "":
		return (*clientSide)(&tunnel{server: s})
	}
	return &visitor{server: s}
}

// dialBackend begins a connection to the backend.
func (s *server) dialBackend(l *reactor.Loop, h reactor.Handler) *reactor.Conn {
	if path, isUnix := strings.CutPrefix(s.options.Backend, "unix:"); isUnix {
		return l.Dial("unix", path, nil, h)
	}
	return l.Dial("tcp", s.options.Backend, nil, h)
}

// An arrival is a connection within the handshake.
type arrival struct{ *server }

func (a *arrival) Opened(c *reactor.Conn) {
	a.clients.Add(1)
	h := a.handler()
	c.SetHandler(h)
	h.Opened(c)
}

func (a *arrival) Received(*reactor.Conn) {}
func (a *arrival) Writable(*reactor.Conn) {}

func (a *arrival) Closed(c *reactor.Conn, reason reactor.Reason, err error) {
	a.noteEnd("handshake failed", c, reason, err)
}

// closed takes note of the end of a client's established connection.
func (s *server) closed(c *reactor.Conn, reason reactor.Reason, err error) {
	s.clients.Add(-1)
	s.noteEnd("connection ended", c, reason, err)
}

// noteEnd logs an end for who debugs; at other times it must cost nothing.
func (s *server) noteEnd(msg string, c *reactor.Conn, reason reactor.Reason, err error) {
	if !s.journal.enabled(slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("client", c.Remote().String()), slog.String("reason", reason.String())}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.journal.post(slog.LevelDebug, msg, attrs...)
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
