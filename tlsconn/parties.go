package tlsconn

import "crypto/tls"

// parties is who is who in a handshake of either role and version: our proof, the
// peer's, and the session that may stand for both.
type parties struct {
	handshake
	ownProof
	peerCheck
	session *session // that is being resumed, nil for a full handshake
	chain   [][]byte // the peer's, DER, as it was shown; nil for none
	// clientType is the form in which the client shows who it is, or did when the session
	// began.
	clientType CertificateType
}

// kept implements machine: the peer's chain, until it is verified and beyond.
func (hs *parties) kept() (n int) {
	for _, der := range hs.chain {
		n += len(der)
	}
	return n
}

// dropSession makes the handshake a full one after all.
func (hs *parties) dropSession() {
	clear(hs.session.psk)
	hs.session, hs.chain = nil, nil // clientType is settled anew
	hs.c.facts.resumed, hs.c.facts.ageSkew = false, 0
}

// recallClient has a server verify whom the session is of: trust in the client may have
// changed since it began.
func (hs *parties) recallClient() (State, error) {
	hs.chain, hs.clientType = hs.session.chain, hs.session.clientType()
	return StateAwaitVerification, hs.beginVerification(hs.chain, Peer{Resumed: true})
}

// awaitClient has a server wait for the verdict on the client's chain: the one that it
// shows, after which next is due, or the one of the session that it wants to resume.
func (hs *parties) awaitClient(next State) (State, error) {
	ok, err := hs.verified()
	switch {
	case !ok:
		return StateAwaitVerification, nil
	case hs.session != nil && err != nil:
		// Whom we no longer trust does not resume; it may show another certificate.
		hs.dropSession()
		return StateAwaitCertificate, nil
	case hs.session != nil:
		hs.c.facts.peer = hs.peer
		return StateSendServerHello, nil
	case err != nil:
		return 0, err
	}
	return next, nil
}

// ownProof is our certificate and the signature with its key.
type ownProof struct {
	choosing  *Completion[*tls.Certificate]
	cert      *certificate // nil for none
	scheme    tls.SignatureScheme
	signing   *Completion[[]byte]
	signature []byte
	message   []byte // what is being signed, to check what an AsyncSigner answers
}

// awaitSignature has the private key sign what message returns, and goes on to next
// with the signature.
func (hs *parties) awaitSignature(message func() []byte, next State) (State, error) {
	if hs.signing == nil {
		hs.message = message()
		cert, scheme, signed := hs.cert, hs.scheme, hs.message
		var err error
		if cert.async != nil {
			hs.signing, err = ask(&hs.handshake, OpSign, func(c *Completion[[]byte]) {
				cert.async.SignMessage(append([]byte(nil), signed...), scheme, c)
			})
		} else {
			hs.signing, err = run(&hs.handshake, OpSign, cert.slow, func() ([]byte, error) {
				return sign(cert.signer, scheme, signed)
			})
		}
		if err != nil {
			return 0, err
		}
	}
	signature, ok, err := hs.signing.take(&hs.handshake)
	switch {
	case !ok:
		return StateAwaitSignature, nil
	case err != nil:
		return 0, failed(err, AlertInternalError, "private key")
	}
	if hs.cert.async != nil {
		// A faulty signature of an RSA key gives the key away (the peer learns its factors), so
		// none leaves unchecked that was made where we cannot see.
		if verifySignature(hs.c.facts.suite.version, hs.cert.public, hs.scheme, offeredSchemes, hs.message, signature) != nil {
			return 0, abort(AlertInternalError, "private key: its signature does not verify")
		}
	}
	hs.signature, hs.signing, hs.message = signature, nil, nil
	return next, nil
}
