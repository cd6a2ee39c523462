package probe

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// An issued certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate of name, valid for a year around testTime, signed by issuer or, if that is
// nil, by itself; change may change the template, and returns the key if it is to be another.
func issue(t *testing.T, name string, issuer *issued, change func(*x509.Certificate) crypto.Signer) *issued {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             testTime.AddDate(0, -6, 0),
		NotAfter:              testTime.AddDate(0, 6, 0),
		BasicConstraintsValid: true,
	}
	var key crypto.Signer
	if change != nil {
		key = change(template)
	}
	if key == nil {
		key = newKey(t, elliptic.P256())
	}
	if issuer == nil {
		issuer = &issued{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{cert, key}
}

func asCA(c *x509.Certificate) crypto.Signer {
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
	return nil
}

// forServer makes a good server's certificate, which further changes may spoil.
func forServer(changes ...func(*x509.Certificate)) func(*x509.Certificate) crypto.Signer {
	return func(c *x509.Certificate) crypto.Signer {
		c.DNSNames, c.ExtKeyUsage = []string{"example.org"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		for _, change := range changes {
			change(c)
		}
		return nil
	}
}

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = testTime.AddDate(-1, 0, 0), testTime.AddDate(0, 0, -3)
}

func TestEverythingThatIsWrongIsFound(t *testing.T) {
	root := issue(t, "root", nil, asCA)
	middle := issue(t, "middle", root, asCA)
	other := issue(t, "other root", nil, asCA)
	otherMiddle := issue(t, "other middle", other, asCA)
	expiredMiddle := issue(t, "expired middle", root, func(c *x509.Certificate) crypto.Signer { expired(c); return asCA(c) })
	clientMiddle := issue(t, "middle for clients", root, func(c *x509.Certificate) crypto.Signer {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		return asCA(c)
	})
	impostor := issue(t, "middle", root, asCA)
	noSigner := issue(t, "CA without signatures", root, func(c *x509.Certificate) crypto.Signer {
		asCA(c)
		c.KeyUsage = x509.KeyUsageCRLSign
		return nil
	})
	notCA := issue(t, "no CA", middle, forServer())
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	leaf := func(issuer *issued, changes ...func(*x509.Certificate)) *issued {
		return issue(t, "leaf", issuer, forServer(changes...))
	}
	const (
		isExpired = "expired 2026-05-29 12:00:00 UTC, 3 days ago"
		otherName = "wrong name: it is for other.example, 10.0.0.1, not for example.org"
	)
	misnamed := func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"other.example"}, []net.IP{net.IPv4(10, 0, 0, 1)}
	}
	for _, tt := range []struct {
		name  string
		chain []*issued
		want  []string // of each certificate, joined by "; "; "-" for one that is not needed
	}{
		{"nothing", []*issued{leaf(middle), middle}, []string{"", ""}},
		{"nothing, with the root itself", []*issued{leaf(middle), middle, root}, []string{"", "", ""}},
		{"nothing that matters: an expired one is not needed", []*issued{leaf(middle), expiredMiddle, middle}, []string{"", "-", ""}},
		{"expired", []*issued{leaf(middle, expired), middle}, []string{isExpired, ""}},
		{"not valid yet", []*issued{leaf(middle, func(c *x509.Certificate) { c.NotBefore = testTime.Add(time.Hour) }), middle},
			[]string{"not valid before 2026-06-01 13:00:00 UTC, in 1h0m0s", ""}},
		{"an issuer that is expired", []*issued{leaf(expiredMiddle), expiredMiddle}, []string{"", isExpired}},
		{"the name", []*issued{leaf(middle, misnamed), middle}, []string{otherName, ""}},
		{"no name at all", []*issued{leaf(middle, func(c *x509.Certificate) { c.DNSNames = nil }), middle},
			[]string{"wrong name: it has no subject alternative names, so it is not for example.org", ""}},
		{"the usage", []*issued{leaf(middle, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), middle},
			[]string{"its extended key usage does not include servers", ""}},
		{"the usage of an issuer", []*issued{leaf(clientMiddle), clientMiddle}, []string{"an issuer does not allow it for servers", ""}},
		{"a missing intermediate", []*issued{leaf(middle)},
			[]string{"unknown CA: no certificate of its issuer CN=middle was sent or is trusted (is an intermediate missing?)"}},
		{"another root", []*issued{leaf(otherMiddle), otherMiddle},
			[]string{"", "unknown CA: no certificate of its issuer CN=other root was sent or is trusted (is an intermediate missing?)"}},
		{"another root that was sent", []*issued{leaf(other), other},
			[]string{"", "unknown CA: this root is not trusted"}},
		{"self-signed", []*issued{leaf(nil)}, []string{"self-signed, and not itself trusted"}},
		{"an issuer that is no CA", []*issued{leaf(notCA), notCA, middle},
			[]string{"", "it is no CA, and must not sign certificates", ""}},
		{"an issuer that did not sign", []*issued{leaf(middle), impostor}, []string{"its signature is not that of certificate 1, or cannot be checked", ""}},
		{"an issuer that may not sign", []*issued{leaf(noSigner), noSigner}, []string{"", "its key usage does not let it sign certificates"}},
		{"a weak key", []*issued{issue(t, "leaf", middle, func(c *x509.Certificate) crypto.Signer { forServer()(c); return weak }), middle},
			[]string{"weak key: RSA of 1024 bits, fewer than 2048", ""}},
		{"a weak curve", []*issued{issue(t, "leaf", middle, func(c *x509.Certificate) crypto.Signer {
			forServer()(c)
			return newKey(t, elliptic.P224())
		}), middle}, []string{"weak key: ECDSA P-224", ""}},
		{"all at once", []*issued{issue(t, "leaf", nil, func(c *x509.Certificate) crypto.Signer {
			forServer(expired, misnamed)(c)
			return weak
		})}, []string{strings.Join([]string{otherName, isExpired, "weak key: RSA of 1024 bits, fewer than 2048", "self-signed, and not itself trusted"}, "; ")}},
		{"all of a chain", []*issued{leaf(otherMiddle, expired, misnamed), otherMiddle},
			[]string{otherName + "; " + isExpired, "unknown CA: no certificate of its issuer CN=other root was sent or is trusted (is an intermediate missing?)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := inspection{name: "example.org", roots: x509.NewCertPool(), now: testTime}
			n.roots.AddCert(root.cert)
			for _, i := range tt.chain {
				n.chain = append(n.chain, i.cert)
			}
			var got []string
			for _, f := range n.findings() {
				text := strings.Join(f.wrong, "; ")
				if f.unused && text == "" {
					text = "-"
				}
				got = append(got, text)
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("found\n%q, want\n%q", got, tt.want)
			}
		})
	}
}

