package tlsconn

import (
	"crypto/subtle"
	"crypto/tls"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// This file holds the authentication messages that both roles send and check
// (RFC 8446 4.4): CertificateVerify and Finished.

// context returns the context string of role's CertificateVerify (RFC 8446 4.4.3).
func (r Role) context() string {
	if r == RoleServer {
		return serverContext
	}
	return clientContext
}

// signed is what our CertificateVerify signs: the transcript up to the Certificate.
func (hs *handshake13) signed() []byte {
	return signedMessage(hs.c.role.context(), hs.transcriptHash())
}

func (hs *handshake13) sendCertificateVerify() error {
	cv := wire.CertificateVerify{Algorithm: uint16(hs.scheme), Signature: hs.signature}
	return hs.send(cv.Append(hs.flight))
}

// checkCertificateVerify checks that the peer has the key of its certificate.
func (hs *handshake13) checkCertificateVerify(m message, context string) (tls.SignatureScheme, error) {
	var cv wire.CertificateVerify
	if err := cv.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	p, _ := hs.c.config.prepare()
	scheme := tls.SignatureScheme(cv.Algorithm)
	signed := signedMessage(context, hs.transcriptHash())
	if err := verifySignature(tls.VersionTLS13, hs.peer.key(), scheme, p.schemes, signed, cv.Signature); err != nil {
		return 0, err
	}
	hs.transcript.Write(m.raw)
	return scheme, nil
}

// finishedMAC is the verify_data of a Finished at this point of the transcript,
// under the sender's handshake secret (RFC 8446 4.4.4).
func (hs *handshake13) finishedMAC(baseKey *keysched.Secret) []byte {
	return hs.d.FinishedMAC(make([]byte, 0, len(keysched.Secret{})), baseKey, hs.transcriptHash())
}

// sendFinished appends our Finished under our handshake secret.
func (hs *handshake13) sendFinished(baseKey *keysched.Secret) error {
	return hs.send(wire.AppendFinished(hs.flight, hs.finishedMAC(baseKey)))
}

// checkFinished verifies the peer's Finished and adds it to the transcript.
func (hs *handshake13) checkFinished(m message, baseKey *keysched.Secret) error {
	if err := equalFinished(m.body(), hs.finishedMAC(baseKey)); err != nil {
		return err
	}
	hs.transcript.Write(m.raw)
	return nil
}

// equalFinished compares verify_data in constant time.
func equalFinished(got, want []byte) error {
	if len(got) != len(want) {
		// RFC 8446 4.4.4: contents that are not correct are decrypt_error, so their
		// length is, too.
		return abort(AlertDecryptError, "finished: %d bytes instead of %d", len(got), len(want))
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return abort(AlertDecryptError, "finished: verify_data does not match")
	}
	return nil
}
