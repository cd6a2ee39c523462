package probe

import (
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		want       func(*Options)
	}{
		{"a name and a port", "example.com:443", func(*Options) {}},
		{"flags on either side", "--json example.com:443 --alpn h2,http/1.1", func(o *Options) { o.JSON, o.ALPN = true, []string{"h2", "http/1.1"} }},
		{"a service's name", "example.com:https", func(*Options) {}},
		{"the dot of the root", "example.com.:443", func(o *Options) { o.Host = "example.com." }},
		{"another server's name", "example.com:443 --servername a.org", func(o *Options) { o.ServerName, o.VerifyName = "a.org", "a.org" }},
		{"groups by any of their names", "example.com:443 --groups prime256v1,x25519", func(o *Options) { o.Groups = []tls.CurveID{tls.CurveP256, tls.X25519} }},
		{"suites", "example.com:443 --suites TLS_AES_256_GCM_SHA384", func(o *Options) { o.Suites, o.Min = []uint16{tls.TLS_AES_256_GCM_SHA384}, tls.VersionTLS13 }},
		{"a version", "example.com:443 --tls-max 1.2", func(o *Options) { o.Max = tls.VersionTLS12 }},
		{"an IPv6 address with a zone", "[fe80::1%eth0]:443", func(o *Options) { o.Host, o.ServerName, o.VerifyName = "fe80::1%eth0", "fe80::1", "fe80::1" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := Parse(strings.Fields(tt.args))
			if err != nil {
				t.Fatal(err)
			}
			want := &Options{Host: "example.com", Port: 443, ServerName: "example.com", VerifyName: "example.com", Min: tls.VersionTLS12, Max: tls.VersionTLS13, Timeout: 10e9}
			tt.want(want)
			if !reflect.DeepEqual(o, want) {
				t.Errorf("%+v, want %+v", o, want)
			}
		})
	}
	o, err := Parse([]string{"--servername", "", "example.com:443"})
	if err != nil || o.ServerName != "" || o.VerifyName != "example.com" {
		t.Errorf("without a server's name: %+v, %v", o, err)
	}
}

func TestArgumentsThatAreWrongAreNamed(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ name, args, want string }{
		{"nothing to probe", "", "HOST:PORT is missing"},
		{"two things to probe", "a:1 b:2", `unexpected argument "b:2"`},
		{"no port", "example.com", "example.com: missing port in address; want HOST:PORT"},
		{"an empty host", ":443", "HOST is empty"},
		{"a port that is none", "a:http3", `"http3" is no TCP port`},
		{"port 0", "a:0", `"0" is no TCP port`},
		{"a name that is not ASCII", "müller.example:443", "xn--"},
		{"an unknown flag", "a:1 --sni b", "unknown flag --sni"},
		{"a group that is none", "a:1 --groups P-256,sect571r1", `"sect571r1" is none of X25519MLKEM768, X25519`},
		{"a group that the version has not", "a:1 --groups X25519MLKEM768 --tls-max 1.2", `--groups has no group of TLS 1.2`},
		{"a group twice", "a:1 --groups P-256,secp256r1", `"secp256r1" is listed twice`},
		{"a version that is not spoken", "a:1 --tls-max 1.1", `invalid value "1.1" for flag --tls-max: want 1.2 or 1.3`},
		{"versions the wrong way round", "a:1 --tls-min 1.3 --tls-max 1.2", "--tls-min is above --tls-max"},
		{"a suite of another version", "a:1 --tls-min 1.3 --suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "--suites has no suite of TLS 1.3"},
		{"a suite of TLS 1.3 for TLS 1.2", "a:1 --tls-max 1.2 --suites TLS_AES_128_GCM_SHA256", "--suites has no suite of TLS 1.2"},
		{"a suite without ECDHE", "a:1 --suites TLS_RSA_WITH_AES_128_CBC_SHA", "is none of TLS_AES_128_GCM_SHA256"},
		{"an empty protocol", "a:1 --alpn h2,,h3", "--alpn h2,,h3: a name has from 1 to 255 bytes"},
		{"too many protocols", "a:1 --alpn " + strings.TrimSuffix(strings.Repeat(strings.Repeat("p", 200)+",", 100), ","), "NextProtos"},
		{"no time", "a:1 --timeout 0s", "--timeout 0s: must be more than 0"},
		{"both families alone", "a:1 --4 --6", "--4 and --6 exclude each other"},
		{"an address of the other family", "[::1]:1 --4", "not of the family"},
		{"a file that is missing", "a:1 --ca " + dir + "/absent", "no such file or directory"},
		{"a file without a certificate", "a:1 --ca " + file("empty", "hello"), "holds no PEM certificate"},
		{"a file with a bad certificate", "a:1 --ca " + file("bad", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1: x509"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if o, err := Parse(strings.Fields(tt.args)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v, error %v; want %q", o, err, tt.want)
			}
		})
	}
}

func TestUsageHasEveryFlagWithItsDefault(t *testing.T) {
	var o Options
	var named bool
	newFlagSet(&o, &named).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(Usage, "--"+f.Name) {
			t.Errorf("--%s is missing", f.Name)
		}
		if f.DefValue != "" && f.DefValue != "false" && !strings.Contains(Usage, "("+f.DefValue+")") {
			t.Errorf("--%s: the default %s is missing", f.Name, f.DefValue)
		}
	})
	var all []string
	for _, g := range groups {
		all = append(all, g.name)
	}
	if list := strings.Join(all, ","); !strings.Contains(Usage, list) {
		t.Errorf("the default of --groups is not %s", list)
	}
}

func TestUsageHasEveryExitStatus(t *testing.T) {
	for s := range statusNames {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^  %d +[a-z-]`, s)).MatchString(Usage) {
			t.Errorf("exit status %d (%v) is missing", s, s)
		}
	}
}

// The fields of the JSON lines are taken from the types, not from what happens to be printed.
func TestUsageHasEveryFieldOfTheJSONLines(t *testing.T) {
	documented := regexp.MustCompile(`[a-z0-9_]+`).FindAllString(Usage, -1)
	var check func(reflect.Type)
	check = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous:
				check(f.Type)
			case f.IsExported() && !slices.Contains(documented, tag):
				t.Errorf("%v: %q is missing", typ, tag)
			}
		}
	}
	for _, l := range []line{resolved{}, attempted{}, entered{}, wanted{}, facts{}, certificate{}, times{}, result{}} {
		check(reflect.TypeOf(l))
	}
}
