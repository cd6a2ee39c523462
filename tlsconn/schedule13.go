package tlsconn

import (
	"crypto/subtle"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// handshake13 is what a server and a client of TLS 1.3 share: the key schedule
// of RFC 8446 7.1 as far as it has come.
type handshake13 struct {
	handshake
	peerCheck
	random                               [32]byte // the client's, which names the connection in the key log
	master                               keysched.Secret
	clientHandshake, serverHandshake     keysched.Secret
	clientApplication, serverApplication keysched.Secret
}

// start13 begins the transcript and the schedule once the suite is known.
func (hs *handshake13) start13(s *suite) {
	hs.c.facts.suite = s
	hs.d = hs.c.ws.deriver(s.hash)
	hs.transcript = s.hash.New()
}

// deriveHandshake makes the handshake secrets from the (EC)DHE secret, after
// ServerHello. It clears shared.
func (hs *handshake13) deriveHandshake(shared []byte) error {
	var early, secret keysched.Secret
	d, sum := hs.d, hs.transcriptHash()
	d.Early(&early, nil)
	d.Handshake(&secret, &early, shared)
	d.DeriveSecret(&hs.clientHandshake, &secret, keysched.LabelClientHandshake, sum)
	d.DeriveSecret(&hs.serverHandshake, &secret, keysched.LabelServerHandshake, sum)
	d.Master(&hs.master, &secret)
	clear(shared)
	clear(early[:])
	clear(secret[:])
	if err := hs.logKey(keyLogClientHandshake, &hs.random, &hs.clientHandshake); err != nil {
		return err
	}
	return hs.logKey(keyLogServerHandshake, &hs.random, &hs.serverHandshake)
}

// deriveApplication makes the application secrets, after the server's Finished.
func (hs *handshake13) deriveApplication() error {
	d, sum := hs.d, hs.transcriptHash()
	d.DeriveSecret(&hs.clientApplication, &hs.master, keysched.LabelClientApplication, sum)
	d.DeriveSecret(&hs.serverApplication, &hs.master, keysched.LabelServerApplication, sum)
	d.DeriveSecret(&hs.c.exporter, &hs.master, keysched.LabelExporter, sum)
	for _, l := range []struct {
		label  string
		secret *keysched.Secret
	}{
		{keyLogClientApplication, &hs.clientApplication},
		{keyLogServerApplication, &hs.serverApplication},
		{keyLogExporter, &hs.c.exporter},
	} {
		if err := hs.logKey(l.label, &hs.random, l.secret); err != nil {
			return err
		}
	}
	return nil
}

// sendFinished appends our Finished (RFC 8446 4.4.4) under our handshake secret.
func (hs *handshake13) sendFinished(baseKey *keysched.Secret) error {
	var mac [len(keysched.Secret{})]byte
	return hs.send(wire.AppendFinished(hs.flight, hs.d.FinishedMAC(mac[:0], baseKey, hs.transcriptHash())))
}

// checkFinished verifies the peer's Finished and adds it to the transcript.
func (hs *handshake13) checkFinished(m message, baseKey *keysched.Secret) error {
	var mac [len(keysched.Secret{})]byte
	want := hs.d.FinishedMAC(mac[:0], baseKey, hs.transcriptHash())
	if len(m.body()) != len(want) {
		// RFC 8446 4.4.4: contents that are not correct are decrypt_error, so their
		// length is, too.
		return abort(AlertDecryptError, "finished: %d bytes instead of %d", len(m.body()), len(want))
	}
	if subtle.ConstantTimeCompare(m.body(), want) != 1 {
		return abort(AlertDecryptError, "finished: verify_data does not match")
	}
	hs.transcript.Write(m.raw)
	return nil
}

func (hs *handshake13) clearSecrets() {
	for _, s := range []*keysched.Secret{
		&hs.master, &hs.clientHandshake, &hs.serverHandshake, &hs.clientApplication, &hs.serverApplication,
	} {
		clear(s[:])
	}
}
