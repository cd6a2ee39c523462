package tlsversion

import (
	"crypto/tls"
	"testing"
)

func TestVersionsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]Version{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		var v Version
		if err := v.UnmarshalText([]byte(text)); err != nil || v != want {
			t.Errorf("%s is %v, %v", text, v, err)
		}
		if got, err := v.MarshalText(); err != nil || string(got) != text {
			t.Errorf("%v is written %q, %v", v, got, err)
		}
		if v.String() != "TLS "+text {
			t.Errorf("%s is %v", text, v)
		}
	}
}

func TestWhatIsNotSpokenIsRefused(t *testing.T) {
	v := Version(tls.VersionTLS13)
	for _, text := range []string{"", "1.1", "TLS 1.3", "13", "1.3 "} {
		if err := v.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
	if v != tls.VersionTLS13 {
		t.Errorf("changed to %v", v)
	}
	if text, err := Version(tls.VersionTLS11).MarshalText(); err == nil {
		t.Errorf("TLS 1.1 is %q", text)
	}
}
