package serve

import (
	"errors"
	"flag"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFlagsAreRead(t *testing.T) {
	got, err := Parse(strings.Fields("--listen [::1]:443 --backend unix:/run/a.sock --cert c.pem --key k.pem" +
		" --handshake-timeout 5s --idle-timeout 0 --drain-timeout 1m --max-connections 10 --loops 3 --workers 1" +
		" --keylog keys --log-format json --log-level warn"))
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		Listen: "[::1]:443", Backend: "unix:/run/a.sock", CertFile: "c.pem", KeyFile: "k.pem",
		HandshakeTimeout: 5 * time.Second, DrainTimeout: time.Minute, MaxConnections: 10, Loops: 3, Workers: 1,
		KeyLog: "keys", LogJSON: true, LogLevel: slog.LevelWarn,
	}
	if *got != want {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
}

func TestWithoutFlagsThereIsADefaultForEach(t *testing.T) {
	got, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Options{Listen: "127.0.0.1:8443", HandshakeTimeout: 10 * time.Second, IdleTimeout: time.Hour, DrainTimeout: 30 * time.Second}
	if *got != want {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
}

func TestErrorsNameTheFlagAndWhatIsWrongWithIt(t *testing.T) {
	tests := []struct{ name, args, want string }{
		{"a flag that does not exist", "--lisen :1", "unknown flag --lisen"},
		{"a duration that is none", "--idle-timeout soon", `invalid value "soon" for flag --idle-timeout`},
		{"a value that is missing", "--cert", "flag needs an argument: --cert"},
		{"an argument", "--echo backend:80", `unexpected argument "backend:80"`},
		{"two jobs", "--echo --backend a:1", "--echo and --backend exclude each other"},
		{"a certificate without its key", "--cert c.pem", "--cert c.pem: --key is missing"},
		{"a key without its certificate", "--key k.pem", "--key k.pem: --cert is missing"},
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

func TestHelpIsNoMistake(t *testing.T) {
	if _, err := Parse([]string{"--help"}); !errors.Is(err, ErrHelp) {
		t.Errorf("error %v, want ErrHelp", err)
	}
}

func TestUsageHasEveryFlagWithItsDefault(t *testing.T) {
	newFlagSet(new(Options)).VisitAll(func(f *flag.Flag) {
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
