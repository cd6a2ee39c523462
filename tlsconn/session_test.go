package tlsconn

import (
	"crypto/tls"
	"testing"
	"time"
)

func TestFreshSessions(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		name                   string
		created, authenticated time.Duration // how long before now
		lifetime               time.Duration
		fresh                  bool
	}{
		{"of this moment", 0, 0, time.Second, true},
		{"one whose lifetime is zero is to be discarded (RFC 8446 4.6.1)", 0, 0, 0, false},
		{"before the end of the lifetime", time.Hour - 1, time.Hour, time.Hour, true},
		{"at the end of the lifetime", time.Hour, time.Hour, time.Hour, false},
		{"a lifetime of more than seven days counts as seven (RFC 8446 4.6.1)", 7 * day, 0, 30 * day, false},
		{"a ticket got with a ticket, within seven days of the authentication", time.Hour, 7*day - 1, day, true},
		{"a ticket got with a ticket, seven days after the authentication", time.Hour, 7 * day, day, false},
		{"the clock went back by a minute", -time.Minute, -time.Minute, day, true},
		{"the clock went back by more than a minute", -time.Minute - 1, 0, day, false},
		{"the authentication is in the future", 0, -time.Minute - 1, day, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &session{created: now.Add(-c.created), authenticated: now.Add(-c.authenticated), lifetime: c.lifetime}
			if got := s.fresh(now); got != c.fresh {
				t.Errorf("fresh is %v", got)
			}
		})
	}
}

func TestAgeOfSessions(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		name    string
		created time.Time
		age     time.Duration
	}{
		{"an hour old", now.Add(-time.Hour), time.Hour},
		{"new", now, 0},
		{"from the future", now.Add(time.Hour), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if age := (&session{created: c.created}).ageAt(now); age != c.age {
				t.Errorf("%v old", age)
			}
		})
	}
}

// testSession has every field, each with a value of its own.
func testSession() *session {
	return &session{
		version:       tls.VersionTLS13,
		suite:         tls.TLS_AES_256_GCM_SHA384,
		psk:           secretBytes(48),
		created:       time.UnixMilli(1_700_000_000_123),
		authenticated: time.UnixMilli(1_699_990_000_456),
		lifetime:      36 * time.Hour,
		ageAdd:        0xfedcba98,
		serverName:    "example.org",
		protocol:      "h2",
		scope:         "tenant",
		clientAuth:    tls.RequireAndVerifyClientCert,
		chain:         [][]byte{[]byte("leaf"), []byte("issuer")},
		ocsp:          []byte("staple"),
		scts:          [][]byte{[]byte("first"), []byte("second"), []byte("third")},
	}
}

// secretBytes returns n bytes that look like nothing in particular.
func secretBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i + 7*i + 1)
	}
	return b
}
