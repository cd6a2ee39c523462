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
	id.certificates = certs
	if !v.config.InsecureSkipVerify {
		opts := x509.VerifyOptions{
			// An IPv6 address may come in brackets; x509 wants them for every address.
			DNSName:       strings.TrimSuffix(v.config.ServerName, "."),
			Roots:         v.config.RootCAs,
			CurrentTime:   v.now,
			Intermediates: x509.NewCertPool(),
			KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		for _, cert := range certs[1:] {
			opts.Intermediates.AddCert(cert)
		}
		if id.chains, err = certs[0].Verify(opts); err != nil {
			return id, abort(alertOfVerification(err), "certificate: %w", err)
		}
	}
	if check := v.config.VerifyPeer; check != nil {
		if err := check(certs); err != nil {
			var local *LocalAlertError
			if errors.As(err, &local) {
				return id, err
			}
			return id, abort(AlertBadCertificate, "VerifyPeer: %w", err)
		}
	}
	return id, nil
}

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
