package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"io"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// noticedSigner tells that its key has signed.
type noticedSigner struct {
	crypto.Signer
	used func()
}

func (n *noticedSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	n.used()
	return n.Signer.Sign(rand, digest, opts)
}

// laterSigner is a private key that answers later, a tlsconn.AsyncSigner.
type laterSigner struct {
	key     crypto.Signer
	used    func()
	pending *pending
}

func (l *laterSigner) Public() crypto.PublicKey { return l.key.Public() }

func (l *laterSigner) SignMessage(message []byte, scheme tls.SignatureScheme, c *tlsconn.Completion[[]byte]) {
	answer(l.pending, askSignature, c, func() ([]byte, error) {
		l.used()
		opts, err := signerOpts(scheme)
		if err != nil {
			return nil, err
		}
		return crypto.SignMessage(l.key, rand.Reader, message, opts)
	})
}

// signerOpts are a scheme's, in the standard library's form.
func signerOpts(scheme tls.SignatureScheme) (crypto.SignerOpts, error) {
	pss := func(h crypto.Hash) crypto.SignerOpts {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
	}
	switch scheme {
	case tls.Ed25519:
		return crypto.Hash(0), nil
	case tls.ECDSAWithP256AndSHA256:
		return crypto.SHA256, nil
	case tls.ECDSAWithP384AndSHA384:
		return crypto.SHA384, nil
	case tls.ECDSAWithP521AndSHA512:
		return crypto.SHA512, nil
	case tls.PKCS1WithSHA256:
		return crypto.SHA256, nil
	case tls.PKCS1WithSHA384:
		return crypto.SHA384, nil
	case tls.PKCS1WithSHA512:
		return crypto.SHA512, nil
	case tls.PSSWithSHA256:
		return pss(crypto.SHA256), nil
	case tls.PSSWithSHA384:
		return pss(crypto.SHA384), nil
	case tls.PSSWithSHA512:
		return pss(crypto.SHA512), nil
	}
	return nil, errors.New("a signature of " + scheme.String() + " was asked for")
}

// schemesOf are what a key can sign with in TLS 1.3, where the preferences of its
// credential, if there are any, leave something.
func schemesOf(key crypto.PublicKey, prefs []tls.SignatureScheme) (schemes []tls.SignatureScheme) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		switch key.Params().BitSize {
		case 256:
			schemes = append(schemes, tls.ECDSAWithP256AndSHA256)
		case 384:
			schemes = append(schemes, tls.ECDSAWithP384AndSHA384)
		case 521:
			schemes = append(schemes, tls.ECDSAWithP521AndSHA512)
		}
	case ed25519.PublicKey:
		schemes = append(schemes, tls.Ed25519)
	case *rsa.PublicKey:
		schemes = append(schemes, tls.PSSWithSHA256, tls.PSSWithSHA384)
		if key.Size() >= 130 { // RFC 8017 9.1.1: an encoded message holds the hash, as much salt, and 2
			schemes = append(schemes, tls.PSSWithSHA512)
		}
	}
	return preferred(schemes, prefs)
}

// schemesOf12 are what a key can sign with in TLS 1.2: with RSA's older padding too, and
// on every curve with every hash.
func schemesOf12(key crypto.PublicKey, prefs []tls.SignatureScheme) (schemes []tls.SignatureScheme) {
	switch key.(type) {
	case *ecdsa.PublicKey:
		schemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512}
	case *rsa.PublicKey:
		schemes = append(schemesOf(key, nil), tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512)
	default:
		schemes = schemesOf(key, nil)
	}
	return preferred(schemes, prefs)
}

// preferred leaves what the preferences of a credential, if there are any, do.
func preferred(schemes, prefs []tls.SignatureScheme) []tls.SignatureScheme {
	if prefs == nil {
		return schemes
	}
	return slices.DeleteFunc(schemes, func(s tls.SignatureScheme) bool { return !slices.Contains(prefs, s) })
}
