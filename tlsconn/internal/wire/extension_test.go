package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// The reference that firstDuplicate must agree with.
func hasDuplicate(types []ExtensionType) bool {
	seen := map[ExtensionType]bool{}
	for _, t := range types {
		if seen[t] {
			return true
		}
		seen[t] = true
	}
	return false
}

func TestDuplicatesAreFoundInShortAndLongBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 3 * fewExtensions {
		for range 50 {
			types := make([]ExtensionType, n)
			for i := range types {
				types[i] = ExtensionType(random.IntN(n * n)) // about half have a duplicate
			}
			if _, found := firstDuplicate(types); found != hasDuplicate(types) {
				t.Fatalf("duplicate %v in %v", found, types)
			}
		}
	}
}

// extensionsHello is a hello with n empty extensions of the types from..from+n-1.
func extensionsHello(from, n int) []byte {
	b := binary.BigEndian.AppendUint16([]byte(clientHelloFields), uint16(4*n))
	for i := range n {
		b = binary.BigEndian.AppendUint16(b, uint16(from+i))
		b = append(b, 0, 0)
	}
	return b
}

func TestAHelloFullOfEmptyExtensionsIsDecoded(t *testing.T) {
	const n = max16 / 4
	b := extensionsHello(0x1000, n)
	var m ClientHello
	if err := m.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	if len(m.Extensions) != n || m.Extensions[n-1] != 0x1000+n-1 {
		t.Errorf("%d extensions", len(m.Extensions))
	}
	if !m.Has(0x1000+n-1) || m.Has(0x1000+n) {
		t.Error("Has is wrong about unknown extensions")
	}
	// The last becomes a duplicate of the first.
	binary.BigEndian.PutUint16(b[len(b)-4:], 0x1000)
	if err, ok := m.Unmarshal(b).(*Error); !ok || err.Illegal || err.Field != "extension(0x1000)" {
		t.Errorf("with a duplicate: %v", err)
	}
}

// Linear: the nanoseconds per extension are those of a short block.
func BenchmarkHelloFullOfEmptyExtensions(b *testing.B) {
	hello := extensionsHello(0x1000, max16/4)
	var m ClientHello
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Unmarshal(hello); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEveryKnownExtensionHasABitOfItsOwn(t *testing.T) {
	for known := range extensionNames {
		var s extensionSet
		s.add(known)
		for other := range extensionNames {
			if s.has(other) != (other == known) {
				t.Errorf("the set of %v has %v: %v", known, other, s.has(other))
			}
		}
		s.remove(known)
		if s != 0 {
			t.Errorf("%v was not removed", known)
		}
	}
	if ExtensionType(0x0A0A).bit() != 0 || ExtensionType(63).bit() != 0 {
		t.Error("a type without a name has a bit")
	}
}

func TestExtensionsOfferedAreThoseEncoded(t *testing.T) {
	var m ClientHello
	m.CipherSuites, m.CompressionMethods = []uint16{0x1301}, []byte{0}
	for _, e := range []ExtensionType{ExtEarlyData, ExtSessionTicket, ExtRenegotiationInfo, ExtKeyShare,
		ExtExtendedMasterSecret, ExtPostHandshakeAuth, ExtSCT, ExtStatusRequest} {
		if m.Has(e) {
			t.Errorf("%v is there before it is offered", e)
		}
		m.Offer(e)
		if !m.Has(e) {
			t.Errorf("%v is not there once offered", e)
		}
	}
	var decoded ClientHello
	if err := decoded.Unmarshal(m.Append(nil)[HeaderLen:]); err != nil {
		t.Fatal(err)
	}
	for e := range extensionNames {
		if decoded.Has(e) != m.Has(e) {
			t.Errorf("%v: encoded %v, decoded %v", e, m.Has(e), decoded.Has(e))
		}
	}
}

func TestFieldsWithContentMakeTheirExtensionsPresent(t *testing.T) {
	hello, decoded := fullClientHello(), new(ClientHello)
	if err := decoded.Unmarshal(hello.Append(nil)[HeaderLen:]); err != nil {
		t.Fatal(err)
	}
	answer13, answer12 := fullServerHello13(), fullServerHello12()
	for _, e := range clientHelloOrder {
		if !hello.Has(e) || !decoded.Has(e) {
			t.Errorf("client_hello: %v is absent", e)
		}
	}
	for _, e := range serverHelloOrder {
		if e != ExtCookie && !answer13.Has(e) && !answer12.Has(e) {
			t.Errorf("server_hello: %v is absent", e)
		}
	}
}

func TestExtensionsOfAServerAreFoundByHas(t *testing.T) {
	var m ServerHello
	if err := m.Unmarshal([]byte(serverHelloWith(ext(0x0A0A, ""), ext(ExtPadding, "junk")))); err != nil {
		t.Fatal(err)
	}
	if !m.Has(0x0A0A) || !m.Has(ExtPadding) || m.Has(0x1A1A) || m.Has(ExtKeyShare) {
		t.Errorf("Has is wrong about %v", m.Extensions)
	}
}

func TestAStatusRequestOfAnotherTypeIsAsUnknown(t *testing.T) {
	var m ClientHello
	if err := m.Unmarshal([]byte(clientHelloWith(ext(ExtStatusRequest, "\x02junk")))); err != nil {
		t.Fatal(err)
	}
	if m.Has(ExtStatusRequest) || len(m.Extensions) != 1 {
		t.Errorf("Has %v, Extensions %v", m.Has(ExtStatusRequest), m.Extensions)
	}
}
