package wire

import (
	"slices"
	"testing"
)

const reserved ExtensionType = 0x3A3A

func TestAPermutedClientHelloSaysTheSame(t *testing.T) {
	plain := fullClientHello()
	seen := make(map[ExtensionType]bool) // that came first
	for i := range 50 {
		m, decoded := *plain, new(ClientHello)
		m.Permute([32]byte{byte(i)}, reserved)
		raw := m.Append(nil)
		if err := decoded.Unmarshal(raw[HeaderLen:]); err != nil {
			t.Fatal(err)
		}
		types := decoded.Extensions
		if types[len(types)-1] != ExtPreSharedKey {
			t.Fatalf("pre_shared_key is not the last of %v", types)
		}
		want := append([]ExtensionType{reserved}, clientHelloOrder[:]...)
		if got := slices.Sorted(slices.Values(types)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Fatalf("has %v, want %v", got, want)
		}
		if slices.Equal(types, want) || m.Has(reserved) {
			t.Fatalf("in the usual order %v, or %v is offered", types, reserved)
		}
		seen[types[0]] = true
		again := *plain
		again.Permute([32]byte{byte(i)}, reserved)
		if !slices.Equal(again.Append(nil), raw) {
			t.Fatal("another order of the same seed")
		}
		m.Cookie = []byte("another cookie")
		if err := decoded.Unmarshal(m.Append(nil)[HeaderLen:]); err != nil || !slices.Equal(decoded.Extensions, types) {
			t.Fatalf("another order after a change: %v, %v", decoded.Extensions, err)
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d extensions ever come first", len(seen))
	}
}

func TestAPermutedClientHelloDoesNotEndInAnEmptyExtension(t *testing.T) {
	for i := range 50 {
		m := ClientHello{CipherSuites: []uint16{1}, CompressionMethods: []byte{0}, SupportedGroups: []uint16{29}, PSKModes: []byte{1}}
		for _, e := range []ExtensionType{ExtSCT, ExtExtendedMasterSecret, ExtSessionTicket, ExtPostHandshakeAuth} {
			m.Offer(e)
		}
		m.Permute([32]byte{1: byte(i)}, reserved)
		var decoded ClientHello
		if err := decoded.Unmarshal(m.Append(nil)[HeaderLen:]); err != nil {
			t.Fatal(err)
		}
		if last := decoded.Extensions[len(decoded.Extensions)-1]; last != ExtSupportedGroups && last != ExtPSKModes {
			t.Fatalf("ends in %v", last)
		}
	}
}
