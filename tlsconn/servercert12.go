package tlsconn

import (
	"crypto/tls"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// readClientCertificate takes the chain or the raw public key that the client shows, or
// none.
func (hs *server12) readClientCertificate(m message) (State, error) {
	read := hs.readChain
	if hs.peerIsRaw() {
		read = hs.readRawKey
	}
	chain, err := read(m)
	if err != nil {
		return 0, err
	}
	if len(chain) == 0 {
		switch hs.c.config.ClientAuth {
		case tls.RequireAnyClientCert, tls.RequireAndVerifyClientCert:
			// RFC 5246 7.4.6: "a fatal handshake_failure alert".
			return 0, abort(AlertHandshakeFailure, "certificate: the client sent none")
		case tls.NoClientCert, tls.RequestClientCert, tls.VerifyClientCertIfGiven:
		}
		hs.stopLogging()
		return StateExpectClientKeyExchange, nil
	}
	hs.chain = chain
	return StateAwaitVerification, hs.beginVerification(chain, Peer{})
}

// readChain takes the chain of a Certificate message, as copies, and adds the message
// to the transcript.
func (hs *handshake12) readChain(m message) (chain [][]byte, err error) {
	var cert wire.Certificate12
	if err := cert.Unmarshal(m.body()); err != nil {
		return nil, decodeError(err)
	}
	if len(cert.Certificates) > maxPeerCertificates {
		return nil, abort(AlertBadCertificate, "certificate: more than %d certificates", maxPeerCertificates)
	}
	for _, der := range cert.Certificates {
		chain = append(chain, append([]byte(nil), der...))
	}
	hs.log(m.raw)
	return chain, nil
}

// readClientCertificateVerify checks that the client has the key.
func (hs *server12) readClientCertificateVerify(m message) (State, error) {
	var cv wire.CertificateVerify
	if err := cv.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	p, _ := hs.c.config.prepare()
	scheme := tls.SignatureScheme(cv.Algorithm)
	if err := verifySignature(tls.VersionTLS12, hs.peer.key(), scheme, p.schemes, hs.messages, cv.Signature); err != nil {
		return 0, err
	}
	hs.stopLogging()
	hs.log(m.raw)
	hs.c.facts.clientScheme = scheme
	hs.c.facts.peer = hs.peer
	return StateExpectChangeCipherSpec, nil
}
