package tlsconn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"net"
	"slices"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// malformable12 is what a puppet says in a handshake of TLS 1.2, or hears in between.
type malformable12 struct {
	name  string
	hears bool // it is the Conn's turn
	play  func(*puppet12)
}

// serverMessages12 and clientMessages12 are handshakes in which every message occurs.
var serverMessages12 = []malformable12{
	{"client_hello", true, (*puppet12).hearClientHello},
	{"server_hello", false, func(p *puppet12) {
		p.serverHello(func(m *wire.ServerHello) { m.Answer(wire.ExtStatusRequest); m.Answer(wire.ExtSessionTicket) })
	}},
	{"certificate", false, func(p *puppet12) { p.certificate(nil) }},
	{"certificate_status", false, func(p *puppet12) { p.say((&wire.CertificateStatus{OCSPStaple: []byte("ocsp")}).Append(nil)) }},
	{"server_key_exchange", false, func(p *puppet12) { p.serverKeyExchange(nil) }},
	{"certificate_request", false, func(p *puppet12) { p.certificateRequest(nil) }},
	{"server_hello_done", false, (*puppet12).serverHelloDone},
	{"the client's flight", true, (*puppet12).hearClientFlight},
	{"new_session_ticket", false, func(p *puppet12) { p.newSessionTicket(nil) }},
	{"change_cipher_spec", true, (*puppet12).changeCipherSpec},
	{"finished", false, func(p *puppet12) { p.finished(nil) }},
}

var clientMessages12 = []malformable12{
	{"client_hello", false, func(p *puppet12) { p.clientHello(nil) }},
	{"the server's flight", true, func(p *puppet12) { p.hearServerFlight(); p.requested = true }},
	{"certificate", false, func(p *puppet12) { p.certificate(nil) }},
	{"client_key_exchange", false, func(p *puppet12) { p.clientKeyExchange(nil) }},
	{"certificate_verify", false, func(p *puppet12) { p.certificateVerify(nil) }},
	{"change_cipher_spec", true, (*puppet12).changeCipherSpec},
	{"finished", false, func(p *puppet12) { p.finished(nil) }},
}

// RFC 5246 7.2.2: decode_error is for "the length of the message was incorrect": of each
// message, in each role, one byte too few and one too many.
func TestEveryMessageOfTLS12HasToHaveItsLength(t *testing.T) {
	shorter := func(raw []byte) []byte { return setLength(slices.Clone(raw[:len(raw)-1])) }
	longer := func(raw []byte) []byte { return setLength(append(slices.Clone(raw), 0)) }
	for role, lines := range map[Role][]malformable12{RoleServer: serverMessages12, RoleClient: clientMessages12} {
		for at, line := range lines {
			for name, edit := range map[string]func([]byte) []byte{"a byte too few": shorter, "a byte too many": longer} {
				if line.hears || line.name == "server_hello_done" && name == "a byte too few" { // it has none
					continue
				}
				t.Run(line.name+" with "+name+" for a "+role.other().String(), func(t *testing.T) {
					p := newPuppet12(t, role, func(c *Config) {
						c.RequestOCSP = true
						if role == RoleClient {
							c.ClientAuth = tls.RequireAnyClientCert
						} else {
							c.Sessions = new(lastSession)
							c.InsecureSkipVerify = true
						}
					})
					for _, before := range lines[:at] {
						before.play(p)
						p.drive()
					}
					p.edit = edit
					line.play(p)
					want := AlertDecodeError
					if line.name == "finished" { // a verify_data that is not the right one (7.2.2, 7.4.9)
						want = AlertDecryptError
					}
					p.wantAlert(want)
				})
			}
		}
	}
}

// What can be decoded and means nothing.
func TestPointsAndChainsOfTLS12ThatAreNone(t *testing.T) {
	t.Run("a server without a certificate", func(t *testing.T) {
		p := newPuppet12(t, RoleServer, nil)
		p.hearClientHello()
		p.serverHello(nil)
		p.certificate(func(m *wire.Certificate12) { m.Certificates = nil })
		p.wantAlert(AlertDecodeError, "none")
	})
	t.Run("a server's point that is signed and not on the curve", func(t *testing.T) {
		p := newPuppet12(t, RoleServer, nil)
		p.group = tls.CurveP256
		p.key, _ = newEphemeralKey(p.group)
		p.hearClientHello()
		p.serverHello(nil)
		p.certificate(nil)
		ske := wire.ServerKeyExchange{Group: uint16(tls.CurveP256), Point: slices.Clone(p.key.public())}
		ske.Point[64] ^= 1
		ske.Algorithm, ske.Signature = p.signs(ske.AppendParams(slices.Concat(p.randoms.Client[:], p.randoms.Server[:])))
		p.say(ske.Append(nil))
		p.serverHelloDone()
		p.wantAlert(AlertIllegalParameter, "server_key_exchange")
	})
	t.Run("a client's point that is not on the curve", func(t *testing.T) {
		p := newPuppet12(t, RoleClient, nil)
		p.group = tls.CurveP256
		p.clientHello(nil)
		p.hearServerFlight()
		point := slices.Clone(sampleShares()[tls.CurveP256][4:])
		point[64] ^= 1
		p.say((&wire.ClientKeyExchange{Point: point}).Append(nil))
		p.wantAlert(AlertIllegalParameter, "client_key_exchange")
	})
}

