package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

// pairFor stores a self-signed certificate for names, with its key in the same file.
func pairFor(t *testing.T, key crypto.Signer, names ...string) Files {
	t.Helper()
	template := &x509.Certificate{NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour), DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := store(t, "both.pem", encode("CERTIFICATE", der)+pkcs8(t, key), 0o600)
	return Files{file, file}
}

func TestLoadAllWarnsOfNamesThatWillNotBeShown(t *testing.T) {
	p256 := func() *ecdsa.PrivateKey { return newECDSA(t, elliptic.P256()) }
	tests := []struct {
		name          string
		first, second Files
		want          string // in the one warning, or nothing
	}{
		{"the same name", pairFor(t, p256(), "a.example"), pairFor(t, p256(), "b.example", "A.example"), "never shown for A.example"},
		{"the same wildcard", pairFor(t, p256(), "*.a.example"), pairFor(t, p256(), "*.a.example"), "never shown for *.a.example"},
		{"a name beside its wildcard", pairFor(t, p256(), "*.a.example"), pairFor(t, p256(), "www.a.example"), ""},
		{"a name for clients without P-256", pairFor(t, p256(), "a.example"), pairFor(t, newECDSA(t, elliptic.P384()), "a.example"), ""},
		{"a name that a certificate has twice", pairFor(t, p256(), "a.example", "a.example"), pairFor(t, p256(), "b.example"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			certs, warnings, err := LoadAll([]Files{tt.first, tt.second}, noon)
			if err != nil || len(certs) != 2 {
				t.Fatalf("%d certificates, %v", len(certs), err)
			}
			if tt.want == "" && len(warnings) == 0 {
				return
			}
			if len(warnings) != 1 || tt.want == "" || !strings.Contains(warnings[0], tt.want) ||
				!strings.HasPrefix(warnings[0], "--cert "+tt.second.Cert) || !strings.Contains(warnings[0], tt.first.Cert) {
				t.Errorf("warnings %q, want %q", warnings, tt.want)
			}
		})
	}
}

func TestLoadAllNamesTheFileThatIsWrong(t *testing.T) {
	good := pairFor(t, newECDSA(t, elliptic.P256()), "a.example")
	if _, _, err := LoadAll([]Files{good, {"absent.pem", "absent.pem"}}, noon); err == nil || !strings.HasPrefix(err.Error(), "--cert absent.pem: ") {
		t.Errorf("error %v", err)
	}
	chain := store(t, "chain.pem", encode("CERTIFICATE", issued(t, "leaf", newECDSA(t, elliptic.P256()), nil, nil).Raw), 0o600)
	if _, _, err := LoadAll([]Files{good, {chain, chain}}, noon); err == nil || !strings.HasPrefix(err.Error(), "--cert "+chain+": the file holds no PRIVATE KEY") {
		t.Errorf("error %v", err)
	}
}
