package tlsconn

import (
	"bytes"
	"crypto/tls"
	"testing"
)

// A client that knows a server from TLS 1.2 offers that session in a ClientHello of both
// versions. The server may have learnt TLS 1.3 since, and ask for another share.
func TestARetryWhileASessionOfTLS12IsOffered(t *testing.T) {
	inBothWays(t, func(t *testing.T, r *resumption) {
		r.want("the first connection", false)
		r.client.MaxVersion, r.server.MaxVersion = 0, 0
		r.client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
		r.server.CurvePreferences = []tls.CurveID{tls.CurveP256}
		p := r.want("of TLS 1.3, with a HelloRetryRequest", false)
		state := p.client.conn.ConnectionState()
		if state.Version != tls.VersionTLS13 || !state.HelloRetryRequest {
			t.Fatalf("%+v", state)
		}
		r.server.SessionTicketsDisabled = false
		r.connect("of TLS 1.3, which gives a ticket")
		r.want("with the ticket of TLS 1.3", true)
	})
}

// Of the session of a version that the server does not choose no secret is left behind.
func TestTheSecretOfTheOtherVersionsSessionIsCleared(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second uint16
	}{
		{"offered from TLS 1.3, TLS 1.2 is chosen", tls.VersionTLS13, tls.VersionTLS12},
		{"offered from TLS 1.2, TLS 1.3 is chosen", tls.VersionTLS12, tls.VersionTLS13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newResumption(t)
			r.client.MinVersion, r.server.MinVersion = tls.VersionTLS12, tls.VersionTLS12
			r.server.MaxVersion = tt.first
			r.want("the first connection", false)
			r.server.MaxVersion = tt.second
			p := newPair(t, cloneConfig(&r.client), cloneConfig(&r.server))
			var psk []byte
			p.client.conn.SetTrace(func(st State) {
				if st == StateExpectServerHello {
					psk = p.client.conn.hs.(*client13).session.psk
				}
			})
			p.handshake()
			p.send(p.server, []byte("a ticket comes before it"))
			if len(psk) == 0 || !bytes.Equal(psk, make([]byte, len(psk))) {
				t.Errorf("%d bytes of secret are left as they were", len(psk))
			}
			if r.cache.session.version != tt.second || bytes.Equal(r.cache.session.psk, make([]byte, len(r.cache.session.psk))) {
				t.Error("the client keeps no session of this connection")
			}
		})
	}
}

// A resumption of TLS 1.2 has no key exchange, and so no group and no signature, which a
// full handshake of the same client has.
func TestAResumptionOfTLS12HasNoGroup(t *testing.T) {
	inBothWays(t, func(t *testing.T, r *resumption) {
		for i, want := range []tls.CurveID{tls.X25519, 0, 0} {
			p := r.want("a connection", i > 0)
			for _, s := range []*side{p.client, p.server} {
				if got := s.conn.ConnectionState().Group; got != want {
					t.Errorf("%s: connection %d is of group %v, want %v", s.name, i, got, want)
				}
			}
		}
	})
}

// Buffered is never less than what a Read returns without the transport.
func TestBufferedCountsAllOfARecord(t *testing.T) {
	for _, suite := range []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_AES_128_GCM_SHA256, tls.TLS_CHACHA20_POLY1305_SHA256,
	} {
		ca := newTestCA(t)
		client, server := clientFor(ca), serverFor(ca.issue(t, keyECDSA, "example.org"))
		version := uint16(tls.VersionTLS13)
		if suite12ByID(suite) != nil {
			version = tls.VersionTLS12
		}
		for _, c := range []*Config{client, server} {
			c.MinVersion, c.MaxVersion, c.CipherSuites = version, version, []uint16{suite}
		}
		p := newPair(t, client, server)
		p.handshake()
		for range 2 { // the second record has arrived with the first
			if _, err := p.client.conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.server.read(5); err != nil || p.server.conn.Buffered() != 5 {
			t.Errorf("%s: %v, then Buffered() = %d of 5 bytes", tls.CipherSuiteName(suite), err, p.server.conn.Buffered())
		}
	}
}
