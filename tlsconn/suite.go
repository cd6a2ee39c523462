package tlsconn

import (
	"crypto"
	"crypto/tls"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// suite is a TLS 1.3 cipher suite (RFC 8446 B.4): an AEAD and a hash.
type suite struct {
	id   uint16
	aead record.AEAD
	hash crypto.Hash
}

var (
	suiteAES128 = &suite{tls.TLS_AES_128_GCM_SHA256, record.AES128GCM, crypto.SHA256}
	suiteAES256 = &suite{tls.TLS_AES_256_GCM_SHA384, record.AES256GCM, crypto.SHA384}
	suiteChaCha = &suite{tls.TLS_CHACHA20_POLY1305_SHA256, record.ChaCha20Poly1305, crypto.SHA256}

	allSuites = []*suite{suiteAES128, suiteAES256, suiteChaCha}
)

func suiteByID(id uint16) *suite {
	for _, s := range allSuites {
		if s.id == id {
			return s
		}
	}
	return nil
}

// defaultSuites orders the suites by what this machine computes best.
func defaultSuites() []*suite {
	if record.HardwareGCM() {
		return allSuites
	}
	return []*suite{suiteChaCha, suiteAES128, suiteAES256}
}

// selectSuite chooses for a server among what the client offers, in the client's
// order; nil if there is none. The server's order counts, but a client whose
// favourite is ChaCha20-Poly1305 has no AES hardware, and suffers more from AES
// than we from ChaCha20: unless the user fixed the order, it gets its wish.
func (p *prepared) selectSuite(offered []uint16) *suite {
	if !p.suitesFixed {
		for _, id := range offered {
			s := suiteByID(id)
			if s == nil {
				continue // GREASE, or a suite of TLS 1.2
			}
			if s == suiteChaCha {
				return s
			}
			break
		}
	}
	for _, s := range p.suites {
		if slices.Contains(offered, s.id) {
			return s
		}
	}
	return nil
}
