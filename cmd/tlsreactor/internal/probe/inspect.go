package probe

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// minRSABits is the shortest RSA key that the CA/Browser Forum's Baseline Requirements (6.1.5) allow.
const minRSABits = 2048

// A finding is one certificate of the server's chain with what is wrong with it.
type finding struct {
	cert   *x509.Certificate
	unused bool // it is not needed, so whatever is wrong with it does not matter
	wrong  []string
}

// inspection looks for everything that is wrong with a chain.
type inspection struct {
	chain []*x509.Certificate // as it was sent, the server's own first
	name  string              // that it has to be for
	roots *x509.CertPool
	now   time.Time
}

// findings returns one finding for each certificate.
func (n *inspection) findings() []finding {
	all := make([]finding, len(n.chain))
	for i, cert := range n.chain {
		all[i] = finding{cert: cert, unused: true}
	}
	path, err := n.trust()
	for _, i := range path {
		all[i].unused = false
		all[i].wrong = slices.Concat(n.validity(all[i].cert), weaknesses(all[i].cert))
	}
	all[0].wrong = slices.Concat(n.identity(all[0].cert), all[0].wrong)
	if err != nil {
		n.explain(err, path, func(at int, trouble string) { all[at].wrong = append(all[at].wrong, trouble) })
	}
	return all
}

// identity tells whether the server's certificate is for this server.
func (n *inspection) identity(leaf *x509.Certificate) (wrong []string) {
	names := namesOf(leaf)
	switch {
	case leaf.VerifyHostname(n.name) == nil:
	case len(names) == 0:
		// RFC 9525 2: names stand in subjectAltName; the subject's common name is none.
		wrong = append(wrong, fmt.Sprintf("wrong name: it has no subject alternative names, so it is not for %s", n.name))
	default:
		wrong = append(wrong, fmt.Sprintf("wrong name: it is for %s, not for %s", strings.Join(names, ", "), n.name))
	}
	if !allowsServers(leaf) {
		wrong = append(wrong, "its extended key usage does not include servers")
	}
	return wrong
}

func allowsServers(leaf *x509.Certificate) bool {
	return len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 ||
		slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// namesOf lists the subject alternative names that a server can have.
func namesOf(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// validity tells whether a certificate is valid now.
func (n *inspection) validity(cert *x509.Certificate) []string {
	switch {
	case n.now.After(cert.NotAfter):
		return []string{fmt.Sprintf("expired %s, %s ago", dateOf(cert.NotAfter), daysOf(n.now.Sub(cert.NotAfter)))}
	case n.now.Before(cert.NotBefore):
		return []string{fmt.Sprintf("not valid before %s, in %s", dateOf(cert.NotBefore), daysOf(cert.NotBefore.Sub(n.now)))}
	}
	return nil
}

// weaknesses tells what is too weak in a certificate. What signs a self-signed one protects nothing.
func weaknesses(cert *x509.Certificate) (wrong []string) {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			wrong = append(wrong, fmt.Sprintf("weak key: RSA of %d bits, fewer than %d", key.N.BitLen(), minRSABits))
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			wrong = append(wrong, "weak key: ECDSA P-224")
		}
	}
	if cert.PublicKeyAlgorithm == x509.DSA {
		wrong = append(wrong, "weak key: DSA, which is obsolete")
	}
	if isSelfIssued(cert) {
		return wrong
	}
	switch cert.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1:
		wrong = append(wrong, fmt.Sprintf("weak signature: %v", cert.SignatureAlgorithm))
	}
	return wrong
}

// keyOf describes a public key.
func keyOf(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	if cert.PublicKeyAlgorithm == x509.DSA {
		return "DSA"
	}
	return "unknown"
}

// errIssuerUsage: a chain that verifies is not one for servers, though its leaf is.
var errIssuerUsage = errors.New("an issuer does not allow it for servers")

