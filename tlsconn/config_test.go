package tlsconn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An unusable Config is refused with the name of the field, by Validate and by
// the first call of a connection, which then sends nothing.
func TestConfigErrorsNameTheField(t *testing.T) {
	ca := newTestCA(t)
	good := ca.issue(t, keyECDSA, "example.org")
	with := func(change func(*tls.Certificate)) *Config {
		bad := good
		change(&bad)
		return serverFor(good, bad)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		role   Role
		config *Config
		want   []string // parts of the message
	}{
		{"a server without certificates", RoleServer, &Config{}, []string{"Certificates, GetCertificate or ChooseCertificate"}},
		{"a client without a name", RoleClient, &Config{}, []string{"ServerName or InsecureSkipVerify"}},
		{"a name that is too long", RoleClient, &Config{ServerName: strings.Repeat("a", 256)}, []string{"ServerName"}},
		{"no groups", RoleClient, &Config{ServerName: "x", CurvePreferences: []tls.CurveID{}}, []string{"CurvePreferences"}},
		{"an unknown group", RoleClient, &Config{ServerName: "x", CurvePreferences: []tls.CurveID{tls.X25519, 4588 + 1}}, []string{"CurvePreferences[1]"}},
		{"no group of TLS 1.2 alone", RoleServer, &Config{MaxVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, MLKEM1024}}, []string{"CurvePreferences", "TLS 1.2"}},
		{"a group twice", RoleClient, &Config{ServerName: "x", CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.X25519}}, []string{"CurvePreferences[2]", "twice"}},
		{"no suites", RoleClient, &Config{ServerName: "x", CipherSuites: []uint16{}}, []string{"CipherSuites"}},
		{"a suite without forward secrecy", RoleClient, &Config{ServerName: "x", CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, []string{"CipherSuites[1]", "TLS_RSA_WITH_AES_128_GCM_SHA256"}},
		{"a version that is not spoken", RoleClient, &Config{ServerName: "x", MinVersion: tls.VersionTLS11}, []string{"MinVersion", "TLS 1.1"}},
		{"versions the wrong way round", RoleClient, &Config{ServerName: "x", MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS12}, []string{"MinVersion", "MaxVersion"}},
		{"a suite twice", RoleClient, &Config{ServerName: "x", CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_128_GCM_SHA256}}, []string{"CipherSuites[1]", "twice"}},
		{"an empty protocol", RoleClient, &Config{ServerName: "x", NextProtos: []string{"h2", ""}}, []string{"NextProtos[1]"}},
		{"a protocol that is too long", RoleClient, &Config{ServerName: "x", NextProtos: []string{strings.Repeat("p", 256)}}, []string{"NextProtos[0]", "256"}},
		{"protocols that are too long together", RoleClient, &Config{ServerName: "x", NextProtos: slices.Repeat([]string{"proto"}, 5000)}, []string{"NextProtos", "30000"}},
		{"a certificate without a chain", RoleServer, with(func(c *tls.Certificate) { c.Certificate = nil }), []string{"Certificates[1]"}},
		{"a certificate that is none", RoleServer, with(func(c *tls.Certificate) { c.Certificate = [][]byte{[]byte("none")} }), []string{"Certificates[1]", "leaf"}},
		{"an empty certificate in a chain", RoleServer, with(func(c *tls.Certificate) { c.Certificate = [][]byte{c.Certificate[0], {}} }), []string{"Certificates[1]"}},
		{"no private key", RoleServer, with(func(c *tls.Certificate) { c.PrivateKey = nil }), []string{"Certificates[1]", "private key"}},
		{"a private key that cannot sign", RoleServer, with(func(c *tls.Certificate) { c.PrivateKey = "secret" }), []string{"Certificates[1]", "string"}},
		{"the key of another certificate", RoleServer, with(func(c *tls.Certificate) { c.PrivateKey = testKeys()[keyECDSA384] }), []string{"Certificates[1]", "does not belong"}},
		{"a key on a curve that TLS 1.3 does not sign with", RoleServer, with(func(c *tls.Certificate) { c.PrivateKey = p224 }), []string{"Certificates[1]", "P-224"}},
		{"a key share of a group that is not enabled", RoleClient, &Config{ServerName: "x", CurvePreferences: []tls.CurveID{tls.X25519}, KeyShares: []tls.CurveID{tls.CurveP256}}, []string{"KeyShares[0]", "not enabled"}},
		{"a key share twice", RoleClient, &Config{ServerName: "x", KeyShares: []tls.CurveID{tls.X25519, tls.X25519}}, []string{"KeyShares[1]", "twice"}},
		{"no signature schemes", RoleClient, &Config{ServerName: "x", SignatureSchemes: []tls.SignatureScheme{}}, []string{"SignatureSchemes"}},
		{"an unknown signature scheme", RoleClient, &Config{ServerName: "x", SignatureSchemes: []tls.SignatureScheme{tls.Ed25519, tls.PKCS1WithSHA1}}, []string{"SignatureSchemes[1]", "not supported"}},
		{"a fragment that is too small", RoleClient, &Config{ServerName: "x", MaxFragment: 62}, []string{"MaxFragment 62", "63"}},
		{"a fragment that is too large", RoleClient, &Config{ServerName: "x", MaxFragment: 16385}, []string{"MaxFragment 16385"}},
		{"certificates beyond the limit", RoleClient, &Config{ServerName: "x", MaxCertificateBytes: 256<<10 + 1}, []string{"MaxCertificateBytes"}},
		{"too many tickets", RoleServer, &Config{TicketCount: 9}, []string{"TicketCount 9"}},
		{"tickets for longer than a week", RoleServer, &Config{TicketLifetime: 7*24*time.Hour + time.Second}, []string{"TicketLifetime", "168h"}},
		{"tickets for a part of a second", RoleServer, &Config{TicketLifetime: 1500 * time.Millisecond}, []string{"TicketLifetime", "whole seconds"}},
		{"a scope that is too long", RoleServer, &Config{SessionScope: strings.Repeat("s", 256)}, []string{"SessionScope"}},
		{"an unknown policy for clients", RoleServer, &Config{ClientAuth: tls.RequireAndVerifyClientCert + 1}, []string{"ClientAuth"}},
		{"a certificate bound to issuers without a key", RoleServer, &Config{IssuerBound: []tls.Certificate{{Certificate: good.Certificate}}}, []string{"IssuerBound[0]", "private key"}},
		{"verification of clients without roots", RoleServer, &Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.VerifyClientCertIfGiven}, []string{"ClientAuth", "ClientCAs"}},
		{"an RSA key that is too small", RoleServer, with(func(c *tls.Certificate) { c.PrivateKey = publicOnly{rsaOfBits(512)} }), []string{"Certificates[1]", "512 bits"}},
		{"a key of a kind that we do not know", RoleServer, with(func(c *tls.Certificate) { c.PrivateKey = publicOnly{"a key"} }), []string{"Certificates[1]", "string"}},
		{"no signature algorithm left", RoleServer, with(func(c *tls.Certificate) {
			c.SupportedSignatureAlgorithms = []tls.SignatureScheme{tls.PSSWithSHA256}
		}), []string{"Certificates[1]", "SupportedSignatureAlgorithms"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.config.Validate(tt.role)
			if err == nil {
				t.Fatal("is accepted")
			}
			for _, part := range append(tt.want, "tlsconn: config: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not tell %q", err, part)
				}
			}
			tr := &testTransport{in: new(stream), out: new(stream), quota: -1}
			c := Server(tr, tt.config)
			if tt.role == RoleClient {
				c = Client(tr, tt.config)
			}
			first := c.Handshake()
			if first == nil || first.Error() != err.Error() || len(tr.out.bytes) != 0 {
				t.Errorf("Handshake = %v after %d bytes", first, len(tr.out.bytes))
			}
			for name, call := range c.verbs() {
				if got := call(); name != "Close" && name != "Flush" && got != first && got != ErrClosed {
					t.Errorf("%s = %v", name, got)
				}
			}
		})
	}
}

