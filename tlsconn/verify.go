package tlsconn

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// verification is what it takes to verify a peer's chain away from its Conn.
type verification struct {
	config *Config
	role   Role      // ours
	name   string    // that a server's leaf has to be for: a DNS name or an IP address
	now    time.Time // by the Config's clock
	chain  [][]byte  // DER, the leaf first; ours to keep
	raw    bool      // chain is a raw public key
	peer   Peer      // what is known of it beforehand
}

// verify parses the chain, finds paths to a root, and asks the user's own check.
func (v *verification) verify() (*Peer, error) {
	if v.raw {
		return v.rawKey()
	}
	certs, err := certificatesOf(v.chain)
	if err != nil {
		return nil, err
	}
	for i, cert := range certs {
		if err := checkKeySize(i, cert.PublicKey); err != nil {
			return nil, err
		}
	}
	if usage := certs[0].KeyUsage; usage != 0 && usage&x509.KeyUsageDigitalSignature == 0 {
		// RFC 8446 4.4.2.2: "the digitalSignature bit MUST be set if the Key Usage
		// extension is present".
		return nil, abort(AlertIllegalParameter, "certificate: its key usage does not allow digital signatures")
	}
	peer := v.peer
	peer.ServerName, peer.Certificates = v.name, certs
	if peer.VerifiedChains, err = v.paths(certs); err != nil {
		return nil, abort(alertOfVerification(err), "certificate: %w", quoted{err})
	}
	if check := v.config.VerifyPeer; check != nil {
		if err := check(&peer); err != nil {
			return nil, failed(err, AlertBadCertificate, "VerifyPeer")
		}
	}
	return &peer, nil
}

// checkKeySize refuses the key of an entry whose signatures take too long to check.
func checkKeySize(entry int, public crypto.PublicKey) error {
	if key, ok := public.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return abort(AlertBadCertificate, "certificate: entry %d: RSA key of %d bits is over %d", entry, key.N.BitLen(), maxRSABits)
	}
	return nil
}

