package tlsconn

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The limits of TLS 1.2 as a peer meets them, and the policies that its sessions obey.

// Records that get nowhere, at no cost of their sender's (CVE-2016-8610).
func TestRecordsWithoutProgressInTLS12(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int
		send  func(*puppet12)
		text  string
	}{
		{"empty records", maxEmptyRecords, func(p *puppet12) { p.record(record.ApplicationData, nil, 0) }, "32 empty records"},
		{"warnings", maxWarningAlerts, func(p *puppet12) { p.alert(alertLevelWarning, AlertNoRenegotiation) }, "4 warnings"},
		{"user_canceled", maxWarningAlerts, func(p *puppet12) { p.alert(alertLevelWarning, AlertUserCanceled) }, "4 warnings"},
	} {
		for _, role := range bothRoles {
			t.Run(fmt.Sprintf("%s, to a %v", c.name, role), func(t *testing.T) {
				p := play12(t, "full handshake", role, StateConnected)
				for range 3 { // data starts the count anew
					for range c.limit {
						c.send(p)
					}
					p.wantData("data")
				}
				for range c.limit + 1 {
					c.send(p)
				}
				p.wantAlert(AlertUnexpectedMessage, c.text)
			})
		}
	}
}

// A declared length over the limit is refused before anything is allocated for it
// (CVE-2016-6307), whatever message is due.
func TestOversizedMessagesOfTLS12AreRefusedByTheirHeader(t *testing.T) {
	for _, n := range []int{0, 1<<24 - 1} { // 0 for one more than the limit
		eachState12(t, fmt.Sprintf("%d bytes declared", n), func(t *testing.T, o *legalOrder, role Role, i int, at State) {
			for _, typ := range at.accepts(role, tls.VersionTLS12) {
				p := o.play(t, role, i, nil)
				length := n
				if length == 0 {
					length = messageLimit(typ) + 1
				}
				p.record(record.Handshake, wire.AppendHeader(nil, typ, length), 0)
				if got := allocated(p.drive); got > 150<<10 {
					t.Errorf("%v of %d bytes made it allocate %d", typ, length, got)
				}
				p.wantAlert(AlertIllegalParameter, fmt.Sprint("is over ", messageLimit(typ)))
			}
		})
	}
}

// What a server verifies of anybody is bounded in number and in the size of keys, before
// it is verified (CVE-2023-29409, CVE-2018-16875); so it is for a client.
func TestHugeChainsInTLS12(t *testing.T) {
	ca := newTestCA(t)
	n := new(big.Int).Lsh(big.NewInt(1), maxRSABits)
	huge, err := x509.CreateCertificate(rand.Reader, ca.cert, ca.cert, &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		roles  []Role // of a client's server the suite says that the key is not RSA
		change func(*wire.Certificate12)
		text   string
	}{
		{"certificates", bothRoles, func(m *wire.Certificate12) {
			for range maxPeerCertificates {
				m.Certificates = append(slices.Clone(m.Certificates), m.Certificates[0])
			}
		}, fmt.Sprint("more than ", maxPeerCertificates)},
		{"a key", []Role{RoleServer}, func(m *wire.Certificate12) { m.Certificates = [][]byte{huge} }, "8193 bits"},
		{"an issuer's key", bothRoles, func(m *wire.Certificate12) { m.Certificates = append(slices.Clone(m.Certificates), huge) }, "8193 bits"},
	} {
		for _, role := range c.roles {
			t.Run(c.name+", to a "+role.String(), func(t *testing.T) {
				p := play12(t, "a certificate is requested and shown", role, StateExpectCertificate)
				p.certificate(c.change)
				if role == RoleClient {
					p.serverKeyExchange(nil) // behind which it verifies
				}
				p.wantAlert(AlertBadCertificate, c.text)
			})
		}
	}
}

// A ticket never gets over a trust policy, in TLS 1.2 as in TLS 1.3 (CVE-2025-23419,
// CVE-2025-68121).
func TestNoTicketOfTLS12CrossesATrustPolicy(t *testing.T) {
	cast := newCast(t)
	for name, c := range map[string]struct {
		change  func(*scene)
		resumed bool
	}{
		"nothing has changed":     {nil, true},
		"another scope":           {func(s *scene) { s.server.SessionScope = "another" }, false},
		"another protocol":        {func(s *scene) { s.server.NextProtos = []string{"h2"} }, false},
		"another policy":          {func(s *scene) { s.server.ClientAuth = tls.RequireAnyClientCert }, false},
		"no policy":               {func(s *scene) { s.server.ClientAuth = tls.NoClientCert }, false},
		"no tickets":              {func(s *scene) { s.server.SessionTicketsDisabled = true }, false},
		"other keys":              {func(s *scene) { s.server.Tickets = NewTicketKeys(testClock) }, false},
		"other clients' CAs":      {func(s *scene) { s.server.VerifyPeer = refusesResumed }, false},
		"another suite":           {func(s *scene) { s.client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384} }, false},
		"another name":            {func(s *scene) { s.client.InsecureSkipVerify, s.client.ServerName = true, "other.example" }, false},
		"another of our keys":     {func(s *scene) { s.client.Certificates = []tls.Certificate{s.clientRSA} }, false},
		"TLS 1.3":                 {only13, false},
		"a Config that is chosen": {func(s *scene) { s.choose(func(c *Config) { c.SessionScope = "of the chosen" }) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(cast)
			only12(s)
			s.remember()
			s.require()
			s.client.SessionKey = "the server"
			s.client.Certificates = []tls.Certificate{s.cast.client}
			p := s.open(t, 0)
			p.handshake()
			s.client, s.server = cloneConfig(s.client), cloneConfig(s.server)
			if c.change != nil {
				c.change(s)
			}
			p = s.open(t, 1)
			p.handshake()
			for _, side := range []*side{p.client, p.server} {
				if got := side.conn.ConnectionState().DidResume; got != c.resumed {
					t.Errorf("%s: resumed %t", side.name, got)
				}
			}
		})
	}
}

// refusesResumed is a VerifyPeer that trusts nobody's past.
func refusesResumed(peer *Peer) error {
	if peer.Resumed {
		return errors.New("the session was revoked")
	}
	return nil
}

// choose has InspectClientHello answer with a changed copy of the server's Config.
func (s *scene) choose(change func(*Config)) {
	inner := cloneConfig(s.server)
	change(inner)
	s.server.InspectClientHello = func(_ *ClientHello, answer *Completion[*Config]) { answer.Complete(inner) }
}

// A Config that takes the place of another for a client counts for the version too.
func TestConfigSwappedBehindAClientHelloChoosesTheVersion(t *testing.T) {
	cast := newCast(t)
	for _, version := range bothVersions {
		s := newScene(cast)
		s.client.MinVersion, s.client.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
		s.only(tls.VersionTLS12 + tls.VersionTLS13 - version)
		s.client.MinVersion, s.client.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
		s.choose(func(c *Config) { c.MinVersion, c.MaxVersion = version, version })
		p := s.open(t, 0)
		p.handshake()
		if got := p.client.conn.ConnectionState().Version; got != version {
			t.Errorf("%s is spoken, %s was chosen", tls.VersionName(got), tls.VersionName(version))
		}
	}
}
