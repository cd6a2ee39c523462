package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// issued makes a certificate for localhost that is valid around noon, signed by parent, or by
// its own key if parent is nil. The result's own key is its second value.
func issued(t *testing.T, name string, key crypto.Signer, parent *x509.Certificate, parentKey crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: noon.Add(-time.Hour),
		NotAfter:  noon.Add(time.Hour),
		DNSNames:  []string{"localhost"},
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newECDSA(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("PRIVATE KEY", der)
}

func sec1(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("EC PRIVATE KEY", der)
}

// store writes a file of the test's own and returns its name.
func store(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil { // past the umask
		t.Fatal(err)
	}
	return file
}

func TestLoadAcceptsEveryKeyThatTheEngineSignsWith(t *testing.T) {
	p256 := newECDSA(t, elliptic.P256())
	p384 := newECDSA(t, elliptic.P384())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		key  crypto.Signer
		pem  string
	}{
		{"ECDSA P-256 as PKCS 8", p256, pkcs8(t, p256)},
		{"ECDSA P-384 as SEC 1 behind its parameters", p384, encode("EC PARAMETERS", []byte{6, 5}) + sec1(t, p384)},
		{"Ed25519 as PKCS 8", ed, pkcs8(t, ed)},
		{"RSA as PKCS 8", rsaKey, pkcs8(t, rsaKey)},
		{"RSA as PKCS 1", rsaKey, encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := issued(t, "leaf", tt.key, nil, nil)
			certFile := store(t, "cert.pem", encode("CERTIFICATE", c.Raw), 0o644)
			keyFile := store(t, "key.pem", tt.pem, 0o600)
			cert, warnings, err := Load(certFile, keyFile, noon)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != 0 {
				t.Errorf("warnings %q, want none", warnings)
			}
			if len(cert.Certificate) != 1 || !cert.Leaf.Equal(c) || cert.PrivateKey == nil {
				t.Errorf("loaded %d certificates, leaf %v", len(cert.Certificate), cert.Leaf.Subject)
			}
		})
	}
}

func TestLoadAcceptsOneFileForBoth(t *testing.T) {
	key := newECDSA(t, elliptic.P256())
	root := issued(t, "root", key, nil, nil)
	leafKey := newECDSA(t, elliptic.P256())
	leaf := issued(t, "leaf", leafKey, root, key)
	file := store(t, "both.pem", pkcs8(t, leafKey)+encode("CERTIFICATE", leaf.Raw)+encode("CERTIFICATE", root.Raw), 0o600)
	cert, warnings, err := Load(file, file, noon)
	if err != nil || len(warnings) != 0 {
		t.Fatalf("warnings %q, error %v", warnings, err)
	}
	if len(cert.Certificate) != 2 || !cert.Leaf.Equal(leaf) {
		t.Errorf("loaded %d certificates, leaf %v; want the chain of 2", len(cert.Certificate), cert.Leaf.Subject)
	}
}

