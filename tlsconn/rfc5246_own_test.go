package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// What we say ourselves in TLS 1.2, as far as no peer has to agree with it for a handshake to
// work: see rfc5246_test.go.

// ownHello12 is the hello of a client of TLS 1.2, up to max, as adjust has it.
func ownHello12(t *testing.T, max uint16, adjust func(*Config)) *wire.ClientHello {
	t.Helper()
	p := newPuppet12(t, RoleServer, func(c *Config) {
		c.MaxVersion, c.CurvePreferences = max, nil
		change(c, adjust)
	})
	p.hearClientHello()
	return &p.hello
}

func TestOwnClientHello12(t *testing.T) {
	for _, max := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		m := ownHello12(t, max, nil)
		alone := max == tls.VersionTLS12
		for must, kept := range map[string]bool{
			"7.4.1.2: client_version is the latest of the TLS that has it":                      m.LegacyVersion == tls.VersionTLS12,
			"7.4.1.2: compression_methods has null":                                             bytes.Equal(m.CompressionMethods, []byte{0}),
			"7.4.1.2: session_id is empty without a session, but of a client of TLS 1.3":        (len(m.SessionID) == 0) == alone,
			"7.4.1.4.1: signature_algorithms, as its default is not supported":                  len(m.SignatureAlgorithms) > 0,
			"RFC 5746 3.4: either renegotiation_info or the SCSV":                               m.Has(wire.ExtRenegotiationInfo) != slices.Contains(m.CipherSuites, wire.EmptyRenegotiationInfoSCSV),
			"RFC 5746 3.4: renegotiation_info is empty":                                         len(m.RenegotiationInfo) == 0,
			"RFC 7627 5.2: extended_master_secret":                                              m.Has(wire.ExtExtendedMasterSecret),
			"RFC 8422 5.1.2: ec_point_formats is uncompressed alone":                            bytes.Equal(m.PointFormats, []byte{0}),
			"RFC 5077 3.2: no SessionTicket without a use for it":                               !m.Has(wire.ExtSessionTicket),
			"RFC 6066 8: no status_request without a use for it":                                !m.Has(wire.ExtStatusRequest),
			"RFC 8449 4: no more than the protocol has":                                         int(m.RecordSizeLimit) == record.MaxPlaintext+int(max-tls.VersionTLS12),
			"RFC 7507 4: no TLS_FALLBACK_SCSV in what is no fallback":                           !slices.Contains(m.CipherSuites, wire.FallbackSCSV),
			"RFC 8446 4.2.1: supported_versions if there are more versions, highest first":      slices.Equal(m.SupportedVersions, []uint16{0x0304, 0x0303}) != alone,
			"RFC 8446 4.2.7: no group of TLS 1.3 alone, unless that is offered (and X25519 is)": slices.Contains(m.SupportedGroups, uint16(tls.X25519MLKEM768)) != alone,
		} {
			if !kept {
				t.Errorf("up to %s: %s: %+v", tls.VersionName(max), must, m)
			}
		}
		for _, id := range m.CipherSuites {
			// A.5: no NULL, no anonymous key exchange; and nothing without forward secrecy.
			if suite12ByID(id) == nil && (alone || suiteByID(id) == nil) {
				t.Errorf("offers suite %#04x", id)
			}
		}
		for i, s := range m.SignatureAlgorithms {
			// 7.4.1.4.1: anonymous MUST NOT appear; RFC 9155 2: nor MD5 and SHA-1.
			if byte(s) == 0 || s>>8 <= 3 || slices.Contains(m.SignatureAlgorithms[:i], s) {
				t.Errorf("offers scheme %#04x", s)
			}
		}
		m = ownHello12(t, max, func(c *Config) { c.Sessions, c.RequestOCSP, c.FallbackSCSV = new(lastSession), true, true })
		if !m.Has(wire.ExtSessionTicket) || len(m.SessionTicket) > 0 {
			t.Error("RFC 5077 3.2: a client that takes a ticket and has none sends an empty SessionTicket")
		}
		if !m.Has(wire.ExtStatusRequest) || !slices.Contains(m.CipherSuites, wire.FallbackSCSV) {
			t.Error("RFC 6066 8, RFC 7507 4: status_request or TLS_FALLBACK_SCSV is missing")
		}
	}
	// RFC 8422 4: "The client MUST NOT include these extensions in the ClientHello message if it
	// does not propose any ECC cipher suites"; supported_groups has become TLS 1.3's (RFC 8446 4.2.7).
	if m := ownHello(t, nil); m.Has(wire.ExtECPointFormats) || m.Has(wire.ExtExtendedMasterSecret) || m.Has(wire.ExtSessionTicket) {
		t.Errorf("a client of TLS 1.3 alone says %+v", m)
	}
}

