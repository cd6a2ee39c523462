package tlsconn

import (
	"crypto"
	"crypto/x509"
	"time"
)

// Peer is whom the peer claims to be, and what was verified of it.
type Peer struct {
	// ServerName is the name that a client demands of the server; empty on a server.
	ServerName string
	// Certificates is the chain as the peer sent it, the leaf first; empty only with a
	// RawPublicKey.
	Certificates []*x509.Certificate
	// RawPublicKey is what a client showed instead of certificates, if its server takes
	// that (Config.ClientCertificateTypes): an *ecdsa.PublicKey, *rsa.PublicKey or
	// ed25519.PublicKey. x509.MarshalPKIXPublicKey makes of it exactly what was sent.
	RawPublicKey crypto.PublicKey
	// VerifiedChains are the chains to a root that were found; nil if none was asked for.
	VerifiedChains [][]*x509.Certificate
	// OCSPResponse is what the peer stapled to the leaf, DER, nil for none. It is not
	// verified.
	OCSPResponse []byte
	// SignedCertificateTimestamps are those that came with the leaf, not verified.
	SignedCertificateTimestamps [][]byte
	// Resumed says that the peer did not show its chain now, but when the session began
	// that is being resumed.
	Resumed bool
}

// key is the peer's public key.
func (p *Peer) key() crypto.PublicKey {
	if p.RawPublicKey != nil {
		return p.RawPublicKey
	}
	return p.Certificates[0].PublicKey
}

// expires returns when the last of the verified chains stops being valid; zero without any.
func (p *Peer) expires() (latest time.Time) {
	for _, chain := range p.VerifiedChains {
		until := chain[0].NotAfter
		for _, cert := range chain[1:] {
			if cert.NotAfter.Before(until) {
				until = cert.NotAfter
			}
		}
		if until.After(latest) {
			latest = until
		}
	}
	return latest
}
