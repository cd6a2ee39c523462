package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"slices"
	"testing"
)

// oddSigner is an AsyncSigner whose answers are wrong.
type oddSigner struct {
	crypto.Signer
	answer func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte
}

// SignMessage implements AsyncSigner.
func (s *oddSigner) SignMessage(message []byte, scheme tls.SignatureScheme, answer *Completion[[]byte]) {
	answer.Complete(s.answer(s.Signer, message, scheme))
}

// marker is in answers that are no signatures, to look for on the wire.
var marker = bytes.Repeat([]byte("not a signature "), 8)

const ofThePeersContext = "a signature with the peer's context"

// oddAnswers are what an AsyncSigner should not say.
var oddAnswers = map[string]func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte{
	"nothing": func(crypto.Signer, []byte, tls.SignatureScheme) []byte { return nil },
	"empty":   func(crypto.Signer, []byte, tls.SignatureScheme) []byte { return []byte{} },
	"text":    func(crypto.Signer, []byte, tls.SignatureScheme) []byte { return marker },
	"more than a message can hold": func(crypto.Signer, []byte, tls.SignatureScheme) []byte {
		return bytes.Repeat(marker, 1<<13)
	},
	"a flipped bit": func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte {
		signature := mustSign(key, scheme, message)
		signature[len(signature)/2] ^= 1
		return signature
	},
	"a byte too many": func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte {
		return append(mustSign(key, scheme, message), 0)
	},
	"a signature over another message": func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte {
		return mustSign(key, scheme, append(message, 0))
	},
	ofThePeersContext: func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte {
		other := bytes.Replace(message, []byte("server CertificateVerify"), []byte("client CertificateVerify"), 1)
		if bytes.Equal(other, message) {
			other = bytes.Replace(message, []byte("client CertificateVerify"), []byte("server CertificateVerify"), 1)
		}
		return mustSign(key, scheme, other)
	},
	"a signature of another scheme": func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte {
		if scheme == tls.PSSWithSHA256 {
			return mustSign(key, tls.PSSWithSHA384, message)
		}
		return mustSign(testKeys()[keyRSA], tls.PSSWithSHA256, message)
	},
	"a signature of another key": func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte {
		return mustSign(testKeys()[keyECDSA384], tls.ECDSAWithP384AndSHA384, message)
	},
}

func mustSign(key crypto.Signer, scheme tls.SignatureScheme, message []byte) []byte {
	signature, err := sign(key, scheme, message)
	if err != nil {
		panic(err)
	}
	return signature
}

// A signature that was made elsewhere is checked before it is sent: a faulty one of
// an RSA key would give the key away.
func TestWrongSignaturesAreNotSent(t *testing.T) {
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) { wrongSignaturesAreNotSent(t, version) })
	}
}

func wrongSignaturesAreNotSent(t *testing.T, version uint16) {
	cast := newCast(t)
	for name, answer := range oddAnswers {
		if name == ofThePeersContext && version == tls.VersionTLS12 {
			continue // which has none
		}
		for kind, certs := range map[string][2]tls.Certificate{"Ed25519": {cast.ed25519, cast.client}, "RSA": {cast.rsa, cast.clientRSA}} {
			for i, role := range []Role{RoleServer, RoleClient} {
				t.Run(name+", "+kind+", a "+role.String(), func(t *testing.T) {
					s := newScene(cast)
					s.only(version)
					s.require()
					server, client := certs[0], certs[1]
					odd := &certs[i]
					signer := &oddSigner{odd.PrivateKey.(crypto.Signer), answer}
					if role == RoleServer {
						server.PrivateKey = signer
					} else {
						client.PrivateKey = signer
					}
					s.server.Certificates, s.client.Certificates = []tls.Certificate{server}, []tls.Certificate{client}
					p := s.open(t, 0)
					clientErr, serverErr := p.failHandshake()
					wrong, right, ours, theirs := p.server, p.client, serverErr, clientErr
					if role == RoleClient {
						wrong, right, ours, theirs = p.client, p.server, clientErr, serverErr
					}
					wantAlert(t, wrong.name, ours, AlertInternalError)
					wantPeerAlert(t, right.name, theirs, AlertInternalError)
					if bytes.Contains(wrong.tr.out.bytes, marker) || slices.Contains(right.trace, StateExpectCertificate.String()) && role == RoleServer ||
						slices.Contains(right.trace, StateExpectCertificateVerify.String()) {
						t.Errorf("something of the flight was sent%v", p)
					}
					// The last record is the alert: in TLS 1.3 protected, 5, 2 and 1, and 16 bytes, in
					// TLS 1.2 not yet.
					out := wrong.tr.out.bytes
					if version == tls.VersionTLS12 {
						if !bytes.HasSuffix(out, []byte{21, 3, 3, 0, 2, alertLevelFatal, byte(AlertInternalError)}) {
							t.Errorf("the alert is not the last record: % x", out[max(0, len(out)-24):])
						}
					} else if len(out) < 24 || out[len(out)-24] != 23 || out[len(out)-20] != 19 {
						t.Errorf("the alert is not the last record: % x", out[max(0, len(out)-24):])
					}
				})
			}
		}
	}
}

// The message that an AsyncSigner gets is its own.
func TestAsyncSignerMayKeepTheMessage(t *testing.T) {
	s := newScene(newCast(t))
	var kept []byte
	cert := s.ed25519
	cert.PrivateKey = &oddSigner{cert.PrivateKey.(crypto.Signer), func(key crypto.Signer, message []byte, scheme tls.SignatureScheme) []byte {
		signature := mustSign(key, scheme, message)
		kept = slices.Clone(message)
		clear(message)
		return signature
	}}
	s.server.Certificates = []tls.Certificate{cert}
	p := s.open(t, 0)
	p.handshake()
	if !bytes.Contains(kept, []byte(serverContext)) {
		t.Errorf("signed % x", kept)
	}
}
