package tlsconn

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The key exchange of TLS 1.2, by RFC 8422: see rfc5246_test.go. Numbers are sections of RFC
// 8422. What of it has no entry: 2.3 (ECDH_anon) and explicit curves are left out; 5.1 and 5.2
// (extensions) are in rfc5246_test.go and rfc5246_client_test.go; 5.3 is BoGo's
// CertificateCipherMismatch and CheckLeafCurve; 5.9 is crypto/x509's; 5.5, 5.6 and 5.8 are RFC
// 5246 7.4.4, 7.4.6 and 7.4.8.

// 5.11: "each party MUST validate the public key sent by its peer in the ClientKeyExchange
// and ServerKeyExchange messages", and "With X25519 and X448, a receiving party MUST check
// whether the computed premaster secret is the all-zero value and abort the handshake if so";
// 5.1.2: no format but the uncompressed one.
func TestInvalidPoints12(t *testing.T) {
	for g, points := range invalidShares(t, true) {
		if kemOf(g) != nil {
			continue
		}
		for name, point := range points {
			only := func(c *Config) { c.CurvePreferences = []tls.CurveID{g} }
			t.Run(fmt.Sprintf("5.11: to a server, %v: %s", g, name), func(t *testing.T) {
				p := newPuppet12(t, RoleClient, only)
				p.group = g
				p.clientHello(nil)
				p.hearServerFlight()
				p.premaster = make([]byte, 32) // what an all-zero secret would be
				p.clientKeyExchange(func(m *wire.ClientKeyExchange) { m.Point = point })
				p.changeCipherSpec()
				p.finished(nil)
				p.wantAlert(AlertIllegalParameter, "client_key_exchange")
			})
			t.Run(fmt.Sprintf("5.11: to a client, %v: %s", g, name), func(t *testing.T) {
				p := newPuppet12(t, RoleServer, only)
				p.group = g
				p.hearClientHello()
				p.serverHello(nil)
				p.certificate(nil)
				p.serverKeyExchange(func(m *wire.ServerKeyExchange) {
					m.Point = point
					m.Algorithm, m.Signature = p.signs(m.AppendParams(slices.Concat(p.randoms.Client[:], p.randoms.Server[:])))
				})
				p.serverHelloDone()
				p.wantAlert(AlertIllegalParameter, "server_key_exchange")
			})
		}
	}
}

// 5.7: a ClientKeyExchange without a point is that of a fixed key, which nobody has.
func TestEmptyClientKeyExchange(t *testing.T) {
	for name, body := range map[string][]byte{"nothing": nil, "an empty point": {0}} {
		p := newPuppet12(t, RoleClient, nil)
		p.clientHello(nil)
		p.hearServerFlight()
		p.say(append(wire.AppendHeader(nil, wire.TypeClientKeyExchange, len(body)), body...))
		if p.wantAlert(AlertDecodeError, "point"); t.Failed() {
			t.Error(name)
		}
	}
}

// curve is a group's curve, computed by the standard library.
func curve(g tls.CurveID) ecdh.Curve {
	return map[tls.CurveID]ecdh.Curve{tls.X25519: ecdh.X25519(), tls.CurveP256: ecdh.P256(), tls.CurveP384: ecdh.P384(), tls.CurveP521: ecdh.P521()}[g]
}

// 5.10: "leading zeros found in this octet string MUST NOT be truncated": the premaster
// secret is as long as the field, whatever it begins with.
func TestLeadingZerosOfThePremasterSecret(t *testing.T) {
	for _, g := range []tls.CurveID{tls.CurveP256, tls.X25519} {
		t.Run(g.String(), func(t *testing.T) {
			p := newPuppet12(t, RoleClient, func(c *Config) { c.CurvePreferences = []tls.CurveID{g} })
			p.group = g
			p.clientHello(nil)
			p.hearServerFlight()
			peer, err := curve(g).NewPublicKey(p.peer)
			if err != nil {
				t.Fatal(err)
			}
			// Of 256 keys one has such a secret; that none of 2^14 has is not to be seen.
			for range 1 << 14 {
				key, err := curve(g).GenerateKey(rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				if p.premaster, err = key.ECDH(peer); err != nil {
					t.Fatal(err)
				}
				if p.key = (&ephemeralKey{standardKey{key}}); p.premaster[0] == 0 {
					break
				}
			}
			if p.premaster[0] != 0 || len(p.premaster) != 32 {
				t.Fatal("no key has a secret that begins with zero")
			}
			p.clientFlight()
			p.changeCipherSpec()
			p.finished(nil)
			p.hearServerEnd()
			p.wantConnected()
		})
	}
}

// 5.1.2, 5.4, 5.7: points of ours are uncompressed, on the curve that was agreed on, which is
// one of the client's and the first of the server's.
func TestOwnPoints12(t *testing.T) {
	lengths := map[tls.CurveID]int{tls.X25519: 32, tls.CurveP256: 65, tls.CurveP384: 97, tls.CurveP521: 133}
	for g, n := range lengths {
		for _, role := range []Role{RoleClient, RoleServer} {
			p := newPuppet12(t, role, func(c *Config) {
				c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768, g, tls.CurveP256}
				if g == tls.CurveP256 {
					c.CurvePreferences = c.CurvePreferences[1:2]
				}
			})
			if p.group = g; role == RoleClient {
				p.clientHello(func(m *wire.ClientHello) {
					// The client's order does not count, and a KEM is of TLS 1.3 (RFC 8446 4.2.7).
					m.SupportedGroups = []uint16{grease, uint16(tls.X25519MLKEM768), uint16(tls.CurveP256), uint16(g)}
				})
				p.finishHandshake()
			} else {
				p.handshake()
			}
			if p.group != g || len(p.peer) != n || n > 32 && p.peer[0] != 4 {
				t.Errorf("%v on %v: a point of %v: % x", p.conn.role, g, p.group, p.peer)
			}
			if key, err := curve(g).NewPublicKey(p.peer); err != nil || bytes.Equal(key.Bytes(), p.key.public()) {
				t.Errorf("%v on %v: %v", p.conn.role, g, err)
			}
		}
	}
}
