package tlsconn

import (
	"crypto/tls"
	"errors"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// These tests hold what BoGo has found in the TLS 1.2 server.

// What a TLS 1.2 client leaves no certificate for, and which of its words say so.
func TestServer12TellsWhatNoCertificateFits(t *testing.T) {
	const ecdsa, rsa = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	for _, tt := range []struct {
		name   string
		suite  uint16
		groups []uint16
		server func(*Config)
		alert  Alert
		says   string
	}{
		{"a suite of another key", rsa, []uint16{uint16(tls.CurveP256)}, nil, AlertHandshakeFailure, "no cipher suite in common"},
		{"groups without the curve of the key, RFC 8422 5.3", ecdsa, []uint16{uint16(tls.X25519)}, nil, AlertHandshakeFailure, "the curve of a certificate's key"},
		{"no supported_groups", ecdsa, nil, nil, AlertHandshakeFailure, "no group in common"},
		{"a callback that fails is told as itself", rsa, []uint16{uint16(tls.CurveP256)}, func(c *Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("its own reason") }
		}, AlertInternalError, "its own reason"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert := newTestCA(t).issue(t, keyECDSA, "example.org")
			p := newPuppet(t, RoleClient, func(c *Config) {
				c.MinVersion, c.Certificates = tls.VersionTLS12, []tls.Certificate{cert}
				if tt.server != nil {
					tt.server(c)
				}
			})
			hello := wire.ClientHello{
				LegacyVersion:       tls.VersionTLS12,
				CipherSuites:        []uint16{tt.suite},
				CompressionMethods:  []byte{0},
				SignatureAlgorithms: []uint16{uint16(tls.ECDSAWithP256AndSHA256)},
				SupportedGroups:     tt.groups,
			}
			p.plain(record.Handshake, hello.Append(nil)...)
			p.wantAlert(tt.alert, tt.says)
		})
	}
}

// A client without X.509 among server_certificate_type cannot be served (RFC 7250 4.2); one
// with it, or without the extension, can.
func TestServer12CertificateTypes(t *testing.T) {
	for types, refused := range map[string]bool{"\x02": true, "\x02\x00": false, "": false} {
		p := newPuppet(t, RoleClient, func(c *Config) { c.MinVersion = tls.VersionTLS12 })
		hello := wire.ClientHello{
			LegacyVersion:          tls.VersionTLS12,
			CipherSuites:           []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
			CompressionMethods:     []byte{0},
			SignatureAlgorithms:    []uint16{uint16(tls.Ed25519)},
			SupportedGroups:        []uint16{uint16(tls.X25519)},
			ServerCertificateTypes: []byte(types),
		}
		p.plain(record.Handshake, hello.Append(nil)...)
		if refused {
			p.wantAlert(AlertHandshakeFailure, "server_certificate_type has no X.509")
			continue
		}
		if p.drive(); p.err != ErrWantRead || p.conn.State() != StateExpectClientKeyExchange {
			t.Errorf("types %q: state %v, %v", types, p.conn.State(), p.err)
		}
	}
}
