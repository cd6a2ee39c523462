package tlsconn

import (
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
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