// publicOnly is a signer of which only the public key counts.
type publicOnly struct{ crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.PublicKey }
func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return []byte("no signature"), nil
}

// rsaOfBits is a public key of the given size that nobody knows the factors of.
func rsaOfBits(bits uint) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
}

func TestConfigOfOneRoleMayLackTheOthers(t *testing.T) {
	ca := newTestCA(t)
	if err := (&Config{Certificates: []tls.Certificate{ca.issue(t, keyECDSA)}}).Validate(RoleServer); err != nil {
		t.Error(err)
	}
	if err := (&Config{InsecureSkipVerify: true}).Validate(RoleClient); err != nil {
		t.Error(err)
	}
	if err := (&Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}).Validate(RoleServer); err != nil {
		t.Error(err)
	}
}

// A Config is derived from once: what the caller does with its lists later
// changes nothing, and any number of goroutines may use it.
func TestConfigIsDerivedOnce(t *testing.T) {
	ca := newTestCA(t)
	client, server := clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org"))
	groups := []tls.CurveID{tls.CurveP256}
	suites := []uint16{tls.TLS_CHACHA20_POLY1305_SHA256}
	server.CurvePreferences, server.CipherSuites = groups, suites
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p := quietPair(t, client, server)
			p.handshake()
			if st := p.client.conn.ConnectionState(); st.Group != tls.CurveP256 || st.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
				t.Errorf("group %v, suite %#04x", st.Group, st.CipherSuite)
			}
		})
	}
	wg.Wait()
	groups[0], suites[0] = tls.CurveP384, tls.TLS_AES_128_GCM_SHA256
	p := newPair(t, client, server)
	p.handshake()
	if st := p.client.conn.ConnectionState(); st.Group != tls.CurveP256 || st.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		t.Errorf("after a change of the lists: group %v, suite %#04x", st.Group, st.CipherSuite)
	}
}

