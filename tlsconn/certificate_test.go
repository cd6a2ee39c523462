package tlsconn

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"testing"
)

// TestCertificateChoice asks for names and accepts signatures as clients do.
func TestCertificateChoice(t *testing.T) {
	ca := newTestCA(t)
	restricted := ca.issue(t, keyRSA, "restricted.example")
	restricted.SupportedSignatureAlgorithms = []tls.SignatureScheme{tls.PSSWithSHA512, tls.PKCS1WithSHA256}
	config := serverFor(
		ca.issue(t, keyECDSA, "first.example", "two-keys.example"), // 0
		ca.issue(t, keyRSA, "two-keys.example"),                    // 1
		ca.issue(t, keyEd25519, "*.wild.example"),                  // 2
		ca.issue(t, keyECDSA384, "exact.wild.example"),             // 3
		ca.issue(t, keyECDSA521, "UPPER.example"),                  // 4
		restricted, // 5
	)
	p, err := config.prepare()
	if err != nil {
		t.Fatal(err)
	}
	all := knownSchemes(offeredSchemes)
	only := func(s ...tls.SignatureScheme) []tls.SignatureScheme { return s }
	for _, tt := range []struct {
		name     string
		asked    string
		accepted []tls.SignatureScheme
		want     int // index in Certificates, -1 for none
		scheme   tls.SignatureScheme
	}{
		{"an exact name", "first.example", all, 0, tls.ECDSAWithP256AndSHA256},
		{"another case", "First.EXAMPLE", all, 0, tls.ECDSAWithP256AndSHA256},
		{"a certificate's name in upper case", "upper.example", all, 4, tls.ECDSAWithP521AndSHA512},
		{"the dot of the root", "first.example.", all, 0, tls.ECDSAWithP256AndSHA256},
		{"a wildcard", "any.wild.example", all, 2, tls.Ed25519},
		{"a wildcard in another case", "ANY.Wild.example.", all, 2, tls.Ed25519},
		{"an exact name wins over a wildcard", "exact.wild.example", all, 3, tls.ECDSAWithP384AndSHA384},
		{"a wildcard when the exact one cannot sign", "exact.wild.example", only(tls.Ed25519), 2, tls.Ed25519},
		{"a wildcard stands for one label alone", "two.labels.wild.example", all, 0, tls.ECDSAWithP256AndSHA256},
		{"a wildcard needs a label", "wild.example", all, 0, tls.ECDSAWithP256AndSHA256},
		{"no name asked for", "", all, 0, tls.ECDSAWithP256AndSHA256},
		{"an unknown name", "unknown.example", all, 0, tls.ECDSAWithP256AndSHA256},
		{"an unknown name of a client that only has RSA", "unknown.example", only(tls.PSSWithSHA384), 1, tls.PSSWithSHA384},
		{"two keys for one name: the first that can sign", "two-keys.example", all, 0, tls.ECDSAWithP256AndSHA256},
		{"two keys for one name, the client only has RSA", "two-keys.example", only(tls.PSSWithSHA256), 1, tls.PSSWithSHA256},
		{"the key's preference decides, not the client's", "two-keys.example", only(tls.PSSWithSHA512, tls.PSSWithSHA384), 1, tls.PSSWithSHA384},
		{"a certificate that restricts its algorithms", "restricted.example", all, 5, tls.PSSWithSHA512},
		{"and a client that has none of them", "restricted.example", only(tls.PSSWithSHA256), 1, tls.PSSWithSHA256},
		{"PKCS #1 does not sign handshakes", "first.example", only(tls.PKCS1WithSHA256, tls.PKCS1WithSHA512), -1, 0},
		{"nothing accepted", "first.example", nil, -1, 0},
		{"a name of dots", "...", all, 0, tls.ECDSAWithP256AndSHA256},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, scheme, _, _ := p.choose(tt.asked, func(c *certificate) (tls.SignatureScheme, bool) { return c.scheme(tt.accepted) }, nil)
			if got := slices.Index(p.certificates, cert); got != tt.want || scheme != tt.scheme {
				t.Errorf("certificate %d with %v, want %d with %v", got, scheme, tt.want, tt.scheme)
			}
		})
	}
}

// The same choice, as seen by a client.
func TestCertificateChoiceOnTheWire(t *testing.T) {
	ca := newTestCA(t)
	server := serverFor(ca.issue(t, keyECDSA, "a.example"), ca.issue(t, keyRSA, "b.example"), ca.issue(t, keyEd25519, "*.c.example"))
	for name, scheme := range map[string]tls.SignatureScheme{
		"a.example": tls.ECDSAWithP256AndSHA256, "b.example": tls.PSSWithSHA256, "x.c.example": tls.Ed25519, "B.Example.": tls.PSSWithSHA256,
	} {
		client := clientFor(ca)
		client.ServerName = name
		p := newPair(t, client, server)
		p.handshake()
		for _, s := range []*side{p.client, p.server} {
			if got := s.conn.ConnectionState().SignatureScheme; got != scheme {
				t.Errorf("%s: %s: signed with %v", name, s.name, got)
			}
		}
	}
}

