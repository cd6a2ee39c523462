package tlsconn

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What a resumption depends on beside the ticket, with OpenSSL: the suite, whose hash the session is
// bound to (RFC 8446 4.2.11), and the key exchange, which may take a HelloRetryRequest.

// resumptionsByParameter are two connections each.
var resumptionsByParameter = []struct {
	name          string
	first, second uint16 // the only suites of the connections
	groups        string // of OpenSSL's client, the first of which gets a key share; empty for its default
	resumed       bool
}{
	{name: "AES-128", first: tls.TLS_AES_128_GCM_SHA256, second: tls.TLS_AES_128_GCM_SHA256, resumed: true},
	{name: "AES-256", first: tls.TLS_AES_256_GCM_SHA384, second: tls.TLS_AES_256_GCM_SHA384, resumed: true},
	{name: "ChaCha20", first: tls.TLS_CHACHA20_POLY1305_SHA256, second: tls.TLS_CHACHA20_POLY1305_SHA256, resumed: true},
	{name: "another suite of the same hash", first: tls.TLS_AES_128_GCM_SHA256, second: tls.TLS_CHACHA20_POLY1305_SHA256, resumed: true},
	{name: "a suite of another hash", first: tls.TLS_AES_128_GCM_SHA256, second: tls.TLS_AES_256_GCM_SHA384},
	{name: "SHA-256 behind a retry", first: tls.TLS_AES_128_GCM_SHA256, second: tls.TLS_AES_128_GCM_SHA256, groups: "P-521:P-384", resumed: true},
	{name: "SHA-384 behind a retry", first: tls.TLS_AES_256_GCM_SHA384, second: tls.TLS_AES_256_GCM_SHA384, groups: "P-521:P-384", resumed: true},
	{name: "a suite of another hash behind a retry", first: tls.TLS_AES_128_GCM_SHA256, second: tls.TLS_AES_256_GCM_SHA384, groups: "P-521:P-384"},
}

func TestOpenSSLClientResumesByParameter(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	for _, tt := range resumptionsByParameter {
		t.Run(tt.name, func(t *testing.T) {
			// The client has all suites, so that it offers what it has.
			config := &Config{Certificates: []tls.Certificate{ca.certify(t, keyECDSA, "example.org")}, Tickets: NewTicketKeys(time.Now)}
			var args []string
			if tt.groups != "" {
				config.CurvePreferences = []tls.CurveID{tls.CurveP384}
				args = []string{"-groups", tt.groups}
			}
			var suite atomic.Uint32 // the server's one; its goroutines read it
			s := serve(t, func(string) *Config {
				c := cloneConfig(config)
				c.CipherSuites = []uint16{uint16(suite.Load())}
				return c
			}, echoing)
			v := newVisit(t, s, ca)
			file := filepath.Join(t.TempDir(), "session")
			for _, connection := range []struct {
				suite   uint16
				option  string
				resumed bool
				says    string
			}{{tt.first, "-sess_out", false, "New, "}, {tt.second, "-sess_in", tt.resumed, map[bool]string{true: "Reused, ", false: "New, "}[tt.resumed]}} {
				suite.Store(uint32(connection.suite))
				output, err := sClientVisits(t, v, "example.org", append(args, connection.option, file)...)
				if want := connection.says + "TLSv1.3, Cipher is " + tls.CipherSuiteName(connection.suite); err != nil || !strings.Contains(output, want) {
					t.Fatalf("%v, no %q in the output:\n%s", err, want, output)
				}
				if state := s.want(connection.resumed); state.HelloRetryRequest != (tt.groups != "") || state.CipherSuite != connection.suite {
					t.Errorf("%+v", state)
				}
			}
		})
	}
}

func TestOpenSSLServerResumesByParameter(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	_, certFile, keyFile := pemFiles(t, ca, ca.certify(t, keyECDSA, "example.org"))
	for _, tt := range resumptionsByParameter {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"-tls1_3", "-www", "-cert", certFile, "-key", keyFile}
			if tt.groups != "" {
				args = append(args, "-groups", "P-384")
			}
			addr, _ := sServer(t, args...)
			cache := NewSessionCache(0)
			for i, suite := range []uint16{tt.first, tt.second} {
				config := &Config{RootCAs: ca.pool, ServerName: "example.org", Sessions: cache, CipherSuites: []uint16{suite}}
				if tt.groups != "" {
					config.CurvePreferences = []tls.CurveID{tls.CurveP521, tls.CurveP384}
				}
				page, state, err := get(t, addr, config)
				says, resumed := "New, ", i == 1 && tt.resumed
				if resumed {
					says = "Reused, "
				}
				if want := says + "TLSv1.3, Cipher is " + tls.CipherSuiteName(suite); err != nil || !strings.Contains(page, want) {
					t.Errorf("%v, no %q in the page:\n%s", err, want, page)
				}
				if state.DidResume != resumed || state.HelloRetryRequest != (tt.groups != "") {
					t.Errorf("%+v", state)
				}
			}
		})
	}
}
