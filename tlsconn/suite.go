package tlsconn

import (
	"crypto"
	"crypto/tls"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// suite is a cipher suite: an AEAD and a hash (RFC 8446 B.4), and in TLS 1.2 the
// kind of the server's key too (RFC 5289, RFC 7905).
type suite struct {
	id      uint16
	version uint16
	aead    record.AEAD
	hash    crypto.Hash
	// rsa: of TLS 1.2, the server's key is RSA; else ECDSA or Ed25519 (RFC 8422 2.1, 2.2).
	rsa bool
}

var (
	suiteAES128 = &suite{tls.TLS_AES_128_GCM_SHA256, tls.VersionTLS13, record.AES128GCM, crypto.SHA256, false}
	suiteAES256 = &suite{tls.TLS_AES_256_GCM_SHA384, tls.VersionTLS13, record.AES256GCM, crypto.SHA384, false}
	suiteChaCha = &suite{tls.TLS_CHACHA20_POLY1305_SHA256, tls.VersionTLS13, record.ChaCha20Poly1305, crypto.SHA256, false}

	// allSuites are those of TLS 1.3, AES first, and allSuites12 those of TLS 1.2.
	allSuites   = []*suite{suiteAES128, suiteAES256, suiteChaCha}
	allSuites12 = []*suite{
		{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, record.AES128GCM, crypto.SHA256, false},
		{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, record.AES128GCM, crypto.SHA256, true},
		{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, record.AES256GCM, crypto.SHA384, false},
		{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, record.AES256GCM, crypto.SHA384, true},
		{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, record.ChaCha20Poly1305, crypto.SHA256, false},
		{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, record.ChaCha20Poly1305, crypto.SHA256, true},
	}
)

// suiteByID returns the suite of TLS 1.3 with the number, and suite12ByID that of TLS
// 1.2; nil if there is none.
func suiteByID(id uint16) *suite   { return suiteIn(allSuites, id) }
func suite12ByID(id uint16) *suite { return suiteIn(allSuites12, id) }

func suiteIn(suites []*suite, id uint16) *suite {
	for _, s := range suites {
		if s.id == id {
			return s
		}
	}
	return nil
}

// byHardware orders suites by what this machine computes best: with AES first,
// where that is in hardware, and else with ChaCha20-Poly1305 first.
func byHardware(suites []*suite) []*suite {
	if record.HardwareGCM() {
		return suites
	}
	var aes, chacha []*suite
	for _, s := range suites {
		if s.aead != record.ChaCha20Poly1305 {
			aes = append(aes, s)
		} else {
			chacha = append(chacha, s)
		}
	}
	return append(chacha, aes...)
}

// selectSuite chooses for a server among what the client offers and can be used; nil if
// there is none. The server's order counts, but a client whose favourite is
// ChaCha20-Poly1305 has no AES hardware, and suffers more from AES than we from
// ChaCha20: unless the user fixed the order, it gets its wish.
func (p *prepared) selectSuite(ours []*suite, offered []uint16, usable func(*suite) bool) *suite {
	if !p.suitesFixed {
		for _, id := range offered {
			s := suiteIn(ours, id)
			if s == nil || !usable(s) {
				continue // GREASE, or a suite of another version
			}
			if s.aead == record.ChaCha20Poly1305 {
				return s
			}
			break
		}
	}
	for _, s := range ours {
		if slices.Contains(offered, s.id) && usable(s) {
			return s
		}
	}
	return nil
}

// anySuite is the usable of a version whose suites go with any key.
func anySuite(*suite) bool { return true }
