package serve

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/certs"
)

func TestFlagsAreRead(t *testing.T) {
	got, err := Parse(strings.Fields("--listen [::1]:443 --backend unix:/run/a.sock --cert c.pem --key k.pem --cert d.pem --alpn h2,http/1.1" +
		" --tls-min 1.3 --handshake-timeout 5s --connect-timeout 2s --access-log=false --idle-timeout 0 --drain-timeout 1m --max-connections 10 --loops 3 --workers 1" +
		" --keylog keys --log-format json --log-level warn"))
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		Listen: "[::1]:443", Backend: "unix:/run/a.sock", Certs: []certs.Files{{Cert: "c.pem", Key: "k.pem"}, {Cert: "d.pem", Key: "d.pem"}},
		NextProtos: []string{"h2", "http/1.1"}, Min: tls.VersionTLS13, Max: tls.VersionTLS13, ConnectTimeout: 2 * time.Second,
		HandshakeTimeout: 5 * time.Second, DrainTimeout: time.Minute, MaxConnections: 10, Loops: 3, Workers: 1,
		KeyLog: "keys", LogJSON: true, LogLevel: slog.LevelWarn,
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
}

func TestWithoutFlagsThereIsADefaultForEach(t *testing.T) {
	got, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Options{Listen: "127.0.0.1:8443", Min: tls.VersionTLS12, Max: tls.VersionTLS13, HandshakeTimeout: 10 * time.Second, ConnectTimeout: 10 * time.Second,
		IdleTimeout: time.Hour, DrainTimeout: 30 * time.Second, AccessLog: true}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
}

func TestErrorsNameTheFlagAndWhatIsWrongWithIt(t *testing.T) {
	tests := []struct{ name, args, want string }{
		{"a flag that does not exist", "--lisen :1", "unknown flag --lisen"},
		{"a duration that is none", "--idle-timeout soon", `invalid value "soon" for flag --idle-timeout`},
		{"a value that is missing", "--cert", "flag needs an argument: --cert"},
		{"an argument", "--echo backend:80", `unexpected argument "backend:80"`},
		{"a version that is not spoken", "--tls-min 1.1", `invalid value "1.1" for flag --tls-min: want 1.2 or 1.3`},
		{"versions the wrong way round", "--tls-min 1.3 --tls-max 1.2", "--tls-min is above --tls-max: TLS 1.3, TLS 1.2"},
		{"two jobs", "--echo --backend a:1", "--echo and --backend exclude each other"},
		{"a key without its certificate", "--key k.pem", "--key k.pem: --cert is missing"},
		{"a second key for a certificate", "--cert c.pem --key k.pem --key l.pem", "--key l.pem: --cert c.pem has a key already, --key k.pem"},
		{"protocols for the page", "--alpn h2", "--alpn: the built-in page speaks http/1.1 and nothing else"},
		{"a protocol without a name", "--echo --alpn h2,", `invalid value "h2," for flag --alpn: a name is empty`},
		{"a protocol that is listed twice", "--echo --alpn a,b,a", "a is listed twice"},
		{"a protocol that is too long", "--echo --alpn " + strings.Repeat("x", 256), "a name has 256 bytes"},
		{"no deadline for connecting", "--connect-timeout 0", "--connect-timeout 0s: must be more than 0"},
		{"an address without a port", "--listen localhost", "--listen localhost: missing port in address; want HOST:PORT"},
		{"an address with an empty port", "--listen localhost:", "--listen localhost:: the port is empty"},
		{"a port that is none", "--listen :65536", `--listen :65536: "65536" is no TCP port`},
		{"an IPv6 address without brackets", "--listen ::1:443", "--listen ::1:443: too many colons in address"},
		{"a backend without a port", "--backend localhost", "--backend localhost: missing port in address; want HOST:PORT, or unix:PATH"},
		{"a backend without a host", "--backend :80", "--backend :80: a backend needs a host and a port"},
		{"a backend at port 0", "--backend a:0", "--backend a:0: a backend needs a host and a port"},
		{"a Unix backend without a path", "--backend unix:", "--backend unix:: the path is empty"},
		{"a Unix path that is too long", "--backend unix:/" + strings.Repeat("x", 107), "the path has 108 bytes"},
		{"no deadline for handshakes", "--handshake-timeout 0", "--handshake-timeout 0s: must be more than 0"},
		{"a negative idle timeout", "--idle-timeout -1s", "--idle-timeout -1s: must not be negative"},
		{"a negative drain timeout", "--drain-timeout -1s", "--drain-timeout -1s: must not be negative"},
		{"a negative number of connections", "--max-connections -1", "--max-connections -1: must not be negative"},
		{"a negative number of loops", "--loops -1", "--loops -1: must not be negative"},
		{"a negative number of workers", "--workers -1", "--workers -1: must not be negative"},
		{"a log format that does not exist", "--log-format xml", `invalid value "xml" for flag --log-format: want text or json`},
		{"a log level that does not exist", "--log-level loud", `for flag --log-level`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(strings.Fields(tt.args))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestEachKeyFindsItsCertificate(t *testing.T) {
	tests := []struct{ name, args, want string }{
		{"none of either", "", "[]"},
		{"a file for both", "--cert a", "[{a a}]"},
		{"each behind its certificate", "--cert a --key b --cert c --key d", "[{a b} {c d}]"},
		{"as many keys as certificates, in order", "--cert a --cert c --key b --key d", "[{a b} {c d}]"},
		{"the key first", "--key b --cert a", "[{a b}]"},
		{"the first without a key", "--cert a --cert c --key d", "[{a a} {c d}]"},
		{"the last without a key", "--cert a --key b --cert c", "[{a b} {c c}]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := Parse(strings.Fields(tt.args))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(o.Certs); got != tt.want {
				t.Errorf("pairs %s, want %s", got, tt.want)
			}
		})
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	if _, err := Parse([]string{"--help"}); !errors.Is(err, ErrHelp) {
		t.Errorf("error %v, want ErrHelp", err)
	}
}

func TestUsageHasEveryFlagWithItsDefault(t *testing.T) {
	newFlagSet(new(Options), new(certFlags)).VisitAll(func(f *flag.Flag) {
		_, text, found := strings.Cut(Usage, "\n  --"+f.Name+" ")
		if !found {
			t.Errorf("usage has no --%s", f.Name)
			return
		}
		text, _, _ = strings.Cut(text, "\n  --")
		if f.DefValue != "" && f.DefValue != "false" && !strings.Contains(text, "("+f.DefValue) {
			t.Errorf("usage of --%s does not state its default %s:%s", f.Name, f.DefValue, text)
		}
	})
}