func TestGetCertificate(t *testing.T) {
	ca := newTestCA(t)
	fallback := ca.issue(t, keyECDSA, "example.org")
	other := ca.issue(t, keyRSA, "example.org")
	reason := errors.New("the ACME server is down")
	for _, tt := range []struct {
		name   string
		certs  []tls.Certificate
		cert   *tls.Certificate
		err    error
		scheme tls.SignatureScheme
		alert  Alert // of a refusal
	}{
		{"answers", nil, &other, nil, tls.PSSWithSHA256, 0},
		{"is asked before Certificates", []tls.Certificate{fallback}, &other, nil, tls.PSSWithSHA256, 0},
		{"falls back to Certificates", []tls.Certificate{fallback}, nil, nil, tls.ECDSAWithP256AndSHA256, 0},
		{"has nothing to fall back to", nil, nil, nil, 0, AlertUnrecognizedName},
		{"fails", []tls.Certificate{fallback}, nil, reason, 0, AlertInternalError},
		{"answers without a key", nil, &tls.Certificate{Certificate: other.Certificate}, nil, 0, AlertInternalError},
		{"answers with an algorithm that the client does not have", nil, &tls.Certificate{
			Certificate: other.Certificate, PrivateKey: publicOnly{rsaOfBits(2048)},
			SupportedSignatureAlgorithms: []tls.SignatureScheme{tls.PKCS1WithSHA1},
		}, nil, 0, AlertInternalError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			server := serverFor(tt.certs...)
			server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { asked++; return tt.cert, tt.err }
			p := newPair(t, clientFor(ca), server)
			if tt.scheme != 0 {
				p.handshake()
				if got := p.client.conn.ConnectionState().SignatureScheme; got != tt.scheme {
					t.Errorf("signed with %v", got)
				}
			} else {
				clientErr, serverErr := p.failHandshake()
				wantAlert(t, "server", serverErr, tt.alert)
				wantPeerAlert(t, "client", clientErr, tt.alert)
				if tt.err != nil && !errors.Is(serverErr, tt.err) {
					t.Errorf("%v does not tell the reason", serverErr)
				}
			}
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// addressed is a transport that knows its addresses.
type addressed struct{ Transport }

func (addressed) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443} }
func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv6loopback, Port: 50000} }

// What GetCertificate learns is what autocert and its kin look at, and theirs to
// keep.
func TestClientHelloInfo(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	var info *tls.ClientHelloInfo
	var supports error
	server := &Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}
	server.GetCertificate = func(i *tls.ClientHelloInfo) (*tls.Certificate, error) {
		info, supports = i, i.SupportsCertificate(&cert)
		return &cert, nil
	}
	client := clientFor(ca)
	client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	p := newPair(t, client, server)
	p.server.conn.transport = addressed{p.server.tr}
	p.handshake()
	if supports != nil {
		t.Errorf("SupportsCertificate: %v", supports)
	}
	if info.ServerName != "example.org" || !info.HelloRetryRequest ||
		!slices.Equal(info.SupportedProtos, []string{"h2", "http/1.1"}) ||
		!slices.Equal(info.SupportedVersions, []uint16{tls.VersionTLS13, tls.VersionTLS12}) ||
		!slices.Equal(info.SupportedCurves, client.CurvePreferences) ||
		len(info.CipherSuites) != len(allSuites)+len(allSuites12) || len(info.SignatureSchemes) != len(offeredSchemes) || len(info.Extensions) == 0 {
		t.Errorf("%+v", info)
	}
	if info.Conn.LocalAddr().String() != "192.0.2.1:443" || info.Conn.RemoteAddr().String() != "[::1]:50000" {
		t.Errorf("from %v to %v", info.Conn.RemoteAddr(), info.Conn.LocalAddr())
	}
	if n, err := info.Conn.Write([]byte("x")); n != 0 || err == nil {
		t.Error("a callback can write to the transport")
	}

	p = newPair(t, clientFor(ca), server)
	p.handshake()
	if info.Conn.RemoteAddr() == nil || info.Conn.LocalAddr() == nil {
		t.Error("a transport without addresses makes nil ones")
	}
}

// A certificate's whole chain is shown as it was configured.
func TestChainIsShownAsConfigured(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	cert.Certificate = append(cert.Certificate, ca.cert.Raw)
	p := newPair(t, clientFor(ca), serverFor(cert))
	p.handshake()
	got := p.client.conn.ConnectionState().PeerCertificates
	if len(got) != 2 || !got[1].Equal(ca.cert) {
		t.Errorf("%d certificates", len(got))
	}
}

// What is compared for each certificate does not grow with the peer's list: a
// ClientHello has room for ten thousand names, and a server may have a thousand
// certificates.
func TestAuthoritiesThatIssuedNothing(t *testing.T) {
	ca := newTestCA(t)
	p, err := serverFor(ca.issue(t, keyECDSA, "one.example"), ca.issue(t, keyRSA, "two.example")).prepare()
	if err != nil {
		t.Fatal(err)
	}
	authorities := [][]byte{nil}
	for i := range 10_000 {
		authorities = append(authorities, []byte{byte(i), byte(i >> 8), 0})
		if i%100 == 0 {
			authorities = append(authorities, ca.cert.RawSubject)
		}
	}
	if known := p.knownIssuers(authorities); len(known) != 1 || string(known[0]) != string(ca.cert.RawSubject) {
		t.Errorf("%d names of 10100 are compared", len(known))
	}
	none := func(*certificate) (tls.SignatureScheme, bool) { return 0, false }
	if _, _, _, err := p.choose("", none, authorities); err != errNoScheme {
		t.Error(err)
	}
}
