package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
)

// firstRecord returns the handshake message in the first record from c.
func firstRecord(t *testing.T, c net.Conn) []byte {
	t.Helper()
	header := make([]byte, 5)
	if _, err := io.ReadFull(c, header); err != nil {
		t.Fatal(err)
	}
	fragment := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(c, fragment); err != nil {
		t.Fatal(err)
	}
	return fragment
}

// captureClientHello returns what a crypto/tls client sends first.
func captureClientHello(t *testing.T, config *tls.Config) []byte {
	t.Helper()
	clientEnd, serverEnd := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(clientEnd, config).Handshake() // ends with the pipe
	}()
	hello := firstRecord(t, serverEnd)
	serverEnd.Close()
	<-done
	return hello
}

func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"server.example"},
		NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)} // no session outlives its certificate
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestClientHellosOfCryptoTLSAreDecoded(t *testing.T) {
	for _, c := range []struct {
		name   string
		config *tls.Config
		check  func(*ClientHello) bool
	}{
		{"by default", &tls.Config{}, func(m *ClientHello) bool {
			return slices.Contains(m.SupportedVersions, tls.VersionTLS13) && len(m.KeyShares) > 0 &&
				m.Has(ExtExtendedMasterSecret) && m.Has(ExtStatusRequest) && m.Has(ExtRenegotiationInfo)
		}},
		{"TLS 1.3 alone", &tls.Config{MinVersion: tls.VersionTLS13}, func(m *ClientHello) bool {
			return slices.Equal(m.SupportedVersions, []uint16{tls.VersionTLS13}) && len(m.SessionID) == 32
		}},
		{"TLS 1.2 alone", &tls.Config{MaxVersion: tls.VersionTLS12}, func(m *ClientHello) bool {
			return !m.Has(ExtKeyShare) && m.Has(ExtECPointFormats)
		}},
		{"P-384 alone", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}, func(m *ClientHello) bool {
			return slices.Equal(m.SupportedGroups, []uint16{uint16(tls.CurveP384)}) && len(m.KeyShares) == 1 &&
				m.KeyShares[0].Group == uint16(tls.CurveP384) && len(m.KeyShares[0].KeyExchange) == 97
		}},
		{"a name and protocols", &tls.Config{ServerName: "server.example", NextProtos: []string{"h2", "http/1.1"}}, func(m *ClientHello) bool {
			return string(m.ServerName) == "server.example" && len(m.ALPN) == 2 && string(m.ALPN[1]) == "http/1.1"
		}},
		{"a session cache", &tls.Config{ServerName: "server.example", ClientSessionCache: tls.NewLRUClientSessionCache(1)}, func(m *ClientHello) bool {
			return m.Has(ExtSessionTicket) && len(m.SessionTicket) == 0 && slices.Equal(m.PSKModes, []byte{1})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := c.config.Clone()
			config.InsecureSkipVerify = true
			var m ClientHello
			if err := m.Unmarshal(body(t, TypeClientHello, captureClientHello(t, config))); err != nil {
				t.Fatal(err)
			}
			if !c.check(&m) {
				t.Errorf("decoded %+v", m)
			}
		})
	}
}

// bufferedConn is an end of a net.Pipe whose writes do not wait for the reader:
// the server writes its tickets while the client writes its Finished, and in a
// bare pipe each would wait for the other.
type bufferedConn struct {
	net.Conn
	writes chan []byte
}

func buffered(c net.Conn) bufferedConn {
	b := bufferedConn{c, make(chan []byte, 16)}
	go func() {
		for p := range b.writes {
			_, _ = c.Write(p) // a failure shows as the reader's
		}
	}()
	return b
}

func (b bufferedConn) Write(p []byte) (int, error) {
	b.writes <- slices.Clone(p)
	return len(p), nil
}

func TestAClientHelloThatResumesIsDecoded(t *testing.T) {
	config := &tls.Config{ServerName: "server.example", InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	clientEnd, serverEnd := net.Pipe()
	out := buffered(serverEnd)
	defer close(out.writes)
	server := tls.Server(out, &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}})
	serverDone := make(chan error, 1)
	go func() {
		_, err := server.Write([]byte("x")) // after the tickets
		serverDone <- err
	}()
	if _, err := tls.Client(clientEnd, config).Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-serverDone; err != nil {
		t.Fatal(err)
	}
	encoded := captureClientHello(t, config)
	var m ClientHello
	if err := m.Unmarshal(body(t, TypeClientHello, encoded)); err != nil {
		t.Fatal(err)
	}
	if len(m.PSKIdentities) != 1 || len(m.PSKBinders) != 1 || len(m.PSKIdentities[0].Identity) == 0 {
		t.Fatalf("%d identities, extensions %v", len(m.PSKIdentities), m.Extensions)
	}
	if want := 2 + 1 + len(m.PSKBinders[0]); m.BindersLen() != want {
		t.Errorf("binders of %d bytes, want %d", m.BindersLen(), want)
	}
}

