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

// The MUSTs of RFC 8446 about what we say ourselves, as far as no peer has to agree
// with it for a handshake to work.

// ownHello is a client's first hello, as adjust has it.
func ownHello(t *testing.T, adjust func(*Config)) wire.ClientHello {
	t.Helper()
	p := newPuppet(t, RoleServer, func(c *Config) {
		c.CurvePreferences = nil
		change(c, adjust)
	})
	p.hearClientHello()
	return p.hello
}

func TestOwnClientHello(t *testing.T) {
	m := ownHello(t, nil)
	for must, kept := range map[string]bool{
		"4.1.2: legacy_version is that of TLS 1.2":        m.LegacyVersion == 0x0303,
		"4.1.2: legacy_session_id is not empty (D.4)":     len(m.SessionID) == 32,
		"4.1.2: legacy_compression_methods is null alone": bytes.Equal(m.CompressionMethods, []byte{0}),
		"4.2.1: supported_versions has all that we speak": slices.Equal(m.SupportedVersions, []uint16{tls.VersionTLS13}),
		"4.2.2: no cookie":           !m.Has(wire.ExtCookie),
		"4.2.10, E.5: no early_data": !m.Has(wire.ExtEarlyData),
		"4.2.8: no two shares of a group, and in the groups' order": inOrder(m.SupportedGroups, m.KeyShares),
		"9.1: TLS_AES_128_GCM_SHA256":                               slices.Contains(m.CipherSuites, tls.TLS_AES_128_GCM_SHA256),
		"9.1: rsa_pkcs1_sha256, for certificates":                   slices.Contains(m.SignatureAlgorithms, uint16(tls.PKCS1WithSHA256)),
		"9.1: rsa_pss_rsae_sha256":                                  slices.Contains(m.SignatureAlgorithms, uint16(tls.PSSWithSHA256)),
		"9.1: ecdsa_secp256r1_sha256":                               slices.Contains(m.SignatureAlgorithms, uint16(tls.ECDSAWithP256AndSHA256)),
		"9.1: secp256r1":                                            slices.Contains(m.SupportedGroups, uint16(tls.CurveP256)),
		"9.2: server_name":                                          string(m.ServerName) == "example.org",
	} {
		if !kept {
			t.Errorf("%s: %+v", must, m)
		}
	}
	for i, g := range m.SupportedGroups {
		if slices.Contains(m.SupportedGroups[:i], g) { // RFC 9846 4.3.7: "MUST NOT contain any duplicate entries"
			t.Errorf("group %#04x twice", g)
		}
		if g < 23 || g > 25 && g < 29 { // B.3.1.4: obsolete_RESERVED
			t.Errorf("offers group %#04x", g)
		}
	}
	for _, s := range m.SignatureAlgorithms {
		if s>>8 <= 3 { // 4.2.3: MD5, SHA-1, SHA-224 and DSA MUST NOT be offered
			t.Errorf("offers scheme %#04x", s)
		}
	}
	for _, id := range m.CipherSuites {
		if id>>8 != 0x13 { // D.5: neither RC4 nor anything under 112 bits
			t.Errorf("offers suite %#04x", id)
		}
	}
}

// inOrder tells whether shares are of distinct groups of the list, in its order (4.2.8).
func inOrder(groups []uint16, shares []wire.KeyShare) bool {
	last := -1
	for _, s := range shares {
		at := slices.Index(groups, s.Group)
		if at <= last {
			return false
		}
		last = at
	}
	return true
}

// 4.1.2, 4.1.3, C.1: randoms, session ids and shares are made for each connection (RFC
// 9846 4.3.8: "Clients and Servers MUST NOT reuse a key share for multiple
// connections"), the server's independently of the client's.
func TestNothingRandomIsUsedTwice(t *testing.T) {
	var seen [][]byte
	fresh := func(what string, b []byte) {
		t.Helper()
		if len(b) < 32 || slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, b) }) {
			t.Errorf("%s % x is not fresh", what, b)
		}
		seen = append(seen, bytes.Clone(b))
	}
	config := &Config{}
	for range 3 {
		m := ownHello(t, func(c *Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256} })
		fresh("random", m.Random[:])
		fresh("legacy_session_id", m.SessionID)
		fresh("key_share", m.KeyShares[0].KeyExchange)
		p := newPuppet(t, RoleClient, nil)
		if config.Certificates == nil {
			config = p.conn.config
		}
		p = newPuppetFor(t, NewWorkspace(WorkspaceConfig{}), RoleClient, config, p.cert) // of one Config
		p.clientHello(nil)
		fresh("the puppet's random", p.hello.Random[:])
		p.hearServerHello()
		fresh("the server's random", p.sh.Random[:])
		fresh("the server's key_share", p.sh.KeyShare.KeyExchange)
	}
}

// 4.4.2: a server's context is empty, and its extensions "MUST correspond to ones from the
// ClientHello message".
func TestServersCertificateMessage(t *testing.T) {
	for _, asked := range [][]wire.ExtensionType{nil, {wire.ExtStatusRequest}, {wire.ExtSCT}, {wire.ExtStatusRequest, wire.ExtSCT}} {
		p := newPuppet(t, RoleClient, func(c *Config) {
			c.Certificates[0].OCSPStaple, c.Certificates[0].SignedCertificateTimestamps = []byte("response"), [][]byte{[]byte("timestamp")}
		})
		p.clientHello(func(m *wire.ClientHello) {
			for _, e := range asked {
				m.Offer(e)
			}
		})
		p.hearServerHello()
		p.hear(wire.TypeEncryptedExtensions)
		var m wire.Certificate
		if err := m.Unmarshal(p.hear(wire.TypeCertificate)[wire.HeaderLen:]); err != nil {
			t.Fatal(err)
		}
		if len(m.Context) != 0 || len(m.Entries) != 1 || !slices.Equal(m.Entries[0].Extensions, asked) {
			t.Errorf("asked for %v: %+v", asked, m)
		}
	}
}

// 4.4.4, 4.6.3: records are under the key that is due, not the one before nor the next.
func TestRecordsUnderKeysThatAreNotDue(t *testing.T) {
	for _, s := range connectedStages {
		for must, rekey := range map[string]func(*puppet){
			"4.4.4: the handshake's key behind a Finished": func(p *puppet) {
				secret := p.clientHS
				if p.role == RoleServer {
					secret = p.serverHS
				}
				p.write.install(p.d, p.suite, secret)
				p.write.seq = 1
			},
			"4.6.3: the next key without a KeyUpdate": func(p *puppet) {
				next := p.write.secret
				p.d.NextTrafficSecret(&next, &next)
				p.write.install(p.d, p.suite, next)
			},
			"5.3: the key that is due, with a sequence number that does not begin at zero": func(p *puppet) {
				p.keyUpdate(false)
				p.write.seq = 1
			},
		} {
			t.Run(fmt.Sprintf("%s, to %v", must, s), func(t *testing.T) {
				p := s.puppet(t)
				rekey(p)
				p.record(record.ApplicationData, []byte("data"), 0)
				p.wantAlert(AlertBadRecordMAC)
			})
		}
	}
}
