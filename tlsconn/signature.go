package tlsconn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
)

// The context strings of CertificateVerify (RFC 8446 4.4.3).
const (
	serverContext = "TLS 1.3, server CertificateVerify"
	clientContext = "TLS 1.3, client CertificateVerify"
)

// offeredSchemes is what we accept of a peer: for its CertificateVerify all but
// rsa_pkcs1_*, which RFC 8446 4.2.3 leaves to signatures within certificates.
var offeredSchemes = []uint16{
	uint16(tls.ECDSAWithP256AndSHA256),
	uint16(tls.Ed25519),
	uint16(tls.PSSWithSHA256),
	uint16(tls.ECDSAWithP384AndSHA384),
	uint16(tls.ECDSAWithP521AndSHA512),
	uint16(tls.PSSWithSHA384),
	uint16(tls.PSSWithSHA512),
	uint16(tls.PKCS1WithSHA256),
	uint16(tls.PKCS1WithSHA384),
	uint16(tls.PKCS1WithSHA512),
}

// knownSchemes returns those of a peer's signature_algorithms that we can make,
// so that what is done with them does not grow with the peer's list.
func knownSchemes(offered []uint16) []tls.SignatureScheme {
	var known []tls.SignatureScheme
	for _, s := range offeredSchemes {
		if slices.Contains(offered, s) {
			known = append(known, tls.SignatureScheme(s))
		}
	}
	return known
}

// schemesOfRFC gives code points the standard library's type.
func schemesOfRFC(codes []uint16) []tls.SignatureScheme {
	schemes := make([]tls.SignatureScheme, len(codes))
	for i, code := range codes {
		schemes[i] = tls.SignatureScheme(code)
	}
	return schemes
}

// schemeHash returns the hash of a signature scheme; 0 for Ed25519,
// which hashes by itself.
func schemeHash(s tls.SignatureScheme) crypto.Hash {
	switch s {
	case tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256, tls.PKCS1WithSHA256:
		return crypto.SHA256
	case tls.ECDSAWithP384AndSHA384, tls.PSSWithSHA384, tls.PKCS1WithSHA384:
		return crypto.SHA384
	case tls.ECDSAWithP521AndSHA512, tls.PSSWithSHA512, tls.PKCS1WithSHA512:
		return crypto.SHA512
	}
	return 0
}

// schemesOf lists the schemes that a key can sign with in TLS 1.3, the best first.
func schemesOf(pub crypto.PublicKey) (schemes []tls.SignatureScheme, err error) {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		// RFC 8446 4.2.3: the curve and the hash go together.
		switch pub.Curve {
		case elliptic.P256():
			return []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, nil
		case elliptic.P384():
			return []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}, nil
		case elliptic.P521():
			return []tls.SignatureScheme{tls.ECDSAWithP521AndSHA512}, nil
		}
		return nil, fmt.Errorf("ECDSA keys on curve %s cannot sign in TLS 1.3", pub.Curve.Params().Name)
	case ed25519.PublicKey:
		return []tls.SignatureScheme{tls.Ed25519}, nil
	case *rsa.PublicKey:
		for _, s := range []tls.SignatureScheme{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512} {
			// RFC 8017 9.1.1: the encoded message holds hash, salt of the same length, and 2.
			if pub.Size() >= 2*schemeHash(s).Size()+2 {
				schemes = append(schemes, s)
			}
		}
		if len(schemes) == 0 {
			return nil, fmt.Errorf("RSA key of %d bits is too small to sign", pub.N.BitLen())
		}
		return schemes, nil
	}
	if pub == nil { // as x509 leaves it
		return nil, errors.New("keys of an unknown algorithm are not supported")
	}
	return nil, fmt.Errorf("keys of type %T are not supported", pub)
}

// isPSS and isPKCS1 tell the two kinds of RSA signatures.
func isPSS(s tls.SignatureScheme) bool {
	return s == tls.PSSWithSHA256 || s == tls.PSSWithSHA384 || s == tls.PSSWithSHA512
}

func isPKCS1(s tls.SignatureScheme) bool {
	return s == tls.PKCS1WithSHA256 || s == tls.PKCS1WithSHA384 || s == tls.PKCS1WithSHA512
}

