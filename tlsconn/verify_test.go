package tlsconn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
)

// issueWith makes a certificate for example.org that change has had its way with.
func (ca *testCA) issueWith(t testing.TB, key crypto.PublicKey, change func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3),
		Subject:      pkix.Name{CommonName: "test leaf"},
		NotBefore:    testTime.AddDate(-1, 0, 0),
		NotAfter:     testTime.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"example.org"},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// intermediate makes a CA whose certificate ca has signed.
func (ca *testCA) intermediate(t testing.TB) *testCA {
	t.Helper()
	key := testKeys()[keyECDSA384]
	der := ca.issueWith(t, key.Public(), func(c *x509.Certificate) {
		c.Subject.CommonName = "test intermediate"
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage, c.DNSNames, c.ExtKeyUsage = x509.KeyUsageCertSign, nil, nil
	})
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &testCA{cert: cert, key: key, pool: ca.pool}
}

// showing is a server that shows chain and signs with key, whether or not that
// makes sense: GetCertificate's answer is the callee's responsibility.
func showing(key crypto.Signer, chain ...[]byte) *Config {
	cert := &tls.Certificate{Certificate: chain, PrivateKey: key}
	return &Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }}
}

// TestClientVerification shows chains to a client: what it refuses, with which
// alert, and that the server learns the same.
func TestClientVerification(t *testing.T) {
	ca := newTestCA(t)
	key := testKeys()[keyECDSA]
	leaf := ca.issueWith(t, key.Public(), func(*x509.Certificate) {})
	repeated := make([][]byte, 0, maxPeerCertificates+1)
	for range maxPeerCertificates + 1 {
		repeated = append(repeated, leaf)
	}
	middle := ca.intermediate(t)
	below := middle.issueWith(t, key.Public(), func(*x509.Certificate) {})
	addresses := ca.issueWith(t, key.Public(), func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	})
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const fine = Alert(255)
	name := func(n string) func(*Config) { return func(c *Config) { c.ServerName = n } }

	for _, tt := range []struct {
		name   string
		server *Config
		client func(*Config)
		want   Alert
		reason string
	}{
		{"a good one", showing(key, leaf), nil, fine, ""},
		{"the name in another case", showing(key, leaf), name("EXAMPLE.org"), fine, ""},
		{"the name with the dot of the root", showing(key, leaf), name("example.org."), fine, ""},
		{"another name", showing(key, leaf), name("example.net"), AlertBadCertificate, "example.net"},
		{"a name below", showing(key, leaf), name("www.example.org"), AlertBadCertificate, "www.example.org"},
		{"an address of a certificate for a name", showing(key, leaf), name("127.0.0.1"), AlertBadCertificate, "127.0.0.1"},
		{"an IPv4 address", showing(key, addresses), name("127.0.0.1"), fine, ""},
		{"another IPv4 address", showing(key, addresses), name("127.0.0.2"), AlertBadCertificate, "127.0.0.2"},
		{"an IPv6 address", showing(key, addresses), name("::1"), fine, ""},
		{"an IPv6 address in brackets", showing(key, addresses), name("[::1]"), fine, ""},
		{"an IPv6 address written out", showing(key, addresses), name("0:0:0:0:0:0:0:1"), fine, ""},
		{"another IPv6 address", showing(key, addresses), name("::2"), AlertBadCertificate, "::2"},
		{"a name of a certificate for addresses", showing(key, addresses), nil, AlertBadCertificate, "example.org"},
		{"no root that we trust", showing(key, leaf), func(c *Config) { c.RootCAs = x509.NewCertPool() }, AlertUnknownCA, "unknown authority"},
		{"an expired one", showing(key, ca.issueWith(t, key.Public(), func(c *x509.Certificate) { c.NotAfter = testTime.AddDate(0, 0, -1) })), nil, AlertCertificateExpired, "expired"},
		{"one that is not valid yet", showing(key, ca.issueWith(t, key.Public(), func(c *x509.Certificate) { c.NotBefore = testTime.AddDate(0, 0, 1) })), nil, AlertCertificateExpired, "not yet valid"},
		{"one for clients", showing(key, ca.issueWith(t, key.Public(), func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})), nil, AlertBadCertificate, "key usage"},
		{"one that is none", showing(key, []byte("not a certificate")), nil, AlertDecodeError, "entry 0"},
		{"a chain whose second is none", showing(key, leaf, []byte("not a certificate")), nil, AlertDecodeError, "entry 1"},
		{"an intermediate", showing(key, below, middle.cert.Raw), nil, fine, ""},
		{"an intermediate that is missing", showing(key, below), nil, AlertUnknownCA, ""},
		{"a chain with the root", showing(key, below, middle.cert.Raw, ca.cert.Raw), nil, fine, ""},
		{"a chain in disorder", showing(key, below, ca.cert.Raw, leaf, middle.cert.Raw), nil, fine, ""},
		{"as many certificates as allowed", showing(key, repeated[1:]...), nil, fine, ""},
		{"too many certificates", showing(key, repeated...), nil, AlertBadCertificate, fmt.Sprint(maxPeerCertificates)},
		{"too large an RSA key", showing(publicOnly{rsaOfBits(8200)}, ca.issueWith(t, rsaOfBits(8200), func(*x509.Certificate) {})), nil, AlertBadCertificate, "8200"},
		{"too large an RSA key up the chain", showing(key, leaf, ca.issueWith(t, rsaOfBits(8200), func(*x509.Certificate) {})), nil, AlertBadCertificate, "entry 1"},
		{"too large an RSA key without verification", showing(publicOnly{rsaOfBits(8200)}, ca.issueWith(t, rsaOfBits(8200), func(*x509.Certificate) {})),
			func(c *Config) { c.InsecureSkipVerify = true }, AlertBadCertificate, "8200"},
		{"a key that TLS 1.3 has no signature for", showing(key, ca.issueWith(t, &p224.PublicKey, func(*x509.Certificate) {})), nil, AlertUnsupportedCertificate, "P-224"},
		{"somebody else's certificate", showing(otherKey, leaf), nil, AlertDecryptError, "signature"},
		{"somebody else's certificate without verification", showing(otherKey, leaf), func(c *Config) { c.InsecureSkipVerify = true }, AlertDecryptError, "signature"},
		{"a signature of another kind than the key", showing(testKeys()[keyRSA], leaf), nil, AlertIllegalParameter, "does not fit"},
		{"anything without verification", showing(key, leaf), func(c *Config) {
			c.InsecureSkipVerify, c.ServerName, c.RootCAs = true, "example.net", nil
		}, fine, ""},
		{"without verification or a name", showing(key, leaf), func(c *Config) { c.InsecureSkipVerify, c.ServerName = true, "" }, fine, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := clientFor(ca)
			if tt.client != nil {
				tt.client(client)
			}
			p := newPair(t, client, tt.server)
			if tt.want == fine {
				p.handshake()
				st := p.client.conn.ConnectionState()
				if len(st.PeerCertificates) == 0 || (st.VerifiedChains == nil) != client.InsecureSkipVerify {
					t.Errorf("%d peer certificates, %d verified chains", len(st.PeerCertificates), len(st.VerifiedChains))
				}
				return
			}
			clientErr, serverErr := p.failHandshake()
			wantAlert(t, "client", clientErr, tt.want)
			wantPeerAlert(t, "server", serverErr, tt.want)
			if !strings.Contains(clientErr.Error(), tt.reason) {
				t.Errorf("%q does not tell %q", clientErr, tt.reason)
			}
			if st := p.client.conn.ConnectionState(); st.PeerCertificates != nil || st.HandshakeComplete {
				t.Error("a refused peer shows in ConnectionState")
			}
		})
	}
}