// trust looks for a path to a root. It returns the positions of the certificates on it, or on what there is
// of it, and if it cannot be trusted for another reason than a certificate on it that is not valid now, why.
func (n *inspection) trust() (path []int, err error) {
	chains, err := n.verify(n.now, x509.ExtKeyUsageAny)
	if err == nil {
		for _, cert := range chains[0] {
			if i := slices.IndexFunc(n.chain, cert.Equal); i >= 0 {
				path = append(path, i)
			}
		}
		if _, err := n.verify(n.now, x509.ExtKeyUsageServerAuth); err != nil && allowsServers(n.chain[0]) {
			return path, errIssuerUsage
		}
		return path, nil
	}
	path = n.issuers()
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		if !slices.ContainsFunc(path, func(i int) bool { return n.chain[i].Equal(invalid.Cert) }) {
			return path, fmt.Errorf("its issuer %s is not valid now", invalid.Cert.Subject)
		}
		// What else is wrong shows at a time when they were valid.
		_, err = n.verify(n.whenValid(path), x509.ExtKeyUsageAny)
	}
	return path, err
}

func (n *inspection) verify(now time.Time, usage x509.ExtKeyUsage) ([][]*x509.Certificate, error) {
	sent := x509.NewCertPool()
	for _, cert := range n.chain[1:] {
		sent.AddCert(cert)
	}
	return n.chain[0].Verify(x509.VerifyOptions{
		Roots: n.roots, Intermediates: sent, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	})
}

// issuers follows the issuers' names through what was sent. Of several certificates of one name it takes
// the one that has signed.
func (n *inspection) issuers() (path []int) {
	path = []int{0}
	for cert := n.chain[0]; !isSelfIssued(cert); {
		isIssuer := func(c *x509.Certificate) bool { return string(c.RawSubject) == string(cert.RawIssuer) }
		i := slices.IndexFunc(n.chain, func(c *x509.Certificate) bool { return isIssuer(c) && cert.CheckSignatureFrom(c) == nil })
		if i < 0 {
			i = slices.IndexFunc(n.chain, isIssuer)
		}
		if i < 0 || slices.Contains(path, i) {
			break
		}
		path = append(path, i)
		cert = n.chain[i]
	}
	return path
}

func isSelfIssued(cert *x509.Certificate) bool {
	return string(cert.RawSubject) == string(cert.RawIssuer)
}

// whenValid is the time nearest to now at which all certificates of the path were valid; the server's own
// at least, if they never were at once.
func (n *inspection) whenValid(path []int) time.Time {
	from, to := n.chain[0].NotBefore, n.chain[0].NotAfter
	for _, i := range path[1:] {
		cert := n.chain[i]
		if cert.NotBefore.After(to) || cert.NotAfter.Before(from) {
			continue
		}
		if cert.NotBefore.After(from) {
			from = cert.NotBefore
		}
		if cert.NotAfter.Before(to) {
			to = cert.NotAfter
		}
	}
	switch {
	case n.now.Before(from):
		return from
	case n.now.After(to):
		return to
	}
	return n.now
}

// explain puts the reasons of a failed verification into words for an operator.
func (n *inspection) explain(err error, path []int, report func(at int, trouble string)) {
	last := path[len(path)-1]
	top := n.chain[last]
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		at := last
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
			at = max(0, slices.IndexFunc(n.chain, invalid.Cert.Equal))
		} else if err == errIssuerUsage {
			at = 0
		}
		report(at, strings.TrimPrefix(err.Error(), "x509: "))
		return
	}
	sound := true // from the leaf to the top
	for k, i := range path[1:] {
		issuer, child := n.chain[i], path[k]
		switch {
		case !issuer.BasicConstraintsValid || !issuer.IsCA:
			report(i, "it is no CA, and must not sign certificates")
		case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCertSign == 0:
			report(i, "its key usage does not let it sign certificates")
		case n.chain[child].CheckSignatureFrom(issuer) != nil:
			report(child, fmt.Sprintf("its signature is not that of certificate %d, or cannot be checked", i))
		default:
			continue
		}
		sound = false
	}
	switch _, err := (&inspection{chain: n.chain[last:], roots: n.roots}).verify(n.whenValid(path), x509.ExtKeyUsageAny); {
	case err == nil && sound:
		report(0, "unknown CA: no path leads to a trusted root")
	case err == nil:
	case !isSelfIssued(top):
		report(last, fmt.Sprintf("unknown CA: no certificate of its issuer %s was sent or is trusted (is an intermediate missing?)", top.Issuer))
	case last == 0:
		report(0, "self-signed, and not itself trusted")
	default:
		report(last, "unknown CA: this root is not trusted")
	}
}

func dateOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// daysOf rounds down, to days where there are any.
func daysOf(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= day:
		return "1 day"
	}
	return d.Truncate(time.Second).String()
}
