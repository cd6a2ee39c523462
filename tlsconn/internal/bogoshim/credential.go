package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// credential is a certificate chain with its key, as the flags name it.
type credential struct {
	certFile, keyFile string
	signingPrefs      []uint16
}

// load reads the files. used is called when the engine signs with the key.
func (c *credential) load(used func()) (tls.Certificate, error) {
	var cert tls.Certificate
	chain, err := loadChain(c.certFile)
	if err != nil {
		return cert, err
	}
	key, err := loadKey(c.keyFile)
	if err != nil {
		return cert, err
	}
	cert.Certificate = chain
	cert.PrivateKey = &noticedSigner{key, used}
	for _, s := range c.signingPrefs {
		cert.SupportedSignatureAlgorithms = append(cert.SupportedSignatureAlgorithms, tls.SignatureScheme(s))
	}
	return cert, nil
}

// noticedSigner tells that its key has signed.
type noticedSigner struct {
	crypto.Signer
	used func()
}

func (n *noticedSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	n.used()
	return n.Signer.Sign(rand, digest, opts)
}

// loadChain reads a chain of PEM certificates, as DER and unparsed: some tests
// show what is no certificate.
func loadChain(file string) ([][]byte, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var chain [][]byte
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	if chain == nil {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return chain, nil
}

func loadKey(file string) (crypto.Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, unimplemented("%s: %v", file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, unimplemented("%s: a key of type %T", file, key)
	}
	return signer, nil
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