func TestARootThatIsExpiredIsNamed(t *testing.T) {
	root := issue(t, "old root", nil, func(c *x509.Certificate) crypto.Signer { expired(c); return asCA(c) })
	n := inspection{name: "example.org", roots: x509.NewCertPool(), now: testTime}
	n.roots.AddCert(root.cert)
	n.chain = []*x509.Certificate{issue(t, "leaf", root, forServer()).cert}
	if got := n.findings()[0].wrong; len(got) != 1 || got[0] != "its issuer CN=old root is not valid now" {
		t.Errorf("found %q", got)
	}
}

func TestWeakSignatures(t *testing.T) {
	for algorithm, weak := range map[x509.SignatureAlgorithm]bool{
		x509.SHA1WithRSA: true, x509.ECDSAWithSHA1: true, x509.MD5WithRSA: true, x509.SHA256WithRSA: false, x509.PureEd25519: false,
	} {
		cert := &x509.Certificate{SignatureAlgorithm: algorithm, RawIssuer: []byte("issuer"), RawSubject: []byte("subject")}
		if got := weaknesses(cert); (len(got) > 0) != weak {
			t.Errorf("%v: found %q", algorithm, got)
		}
		cert.RawIssuer = cert.RawSubject
		if got := weaknesses(cert); len(got) > 0 {
			t.Errorf("%v, self-signed: found %q", algorithm, got)
		}
	}
}
