package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

func TestFirstCredentialThatFitsIsChosen(t *testing.T) {
	p256, pss := []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, []tls.SignatureScheme{tls.PSSWithSHA256}
	one := tlsCredential{schemes: p256}
	other := tlsCredential{schemes: pss}
	bound := tlsCredential{schemes: p256, issuerBound: true}
	useless := tlsCredential{}
	pkcs1 := []tls.SignatureScheme{tls.PKCS1WithSHA256}
	old := tlsCredential{schemes12: pkcs1}
	raw := tlsCredential{schemes: p256, rawKey: true}
	tests := []struct {
		name    string
		version uint16
		id      identity
		schemes []tls.SignatureScheme
		want    int // -1 for none
		err     error
	}{
		{"none to choose from", tls.VersionTLS13, nil, p256, -1, nil},
		{"the first of two", tls.VersionTLS13, identity{one, other}, append(pss, p256...), 0, nil},
		{"the only one whose scheme the peer accepts", tls.VersionTLS13, identity{one, other}, pss, 1, nil},
		{"no common scheme", tls.VersionTLS13, identity{one}, pss, -1, errNoCommonScheme},
		{"a key without a scheme of TLS 1.3", tls.VersionTLS13, identity{useless}, pss, -1, errNoCommonScheme},
		{"bound to an issuer that is not named", tls.VersionTLS13, identity{bound}, p256, -1, errNoIssuer},
		{"a key that can sign in TLS 1.2 alone, in TLS 1.3", tls.VersionTLS13, identity{old}, pkcs1, -1, errNoCommonScheme},
		{"a key that can sign in TLS 1.2 alone", tls.VersionTLS12, identity{one, old}, pkcs1, 1, nil},
		{"a raw public key where a certificate is due", tls.VersionTLS13, identity{raw}, p256, -1, errNoForm},
		{"the certificate behind it", tls.VersionTLS13, identity{raw, one}, p256, 1, nil},
		{"the one behind it", tls.VersionTLS13, identity{bound, one}, p256, 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.id.choose(tlsconn.CertificateX509, tt.version, tt.schemes, nil)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			var local *tlsconn.LocalAlertError
			if err != nil && (!errors.As(err, &local) || local.Alert != tlsconn.AlertHandshakeFailure) {
				t.Errorf("error %v is no handshake_failure", err)
			}
			switch {
			case tt.want < 0 && got != nil:
				t.Error("one was chosen all the same")
			case tt.want >= 0 && got != &tt.id[tt.want].Certificate:
				t.Errorf("chosen: not credential %d", tt.want)
			}
		})
	}
}

func TestCredentialIsIssuedByWhoeverIssuedAPartOfItsChain(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "itself"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c := tlsCredential{Certificate: tls.Certificate{Certificate: [][]byte{der}}}
	if !c.issuedBy([][]byte{{0x30, 0}, cert.RawIssuer}) {
		t.Error("its issuer is not found")
	}
	if c.issuedBy([][]byte{{0x30, 0}}) || c.issuedBy(nil) {
		t.Error("an issuer that is not its own is found")
	}
}
