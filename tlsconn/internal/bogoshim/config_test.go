package main

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

func TestKeySharesFollowTheRunnersRules(t *testing.T) {
	const x25519, p256, p384, hybrid, kem = 29, 23, 24, 4588, 514
	tests := []struct {
		name string
		set  settings
		want []tls.CurveID
	}{
		{"the engine's choice", settings{}, nil},
		{"no hybrid: the engine's", settings{curves: []uint16{x25519, p256}}, nil},
		{"only a hybrid: the engine's", settings{curves: []uint16{hybrid}}, nil},
		{"the first one and the hybrid behind it", settings{curves: []uint16{x25519, p256, hybrid}}, []tls.CurveID{x25519, hybrid}},
		{"a KEM alone and the first one behind it without", settings{curves: []uint16{kem, hybrid, p256}}, []tls.CurveID{kem, p256}},
		{"those that are set", settings{keyShares: []uint16{p256}}, []tls.CurveID{p256}},
		{"none", settings{noKeyShares: true}, []tls.CurveID{}},
		{"our first that the server has", settings{curves: []uint16{kem, x25519, hybrid}, groupsHint: []uint16{hybrid, x25519}, keyShares: []uint16{kem}}, []tls.CurveID{x25519}},
		{"those that are set, as the server has none of ours", settings{groupsHint: []uint16{1}, keyShares: []uint16{p384}}, []tls.CurveID{p384}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.set.shares()
			if !slices.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
				t.Errorf("shares %v, want %v", got, tt.want)
			}
		})
	}
}

func TestClientDecidesBetweenGroupsOfEqualPreference(t *testing.T) {
	tests := []struct {
		name                string
		flags               []uint16
		ours, clients, want []tls.CurveID
	}{
		{"without flags", nil, []tls.CurveID{1, 2, 3}, []tls.CurveID{3, 2, 1}, []tls.CurveID{1, 2, 3}},
		{"a pair", []uint16{1, 0, 0}, []tls.CurveID{1, 2, 3}, []tls.CurveID{3, 2, 1}, []tls.CurveID{2, 1, 3}},
		{"the last pair", []uint16{0, 1, 0}, []tls.CurveID{1, 2, 3}, []tls.CurveID{3, 2, 1}, []tls.CurveID{1, 3, 2}},
		{"all", []uint16{1, 1, 0}, []tls.CurveID{1, 2, 3}, []tls.CurveID{3, 1}, []tls.CurveID{3, 1, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings{curveFlags: tt.flags}
			if got := s.orderGroups(slices.Clone(tt.ours), tt.clients); !slices.Equal(got, tt.want) {
				t.Errorf("groups %v, want %v", got, tt.want)
			}
		})
	}
}

func TestVersionsThatATestLeaves(t *testing.T) {
	for _, tt := range []struct {
		args    []string
		nothing bool
	}{
		{nil, false},
		{[]string{"-no-tls1", "-no-tls11", "-no-tls12"}, false},
		{[]string{"-no-tls1", "-no-tls11", "-no-tls12", "-no-tls13"}, true},
		{[]string{"-min-version", "772", "-no-tls13"}, true},
	} {
		sets, err := parse(tt.args)
		if err != nil {
			t.Fatal(err)
		}
		if got := sets.initial.allowsNothing(); got != tt.nothing {
			t.Errorf("%v: leaves nothing: %t", tt.args, got)
		}
	}
}

func TestMessagesInTheRunnersWords(t *testing.T) {
	var seen observed
	for _, m := range []tlsconn.TracedMessage{
		{Sent: true, ContentType: 22, Type: 1, Length: 300}, {ContentType: 20, Type: 1, Length: 1}, {ContentType: 21, Level: 1, Length: 2},
	} {
		seen.message(m)
	}
	if got := seen.messages.String(); got != "write hs 1\nread ccs\nread alert 1 0\n" {
		t.Errorf("%q", got)
	}
}

func TestSuitesOfBoringSSLsRules(t *testing.T) {
	for rules, want := range map[string][]uint16{
		"":             nil,
		"ALL:3DES":     suites12,
		"AES128":       suites12[:2],
		"DEFAULT:!AES": suites12[4:],
		"3DES":         nil,
		"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:AES128": {suites12[3], suites12[0], suites12[1]},
		"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA":           nil,
		"[AES128|AES256]":                              nil,
	} {
		if got := suitesNamed(rules); !slices.Equal(got, want) {
			t.Errorf("%q: %#04x, want %#04x", rules, got, want)
		}
	}
}
