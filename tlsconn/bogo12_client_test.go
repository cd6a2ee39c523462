package tlsconn

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A ClientHello of TLS 1.2 alone has no KEM, no session id without a session, and
// nothing that is TLS 1.3's.
func TestClientHelloOfTLS12Alone(t *testing.T) {
	p := both12(t, keyECDSA, nil, nil)
	if err := p.client.conn.Handshake(); err != ErrWantRead {
		t.Fatal(err)
	}
	var hello wire.ClientHello
	if err := hello.Unmarshal(p.client.tr.out.bytes[5+wire.HeaderLen:]); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(hello.SupportedGroups, uint16(tls.X25519MLKEM768)) || len(hello.SessionID) != 0 ||
		hello.Has(wire.ExtKeyShare) || hello.Has(wire.ExtSupportedVersions) || hello.Has(wire.ExtPSKModes) {
		t.Errorf("%+v", hello)
	}
}

// What certificate_types leaves of the signature schemes (RFC 5246 7.4.4).
func TestSchemesOfCertificateTypes(t *testing.T) {
	all := []uint16{uint16(tls.ECDSAWithP256AndSHA256), uint16(tls.Ed25519), uint16(tls.PSSWithSHA256), uint16(tls.PKCS1WithSHA256)}
	for types, want := range map[string][]uint16{
		"":         {},
		"\x01":     all[2:],
		"\x40":     all[:2],
		"\x40\x01": all,
	} {
		if got := ofTypes(slices.Clone(all), []byte(types)); !slices.Equal(got, want) {
			t.Errorf("of %x: %#04x, want %#04x", types, got, want)
		}
	}
}
