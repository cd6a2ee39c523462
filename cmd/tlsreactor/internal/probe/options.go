package probe

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/tlsversion"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// Options are what the arguments of `tlsreactor probe` say.
type Options struct {
	Host string // a name, or an IP address without brackets
	Port uint16

	ServerName string         // sent as server_name if it is a name; "" sends none
	VerifyName string         // what the certificate has to be for: a name or an IP address
	ALPN       []string       // nil offers none
	Roots      *x509.CertPool // nil for the system's
	Groups     []tls.CurveID  // nil for all
	Suites     []uint16       // nil for all of the versions
	Min, Max   tlsversion.Version
	Timeout    time.Duration // for everything

	Only4, Only6 bool
	JSON         bool
}

// ErrHelp is Parse's answer to --help: print Usage.
var ErrHelp = flag.ErrHelp

// Parse reads the arguments behind `tlsreactor probe`; flags may stand on either side of HOST:PORT. Its
// errors name the flag.
func Parse(args []string) (*Options, error) {
	var o Options
	named := false
	flags := newFlagSet(&o, &named)
	target := ""
	for {
		if err := flags.Parse(args); err != nil {
			return nil, spellFlags(err)
		}
		if flags.NArg() == 0 {
			break
		}
		if target != "" {
			return nil, fmt.Errorf("unexpected argument %q: there is one HOST:PORT to probe", flags.Arg(0))
		}
		target, args = flags.Arg(0), flags.Args()[1:]
	}
	if target == "" {
		return nil, errors.New("HOST:PORT is missing (tlsreactor probe --help tells more)")
	}
	if err := o.setTarget(target, named); err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	return &o, o.check()
}

// newFlagSet ties each flag to its place in o; named tells whether --servername was given.
func newFlagSet(o *Options, named *bool) *flag.FlagSet {
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints errors, and usage
	flags.Func("servername", "", func(name string) error {
		o.ServerName, *named = name, true
		return nil
	})
	flags.Func("alpn", "", func(list string) error {
		o.ALPN = strings.Split(list, ",")
		return nil
	})
	flags.Func("ca", "", func(file string) (err error) {
		o.Roots, err = loadRoots(file)
		return err
	})
	flags.Func("groups", "", func(list string) (err error) {
		o.Groups, err = parseNames(groups, list)
		return err
	})
	flags.Func("suites", "", func(list string) (err error) {
		o.Suites, err = parseNames(suites, list)
		return err
	})
	flags.TextVar(&o.Min, "tls-min", tlsversion.Version(tls.VersionTLS12), "")
	flags.TextVar(&o.Max, "tls-max", tlsversion.Version(tls.VersionTLS13), "")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Second, "")
	flags.BoolVar(&o.Only4, "4", false, "")
	flags.BoolVar(&o.Only6, "6", false, "")
	flags.BoolVar(&o.JSON, "json", false, "")
	return flags
}

// spellFlags gives the flag package's messages the two dashes with which we write flags.
func spellFlags(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return fmt.Errorf("unknown flag --%s (tlsreactor probe --help lists the flags)", name)
	}
	return errors.New(strings.NewReplacer("flag -", "flag --", "argument: -", "argument: --").Replace(text))
}

// setTarget takes HOST:PORT apart. named says that ServerName is what the user wants.
func (o *Options) setTarget(target string, named bool) error {
	host, service, err := net.SplitHostPort(target)
	if e, ok := errors.AsType[*net.AddrError](err); ok {
		return fmt.Errorf("%s; want HOST:PORT", e.Err)
	}
	if err != nil {
		return err
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("%q is no TCP port", service)
	}
	if host == "" {
		return errors.New("HOST is empty; want HOST:PORT")
	}
	o.Host, o.Port = host, uint16(port)
	o.VerifyName = strings.TrimSuffix(host, ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		o.VerifyName = ip.WithZone("").Unmap().String() // certificates know no zones
		if ip.Unmap().Is4() && o.Only6 || !ip.Unmap().Is4() && o.Only4 {
			return errors.New("the address is not of the family that --4 or --6 asks for")
		}
	}
	switch {
	case !named:
		o.ServerName = o.VerifyName
	case o.ServerName != "":
		o.VerifyName = strings.TrimSuffix(o.ServerName, ".")
	}
	return nil
}