// quietPair is a pair for a goroutine of its own: with the system's randomness,
// which newPair replaces for the whole test.
func quietPair(t *testing.T, client, server *Config) *pair {
	return newPair(struct{ testing.TB }{t}, client, server)
}

func TestSuitePreference(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	const aes128, aes256, chacha = tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256
	for _, tt := range []struct {
		name           string
		client, server []uint16
		want           uint16
	}{
		{"the server's order counts", []uint16{aes128, aes256}, []uint16{aes256, aes128}, aes256},
		{"a client without AES hardware gets its wish", []uint16{chacha, aes128}, nil, chacha},
		{"but not from a server that has fixed its order", []uint16{chacha, aes128}, []uint16{aes128, chacha}, aes128},
		{"one in common", []uint16{aes128, chacha}, []uint16{aes256, chacha}, chacha},
		{"GREASE and others first are looked over", []uint16{aes256}, nil, aes256},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := clientFor(ca), serverFor(cert)
			client.CipherSuites, server.CipherSuites = tt.client, tt.server
			p := newPair(t, client, server)
			p.handshake()
			for _, s := range []*side{p.client, p.server} {
				if got := s.conn.ConnectionState().CipherSuite; got != tt.want {
					t.Errorf("%s: %s", s.name, tls.CipherSuiteName(got))
				}
			}
		})
	}
	p, _ := (&Config{}).prepare()
	if s := p.selectSuite(p.suites, []uint16{0x0a0a, chacha, aes128}, anySuite); s.id != chacha {
		t.Errorf("behind GREASE: %s", tls.CipherSuiteName(s.id))
	}
}

func TestGroupPreference(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	for _, tt := range []struct {
		name           string
		client, server []tls.CurveID
		want           tls.CurveID
		retried        bool
	}{
		{"both have all: the hybrid", nil, nil, tls.X25519MLKEM768, false},
		{"the hybrid's X25519 share serves a server without it", nil, []tls.CurveID{tls.X25519}, tls.X25519, false},
		{"a group without a share takes another hello", nil, []tls.CurveID{tls.CurveP521}, tls.CurveP521, true},
		{"the best group in common is asked for if there is no share of it", []tls.CurveID{tls.CurveP256, tls.X25519}, []tls.CurveID{tls.X25519, tls.CurveP256}, tls.X25519, true},
		{"the hybrid by another hello", []tls.CurveID{tls.CurveP256, tls.X25519MLKEM768}, []tls.CurveID{tls.X25519MLKEM768}, tls.X25519MLKEM768, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := clientFor(ca), serverFor(cert)
			client.CurvePreferences, server.CurvePreferences = tt.client, tt.server
			p := newPair(t, client, server)
			p.handshake()
			for _, s := range []*side{p.client, p.server} {
				if st := s.conn.ConnectionState(); st.Group != tt.want || st.HelloRetryRequest != tt.retried {
					t.Errorf("%s: group %v, retried %v", s.name, st.Group, st.HelloRetryRequest)
				}
			}
		})
	}
}

