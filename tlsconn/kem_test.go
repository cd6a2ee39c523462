package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"testing"
)

func TestMLKEM1024HandshakeWhereBothEnableIt(t *testing.T) {
	if slices.Contains(defaultGroups, MLKEM1024) {
		t.Error("it is enabled by default")
	}
	ca := newTestCA(t)
	server, client := serverFor(ca.issue(t, keyECDSA, "example.org")), clientFor(ca)
	for _, c := range []*Config{server, client} {
		c.CurvePreferences = []tls.CurveID{MLKEM1024}
	}
	p := newPair(t, client, server)
	p.handshake()
	if got := p.client.conn.ConnectionState().Group; got != MLKEM1024 {
		t.Errorf("group %v", got)
	}
}

func TestKEMSharesOfAnotherLengthAreRefused(t *testing.T) {
	for _, g := range []tls.CurveID{tls.X25519MLKEM768, MLKEM1024} {
		client, err := newClientShare(g, nil)
		if err != nil {
			t.Fatal(err)
		}
		public, secret, err := respond(g, client.public())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := client.secret(public); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%v: the secrets differ, %v", g, err)
		}
		for _, n := range []int{0, 1, kemOf(g).ciphertextLen - 1} {
			if _, err := client.secret(public[:n]); !errors.Is(err, errShare) {
				t.Errorf("%v: a server's share of %d bytes: %v", g, n, err)
			}
			if _, _, err := respond(g, client.public()[:n]); !errors.Is(err, errShare) {
				t.Errorf("%v: a client's share of %d bytes: %v", g, n, err)
			}
		}
		if _, err := client.secret(append(public, 0)); !errors.Is(err, errShare) {
			t.Errorf("%v: a server's share of a byte more: %v", g, err)
		}
		if _, _, err := respond(g, append(client.public(), 0)); !errors.Is(err, errShare) {
			t.Errorf("%v: a client's share of a byte more: %v", g, err)
		}
	}
}
