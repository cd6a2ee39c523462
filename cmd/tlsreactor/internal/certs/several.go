package certs

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// Files are a certificate's chain and its private key. They may be the same file.
type Files struct{ Cert, Key string }

// LoadAll loads several certificates, of which a client's server name chooses one. The warnings are
// those of Load, and about certificates that will not be chosen for a name of theirs.
func LoadAll(files []Files, now time.Time) (certs []tls.Certificate, warnings []string, err error) {
	for _, f := range files {
		cert, doubts, err := Load(f.Cert, f.Key, now)
		if err != nil {
			return nil, nil, err
		}
		certs, warnings = append(certs, cert), append(warnings, doubts...)
	}
	return certs, append(warnings, overlaps(files, certs)...), nil
}

// overlaps finds names that two certificates have: the first is chosen, and nobody ever sees the other.
// Keys of different kinds are meant to share names, for clients that know only one of them.
func overlaps(files []Files, certs []tls.Certificate) (warnings []string) {
	type claim struct{ name, kind string }
	holders := make(map[claim]int)
	for i := range certs {
		for _, name := range certs[i].Leaf.DNSNames {
			c := claim{strings.ToLower(strings.TrimSuffix(name, ".")), keyKind(certs[i].Leaf)}
			first, taken := holders[c]
			switch {
			case !taken:
				holders[c] = i
			case first != i:
				warnings = append(warnings, fmt.Sprintf("--cert %s: never shown for %s: --cert %s before it has the name too, and a key of the same kind",
					files[i].Cert, name, files[first].Cert))
			}
		}
	}
	return warnings
}

// keyKind names what a client has to know to verify with the certificate's key.
func keyKind(leaf *x509.Certificate) string {
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); ok {
		return "ECDSA " + key.Curve.Params().Name
	}
	return leaf.PublicKeyAlgorithm.String()
}