// 7.4.1.3: the server's random "MUST be independently generated from the ClientHello.random";
// and what has to be fresh is fresh: both randoms and both points.
func TestNothingRandomIsUsedTwice12(t *testing.T) {
	var seen [][]byte
	fresh := func(what string, b []byte) {
		t.Helper()
		if len(b) < 24 || slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, b) }) {
			t.Errorf("%s % x is not fresh", what, b)
		}
		seen = append(seen, bytes.Clone(b))
	}
	server, client := newPuppet12(t, RoleClient, nil), newPuppet12(t, RoleServer, nil)
	for range 3 {
		p := puppet12Of(newPuppetFor(t, NewWorkspace(WorkspaceConfig{}), RoleClient, server.conn.config, server.cert))
		p.clientHello(func(m *wire.ClientHello) { m.Random = [32]byte{1} })
		p.hearServerFlight()
		if bytes.HasPrefix(p.randoms.Server[:], []byte{1, 0, 0, 0}) {
			t.Error("the server's random is the client's")
		}
		fresh("the server's random", p.randoms.Server[:24]) // of the rest RFC 8446 4.1.3 may dispose
		fresh("the server's point", p.peer)
		p = puppet12Of(newPuppetFor(t, NewWorkspace(WorkspaceConfig{}), RoleServer, client.conn.config, client.cert))
		p.handshake()
		fresh("the client's random", p.randoms.Client[:])
		fresh("the client's point", p.peer)
	}
}

// RFC 8446 4.1.3: a server that has TLS 1.3 says in its random that it was not asked for
// it, and one that has not does not.
func TestOwnDowngradeSentinel(t *testing.T) {
	for _, max := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p := newPuppet12(t, RoleClient, func(c *Config) { c.MaxVersion = max })
		p.clientHello(nil)
		sentinel := bytes.Equal(p.hearServerHello().Random[24:], wire.DowngradeTLS12[:])
		if sentinel != (max == tls.VersionTLS13) || p.sh.Has(wire.ExtSupportedVersions) {
			t.Errorf("a server up to %s: %+v", tls.VersionName(max), p.sh)
		}
	}
}

// 7.4.4: a CertificateRequest names types of keys, at least one, and the pairs of hash and
// signature that are accepted, and nobody but those whom the user trusts.
func TestOwnCertificateRequest12(t *testing.T) {
	ca := newTestCA(t)
	for _, adjust := range []func(*Config){
		func(c *Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool },
		func(c *Config) {
			c.ClientAuth, c.SignatureSchemes = tls.RequestClientCert, []tls.SignatureScheme{tls.Ed25519, tls.PSSWithSHA512}
		},
	} {
		p := newPuppet12(t, RoleClient, adjust)
		p.clientHello(nil)
		p.hearServerHello()
		p.hearCertificate()
		p.hearServerKeyExchange()
		var m wire.CertificateRequest12
		if err := m.Unmarshal(p.hear(wire.TypeCertificateRequest)[wire.HeaderLen:]); err != nil {
			t.Fatal(err)
		}
		prepared, _ := p.conn.config.prepare()
		if !slices.Equal(m.SignatureAlgorithms, prepared.schemes) {
			t.Errorf("supported_signature_algorithms %#04x", m.SignatureAlgorithms)
		}
		if !bytes.Contains(m.CertificateTypes, []byte{wire.ClientCertificateECDSASign}) || !bytes.Contains(m.CertificateTypes, []byte{wire.ClientCertificateRSASign}) || len(m.CertificateTypes) != 2 {
			t.Errorf("certificate_types % x", m.CertificateTypes)
		}
		want := 0
		if p.conn.config.ClientCAs != nil {
			want = 1
		}
		if len(m.CertificateAuthorities) != want {
			t.Errorf("certificate_authorities %q", m.CertificateAuthorities)
		}
	}
}

