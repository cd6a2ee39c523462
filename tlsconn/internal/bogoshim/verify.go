package main

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// installVerification makes the verification of the peer's chain all ours, in the
// form that the test asks for.
func (x *connection) installVerification(config *tlsconn.Config) {
	config.InsecureSkipVerify = true // of a client; names do not count here
	if x.set.customVerify {
		config.VerifyPeerLater = func(peer *tlsconn.Peer, c *tlsconn.Completion[struct{}]) {
			answer(&x.pending, askVerdict, c, func() (struct{}, error) {
				return struct{}{}, x.verify(peer)
			})
		}
		return
	}
	config.VerifyPeer = x.verify
}

// verify is the verification of a peer. Without -verify-peer it only notices what
// it would have said. The alerts are those of BoringSSL's two kinds of callbacks.
func (x *connection) verify(peer *tlsconn.Peer) error {
	s, seen := x.set, &x.seen
	if seen.peer = peer; peer.Resumed && !s.reverify {
		return nil // it was verified when the session began
	}
	if seen.verified++; seen.verified > 1 {
		return broken("the peer's chain was verified twice")
	}
	err := errors.New("the test wants it to fail")
	if !s.verifyFail {
		err = nil
		switch {
		case peer.RawPublicKey != nil:
			err = s.knowKey(peer.RawPublicKey)
		case s.verifyPeer && s.trustCert != "":
			err = verifyChain(peer.Certificates, s.trustCert)
		}
	}
	seen.verifyFailed = err != nil
	if err == nil || !s.verifyPeer && peer.RawPublicKey == nil {
		return nil
	}
	alert := tlsconn.AlertHandshakeFailure
	if s.customVerify {
		alert = tlsconn.AlertCertificateUnknown
	}
	return &tlsconn.LocalAlertError{Alert: alert, Err: fmt.Errorf("certificate: %w", err)}
}

// verifyChain finds a path from a peer's chain to the root in file. The tests'
// certificates are not made for the name of a host.
func verifyChain(chain []*x509.Certificate, file string) error {
	roots, err := loadChain(file)
	if err != nil {
		return err
	}
	opts := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, der := range roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		opts.Roots.AddCert(root)
	}
	if len(chain) == 0 {
		return errors.New("no certificate to verify")
	}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err = chain[0].Verify(opts)
	return err
}

// knowKey compares a raw public key with the one that the test expects.
func (s *settings) knowKey(key crypto.PublicKey) error {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(spki); s.expectPeerKey != nil && !bytes.Equal(sum[:], s.expectPeerKey) {
		return fmt.Errorf("expected a raw public key of hash %x, got %x", s.expectPeerKey, sum)
	}
	return nil
}

// sameChain compares what a peer sent with the chain in a file.
func sameChain(got []*x509.Certificate, file string) error {
	want, err := loadChain(file)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("the peer sent %d certificates instead of %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i].Raw, want[i]) {
			return fmt.Errorf("certificate %d of the peer is not the expected one", i)
		}
	}
	return nil
}