// paths finds the paths from the leaf to a root, if the Config demands one.
func (v *verification) paths(certs []*x509.Certificate) ([][]*x509.Certificate, error) {
	opts := x509.VerifyOptions{
		CurrentTime:   v.now,
		Intermediates: x509.NewCertPool(),
	}
	switch {
	case v.role == RoleServer && v.config.ClientAuth < tls.VerifyClientCertIfGiven,
		v.role == RoleClient && v.config.InsecureSkipVerify:
		return nil, nil
	case v.role == RoleServer:
		opts.Roots, opts.KeyUsages = v.config.ClientCAs, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case v.name == "":
		return nil, errors.New("internal: verification without a name") // x509 would check none
	default:
		opts.DNSName = v.name
		opts.Roots, opts.KeyUsages = v.config.RootCAs, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, cert := range certs[1:] {
		opts.Intermediates.AddCert(cert)
	}
	return certs[0].Verify(opts)
}

// peerCheck is the part of a handshake that finds out who the peer is.
type peerCheck struct {
	verifying *Completion[*Peer]
	judging   *Completion[struct{}] // VerifyPeerLater's, or VerifyRawPublicKey's
	peer      *Peer                 // nil until verified
}

// beginVerification starts the verification of a chain, whose bytes are ours.
func (hs *parties) beginVerification(chain [][]byte, peer Peer) (err error) {
	p, _ := hs.c.config.prepare()
	v := verification{config: hs.c.config, role: hs.c.role, now: p.now(), chain: chain, peer: peer}
	if hs.c.role == RoleClient {
		v.name = p.serverName
	}
	v.raw = hs.peerIsRaw()
	hs.verifying, err = run(&hs.handshake, OpVerify, !v.raw, v.verify)
	return err
}

// peerIsRaw tells whether the peer's chain is a raw public key.
func (hs *parties) peerIsRaw() bool {
	return hs.c.role == RoleServer && hs.clientType == CertificateRawPublicKey
}

// verified takes the result of the verification, once it is there (ok). A
// failure names its alert.
func (hs *parties) verified() (ok bool, err error) {
	later, name := hs.c.config.VerifyPeerLater, "VerifyPeerLater"
	if hs.peerIsRaw() {
		later, name = hs.c.config.VerifyRawPublicKey, "VerifyRawPublicKey"
	}
	if hs.judging == nil {
		peer, ok, err := hs.verifying.take(&hs.handshake)
		if !ok || err != nil {
			return ok, err
		}
		hs.peer = peer
		if later == nil {
			hs.verifying = nil
			return true, nil
		}
		hs.judging, err = ask(&hs.handshake, OpVerify, func(c *Completion[struct{}]) { later(peer, c) })
		if err != nil {
			return true, err
		}
	}
	_, ok, err = hs.judging.take(&hs.handshake)
	switch {
	case !ok:
		return false, nil
	case err != nil:
		hs.peer, err = nil, failed(err, AlertBadCertificate, name)
	}
	hs.verifying, hs.judging = nil, nil
	return true, err
}

// chainOf takes the peer's chain out of its Certificate message, with what came
// with the leaf; asked are the extensions that we have asked for. The bytes are
// copies, as the message is lent.
func chainOf(m *wire.Certificate, asked []wire.ExtensionType) (chain [][]byte, peer Peer, err error) {
	if len(m.Context) != 0 {
		return nil, peer, abort(AlertIllegalParameter, "certificate: context is not empty")
	}
	if len(m.Entries) > maxPeerCertificates {
		return nil, peer, abort(AlertBadCertificate, "certificate: more than %d certificates", maxPeerCertificates)
	}
	chain = make([][]byte, len(m.Entries))
	for i := range m.Entries {
		e := &m.Entries[i]
		for _, t := range e.Extensions {
			if !slices.Contains(asked, t) {
				// RFC 8446 4.4.2: they must answer extensions that we sent.
				return nil, peer, abort(AlertUnsupportedExtension, "certificate: entry %d: %v was not asked for", i, t)
			}
		}
		chain[i] = append([]byte(nil), e.Data...)
	}
	if len(m.Entries) > 0 {
		leaf := &m.Entries[0]
		peer.OCSPResponse = append([]byte(nil), leaf.OCSPStaple...)
		for _, sct := range leaf.SCTs {
			peer.SignedCertificateTimestamps = append(peer.SignedCertificateTimestamps, append([]byte(nil), sct...))
		}
	}
	return chain, peer, nil
}

// certificatesOf parses a chain.
func certificatesOf(chain [][]byte) ([]*x509.Certificate, error) {
	certs := make([]*x509.Certificate, len(chain))
	for i, der := range chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			// What is no certificate is no CertificateEntry either: decode_error.
			return nil, abort(AlertDecodeError, "certificate: entry %d: %w", i, err)
		}
		certs[i] = cert
	}
	return certs, nil
}

// quoted makes an error whose text quotes a certificate safe to log: names in it
// may hold line breaks and control bytes of the peer's choice.
type quoted struct{ error }

func (q quoted) Error() string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, q.error.Error())
}

// Unwrap returns the error as it was.
func (q quoted) Unwrap() error { return q.error }

// alertOfVerification maps what x509 found to the alerts of RFC 8446 6.2.
func alertOfVerification(err error) Alert {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		if unknown.Cert != nil && isBroken(unknown.Cert.SignatureAlgorithm) {
			return AlertBadCertificate // RFC 8446 4.4.2.4: its issuer is not what is wrong
		}
		return AlertUnknownCA
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return AlertCertificateExpired
	}
	return AlertBadCertificate
}

// isBroken tells whether a signature says nothing, for its hash: MD5, which RFC 8446
// 4.4.2.4 has refused with bad_certificate, MD2 and SHA-1.
func isBroken(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}
