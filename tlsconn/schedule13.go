package tlsconn

import (
	"crypto/rand"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
)

// handshake13 is what a server and a client of TLS 1.3 share: who is who, and the
// key schedule of RFC 8446 7.1 as far as it has come.
type handshake13 struct {
	parties

	random                               [32]byte // the client's, which names the connection in the key log
	master                               keysched.Secret
	clientHandshake, serverHandshake     keysched.Secret
	clientApplication, serverApplication keysched.Secret
}

// newRandom returns the random of a hello.
func newRandom() (random [32]byte) {
	rand.Read(random[:]) // never fails: it ends the program rather
	return random
}

// early makes the Early Secret, of the PSK if there is one.
func (hs *handshake13) early(out *keysched.Secret, d *keysched.Deriver) {
	var psk []byte
	if hs.session != nil {
		psk = hs.session.psk
	}
	d.Early(out, psk)
}

// binder is the PSK binder over a ClientHello whose Transcript-Hash up to the
// binders is given (RFC 8446 4.2.11.2); d is of the session's hash.
func (hs *handshake13) binder(d *keysched.Deriver, transcriptHash []byte) []byte {
	var key keysched.Secret
	hs.early(&key, d)
	d.DeriveSecret(&key, &key, keysched.LabelResumptionBinder, d.EmptyHash())
	mac := d.FinishedMAC(make([]byte, 0, len(key)), &key, transcriptHash)
	clear(key[:])
	return mac
}

// deriveHandshake makes the handshake secrets from the (EC)DHE secret, after
// ServerHello. It clears shared.
func (hs *handshake13) deriveHandshake(shared []byte) error {
	var early, secret keysched.Secret
	d, sum := hs.d, hs.transcriptHash()
	hs.early(&early, d)
	d.Handshake(&secret, &early, shared)
	d.DeriveSecret(&hs.clientHandshake, &secret, keysched.LabelClientHandshake, sum)
	d.DeriveSecret(&hs.serverHandshake, &secret, keysched.LabelServerHandshake, sum)
	d.Master(&hs.master, &secret)
	clear(shared)
	clear(early[:])
	clear(secret[:])
	if err := hs.logKey(keyLogClientHandshake, &hs.random, hs.clientHandshake[:d.Size()]); err != nil {
		return err
	}
	return hs.logKey(keyLogServerHandshake, &hs.random, hs.serverHandshake[:d.Size()])
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
		if err := hs.logKey(l.label, &hs.random, l.secret[:d.Size()]); err != nil {
			return err
		}
	}
	return nil
}

func (hs *handshake13) clearSecrets() {
	if hs.session != nil {
		clear(hs.session.psk)
	}
	for _, s := range []*keysched.Secret{
		&hs.master, &hs.clientHandshake, &hs.serverHandshake, &hs.clientApplication, &hs.serverApplication,
	} {
		clear(s[:])
	}
}
