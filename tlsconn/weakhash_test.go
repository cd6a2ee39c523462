package tlsconn

import (
	"crypto"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// RFC 8446 4.4.2.4: "using any signature algorithm using an MD5 hash MUST abort the handshake
// with a "bad_certificate" alert", in either role.
func TestMD5CertificatesAreRefused(t *testing.T) {
	root, leaf := md5Chain(t)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	for _, role := range []Role{RoleClient, RoleServer} {
		var p *puppet
		if role == RoleServer {
			p = newPuppet(t, role, func(c *Config) { c.RootCAs = pool })
			p.hearClientHello()
			p.serverHello(nil)
			p.encryptedExtensions(nil)
		} else {
			p = newPuppet(t, role, func(c *Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool })
			p.clientHello(nil)
			p.hearServerFlight()
		}
		p.certificate(func(m *wire.Certificate) { m.Entries[0].Data = leaf })
		p.wantAlert(AlertBadCertificate, "MD5")
	}
}

// md5Chain is a root and the DER of a leaf for example.org that it signed with MD5,
// which no library does for us: one with SHA-256 is changed and signed again.
func md5Chain(t *testing.T) (root *x509.Certificate, leaf []byte) {
	t.Helper()
	key := testKeys()[keyRSA].(*rsa.PrivateKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4), Subject: pkix.Name{CommonName: "RSA root"}, NotBefore: testTime, NotAfter: testTime.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	of := testKeys()[keyEd25519].Public().(ed25519.PublicKey)
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(5), NotBefore: testTime, NotAfter: testTime.AddDate(1, 0, 0), DNSNames: []string{"example.org"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: usage, SignatureAlgorithm: x509.SHA256WithRSA,
	}, root, of, key); err != nil {
		t.Fatal(err)
	}
	var c struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		t.Fatal(err)
	}
	oid := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 11} // sha256WithRSAEncryption; 4 for MD5
	for _, part := range [][]byte{c.TBS.FullBytes, c.Algorithm.FullBytes} {
		for i := range len(part) - len(oid) {
			if slices.Equal(part[i:i+len(oid)], oid) {
				part[i+len(oid)-1] = 4
				break
			}
		}
	}
	sum := md5.Sum(c.TBS.FullBytes)
	if c.Signature.Bytes, err = rsa.SignPKCS1v15(nil, key, crypto.MD5, sum[:]); err != nil {
		t.Fatal(err)
	}
	if leaf, err = asn1.Marshal(c); err != nil {
		t.Fatal(err)
	}
	return root, leaf
}