func TestNothingInCommon(t *testing.T) {
	ca := newTestCA(t)
	for _, tt := range []struct {
		name   string
		change func(client, server *Config)
		want   Alert
	}{
		{"no suite", func(c, s *Config) {
			c.CipherSuites, s.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256}, []uint16{tls.TLS_AES_256_GCM_SHA384}
		}, AlertHandshakeFailure},
		{"no group", func(c, s *Config) {
			c.CurvePreferences, s.CurvePreferences = []tls.CurveID{tls.X25519}, []tls.CurveID{tls.CurveP256}
		}, AlertHandshakeFailure},
		{"no application protocol", func(c, s *Config) { c.NextProtos, s.NextProtos = []string{"h2"}, []string{"mqtt"} }, AlertNoApplicationProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org"))
			tt.change(client, server)
			p := newPair(t, client, server)
			clientErr, serverErr := p.failHandshake()
			wantAlert(t, "server", serverErr, tt.want)
			wantPeerAlert(t, "client", clientErr, tt.want)
		})
	}
}

func TestApplicationProtocol(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	for _, tt := range []struct {
		name           string
		client, server []string
		want           string
	}{
		{"the server's order counts", []string{"http/1.1", "h2"}, []string{"h2", "http/1.1"}, "h2"},
		{"the client offers none", nil, []string{"h2"}, ""},
		{"the server has none", []string{"h2"}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := clientFor(ca), serverFor(cert)
			client.NextProtos, server.NextProtos = tt.client, tt.server
			p := newPair(t, client, server)
			p.handshake()
			for _, s := range []*side{p.client, p.server} {
				if got := s.conn.ConnectionState().NegotiatedProtocol; got != tt.want {
					t.Errorf("%s: %q", s.name, got)
				}
			}
		})
	}
}

// failingLog is a key log on a full disk.
type failingLog struct{ err error }

func (f failingLog) Write([]byte) (int, error) { return 0, f.err }

func TestKeyLogThatCannotBeWrittenFailsTheHandshake(t *testing.T) {
	ca := newTestCA(t)
	server := serverFor(ca.issue(t, keyECDSA, "example.org"))
	server.KeyLogWriter = failingLog{os.ErrClosed}
	p := newPair(t, clientFor(ca), server)
	clientErr, serverErr := p.failHandshake()
	wantAlert(t, "server", serverErr, AlertInternalError)
	wantPeerAlert(t, "client", clientErr, AlertInternalError)
}

// In the FIPS-only mode the standard library refuses AES-GCM with our nonces in
// the middle of a handshake: the engine says so at the start.
func TestFIPSOnlyModeIsRefusedAtTheStart(t *testing.T) {
	const inner = "TLSREACTOR_TEST_FIPS_ONLY"
	if os.Getenv(inner) != "" {
		err := (&Config{InsecureSkipVerify: true}).Validate(RoleClient)
		if err == nil || !strings.Contains(err.Error(), "fips140=only") {
			t.Fatalf("Validate = %v", err)
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSOnlyModeIsRefusedAtTheStart$", "-test.v")
	cmd.Env = append(os.Environ(), inner+"=1", "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// What no single field forbids, but does not fit into a message, fails the first
// call rather than to leave the peer without one.
func TestHelloThatCannotBeEncodedFails(t *testing.T) {
	client := &Config{ServerName: "example.org"}
	for i := range 300 {
		client.NextProtos = append(client.NextProtos, fmt.Sprintf("%0255d", i))
	}
	tr := &testTransport{in: new(stream), out: new(stream), quota: -1}
	if err := Client(tr, client).Handshake(); err == nil || isWant(err) {
		t.Fatalf("Handshake = %v after %d bytes", err, len(tr.out.bytes))
	}
}

func TestConfigListsAreAllThatWeHave(t *testing.T) {
	for _, s := range allSuites {
		if !slices.Contains(byHardware(allSuites), s) {
			t.Errorf("%s is not enabled by default", tls.CipherSuiteName(s.id))
		}
	}
}