func TestLoadSaysWhatIsWrongWithWhichFile(t *testing.T) {
	key := newECDSA(t, elliptic.P256())
	c := issued(t, "leaf", key, nil, nil)
	goodCert := encode("CERTIFICATE", c.Raw)
	goodKey := pkcs8(t, key)
	t.Setenv("GODEBUG", "rsa1024min=0") // crypto/rsa makes no such key otherwise
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	const missing = "\x00" // stands for a file that is not there
	tests := []struct {
		name      string
		cert, key string
		flag      string // which the error begins with
		want      string // which the error contains
	}{
		{"the certificate's file is missing", missing, goodKey, "--cert ", "no such file or directory"},
		{"the key's file is missing", goodCert, missing, "--key ", "no such file or directory"},
		{"the certificate's file is empty", " \n", goodKey, "--cert ", "the file is empty"},
		{"the key's file is empty", goodCert, "", "--key ", "the file is empty"},
		{"the certificate's file is no PEM", "hello", goodKey, "--cert ", "no PEM block (looked for -----BEGIN CERTIFICATE-----)"},
		{"the key's file is no PEM", goodCert, "hello", "--key ", "no PEM block"},
		{"the certificate is DER", string(c.Raw), goodKey, "--cert ", "openssl x509 -inform DER"},
		{"the files are swapped", goodKey, goodCert, "--cert ", "no CERTIFICATE, only: PRIVATE KEY"},
		{"the key's file holds the certificate", goodCert, goodCert, "--key ", "no PRIVATE KEY, only: CERTIFICATE"},
		{"the certificate cannot be parsed", goodCert + encode("CERTIFICATE", []byte{1, 2, 3}), goodKey, "--cert ", "certificate 2 of the file cannot be parsed"},
		{"the key cannot be parsed", goodCert, encode("PRIVATE KEY", []byte{1, 2, 3}), "--key ", "the PRIVATE KEY cannot be parsed"},
		{"the key is of another certificate", goodCert, pkcs8(t, newECDSA(t, elliptic.P256())), "--key ", "does not match the certificate of --cert "},
		{"the key is of another kind", goodCert, pkcs8(t, newECDSA(t, elliptic.P384())), "--key ", "does not match"},
		{"there are two keys", goodCert, goodKey + goodKey, "--key ", "more than one private key"},
		{"the key is encrypted as PKCS 8", goodCert, encode("ENCRYPTED PRIVATE KEY", []byte{1}), "--key ", "the key is encrypted"},
		{"the key is encrypted as PEM of old", goodCert, "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n", "--key ", "openssl pkey -in"},
		{"the key is of an unknown type", goodCert, encode("DSA PRIVATE KEY", []byte{1}), "--key ", "a DSA PRIVATE KEY, a type that is not supported"},
		{"the key is on a curve without TLS", goodCert, pkcs8(t, newECDSA(t, elliptic.P224())), "--key ", "curve P-224"},
		{"the RSA key is short", goodCert, pkcs8(t, weak), "--key ", "the RSA key has 1024 bits"},
		{"the file has no end", goodCert + strings.Repeat("\n", maxFileSize), goodKey, "--cert ", "larger than 1024 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			certFile, keyFile := store(t, "cert.pem", tt.cert, 0o644), store(t, "key.pem", tt.key, 0o600)
			if tt.cert == missing {
				certFile += ".missing"
			}
			if tt.key == missing {
				keyFile += ".missing"
			}
			_, _, err := Load(certFile, keyFile, noon)
			if err == nil {
				t.Fatal("loaded, want an error")
			}
			named := certFile
			if tt.flag == "--key " {
				named = keyFile
			}
			if got := err.Error(); !strings.HasPrefix(got, tt.flag+named+": ") || !strings.Contains(got, tt.want) {
				t.Errorf("error %q,\nwant %q and %q", got, tt.flag+named, tt.want)
			}
		})
	}
}

func TestLoadSaysThatADirectoryIsOne(t *testing.T) {
	_, _, err := Load(t.TempDir(), "key.pem", noon)
	if err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("error %v, want one that says what the file is", err)
	}
}

func TestLoadWarnsOfWhatWasProbablyNotMeant(t *testing.T) {
	key := newECDSA(t, elliptic.P256())
	c := issued(t, "leaf", key, nil, nil)
	other := issued(t, "other", newECDSA(t, elliptic.P256()), nil, nil)
	nameless := &x509.Certificate{NotBefore: noon, NotAfter: noon}
	der, err := x509.CreateCertificate(rand.Reader, nameless, nameless, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cert string
		mode os.FileMode
		now  time.Time
		want string
	}{
		{"anyone may read the key", encode("CERTIFICATE", c.Raw), 0o644, noon, "any user of this machine can open the private key (mode 0644)"},
		{"the certificate has expired", encode("CERTIFICATE", c.Raw), 0o600, noon.Add(2 * time.Hour), "expired at 2026-05-04T13:00:00Z"},
		{"the certificate is not valid yet", encode("CERTIFICATE", c.Raw), 0o600, noon.Add(-2 * time.Hour), "not valid before 2026-05-04T11:00:00Z"},
		{"the chain is out of order", encode("CERTIFICATE", c.Raw) + encode("CERTIFICATE", other.Raw), 0o600, noon, "certificate 2 is not the issuer of certificate 1"},
		{"the certificate names nobody", encode("CERTIFICATE", der), 0o600, noon, "names no host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, warnings, err := Load(store(t, "cert.pem", tt.cert, 0o644), store(t, "key.pem", pkcs8(t, key), tt.mode), tt.now)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != 1 || !strings.Contains(warnings[0], tt.want) {
				t.Errorf("warnings %q, want one with %q", warnings, tt.want)
			}
		})
	}
}
