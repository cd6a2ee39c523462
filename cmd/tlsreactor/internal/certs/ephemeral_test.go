package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func TestEphemeralIsGoodForLocalhostAndNobodyElse(t *testing.T) {
	cert, err := Ephemeral(noon)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	tests := []struct {
		name string
		host string
		at   time.Time
		ok   bool
	}{
		{"localhost", "localhost", noon, true},
		{"IPv4's loopback", "127.0.0.1", noon, true},
		{"IPv6's loopback", "::1", noon, true},
		{"a clock that is a little behind", "localhost", noon.Add(-time.Minute), true},
		{"another host", "example.com", noon, false},
		{"another address", "127.0.0.2", noon, false},
		{"a month and a day later", "localhost", noon.Add(lifetime + 24*time.Hour), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: tt.host, Roots: pool, CurrentTime: tt.at})
			if (err == nil) != tt.ok {
				t.Errorf("verify: %v, want success: %v", err, tt.ok)
			}
		})
	}
}

func TestEveryEphemeralCertificateIsAnother(t *testing.T) {
	a, err := Ephemeral(noon)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Ephemeral(noon)
	if err != nil {
		t.Fatal(err)
	}
	if Fingerprint(&a) == Fingerprint(&b) {
		t.Error("two certificates have one fingerprint")
	}
}

func TestFingerprintIsTheHashOfTheLeaf(t *testing.T) {
	cert, err := Ephemeral(noon)
	if err != nil {
		t.Fatal(err)
	}
	got := Fingerprint(&cert)
	sum, err := hex.DecodeString(strings.ReplaceAll(got, ":", ""))
	if err != nil || len(got) != 32*3-1 || strings.ToUpper(got) != got {
		t.Fatalf("fingerprint %q is not 32 upper-case pairs: %v", got, err)
	}
	if want := sha256.Sum256(cert.Certificate[0]); string(sum) != string(want[:]) {
		t.Errorf("fingerprint %x, want %x", sum, want)
	}
}
