package tlsconn

import (
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// handshake12 is what a server and a client of TLS 1.2 share: who is who, and the
// key schedule of RFC 5246 8.1 and 6.3.
type handshake12 struct {
	parties
	randoms  keysched.Randoms
	extended bool // extended_master_secret (RFC 7627)
	master   keysched.Secret
	// The write keys of both sides, each with its IV behind it.
	clientKeys, serverKeys keysched.Secret
	// messages are those of the transcript as long as a CertificateVerify may have to be
	// made or checked: it signs them by a hash that is known only then (RFC 5246 7.4.8).
	messages []byte
	logging  bool // messages is kept
}

// start12 begins the transcript once the suite is known. What is signed later is kept
// if logging.
func (hs *handshake12) start12(s *suite, logging bool) {
	hs.begin(s)
	hs.logging = logging
}

// log adds a message to the transcript.
func (hs *handshake12) log(raw []byte) {
	hs.transcript.Write(raw)
	if hs.logging {
		hs.messages = append(hs.messages, raw...)
	}
}

// kept implements machine.
func (hs *handshake12) kept() int { return len(hs.messages) + hs.parties.kept() }

// stopLogging forgets what nothing will be signed of any more.
func (hs *handshake12) stopLogging() { hs.logging, hs.messages = false, nil }

// say is send, and keeps the message too if messages are kept.
func (hs *handshake12) say(flight []byte) error {
	start := len(hs.flight)
	if err := hs.send(flight); err != nil {
		return err
	}
	if hs.logging {
		hs.messages = append(hs.messages, flight[start:]...)
	}
	return nil
}

// signedParams is what a ServerKeyExchange signs (RFC 8422 5.4).
func (hs *handshake12) signedParams(ske *wire.ServerKeyExchange) []byte {
	return ske.AppendParams(slices.Concat(hs.randoms.Client[:], hs.randoms.Server[:]))
}

// deriveMaster makes the master secret from the ECDHE secret, which it clears, when the
// transcript ends with the ClientKeyExchange.
func (hs *handshake12) deriveMaster(shared []byte) error {
	if hs.extended {
		hs.d.ExtendedMasterSecret(&hs.master, shared, hs.transcriptHash())
	} else {
		hs.d.MasterSecret(&hs.master, shared, &hs.randoms)
	}
	clear(shared)
	return hs.deriveKeys()
}

// deriveKeys makes the write keys from the master secret.
func (hs *handshake12) deriveKeys() error {
	aead := hs.c.facts.suite.aead
	hs.d.WriteKeys(&hs.clientKeys, &hs.serverKeys, &hs.master, &hs.randoms, aead.KeyLen(), aead.IVLen12())
	return hs.logKey(keyLogMaster, &hs.randoms.Client, hs.master[:])
}

// sendFinished changes the sending key, to that of our role, and appends our Finished
// under it.
func (hs *handshake12) sendFinished() error {
	keys, label := &hs.clientKeys, keysched.LabelClientFinished
	if hs.c.role == RoleServer {
		keys, label = &hs.serverKeys, keysched.LabelServerFinished
	}
	hs.seal()
	hs.c.queueChangeCipherSpec()
	hs.c.ws.install12(&hs.c.out.halfConn, keys, hs.c.facts.suite.aead)
	if err := hs.say(wire.AppendFinished(hs.flight, hs.verifyData(label))); err != nil {
		return err
	}
	hs.seal()
	return nil
}

// checkFinished verifies the peer's Finished (RFC 5246 7.4.9).
func (hs *handshake12) checkFinished(m message) error {
	label := keysched.LabelServerFinished
	if hs.c.role == RoleServer {
		label = keysched.LabelClientFinished
	}
	want := hs.verifyData(label)
	if len(m.body()) != len(want) || subtle.ConstantTimeCompare(m.body(), want) != 1 {
		return abort(AlertDecryptError, "finished: verify_data does not match")
	}
	hs.log(m.raw)
	return nil
}

func (hs *handshake12) verifyData(label string) []byte {
	return hs.d.VerifyData(make([]byte, 0, keysched.VerifyDataLen), &hs.master, label, hs.transcriptHash())
}

// changeReadKey handles the peer's change_cipher_spec: what follows it is protected by
// the keys of its role.
func (hs *handshake12) changeReadKey() error {
	keys := &hs.clientKeys
	if hs.c.role == RoleClient {
		keys = &hs.serverKeys
	}
	if err := hs.c.endOfFlight(); err != nil {
		return err
	}
	hs.c.ws.install12(&hs.c.in.halfConn, keys, hs.c.facts.suite.aead)
	return nil
}

// kept12 is what a connection of TLS 1.2 remembers beside its keys.
type kept12 struct {
	randoms  keysched.Randoms // for the exporter, if extended
	extended bool
	id       *sessionID   // of a server's session in Config.ServerSessions; nil for none
	failed   *atomic.Bool // of a client's sessions; nil for none
}

// complete leaves with the connection what an exporter needs, and by what its session is to be
// forgotten.
func (hs *handshake12) complete(id *sessionID, failed *atomic.Bool) {
	if !hs.extended && id == nil && failed == nil {
		return
	}
	hs.c.kept12 = &kept12{id: id, failed: failed, extended: hs.extended}
	if hs.extended {
		hs.c.exporter, hs.c.kept12.randoms = hs.master, hs.randoms
	}
}

// changeCipherSpec12 takes the peer's change_cipher_spec, where the handshake expects
// it and nowhere else (RFC 5246 7.1).
func (c *Conn) changeCipherSpec12(content []byte) error {
	if c.state != StateExpectChangeCipherSpec {
		return abort(AlertUnexpectedMessage, "record: change_cipher_spec in state %v", c.state)
	}
	if len(content) != 1 || content[0] != 1 {
		return abort(AlertIllegalParameter, "record: change_cipher_spec is not the single byte 1")
	}
	next, err := c.hs.step(message{})
	if err != nil {
		return err
	}
	c.transition(next)
	return nil
}

// export12 is ExportKeyingMaterial by RFC 5705. Without extended_master_secret another
// connection may have the same master secret (RFC 7627 1), so nothing is exported.
func (c *Conn) export12(d *keysched.Deriver, label string, context []byte, length int) ([]byte, error) {
	switch {
	case c.kept12 == nil || !c.kept12.extended:
		return nil, errors.New("tlsconn: exporter: the peer has no extended_master_secret (RFC 7627)")
	case length < 0 || length > maxExport12:
		return nil, fmt.Errorf("tlsconn: exporter cannot make %d bytes, only up to %d", length, maxExport12)
	case len(context) > keysched.MaxContext12:
		return nil, fmt.Errorf("tlsconn: exporter context has %d bytes, more than %d", len(context), keysched.MaxContext12)
	case slices.Contains(labels12, label):
		return nil, fmt.Errorf("tlsconn: exporter label %q is TLS's own (RFC 5705 4)", label)
	}
	out := make([]byte, length)
	d.Export12(out, &c.exporter, &c.kept12.randoms, label, context)
	return out, nil
}

// labels12 are the labels that TLS 1.2 itself uses.
var labels12 = []string{"client finished", "server finished", "master secret", "extended master secret", "key expansion"}

// maxExport12 bounds keying material as TLS 1.3 does with SHA-256, 255 hashes.
const maxExport12 = 255 * 32

func (hs *handshake12) clearSecrets() {
	if hs.session != nil {
		clear(hs.session.psk)
	}
	for _, s := range []*keysched.Secret{&hs.master, &hs.clientKeys, &hs.serverKeys} {
		clear(s[:])
	}
}

// able12 tells which certificates can be used in TLS 1.2 with a peer that accepts the
// given signature schemes.
func able12(accepted []tls.SignatureScheme) able {
	return func(c *certificate) (tls.SignatureScheme, bool) { return firstOf(c.schemes12, accepted) }
}
