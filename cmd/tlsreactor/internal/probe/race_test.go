package probe

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func addresses(list string) (all []netip.Addr) {
	for word := range strings.FieldsSeq(list) {
		all = append(all, netip.MustParseAddr(word))
	}
	return all
}

func TestFamiliesAlternateBeginningWithIPv6(t *testing.T) {
	for _, tt := range []struct{ name, v6, v4, want string }{
		{"as many of each", "::1 ::2", "1.1.1.1 2.2.2.2", "::1 1.1.1.1 ::2 2.2.2.2"},
		{"more of IPv6", "::1 ::2 ::3", "1.1.1.1", "::1 1.1.1.1 ::2 ::3"},
		{"more of IPv4", "::1", "1.1.1.1 2.2.2.2", "::1 1.1.1.1 2.2.2.2"},
		{"IPv4 alone", "", "1.1.1.1 2.2.2.2", "1.1.1.1 2.2.2.2"},
		{"none", "", "", ""},
		{"too many", strings.Repeat("::1 ", maxAddresses+1), "", strings.Repeat("::1 ", maxAddresses)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r race
			r.answer(ipv6, addresses(tt.v6))
			r.answer(ipv4, addresses(tt.v4))
			var got []netip.Addr
			for at, ok := r.next(); ok; at, ok = r.next() {
				got = append(got, at)
			}
			if want := addresses(tt.want); !slices.Equal(got, want) {
				t.Errorf("tried %v, want %v", got, want)
			}
			if !r.exhausted() {
				t.Error("there is more")
			}
		})
	}
}

func TestWhenTheFirstAddressMayBeTried(t *testing.T) {
	awaiting := func() *race { return &race{awaited: [familyCount]bool{true, true}} }
	for _, tt := range []struct {
		name string
		do   func(*race)
		want bool
	}{
		{"not before IPv6 is known", func(r *race) { r.answer(ipv4, addresses("1.1.1.1")) }, false},
		{"at once with an address of IPv6", func(r *race) { r.answer(ipv6, addresses("::1")) }, true},
		{"when IPv6 has none", func(r *race) { r.answer(ipv4, addresses("1.1.1.1")); r.answer(ipv6, nil) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := awaiting()
			if tt.do(r); r.mayBegin() != tt.want {
				t.Errorf("mayBegin is %v", !tt.want)
			}
		})
	}
}

func TestALateFamilyTakesItsTurns(t *testing.T) {
	r := race{awaited: [familyCount]bool{true, true}}
	r.answer(ipv4, addresses("1.1.1.1 2.2.2.2 3.3.3.3"))
	r.next()
	if r.exhausted() {
		t.Error("exhausted while IPv6 is awaited")
	}
	r.answer(ipv6, addresses("::1"))
	for _, want := range addresses("::1 2.2.2.2 3.3.3.3") {
		if at, _ := r.next(); at != want {
			t.Errorf("tried %v, want %v", at, want)
		}
	}
}