func TestOurClientHelloIsUnderstoodByCryptoTLS(t *testing.T) {
	m := fullClientHello()
	m.SignatureAlgorithms = []uint16{uint16(tls.ECDSAWithP256AndSHA256)}
	m.RenegotiationInfo = nil // as in an initial handshake
	m.Offer(ExtRenegotiationInfo)
	m.KeyShares = m.KeyShares[:1]
	encoded := m.Append(nil)

	clientEnd, serverEnd := net.Pipe()
	go func() {
		record := append([]byte{22, 3, 1, byte(len(encoded) >> 8), byte(len(encoded))}, encoded...)
		_, _ = clientEnd.Write(record) // a failure shows as the server's
	}()
	var info *tls.ClientHelloInfo
	enough := errors.New("seen enough")
	err := tls.Server(serverEnd, &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
		info = i
		// The alert would wait for a reader, which there is not.
		clientEnd.Close()
		return nil, enough
	}}).Handshake()
	if info == nil {
		t.Fatal(err)
	}
	if info.ServerName != string(m.ServerName) ||
		!slices.Equal(info.CipherSuites, m.CipherSuites) ||
		!slices.Equal(info.SupportedVersions, m.SupportedVersions) ||
		!slices.Equal(info.SupportedProtos, []string{"h2", "http/1.1"}) ||
		!slices.Equal(info.SupportedPoints, m.PointFormats) ||
		!slices.Equal(info.SupportedCurves, []tls.CurveID{0x11EC, 0x001D}) ||
		!slices.Equal(info.SignatureSchemes, []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}) {
		t.Errorf("crypto/tls saw %+v", info)
	}
	seen := make([]ExtensionType, len(info.Extensions))
	for i, e := range info.Extensions {
		seen[i] = ExtensionType(e)
	}
	if !slices.Equal(seen, clientHelloOrder[:]) {
		t.Errorf("crypto/tls saw the extensions %v", seen)
	}
}

func TestServerHellosOfCryptoTLSAreDecoded(t *testing.T) {
	for _, c := range []struct {
		name           string
		client, server *tls.Config
		check          func(*ServerHello) bool
	}{
		{"TLS 1.3", &tls.Config{}, &tls.Config{}, func(m *ServerHello) bool {
			return m.SupportedVersion == tls.VersionTLS13 && !m.IsHelloRetryRequest() && len(m.KeyShare.KeyExchange) > 0
		}},
		{"a HelloRetryRequest", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP384}},
			&tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}, func(m *ServerHello) bool {
				return m.IsHelloRetryRequest() && m.SelectedGroup == uint16(tls.CurveP384)
			}},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}, &tls.Config{NextProtos: []string{"h2"}},
			func(m *ServerHello) bool {
				return !m.Has(ExtSupportedVersions) && string(m.ALPN) == "h2" && m.Has(ExtExtendedMasterSecret) &&
					m.Has(ExtRenegotiationInfo) && [8]byte(m.Random[24:]) == DowngradeTLS12
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := c.client.Clone(), c.server.Clone()
			client.ServerName, client.InsecureSkipVerify = "server.example", true
			server.Certificates = []tls.Certificate{testCertificate(t)}
			hello := captureClientHello(t, client)

			clientEnd, serverEnd := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = tls.Server(serverEnd, server).Handshake() // ends with the pipe
			}()
			if _, err := clientEnd.Write(append([]byte{22, 3, 1, byte(len(hello) >> 8), byte(len(hello))}, hello...)); err != nil {
				t.Fatal(err)
			}
			flight := firstRecord(t, clientEnd)
			clientEnd.Close()
			<-done
			var m ServerHello
			n := HeaderLen + int(flight[2])<<8 + int(flight[3]) // TLS 1.2 packs its flight into one record
			if err := m.Unmarshal(body(t, TypeServerHello, flight[:n])); err != nil {
				t.Fatal(err)
			}
			if !c.check(&m) {
				t.Errorf("decoded %+v", m)
			}
		})
	}
}
