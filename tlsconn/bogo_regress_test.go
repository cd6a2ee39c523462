package tlsconn

import (
	"crypto"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// These tests hold what BoGo, BoringSSL's conformance suite, has found.

// recordTypes lists the types of the records in b.
func recordTypes(b []byte) []record.Type {
	var types []record.Type
	for len(b) >= record.HeaderLen {
		h := record.ParseHeader(b)
		types = append(types, h.Type)
		b = b[record.HeaderLen+h.Length:]
	}
	return types
}

// RFC 8446 D.4: a server may wait for the client's change_cipher_spec before
// anything protected, and has to be able to read an alert in place of the flight.
func TestProtectedAlertOfAClientComesBehindChangeCipherSpec(t *testing.T) {
	ca := newTestCA(t)
	p := newPair(t, clientFor(ca), serverFor(ca.issue(t, keyECDSA, "other.example")))
	client, server := p.failHandshake()
	wantAlert(t, "client", client, AlertBadCertificate)
	wantPeerAlert(t, "server", server, AlertBadCertificate)
	got := recordTypes(p.client.tr.out.bytes)
	want := []record.Type{record.Handshake, record.ChangeCipherSpec, record.ApplicationData}
	if !slices.Equal(got, want) {
		t.Fatalf("the client sent records %v, want %v", got, want)
	}
}

// RFC 8446 4.6.3: a single update answers all requests that come while we are silent,
// whether they come in one record after the other or with pauses between.
func TestRequestsToUpdateWhileSilentAreAnsweredOnce(t *testing.T) {
	p := standardPair(t)
	p.handshake()
	for round := range 2 {
		for range 3 {
			if err := p.until(p.client, "key update", func() error { return p.client.conn.KeyUpdate(true) }); err != nil {
				t.Fatal(err)
			}
			p.drain(p.server)
		}
		types := recordTypes(p.client.tr.in.bytes[p.client.tr.in.read:])
		if len(types) != 1 {
			t.Fatalf("round %d: %d records answer three requests, want one", round, len(types))
		}
		// Data in both directions starts anew.
		p.send(p.client, []byte("request"))
		p.send(p.server, []byte("answer"))
	}
}

// RFC 8446 4.4.3: the algorithm must be one that was offered, whatever the key.
func TestCertificateVerifyWithAnAlgorithmThatWasNotOffered(t *testing.T) {
	for _, key := range []crypto.PublicKey{nil, testKeys()[keyRSA].Public()} {
		err := verifySignature(tls.VersionTLS13, key, 0x0904, offeredSchemes, []byte("message"), []byte("signature")) // ML-DSA-44
		wantAlert(t, fmt.Sprintf("key of type %T", key), err, AlertIllegalParameter)
	}
	err := verifySignature(tls.VersionTLS13, nil, tls.PSSWithSHA256, offeredSchemes, []byte("message"), []byte("signature"))
	wantAlert(t, "a key that x509 does not know", err, AlertUnsupportedCertificate)
}

// RFC 8446 4.4.4: what is not the expected verify_data is decrypt_error, of any length.
func TestFinishedOfTheWrongLength(t *testing.T) {
	for _, change := range []func([]byte) []byte{
		func(mac []byte) []byte { return append(mac, 0) },
		func(mac []byte) []byte { return mac[:len(mac)-1] },
	} {
		p := newPuppet(t, RoleClient, nil)
		p.clientHello(nil)
		p.hearServerFlight()
		p.say(wire.AppendFinished(nil, change(p.finishedMAC(&p.clientHS))))
		p.wantAlert(AlertDecryptError, "finished: ")
	}
}

// RFC 8446 4.2.10 lets a server skip early data after a HelloRetryRequest by its
// content type. It is ciphertext, so it may be longer than plaintext; it may not come
// between the parts of a message (5.1), and not without end.
func TestEarlyDataBeforeTheSecondHello(t *testing.T) {
	retried := func() *puppet {
		p := newPuppet(t, RoleClient, onlyP256)
		p.clientHello(earlyHello)
		p.hearServerHello()
		return p
	}
	p := retried()
	p.plain(record.Handshake, byte(wire.TypeClientHello), 0, 1, 0, 3, 3)
	p.earlyData(100)
	p.wantAlert(AlertUnexpectedMessage, "within a handshake message")

	p = retried()
	p.plain(record.ApplicationData, make([]byte, record.MaxCiphertext13)...)
	p.wantAlert(AlertUnexpectedMessage, "application data in state")
}

// RFC 8446 4.1.4: "If the server's ... selected_version differs", or is gone, after a
// HelloRetryRequest, illegal_parameter.
func TestSecondServerHelloWithoutSupportedVersions(t *testing.T) {
	p := newPuppet(t, RoleServer, nil)
	p.hearClientHello()
	p.helloRetryRequest(nil)
	p.hearClientHello()
	p.serverHello(func(m *wire.ServerHello) { m.SupportedVersion = 0 })
	p.drive()
	wantAlert(t, "a second server_hello without supported_versions", p.err, AlertIllegalParameter)
}

// A client without X.509 among server_certificate_type cannot be served (RFC 7250 4.2).
func TestServerCertificateTypeWithoutX509(t *testing.T) {
	for types, refused := range map[string]bool{"\x02": true, "\x02\x00": false} {
		p := newPuppet(t, RoleClient, nil)
		p.clientHello(func(m *wire.ClientHello) { m.ServerCertificateTypes = []byte(types) })
		if refused {
			p.wantAlert(AlertHandshakeFailure)
			continue
		}
		p.hearServerFlight()
	}
}