// TrafficSecrets of TLS 1.2 are enough to open the next record (RFC 5246 6.2.3.3): the
// key, and the part of the nonce that no record carries.
func TestTrafficSecretsOfTLS12OpenTheNextRecord(t *testing.T) {
	ca := newTestCA(t)
	for _, suite := range allSuites12 {
		if suite.rsa {
			continue // the same protection
		}
		cc, sc := clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org"))
		cc.MinVersion, cc.MaxVersion, cc.CipherSuites = tls.VersionTLS12, tls.VersionTLS12, []uint16{suite.id}
		sc.MinVersion, sc.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		p := newPair(t, cc, sc)
		p.handshake()
		c, s := p.client.secrets(), p.server.secrets()
		if !sameKeys(c.Send, s.Receive) || !sameKeys(c.Receive, s.Send) || sameKeys(c.Send, c.Receive) || c.Send.Secret != nil {
			t.Fatalf("%s: client %x, server %x", tls.CipherSuiteName(suite.id), c, s)
		}
		mark := len(p.client.tr.out.bytes)
		p.send(p.client, []byte("up"))
		k := puppetKey{seq: c.Send.Sequence, salted: suite.aead != record.ChaCha20Poly1305}
		copy(k.iv[:], c.Send.IV)
		if k.salted {
			block, err := aes.NewCipher(c.Send.Key)
			if err != nil {
				t.Fatal(err)
			}
			k.aead, _ = cipher.NewGCM(block)
		} else {
			k.aead, _ = chacha20poly1305.New(c.Send.Key)
		}
		if got := k.opened12(t, p.client.tr.out.bytes[mark:]); string(got) != "up" {
			t.Errorf("%s: opened %q", tls.CipherSuiteName(suite.id), got)
		}
	}
}

// RFC 5246 7.4.1.2: compression_methods "MUST contain, and all implementations MUST
// support, CompressionMethod.null"; others may stand beside it.
func TestAServerOfTLS12WantsTheNullCompression(t *testing.T) {
	p := newPuppet12(t, RoleClient, nil)
	p.clientHello(func(m *wire.ClientHello) { m.CompressionMethods = []byte{1} })
	p.wantAlert(AlertIllegalParameter, "compression_methods")
	p = newPuppet12(t, RoleClient, nil)
	p.clientHello(func(m *wire.ClientHello) { m.CompressionMethods = []byte{1, 0} })
	p.finishHandshake()
}

// RFC 5705 4: what an exporter of TLS 1.2 does not make.
func TestTheExporterOfTLS12Refuses(t *testing.T) {
	p := newPuppet12(t, RoleServer, nil)
	p.handshake()
	for _, tt := range []struct {
		name, label     string
		context, length int
	}{
		{"less than nothing", "EXPERIMENTAL", 0, -1},
		{"more than its limit", "EXPERIMENTAL", 0, maxExport12 + 1},
		{"a context whose length has no 16 bits", "EXPERIMENTAL", 1 << 16, 1},
		{"a label of TLS's own", "master secret", 0, 1},
	} {
		if out, err := p.conn.ExportKeyingMaterial(tt.label, make([]byte, tt.context), tt.length); err == nil {
			t.Errorf("%s: made %x", tt.name, out)
		}
	}
}

// The net.Conn of a ClientHelloInfo is for its addresses: whoever reads from it would
// take the connection's bytes.
func TestTheConnectionOfAClientHelloInfoOnlyTellsAddresses(t *testing.T) {
	var conn net.Conn = addresses{unknownAddr{}, unknownAddr{}}
	_, readErr := conn.Read(make([]byte, 1))
	_, writeErr := conn.Write(make([]byte, 1))
	for name, err := range map[string]error{"Read": readErr, "Write": writeErr, "Close": conn.Close(), "SetDeadline": conn.SetDeadline(testTime),
		"SetReadDeadline": conn.SetReadDeadline(testTime), "SetWriteDeadline": conn.SetWriteDeadline(testTime)} {
		if err != errNotYours {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a := conn.RemoteAddr(); a.Network() != "unknown" || a.String() != "unknown" {
		t.Errorf("address %v of network %v", a, a.Network())
	}
}
