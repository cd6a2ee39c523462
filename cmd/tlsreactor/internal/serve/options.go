package serve

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/certs"
	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/tlsversion"
)

// Options are what the flags of `tlsreactor serve` say.
type Options struct {
	Listen  string // host:port; port 0 lets the kernel choose
	Backend string // host:port or unix:PATH; "" for no backend
	Echo    bool   // echo in place of a backend

	Certs      []certs.Files // in order of preference; none: then an ephemeral certificate is made
	NextProtos []string      // for ALPN, in order of preference
	Min, Max   tlsversion.Version

	HandshakeTimeout time.Duration // absolute: what the client sends does not extend it
	ConnectTimeout   time.Duration // for a connection to the backend
	IdleTimeout      time.Duration // 0 for none
	DrainTimeout     time.Duration // how long a shutdown waits for connections to end
	MaxConnections   int           // 0 for as many as there are descriptors

	Loops, Workers int // 0 for the default

	AccessLog bool   // a line for each connection
	KeyLog    string // file, "" for none
	LogJSON   bool
	LogLevel  slog.Level
}

// ErrHelp is Parse's answer to --help: print Usage.
var ErrHelp = flag.ErrHelp

// Parse reads the arguments behind `tlsreactor serve`. Its errors name the flag.
func Parse(args []string) (*Options, error) {
	var o Options
	var files certFlags
	flags := newFlagSet(&o, &files)
	if err := flags.Parse(args); err != nil {
		return nil, spellFlags(err)
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: serve takes flags only", flags.Arg(0))
	}
	var err error
	if o.Certs, err = files.pairs(); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	return &o, nil
}

// newFlagSet ties each flag to its place in o, with the defaults that Usage states, and --cert and
// --key to theirs in files, to be paired when all are known.
func newFlagSet(o *Options, files *certFlags) *flag.FlagSet {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints errors, and usage
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8443", "")
	flags.StringVar(&o.Backend, "backend", "", "")
	flags.BoolVar(&o.Echo, "echo", false, "")
	flags.Func("cert", "", files.addCert)
	flags.Func("key", "", files.addKey)
	flags.Func("alpn", "", func(list string) error {
		o.NextProtos = strings.Split(list, ",")
		return checkProtocols(o.NextProtos)
	})
	flags.TextVar(&o.Min, "tls-min", tlsversion.Version(tls.VersionTLS12), "")
	flags.TextVar(&o.Max, "tls-max", tlsversion.Version(tls.VersionTLS13), "")
	flags.DurationVar(&o.HandshakeTimeout, "handshake-timeout", 10*time.Second, "")
	flags.DurationVar(&o.ConnectTimeout, "connect-timeout", 10*time.Second, "")
	flags.DurationVar(&o.IdleTimeout, "idle-timeout", time.Hour, "")
	flags.DurationVar(&o.DrainTimeout, "drain-timeout", 30*time.Second, "")
	flags.IntVar(&o.MaxConnections, "max-connections", 0, "")
	flags.IntVar(&o.Loops, "loops", 0, "")
	flags.IntVar(&o.Workers, "workers", 0, "")
	flags.BoolVar(&o.AccessLog, "access-log", true, "")
	flags.StringVar(&o.KeyLog, "keylog", "", "")
	flags.Func("log-format", "", func(format string) error {
		o.LogJSON = format == "json"
		if format != "text" && format != "json" {
			return errors.New("want text or json")
		}
		return nil
	})
	flags.TextVar(&o.LogLevel, "log-level", slog.LevelInfo, "")
	return flags
}

// spellFlags gives the flag package's messages the two dashes with which we write flags.
func spellFlags(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return fmt.Errorf("unknown flag --%s (tlsreactor serve --help lists the flags)", name)
	}
	return errors.New(strings.NewReplacer("flag -", "flag --", "argument: -", "argument: --").Replace(text))
}