// RFC 6066 3: "Literal IPv4 and IPv6 addresses are not permitted in HostName",
// and the name is sent "without a trailing dot".
func TestServerNameThatIsSent(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	for name, want := range map[string]string{
		"example.org": "example.org", "example.org.": "example.org", "EXAMPLE.org": "EXAMPLE.org",
		"127.0.0.1": "", "::1": "", "[::1]": "", "fe80::1%eth0": "", "1.2.3.4.example": "1.2.3.4.example",
	} {
		client := clientFor(ca)
		client.ServerName, client.InsecureSkipVerify = name, true
		p := newPair(t, client, serverFor(cert))
		p.handshake()
		for _, s := range []*side{p.client, p.server} {
			if got := s.conn.ConnectionState().ServerName; got != want {
				t.Errorf("ServerName %q: %s has %q", name, s.name, got)
			}
		}
	}
}

func TestVerifyPeer(t *testing.T) {
	ca := newTestCA(t)
	refusal := errors.New("not on the list")
	for _, tt := range []struct {
		name     string
		insecure bool
		err      error
		want     Alert
	}{
		{"accepts", false, nil, 0},
		{"accepts in place of the verification", true, nil, 0},
		{"refuses", false, refusal, AlertBadCertificate},
		{"refuses in place of the verification", true, refusal, AlertBadCertificate},
		{"refuses with an alert", false, &LocalAlertError{Alert: AlertCertificateRevoked, Err: refusal}, AlertCertificateRevoked},
		{"refuses with an alert that nobody filled in", false, &LocalAlertError{Err: refusal}, AlertBadCertificate},
		{"refuses with a wrapped alert", false, fmt.Errorf("policy: %w", &LocalAlertError{Alert: AlertAccessDenied, Err: refusal}), AlertAccessDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := clientFor(ca)
			if client.InsecureSkipVerify = tt.insecure; tt.insecure {
				client.ServerName, client.RootCAs = "example.net", x509.NewCertPool()
			}
			var seen []*x509.Certificate
			client.VerifyPeer = func(peer *Peer) error { seen = peer.Certificates; return tt.err }
			p := newPair(t, client, serverFor(ca.issue(t, keyECDSA, "example.org")))
			if tt.err == nil {
				p.handshake()
			} else {
				clientErr, serverErr := p.failHandshake()
				wantAlert(t, "client", clientErr, tt.want)
				wantPeerAlert(t, "server", serverErr, tt.want)
				if !errors.Is(clientErr, refusal) {
					t.Errorf("%v does not tell the reason", clientErr)
				}
			}
			if len(seen) != 1 || seen[0].DNSNames[0] != "example.org" {
				t.Errorf("VerifyPeer saw %d certificates", len(seen))
			}
		})
	}
}

func TestVerifyPeerIsNotAskedAboutARefusedChain(t *testing.T) {
	ca := newTestCA(t)
	client := clientFor(ca)
	client.ServerName = "example.net"
	client.VerifyPeer = func(*Peer) error { t.Error("asked"); return nil }
	p := newPair(t, client, serverFor(ca.issue(t, keyECDSA, "example.org")))
	clientErr, _ := p.failHandshake()
	wantAlert(t, "client", clientErr, AlertBadCertificate)
}
