package tlsconn

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"strings"
	"time"
)

// verification is what it takes to verify a server's chain away from its Conn.
type verification struct {
	config *Config
	name   string // that the leaf has to be for: a DNS name or an IP address
	now    time.Time
	chain  [][]byte // DER, the leaf first; ours to keep
}

// verify parses the chain, finds paths to a root, and asks the user's own check.
func (v *verification) verify() (peerIdentity, error) {
	var id peerIdentity
	certs, err := certificatesOf(v.chain)
	if err != nil {
		return id, err
	}
	for i, cert := range certs {
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
			return id, abort(AlertBadCertificate, "certificate: entry %d: RSA key of %d bits is over %d", i, key.N.BitLen(), maxRSABits)
		}
	}
	if usage := certs[0].KeyUsage; usage != 0 && usage&x509.KeyUsageDigitalSignature == 0 {
		// RFC 8446 4.4.2.2: "the digitalSignature bit MUST be set if the Key Usage
		// extension is present".
		return id, abort(AlertIllegalParameter, "certificate: its key usage does not allow digital signatures")
	}
	id.certificates = certs
	if !v.config.InsecureSkipVerify {
		if v.name == "" {
			return id, errors.New("internal: verification without a name") // x509 would check none
		}
		opts := x509.VerifyOptions{
			DNSName:       v.name,
			Roots:         v.config.RootCAs,
			CurrentTime:   v.now,
			Intermediates: x509.NewCertPool(),
			KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		for _, cert := range certs[1:] {
			opts.Intermediates.AddCert(cert)
		}
		if id.chains, err = certs[0].Verify(opts); err != nil {
			return id, abort(alertOfVerification(err), "certificate: %w", quoted{err})
		}
	}
	if check := v.config.VerifyPeer; check != nil {
		if err := check(certs); err != nil {
			alert := AlertBadCertificate
			var local *LocalAlertError
			if errors.As(err, &local) {
				alert = local.Alert
			}
			return id, abort(alert, "VerifyPeer: %w", err)
		}
	}
	return id, nil
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
		return AlertUnknownCA
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return AlertCertificateExpired
	}
	return AlertBadCertificate
}