// 6.2.1: "The length MUST NOT exceed 2^14", and "Implementations MUST NOT send zero-length
// fragments of Handshake, Alert, or ChangeCipherSpec content types"; 7.1: one ChangeCipherSpec,
// of the byte 1; 7.3: no application data before the handshake is complete.
func TestOwnRecords12(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		p := newPuppet12(t, role, func(c *Config) {
			c.Certificates = []tls.Certificate{longCertificate(t)}
			if role == RoleClient {
				c.ClientAuth = tls.RequestClientCert
			}
		})
		_, _ = p.conn.Write([]byte("too early")) // drives the handshake
		if role == RoleClient {
			p.clientHello(nil)
			p.hearServerFlight()
			p.certificate(nil)
			p.clientKeyExchange(nil)
			p.certificateVerify(nil)
			p.changeCipherSpec()
			p.finished(nil)
			p.hearServerEnd()
		} else {
			p.hearClientHello()
			p.serverHello(nil)
			p.certificate(nil)
			p.serverKeyExchange(nil)
			p.certificateRequest(nil)
			p.serverHelloDone()
			p.hearClientFlight()
			p.serverEnd()
		}
		p.wantConnected()
		changes, full := 0, false
		for b := p.tr.out.bytes; len(b) > 0; {
			h := record.ParseHeader(b)
			content := b[record.HeaderLen : record.HeaderLen+h.Length]
			if h.Length == 0 || changes == 0 && h.Length > record.MaxPlaintext || h.Type == record.ApplicationData {
				t.Errorf("%v: a record of type %v and %d bytes", p.conn.role, h.Type, h.Length)
			}
			if full = full || h.Length == record.MaxPlaintext; h.Type == record.ChangeCipherSpec {
				if changes++; !bytes.Equal(content, []byte{1}) {
					t.Errorf("%v: change_cipher_spec % x", p.conn.role, content)
				}
			}
			b = b[record.HeaderLen+h.Length:]
		}
		if changes != 1 || !full {
			t.Errorf("%v: %d change_cipher_spec, full record %t", p.conn.role, changes, full)
		}
	}
}

// longCertificate has a Certificate message of more than one record.
func longCertificate(t *testing.T) tls.Certificate {
	cert := newTestCA(t).issue(t, keyEd25519, "example.org")
	for range 60 {
		cert.Certificate = append(cert.Certificate, cert.Certificate[0])
	}
	if len(bytes.Join(cert.Certificate, nil)) <= record.MaxPlaintext {
		t.Fatal("the chain fits into a record")
	}
	return cert
}

// 7.2.2: alerts that "MUST NOT be sent by compliant implementations" have no name here to be
// sent by.
func TestReservedAlerts(t *testing.T) {
	for _, a := range []Alert{21, 41, 60} {
		if name := a.String(); name != fmt.Sprintf("alert(%d)", a) {
			t.Errorf("alert %d is known as %s", a, name)
		}
	}
}

// RFC 8449 4: in TLS 1.2 the limit is on what is protected, without a type; "an endpoint MUST
// NOT generate a protected record with plaintext that is larger", and has no reason to make
// smaller ones.
func TestRecordSizeLimit12(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		for _, limit := range []uint16{64, 1000, record.MaxPlaintext, record.MaxPlaintext + 1} {
			p := newPuppet12(t, role, nil)
			if role == RoleClient {
				p.clientHello(func(m *wire.ClientHello) { m.RecordSizeLimit = limit })
			} else {
				p.hearClientHello()
				p.serverHello(func(m *wire.ServerHello) { m.RecordSizeLimit = limit })
			}
			if p.finishHandshake(); role == RoleClient && p.sh.RecordSizeLimit != record.MaxPlaintext {
				t.Errorf("the server answers with %d", p.sh.RecordSizeLimit)
			}
			start := len(p.tr.out.bytes)
			if _, err := p.conn.Write(make([]byte, 40000)); err != nil {
				t.Fatal(err)
			}
			longest := 0
			for b := p.tr.out.bytes[start:]; len(b) > 0; {
				h := record.ParseHeader(b)
				longest = max(longest, h.Length)
				b = b[record.HeaderLen+h.Length:]
			}
			if longest -= 8 + tagLen; longest != min(int(limit), record.MaxPlaintext) {
				t.Errorf("%v: told %d, makes records of %d bytes", p.conn.role, limit, longest)
			}
		}
	}
}