// check refuses what no server can be made of, and what was hardly meant.
func (o *Options) check() error {
	if err := checkHostPort(o.Listen); err != nil {
		return fmt.Errorf("--listen %s: %w", o.Listen, err)
	}
	if o.Backend != "" {
		if err := checkBackend(o.Backend); err != nil {
			return fmt.Errorf("--backend %s: %w", o.Backend, err)
		}
	}
	switch {
	case o.Echo && o.Backend != "":
		return errors.New("--echo and --backend exclude each other: bytes can go to one place only")
	case o.NextProtos != nil && o.servesPage():
		return errors.New("--alpn: the built-in page speaks http/1.1 and nothing else; give a --backend, or --echo")
	case o.Min > o.Max:
		return fmt.Errorf("--tls-min is above --tls-max: %v, %v", o.Min, o.Max)
	case o.HandshakeTimeout <= 0:
		return fmt.Errorf("--handshake-timeout %v: must be more than 0; a handshake without a deadline lets anyone hold a connection for nothing", o.HandshakeTimeout)
	case o.ConnectTimeout <= 0:
		return fmt.Errorf("--connect-timeout %v: must be more than 0; a backend that is gone answers nothing, ever", o.ConnectTimeout)
	case o.IdleTimeout < 0:
		return fmt.Errorf("--idle-timeout %v: must not be negative; 0 turns it off", o.IdleTimeout)
	case o.DrainTimeout < 0:
		return fmt.Errorf("--drain-timeout %v: must not be negative; 0 ends all connections at once", o.DrainTimeout)
	case o.MaxConnections < 0:
		return fmt.Errorf("--max-connections %d: must not be negative; 0 is as many as there are file descriptors", o.MaxConnections)
	case o.Loops < 0:
		return fmt.Errorf("--loops %d: must not be negative; 0 is one per processor", o.Loops)
	case o.Workers < 0:
		return fmt.Errorf("--workers %d: must not be negative; 0 is one for two loops", o.Workers)
	}
	return nil
}

// servesPage reports whether there is nothing else to do with connections.
func (o *Options) servesPage() bool { return o.Backend == "" && !o.Echo }

// checkProtocols wants names as RFC 7301 3.1 has them, opaque ProtocolName<1..2^8-1>, each once.
func checkProtocols(names []string) error {
	for i, name := range names {
		switch {
		case name == "":
			return errors.New("a name is empty; want names with commas between, as h2,http/1.1")
		case len(name) > 255:
			return fmt.Errorf("a name has %d bytes, at most 255 can be sent", len(name))
		case slices.Contains(names[:i], name):
			return fmt.Errorf("%s is listed twice", name)
		}
	}
	return nil
}

// checkHostPort wants host:port as package net reads it; the host may be empty, for all
// addresses.
func checkHostPort(address string) error {
	_, port, err := net.SplitHostPort(address)
	if e, ok := errors.AsType[*net.AddrError](err); ok {
		return fmt.Errorf("%s; want HOST:PORT", e.Err)
	}
	if port == "" {
		return errors.New("the port is empty; want HOST:PORT")
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n > 65535 {
		return fmt.Errorf("%q is no TCP port", port)
	}
	return err
}

// checkBackend wants HOST:PORT or unix:PATH.
func checkBackend(address string) error {
	path, isUnix := strings.CutPrefix(address, "unix:")
	switch {
	case isUnix && path == "":
		return errors.New("the path is empty; want unix:PATH")
	case isUnix && len(path) > maxUnixPath:
		return fmt.Errorf("the path has %d bytes, a Unix socket's has at most %d (unix(7))", len(path), maxUnixPath)
	case isUnix:
		return nil
	}
	if err := checkHostPort(address); err != nil {
		return fmt.Errorf("%w, or unix:PATH", err)
	}
	if host, port, _ := net.SplitHostPort(address); host == "" || port == "0" {
		return errors.New("a backend needs a host and a port to connect to")
	}
	return nil
}
