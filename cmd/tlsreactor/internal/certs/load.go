package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// maxFileSize bounds a PEM file: whoever names a disk image by mistake gets an error, not an
// exhausted memory. The largest chains are some 20 KiB.
const maxFileSize = 1 << 20

// minRSABits is what RSA keys need at least (RFC 9325 4.5).
const minRSABits = 2048

// A fileError is what is wrong with a file that a flag names.
type fileError struct {
	flag, file string
	err        error
}

func (e *fileError) Error() string { return fmt.Sprintf("--%s %s: %v", e.flag, e.file, e.err) }
func (e *fileError) Unwrap() error { return e.err }

// Load reads a certificate chain, leaf first, and its private key from PEM files; both may be
// the same file. The warnings are about what works but was probably not meant, each naming its
// flag and file; now is for judging the leaf's validity.
func Load(certFile, keyFile string, now time.Time) (cert tls.Certificate, warnings []string, err error) {
	chain, err := loadChain(certFile)
	if err != nil {
		return tls.Certificate{}, nil, &fileError{"cert", certFile, err}
	}
	key, err := loadKey(keyFile)
	switch {
	case err != nil && keyFile == certFile:
		return tls.Certificate{}, nil, &fileError{"cert", certFile, fmt.Errorf("%w (and no --key names another file)", err)}
	case err != nil:
		return tls.Certificate{}, nil, &fileError{"key", keyFile, err}
	}
	leaf := chain[0]
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return tls.Certificate{}, nil, &fileError{"key", keyFile,
			fmt.Errorf("the key does not match the certificate of --cert %s", certFile)}
	}

	cert = tls.Certificate{PrivateKey: key, Leaf: leaf}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	for _, problem := range doubts(chain, now) {
		warnings = append(warnings, fmt.Sprintf("--cert %s: %s", certFile, problem))
	}
	if info, err := os.Stat(keyFile); err == nil && info.Mode().Perm()&0o007 != 0 {
		warnings = append(warnings, fmt.Sprintf("--key %s: any user of this machine can open the private key (mode %#o); chmod 600 %[1]s",
			keyFile, info.Mode().Perm()))
	}
	return cert, warnings, nil
}

// doubts says what is odd about a chain that nevertheless can be served.
func doubts(chain []*x509.Certificate, now time.Time) []string {
	var problems []string
	leaf := chain[0]
	switch {
	case now.Before(leaf.NotBefore):
		problems = append(problems, "the certificate is not valid before "+leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		problems = append(problems, "the certificate expired at "+leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 && len(leaf.URIs) == 0 {
		problems = append(problems, "the certificate names no host (no subjectAltName); clients will refuse it")
	}
	for i := 1; i < len(chain); i++ {
		if !bytes.Equal(chain[i-1].RawIssuer, chain[i].RawSubject) {
			problems = append(problems, fmt.Sprintf("the chain is out of order: certificate %d is not the issuer of certificate %d", i+1, i))
		}
	}
	return problems
}

// read returns the content of a PEM file. Its errors leave out the file's name, which the
// caller adds with the flag.
func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case len(bytes.TrimSpace(content)) == 0:
		return nil, errors.New("the file is empty")
	case len(content) > maxFileSize:
		return nil, fmt.Errorf("the file is larger than %d KiB, which no PEM file of certificates is", maxFileSize>>10)
	}
	return content, nil
}

func withoutPath(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// loadChain returns the certificates of a PEM file, of which there is at least one; other
// blocks, such as the key of a combined file, are passed over.
func loadChain(file string) ([]*x509.Certificate, error) {
	content, err := read(file)
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	var others []string
	for block := range blocks(content) {
		if block.Type != "CERTIFICATE" {
			others = append(others, block.Type)
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the file cannot be parsed: %w", len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	if len(chain) > 0 {
		return chain, nil
	}
	if _, err := x509.ParseCertificate(content); err == nil {
		return nil, fmt.Errorf("the file is DER, not PEM; convert it: openssl x509 -inform DER -in %s -out %[1]s.pem", file)
	}
	return nil, wrongType("CERTIFICATE", others)
}

// loadKey returns the private key of a PEM file, of which there must be exactly one; other
// blocks, such as EC PARAMETERS or the certificate of a combined file, are passed over.
func loadKey(file string) (crypto.Signer, error) {
	content, err := read(file)
	if err != nil {
		return nil, err
	}
	var key crypto.Signer
	var others []string
	for block := range blocks(content) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			others = append(others, block.Type)
			continue
		}
		if key != nil {
			return nil, errors.New("the file holds more than one private key")
		}
		// RFC 1421 4.6.1.1 is how old PEM says that its content is encrypted.
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, fmt.Errorf("the key is encrypted, and a server has nobody to ask for the passphrase; decrypt it: openssl pkey -in %s -out %[1]s.plain", file)
		}
		if key, err = parseKey(block); err != nil {
			return nil, err
		}
	}
	if key == nil {
		return nil, wrongType("PRIVATE KEY", others)
	}
	return key, nil
}

// parseKey reads a key of a kind that the engine can sign with.
func parseKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("the file holds a %s, a type that is not supported", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the %s cannot be parsed: %w", block.Type, err)
	}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P224() {
			return nil, errors.New("the key is on curve P-224, which TLS does not sign with any more; use P-256")
		}
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("the RSA key has %d bits, fewer than the %d that are safe", bits, minRSABits)
		}
		return key, nil
	}
	return nil, fmt.Errorf("the key is a %T, with which TLS cannot sign", key)
}

// blocks yields the PEM blocks of a file.
func blocks(content []byte) func(yield func(*pem.Block) bool) {
	return func(yield func(*pem.Block) bool) {
		for {
			var block *pem.Block
			if block, content = pem.Decode(content); block == nil || !yield(block) {
				return
			}
		}
	}
}

// wrongType says what a PEM file holds in place of what was looked for.
func wrongType(want string, got []string) error {
	if len(got) == 0 {
		return fmt.Errorf("the file holds no PEM block (looked for -----BEGIN %s-----)", want)
	}
	return fmt.Errorf("the file holds no %s, only: %s", want, strings.Join(got, ", "))
}
