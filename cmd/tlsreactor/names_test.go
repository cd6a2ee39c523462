package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"
)

// bothInOne makes a self-signed certificate for names, and returns the name of a file that holds it and
// its key.
func bothInOne(t *testing.T, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: names}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	both := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return writeFile(t, "both.pem", both)
}

// connectAs shakes hands with a configuration, trusting any certificate.
func (p *program) connectAs(config *tls.Config) *tls.Conn {
	p.t.Helper()
	config.InsecureSkipVerify = true
	conn := tls.Client(p.dial(), config)
	if err := conn.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	return conn
}

func TestTheServerNameChoosesTheCertificate(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil) // for localhost
	p := start(t, "--echo",
		"--cert", bothInOne(t, "first.example"),
		"--cert", certFile, "--key", keyFile,
		"--cert", bothInOne(t, "*.wild.example", "wild.example"),
		"--cert", bothInOne(t, "exact.wild.example"))
	for _, tt := range []struct{ name, sni, want string }{
		{"an exact name", "localhost", "localhost"},
		{"an exact name in capitals", "LocalHost", "localhost"},
		{"a name under a wildcard", "any.wild.example", "*.wild.example"},
		{"an exact name before a wildcard", "exact.wild.example", "exact.wild.example"},
		{"the name that the wildcard is under", "wild.example", "*.wild.example"},
		{"two labels are not one", "a.b.wild.example", "first.example"},
		{"a name that nobody has", "unknown.example", "first.example"},
		{"no name", "", "first.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf := p.connectAs(&tls.Config{ServerName: tt.sni}).ConnectionState().PeerCertificates[0]
			if leaf.DNSNames[0] != tt.want {
				t.Errorf("the certificate is for %s, want %s", leaf.DNSNames, tt.want)
			}
		})
	}
}

func TestAKeyOfEachKindForOneName(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := certificateFiles(t, rsaKey)
	p := start(t, "--echo", "--cert", bothInOne(t, "localhost"), "--cert", certFile, "--key", keyFile)
	for algorithms, want := range map[string]string{"ECDSA+SHA256:RSA-PSS+SHA256": "ECDSA", "RSA-PSS+SHA256": "RSA-PSS"} {
		out := tool(t, "", "openssl", "s_client", "-connect", p.addr, "-servername", "localhost", "-sigalgs", algorithms)
		if !strings.Contains(out, "Peer signature type: "+want) {
			t.Errorf("with %s the server signs otherwise than with %s:\n%s", algorithms, want, out)
		}
	}
	if strings.Contains(p.text(), "level=WARN") {
		t.Error("the program warns of two keys for one name")
	}
}

func TestACertificateThatIsNeverShownIsWarnedOf(t *testing.T) {
	first, second := bothInOne(t, "a.example"), bothInOne(t, "b.example", "a.example")
	p := start(t, "--echo", "--cert", first, "--cert", second)
	p.await(`level=WARN msg="--cert ` + second + `: never shown for a.example: --cert ` + first)
}

func TestTheProtocolIsTheServersFirstThatTheClientHas(t *testing.T) {
	p := start(t, "--echo", "--alpn", "h2,http/1.1")
	for _, tt := range []struct {
		name string
		has  []string
		want string
	}{
		{"the server's order counts", []string{"http/1.1", "h2"}, "h2"},
		{"the only one in common", []string{"mqtt", "http/1.1"}, "http/1.1"},
		{"a client without ALPN", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := p.connectAs(&tls.Config{NextProtos: tt.has}).ConnectionState().NegotiatedProtocol; got != tt.want {
				t.Errorf("protocol %q, want %q", got, tt.want)
			}
		})
	}
	conn := tls.Client(p.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"mqtt"}})
	if err := conn.Handshake(); err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("a client with nothing in common gets %v, want an alert (RFC 7301 3.2)", err)
	}
	p.await(`msg="handshake failed" .*reason="protocol error" error=".*no_application_protocol`)
}