// schemesOf12 lists the schemes that a key can sign with in TLS 1.2, the best first:
// those of TLS 1.3, then ECDSA with the hash of another curve (RFC 5246 7.4.1.4.1
// binds the hash to nothing), and RSA's older padding.
func schemesOf12(pub crypto.PublicKey) []tls.SignatureScheme {
	schemes, _ := schemesOf(pub)
	var more []tls.SignatureScheme
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		if len(schemes) > 0 {
			more = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512}
		}
	case *rsa.PublicKey:
		for _, s := range []tls.SignatureScheme{tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512} {
			// RFC 8017 9.2: the DigestInfo, its header of 19 bytes, and 11 of padding.
			if pub.Size() >= schemeHash(s).Size()+19+11 {
				more = append(more, s)
			}
		}
	}
	for _, s := range more {
		if !slices.Contains(schemes, s) {
			schemes = append(schemes, s)
		}
	}
	return schemes
}

// isSlow tells whether a signature takes so long that an event loop had better
// have it done elsewhere. Those of the standard library with P-256 and Ed25519
// take some 0.05 ms; P-384 0.3, P-521 0.9, RSA-2048 1.3; and of a signer that is
// not the standard library's (a key in a device or another process) nobody knows.
func isSlow(key crypto.Signer) bool {
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		return key.Curve != elliptic.P256()
	case ed25519.PrivateKey:
		return false
	}
	return true
}

// signedMessage is what a CertificateVerify signs (RFC 8446 4.4.3).
func signedMessage(context string, transcriptHash []byte) []byte {
	m := make([]byte, 64, 64+len(context)+1+len(transcriptHash))
	for i := range m {
		m[i] = 0x20
	}
	m = append(m, context...)
	m = append(m, 0)
	return append(m, transcriptHash...)
}

// AsyncSigner is a private key that answers later: in another process, a device
// or a service. It may stand in tls.Certificate.PrivateKey instead of a
// crypto.Signer.
type AsyncSigner interface {
	// Public returns the key of the certificate, an *ecdsa.PublicKey, *rsa.PublicKey or
	// ed25519.PublicKey, each time the same.
	Public() crypto.PublicKey
	// SignMessage starts the signature of scheme over message, the whole input of
	// RFC 8446 4.4.3 and not its hash; message is the callee's to keep. It must not
	// block: answer is completed by whoever has the signature. A failure sends
	// internal_error. The signature is verified before it is sent.
	SignMessage(message []byte, scheme tls.SignatureScheme, answer *Completion[[]byte])
}

// sign makes the signature of a CertificateVerify over message.
func sign(key crypto.Signer, scheme tls.SignatureScheme, message []byte) ([]byte, error) {
	h := schemeHash(scheme)
	var opts crypto.SignerOpts = h
	if h == 0 {
		return key.Sign(rand.Reader, message, opts)
	}
	if isPSS(scheme) {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
	}
	d := h.New()
	d.Write(message)
	return key.Sign(rand.Reader, d.Sum(nil), opts)
}

// verifySignature checks the peer's CertificateVerify. A scheme that was not
// offered or does not fit the key is illegal_parameter (RFC 8446 4.4.3), a wrong
// signature decrypt_error.
func verifySignature(version uint16, pub crypto.PublicKey, scheme tls.SignatureScheme, offered []uint16, message, signature []byte) error {
	if !slices.Contains(offered, uint16(scheme)) {
		// Before the key is looked at, which may well be of the scheme that is not ours.
		return abort(AlertIllegalParameter, "certificate_verify: algorithm %#04x was not offered", uint16(scheme))
	}
	fit, err := schemesOf(pub)
	if version == tls.VersionTLS12 {
		fit = schemesOf12(pub)
	}
	if err != nil && len(fit) == 0 {
		return abort(AlertUnsupportedCertificate, "certificate: %w", err)
	}
	if !slices.Contains(fit, scheme) {
		return abort(AlertIllegalParameter, "certificate_verify: algorithm %#04x does not fit the key of the certificate", uint16(scheme))
	}
	h := schemeHash(scheme)
	digest := message
	if h != 0 {
		d := h.New()
		d.Write(message)
		digest = d.Sum(nil)
	}
	ok := false
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(pub, digest, signature)
	case ed25519.PublicKey:
		ok = ed25519.Verify(pub, digest, signature)
	case *rsa.PublicKey:
		if isPKCS1(scheme) {
			ok = rsa.VerifyPKCS1v15(pub, h, digest, signature) == nil
			break
		}
		opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
		ok = rsa.VerifyPSS(pub, h, digest, signature, opts) == nil
	}
	if !ok {
		return abort(AlertDecryptError, "certificate_verify: signature does not verify")
	}
	return nil
}
