package tlsconn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"
)

// keyKind names the kinds of keys that tests use.
type keyKind int

const (
	keyECDSA keyKind = iota
	keyECDSA384
	keyECDSA521
	keyRSA
	keyEd25519
)

// testKeys makes one key of each kind for the whole run.
var testKeys = sync.OnceValue(func() map[keyKind]crypto.Signer {
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return k
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	keys := map[keyKind]crypto.Signer{keyECDSA: must(p256, err)}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	keys[keyECDSA384] = must(p384, err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	keys[keyECDSA521] = must(p521, err)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	keys[keyRSA] = must(rsa2048, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	keys[keyEd25519] = must(ed, err)
	return keys
})

// testCA issues certificates that pool trusts.
type testCA struct {
	cert *x509.Certificate
	key  crypto.Signer
	pool *x509.CertPool
}

// testTime is the time of every test's clock.
var testTime = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func newTestCA(t testing.TB) *testCA {
	t.Helper()
	return newTestCAOf(t, keyECDSA)
}

// newTestCAOf makes one with a key of the given kind; without an equal key nobody
// takes it for newTestCA's.
func newTestCAOf(t testing.TB, kind keyKind) *testCA {
	t.Helper()
	ca := &testCA{key: testKeys()[kind], pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test root"},
		NotBefore:             testTime.AddDate(-1, 0, 0),
		NotAfter:              testTime.AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.pool.AddCert(ca.cert)
	return ca
}

// issue makes a certificate with a key of the given kind for names, valid at testTime.
func (ca *testCA) issue(t testing.TB, kind keyKind, names ...string) tls.Certificate {
	t.Helper()
	return ca.issueUntil(t, kind, testTime.AddDate(10, 0, 0), names...)
}

func (ca *testCA) issueUntil(t testing.TB, kind keyKind, notAfter time.Time, names ...string) tls.Certificate {
	t.Helper()
	key := testKeys()[kind]
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "test leaf"},
		NotBefore:    testTime.AddDate(-1, 0, 0),
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     names,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