// check refuses what cannot be done, in the engine's words where it knows better.
func (o *Options) check() error {
	switch {
	case o.Only4 && o.Only6:
		return errors.New("--4 and --6 exclude each other")
	case o.Min > o.Max:
		return fmt.Errorf("--tls-min is above --tls-max: %v, %v", o.Min, o.Max)
	case o.Timeout <= 0 || o.Timeout > maxTimeout:
		return fmt.Errorf("--timeout %v: must be more than 0, and at most %v", o.Timeout, maxTimeout)
	}
	for _, protocol := range o.ALPN {
		if len(protocol) == 0 || len(protocol) > 255 { // RFC 7301 3.1
			return fmt.Errorf("--alpn %s: a name has from 1 to 255 bytes", strings.Join(o.ALPN, ","))
		}
	}
	for _, r := range o.ServerName {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("the server's name %q is not of ASCII letters; names in other alphabets have a form that begins with xn--", o.ServerName)
		}
	}
	if err := o.narrow(); err != nil {
		return err
	}
	if o.Max == tls.VersionTLS12 && slices.Equal(o.Groups, []tls.CurveID{tls.X25519MLKEM768}) {
		return errors.New("--groups has no group of TLS 1.2")
	}
	if err := o.config(nil, nil).Validate(tlsconn.RoleClient); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "tlsconn: "))
	}
	return nil
}

// narrow leaves out a version that --suites has no suite of.
func (o *Options) narrow() error {
	if o.Suites == nil {
		return nil
	}
	low, high := o.Min, o.Max
	if !slices.ContainsFunc(o.Suites, isOf13) {
		high = tls.VersionTLS12
	} else if !slices.ContainsFunc(o.Suites, func(id uint16) bool { return !isOf13(id) }) {
		low = tls.VersionTLS13
	}
	if low > high {
		return fmt.Errorf("--suites has no suite of %s", o.versions())
	}
	o.Min, o.Max = low, high
	return nil
}

// isOf13 tells suites of TLS 1.3, 0x13**, from others (RFC 8446 B.4).
func isOf13(suite uint16) bool { return suite>>8 == 0x13 }

// versions names what is offered.
func (o *Options) versions() string {
	if o.Min != o.Max {
		return fmt.Sprintf("%v or %v", o.Min, o.Max)
	}
	return o.Min.String()
}

// config is the engine's configuration; asked is called if the server wants a certificate, and chain is
// handed its own.
func (o *Options) config(asked func(), chain func([]*x509.Certificate) error) *tlsconn.Config {
	return &tlsconn.Config{
		ServerName:         o.ServerName,
		InsecureSkipVerify: true, // chain inspects
		VerifyPeer:         func(peer *tlsconn.Peer) error { return chain(peer.Certificates) },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked()
			return new(tls.Certificate), nil // none
		},
		NextProtos: o.ALPN,
		// Nothing is at stake here, and old servers are there to be probed.
		AllowMissingRenegotiationInfo: true,
		MinVersion:                    uint16(o.Min),
		MaxVersion:                    uint16(o.Max),
		CipherSuites:                  o.Suites,
		CurvePreferences:              o.Groups,
	}
}

// loadRoots reads a file of PEM certificates; all of them have to be sound.
func loadRoots(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, rootCause(err)
	}
	pool, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n+1, err)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, errors.New("the file holds no PEM certificate")
	}
	return pool, nil
}

// rootCause strips an error of who was told what by whom: the line says all of that.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
