package tlsconn

import (
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// greaseValue returns one of the 16 values that RFC 8701 2 reserves for nobody, as a
// suite, group, version, signature scheme or extension: 0x0a0a, 0x1a1a and so on.
func greaseValue() uint16 {
	b := uint16(randomUint32()<<4)&0xf0 | 0x0a
	return b<<8 | b
}

// grease makes the ClientHello what Config.Grease promises. A server that selects one of
// the values is refused as for any other value that it was not offered (RFC 8701 3.1),
// since what it selects is looked up among what we know, not among what was sent.
func (hs *client13) grease() {
	m := &hs.hello
	m.CipherSuites = slices.Concat([]uint16{greaseValue()}, m.CipherSuites)
	m.SignatureAlgorithms = slices.Concat([]uint16{greaseValue()}, m.SignatureAlgorithms)
	group := greaseValue()
	m.SupportedGroups = slices.Concat([]uint16{group}, m.SupportedGroups)
	if len(m.SupportedVersions) > 0 {
		m.SupportedVersions = slices.Concat([]uint16{greaseValue()}, m.SupportedVersions)
	}
	if len(m.KeyShares) > 0 { // none is a request to choose
		m.KeyShares = slices.Concat([]wire.KeyShare{{Group: group, KeyExchange: []byte{0}}}, m.KeyShares)
	}
	m.Permute(newRandom(), wire.ExtensionType(greaseValue()))
}
