package main

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// credential is a certificate chain with its key, as the flags name it.
type credential struct {
	certFile, keyFile string
	signingPrefs      []uint16
	ocsp              []byte
	scts              [][]byte
	issuerBound       bool // only for peers that name its issuer
	rawKey            bool // the key without a chain
}

// load reads the files. used is called when the engine signs with the key, which
// is pending first if p says so.
func (c *credential) load(p *pending, used func()) (tls.Certificate, error) {
	cert := tls.Certificate{OCSPStaple: c.ocsp, SignedCertificateTimestamps: c.scts}
	if !c.rawKey {
		chain, err := loadChain(c.certFile)
		if err != nil {
			return cert, err
		}
		cert.Certificate = chain
	}
	key, err := loadKey(c.keyFile)
	if err != nil {
		return cert, err
	}
	cert.PrivateKey = &noticedSigner{key, used}
	if p.async {
		cert.PrivateKey = &laterSigner{key, used, p}
	}
	for _, s := range c.signingPrefs {
		cert.SupportedSignatureAlgorithms = append(cert.SupportedSignatureAlgorithms, tls.SignatureScheme(s))
	}
	return cert, nil
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

// errTimestamps refuses a list of SCTs that nobody may send.
var errTimestamps = errors.New("signed certificate timestamps: not a list of RFC 6962 3.3")

// parseTimestamps takes a SignedCertificateTimestampList apart.
func parseTimestamps(list []byte) (timestamps [][]byte, err error) {
	all := cut16(&list)
	if len(all) == 0 || len(list) > 0 {
		return nil, errTimestamps
	}
	for len(all) > 0 {
		sct := cut16(&all)
		if len(sct) == 0 {
			return nil, errTimestamps
		}
		timestamps = append(timestamps, sct)
	}
	return timestamps, nil
}

// cut16 takes what follows a length of two bytes off b; nothing if b is too short.
func cut16(b *[]byte) []byte {
	if len(*b) < 2 {
		return nil
	}
	n := 2 + int(binary.BigEndian.Uint16(*b))
	if n > len(*b) {
		return nil
	}
	part := (*b)[2:n]
	*b = (*b)[n:]
	return part
}
