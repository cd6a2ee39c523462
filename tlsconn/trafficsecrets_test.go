package tlsconn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

func (s *side) secrets() TrafficSecrets {
	s.t.Helper()
	got, err := s.conn.TrafficSecrets()
	if err != nil {
		s.t.Fatalf("%s: TrafficSecrets: %v", s.name, err)
	}
	return got
}

func sameKeys(a, b TrafficKeys) bool {
	return bytes.Equal(a.Secret, b.Secret) && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.IV, b.IV) && a.Sequence == b.Sequence
}

// BoGo's -export-traffic-secrets: what one side receives with is what the other one
// sends with, with every suite, before and after data and key updates.
func TestTrafficSecretsOfBothSidesAgree(t *testing.T) {
	ca := newTestCA(t)
	for _, suite := range allSuites {
		cc := clientFor(ca)
		cc.CipherSuites = []uint16{suite.id}
		p := newPair(t, cc, serverFor(ca.issue(t, keyEd25519, "example.org")))
		p.handshake()
		var seen []TrafficKeys
		for _, step := range []func(){
			func() { p.drain(p.client) },
			func() { p.send(p.client, []byte("up")); p.send(p.server, []byte("down")) },
			func() {
				if err := p.client.conn.KeyUpdate(true); err != nil {
					t.Fatal(err)
				}
				p.send(p.client, []byte("up"))
				p.send(p.server, []byte("down"))
			},
		} {
			step()
			c, s := p.client.secrets(), p.server.secrets()
			if !sameKeys(c.Send, s.Receive) || !sameKeys(c.Receive, s.Send) || sameKeys(c.Send, c.Receive) {
				t.Fatalf("%s: client %x, server %x", tls.CipherSuiteName(suite.id), c, s)
			}
			if c.CipherSuite != suite.id || c.Unread != 0 || c.Unsent != 0 || s.Unread != 0 {
				t.Fatalf("%+v", c)
			}
			if len(c.Send.Secret) != suite.hash.Size() || len(c.Send.Key) != suite.aead.KeyLen() || len(c.Send.IV) != 12 {
				t.Fatalf("%s: lengths %d, %d, %d", tls.CipherSuiteName(suite.id), len(c.Send.Secret), len(c.Send.Key), len(c.Send.IV))
			}
			for _, old := range seen {
				if sameKeys(old, c.Send) {
					t.Fatal("nothing has changed")
				}
			}
			seen = append(seen, c.Send)
		}
		if seen[1].Sequence != seen[0].Sequence+1 || seen[2].Sequence != 1 {
			t.Fatalf("sequence numbers %d, %d, and %d after a KeyUpdate", seen[0].Sequence, seen[1].Sequence, seen[2].Sequence)
		}
		// A copy, that is the caller's to clear.
		clear(seen[2].Secret)
		p.send(p.client, []byte("still"))
	}
}

// Whoever takes over with key, IV and sequence number opens the very next record.
func TestTrafficSecretsOpenTheNextRecord(t *testing.T) {
	ca := newTestCA(t)
	cc := clientFor(ca)
	cc.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256}
	p := newPair(t, cc, serverFor(ca.issue(t, keyEd25519, "example.org")))
	p.handshake()
	p.send(p.client, []byte("before"))
	k := p.server.secrets().Receive
	mark := len(p.client.tr.out.bytes)
	p.client.say(record.ApplicationData, []byte("handed over"))
	rec := p.client.tr.out.bytes[mark:]
	block, err := aes.NewCipher(k.Key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := bytes.Clone(k.IV)
	for i := range 8 { // RFC 8446 5.3
		nonce[4+i] ^= byte(k.Sequence >> (56 - 8*i))
	}
	inner, err := gcm.Open(nil, nonce, rec[record.HeaderLen:], rec[:record.HeaderLen])
	if err != nil || string(inner) != "handed over\x17" {
		t.Fatalf("%q, %v", inner, err)
	}
	// And what an update makes of the secret is what comes after it.
	var next keysched.Secret
	copy(next[:], k.Secret)
	keysched.New(suiteAES128.hash).NextTrafficSecret(&next, &next)
	if err := p.client.conn.KeyUpdate(false); err != nil {
		t.Fatal(err)
	}
	p.drain(p.server)
	if !bytes.Equal(p.server.secrets().Receive.Secret, next[:suiteAES128.hash.Size()]) {
		t.Fatal("the secret after a KeyUpdate does not follow from the one before")
	}
}

// A direction is not to be handed over while bytes of it are held here.
func TestTrafficSecretsTellWhatIsHeld(t *testing.T) {
	p := connected(t)
	p.server.block()
	if _, err := p.server.conn.Write([]byte("unsent")); err != nil {
		t.Fatal(err)
	}
	if got := p.server.secrets().Unsent; got != len("unsent")+record.Overhead13 {
		t.Fatalf("Unsent = %d", got)
	}
	p.server.unblock()
	if err := p.server.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	for name, hold := range map[string]func(){
		"data that was read in part": func() { p.client.say(record.ApplicationData, []byte("unread")) },
		"a record in part":           func() { p.server.inject([]byte{23, 3, 3}) },
	} {
		hold()
		_ = p.server.read(1)
		if got := p.server.secrets(); got.Unread == 0 || got.Unsent != 0 {
			t.Errorf("%s: Unread = %d, Unsent = %d", name, got.Unread, got.Unsent)
		}
		p = connected(t)
	}
	p.client.say(record.Handshake, []byte{24, 0})
	_ = p.server.read(1)
	if got := p.server.secrets().Unread; got != 2 {
		t.Errorf("part of a message: Unread = %d", got)
	}
}

func TestTrafficSecretsNeedALivingConnection(t *testing.T) {
	p := standardPair(t)
	want := func(what string, err error) {
		t.Helper()
		if got, e := p.client.conn.TrafficSecrets(); e != err || got.Send.Secret != nil {
			t.Errorf("%s: %v, want %v", what, e, err)
		}
	}
	want("before the handshake", ErrHandshakeIncomplete)
	_ = p.client.conn.Handshake()
	want("within the handshake", ErrHandshakeIncomplete)
	p.handshake()
	p.client.secrets()
	p.server.say(record.Alert, []byte{2, 80})
	want("after a failure", p.client.read(1))
	if err := p.client.conn.Close(); err != nil {
		t.Fatal(err)
	}
	want("after Close", ErrClosed)
}
