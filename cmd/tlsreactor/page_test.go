package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestCurlGetsThePage(t *testing.T) {
	p := start(t)
	page := tool(t, "", "curl", "-sS", "-k", "https://"+p.addr+"/")
	if !strings.Contains(page, "<h1>tlsreactor is serving</h1>") || !strings.Contains(page, "<dd>TLS 1.3</dd>") {
		t.Errorf("the page is\n%s", page)
	}
	got := tool(t, "", "curl", "-sS", "-k", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} %{num_connects},",
		"https://"+p.addr+"/", "https://"+p.addr+"/absent")
	if got != "200 1,404 0," {
		t.Errorf("two requests: %q, want 200 on a new connection, then 404 on the same", got)
	}
}

func TestTheProgramPrintsTheCommandToTry(t *testing.T) {
	p := start(t)
	command := p.await(`curl -k (https://127\.0\.0\.1:\d+/)`)
	if !strings.Contains(tool(t, "", "curl", "-sS", "-k", command[1]), "tlsreactor is serving") {
		t.Error("the command that the program prints does not get the page")
	}
}

func TestTheFingerprintIsThatOfTheEphemeralCertificate(t *testing.T) {
	p := start(t)
	printed := p.await(`sha256=((?:[0-9A-F]{2}:){31}[0-9A-F]{2})`)[1]

	sum := sha256.Sum256(p.connect().ConnectionState().PeerCertificates[0].Raw)
	if got := strings.ToUpper(fmt.Sprintf("% x", sum[:])); strings.ReplaceAll(got, " ", ":") != printed {
		t.Errorf("printed %s, a client sees %s", printed, got)
	}
	shown := tool(t, "", "openssl", "s_client", "-connect", p.addr)
	if got := tool(t, shown, "openssl", "x509", "-noout", "-fingerprint", "-sha256"); !strings.Contains(got, printed) {
		t.Errorf("printed %s, openssl sees %s", printed, got)
	}
}

func TestTheEphemeralCertificateIsOfLocalhost(t *testing.T) {
	p := start(t)
	leaf := p.connect().ConnectionState().PeerCertificates[0]
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenSSLAgreesOnEveryGroupAndSuite(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil)
	p := start(t, "--cert", certFile, "--key", keyFile)
	tests := []struct{ group, suite, shown string }{
		{"X25519", "TLS_AES_128_GCM_SHA256", "X25519"},
		{"P-256", "TLS_AES_128_GCM_SHA256", "CurveP256"},
		{"P-384", "TLS_AES_256_GCM_SHA384", "CurveP384"},
		{"P-521", "TLS_CHACHA20_POLY1305_SHA256", "CurveP521"},
		{"X25519", "TLS_CHACHA20_POLY1305_SHA256", "X25519"},
		{"P-256", "TLS_AES_256_GCM_SHA384", "CurveP256"},
		{"ffdhe2048:P-384", "TLS_AES_128_GCM_SHA256", "CurveP384"}, // by HelloRetryRequest
	}
	for _, tt := range tests {
		t.Run(tt.group+" "+tt.suite, func(t *testing.T) {
			page := tool(t, "GET / HTTP/1.0\r\n\r\n", "openssl", "s_client", "-connect", p.addr, "-quiet", "-tls1_3",
				"-groups", tt.group, "-ciphersuites", tt.suite, "-servername", "localhost", "-CAfile", certFile, "-verify_return_error")
			for _, want := range []string{tt.shown, tt.suite, "localhost"} {
				if !strings.Contains(page, "<dd>"+want+"</dd>") {
					t.Errorf("the page does not state %q:\n%s", want, page)
				}
			}
			retried := strings.Contains(tt.group, ":")
			if got := strings.Contains(page, "HelloRetryRequest</dt><dd>yes</dd>"); got != retried {
				t.Errorf("the page states a HelloRetryRequest: %v, want %v", got, retried)
			}
			if got := strings.Contains(page, `<th scope="row">expectSecondClientHello</th><td><em>read</em>`); got != retried {
				t.Errorf("the page shows the wait for a second ClientHello: %v, want %v", got, retried)
			}
		})
	}
}

func TestEveryKindOfCertificateIsServed(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
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
	}{
		{"ECDSA P-256", nil},
		{"ECDSA P-384", p384},
		{"ECDSA P-521", p521},
		{"Ed25519", ed},
		{"RSA", rsaKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			certFile, keyFile := certificateFiles(t, tt.key)
			p := start(t, "--cert", certFile, "--key", keyFile)
			page := tool(t, "GET / HTTP/1.0\r\n\r\n", "openssl", "s_client", "-connect", p.addr, "-quiet", "-tls1_3",
				"-CAfile", certFile, "-verify_return_error")
			if !strings.Contains(page, "tlsreactor is serving") {
				t.Errorf("openssl got\n%s", page)
			}
		})
	}
}

func TestCryptoTLSGetsTheHybridGroup(t *testing.T) {
	p := start(t)
	conn := p.connect()
	if state := conn.ConnectionState(); state.CurveID != tls.X25519MLKEM768 || state.Version != tls.VersionTLS13 {
		t.Errorf("%v, %s; want X25519MLKEM768 and TLS 1.3", state.CurveID, tls.VersionName(state.Version))
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(page), "<dd>X25519MLKEM768</dd>") {
		t.Errorf("the page is %s, %v", page, err)
	}
}

func TestAnsweredPipelineOfAClientThatReadsLate(t *testing.T) {
	p := start(t)
	conn := p.connect()
	const requests = 2000 // their answers fill every buffer on the way
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", requests))
		sent <- err
	}()
	in := bufio.NewReader(conn)
	for i := range requests {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i+1, err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 200 {
			t.Fatalf("answer %d: status %d, %v", i+1, response.StatusCode, err)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
