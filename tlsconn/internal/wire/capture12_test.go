package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"testing"
)

// recordedConn keeps what is written.
type recordedConn struct {
	net.Conn
	written *bytes.Buffer
}

func (c recordedConn) Write(p []byte) (int, error) {
	c.written.Write(p)
	return c.Conn.Write(p)
}

// clearMessages returns the handshake messages of a TLS 1.2 stream before its
// change_cipher_spec, headers included.
func clearMessages(t *testing.T, stream []byte) (messages [][]byte) {
	t.Helper()
	var flight []byte
	for len(stream) > 0 && stream[0] == 22 {
		n := 5 + int(stream[3])<<8 + int(stream[4])
		flight = append(flight, stream[5:n]...)
		stream = stream[n:]
	}
	for len(flight) > 0 {
		n := HeaderLen + int(flight[1])<<16 + int(flight[2])<<8 + int(flight[3])
		messages = append(messages, flight[:n:n])
		flight = flight[n:]
	}
	return messages
}

// capture12 runs a TLS 1.2 connection of crypto/tls and returns what both sides
// sent before their change_cipher_spec.
func capture12(t *testing.T, client, server *tls.Config) (fromClient, fromServer [][]byte) {
	t.Helper()
	client.ServerName, client.InsecureSkipVerify, client.MaxVersion = "server.example", true, tls.VersionTLS12
	var clientSent, serverSent bytes.Buffer
	clientEnd, serverEnd := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- tls.Server(recordedConn{serverEnd, &serverSent}, server).Handshake() }()
	if err := tls.Client(recordedConn{clientEnd, &clientSent}, client).Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return clearMessages(t, clientSent.Bytes()), clearMessages(t, serverSent.Bytes())
}

// decode12 decodes the messages in turn, each into the one given, and demands
// that it is the same once encoded again.
func decode12(t *testing.T, messages [][]byte, into ...sample) {
	t.Helper()
	if len(messages) != len(into) {
		t.Fatalf("%d messages, want %d", len(messages), len(into))
	}
	for i, m := range into {
		if err := m.Unmarshal(body(t, m.kind, messages[i])); err != nil {
			t.Fatal(err)
		}
		if again := m.Append(nil); m.name == "" && !bytes.Equal(again, messages[i]) {
			t.Errorf("%v encoded again\n%x\nwant\n%x", m.kind, again, messages[i])
		}
	}
}

// unordered marks a hello, whose extensions Append puts in an order of its own.
const unordered = "unordered"

func TestAWholeHandshakeOfCryptoTLSIsDecoded(t *testing.T) {
	serverCertificate, clientCertificate := testCertificate(t), testCertificate(t)
	serverCertificate.OCSPStaple = []byte("OCSP response")
	serverCertificate.SignedCertificateTimestamps = [][]byte{[]byte("timestamp")}
	leaf, err := x509.ParseCertificate(clientCertificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)

	fromClient, fromServer := capture12(t,
		&tls.Config{Certificates: []tls.Certificate{clientCertificate}, ClientSessionCache: tls.NewLRUClientSessionCache(1)},
		&tls.Config{Certificates: []tls.Certificate{serverCertificate}, ClientCAs: pool, ClientAuth: tls.RequireAnyClientCert,
			CurvePreferences: []tls.CurveID{tls.CurveP384}})

	var clientHello ClientHello
	var serverHello ServerHello
	var chain, clientChain Certificate12
	var status CertificateStatus
	var exchange ServerKeyExchange
	var request CertificateRequest12
	var clientExchange ClientKeyExchange
	var verify CertificateVerify
	var ticket NewSessionTicket12
	decode12(t, fromServer,
		sample{unordered, TypeServerHello, &serverHello}, sample{"", TypeCertificate, &chain},
		sample{"", TypeCertificateStatus, &status}, sample{"", TypeServerKeyExchange, &exchange},
		sample{"", TypeCertificateRequest, &request}, sample{"", TypeServerHelloDone, &ServerHelloDone{}},
		sample{"", TypeNewSessionTicket, &ticket})
	decode12(t, fromClient,
		sample{unordered, TypeClientHello, &clientHello}, sample{"", TypeCertificate, &clientChain},
		sample{"", TypeClientKeyExchange, &clientExchange}, sample{"", TypeCertificateVerify, &verify})

	if !serverHello.Has(ExtStatusRequest) || !serverHello.Has(ExtSessionTicket) || !serverHello.Has(ExtExtendedMasterSecret) ||
		!serverHello.Has(ExtRenegotiationInfo) || len(serverHello.SCTs) != 1 {
		t.Errorf("server_hello %+v", serverHello)
	}
	if !slices.EqualFunc(chain.Certificates, serverCertificate.Certificate, bytes.Equal) ||
		!slices.EqualFunc(clientChain.Certificates, clientCertificate.Certificate, bytes.Equal) {
		t.Error("a chain is not the one sent")
	}
	if string(status.OCSPStaple) != "OCSP response" || len(ticket.Ticket) == 0 {
		t.Errorf("status %q, ticket of %d bytes", status.OCSPStaple, len(ticket.Ticket))
	}
	if !slices.Contains(request.CertificateTypes, ClientCertificateECDSASign) || len(request.CertificateAuthorities) != 1 ||
		!slices.Contains(request.SignatureAlgorithms, uint16(tls.ECDSAWithP256AndSHA256)) {
		t.Errorf("certificate_request %+v", request)
	}
	if len(clientExchange.Point) != 97 || verify.Algorithm != uint16(tls.ECDSAWithP256AndSHA256) {
		t.Errorf("a point of %d bytes, algorithm %#x", len(clientExchange.Point), verify.Algorithm)
	}

	// RFC 8422 section 5.4: the signature over randoms and params verifies.
	if exchange.Group != uint16(tls.CurveP384) || exchange.Algorithm != uint16(tls.ECDSAWithP256AndSHA256) {
		t.Fatalf("group %d, algorithm %#x", exchange.Group, exchange.Algorithm)
	}
	content := exchange.AppendParams(append(clientHello.Random[:], serverHello.Random[:]...))
	digest := sha256.Sum256(content)
	serverLeaf, err := x509.ParseCertificate(chain.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(serverLeaf.PublicKey.(*ecdsa.PublicKey), digest[:], exchange.Signature) {
		t.Error("the signature of the server_key_exchange does not verify")
	}
}

func TestAClientWithoutACertificateSendsAnEmptyChain(t *testing.T) {
	fromClient, _ := capture12(t, &tls.Config{},
		&tls.Config{Certificates: []tls.Certificate{testCertificate(t)}, ClientAuth: tls.RequestClientCert})
	chain := Certificate12{Certificates: [][]byte{{1}}}
	decode12(t, fromClient,
		sample{unordered, TypeClientHello, new(ClientHello)}, sample{"", TypeCertificate, &chain},
		sample{"", TypeClientKeyExchange, new(ClientKeyExchange)})
	if len(chain.Certificates) != 0 {
		t.Errorf("%d certificates", len(chain.Certificates))
	}
}
