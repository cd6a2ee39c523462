package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// This file is about clients that show a bare public key where others show a
// certificate (RFC 7250). Servers of ours have certificates alone.

// CertificateType is a form in which a client shows who it is, by its IANA number.
type CertificateType uint8

// The certificate types that are supported.
const (
	// CertificateX509 is a chain of certificates.
	CertificateX509 CertificateType = 0
	// CertificateRawPublicKey is a SubjectPublicKeyInfo and nothing else. Nobody vouches for
	// whose it is: the server has to know.
	CertificateRawPublicKey CertificateType = 2
)

// String returns the name that IANA has for the type.
func (t CertificateType) String() string {
	switch t {
	case CertificateX509:
		return "X509"
	case CertificateRawPublicKey:
		return "RawPublicKey"
	}
	return fmt.Sprintf("CertificateType(%d)", uint8(t))
}

// chooseClientTypes checks all that the Config says of raw public keys.
func (p *prepared) chooseClientTypes(cfg *Config) error {
	types := cfg.ClientCertificateTypes
	if types != nil && len(types) == 0 {
		return errors.New("tlsconn: config: ClientCertificateTypes is empty")
	}
	known := []CertificateType{CertificateX509, CertificateRawPublicKey}
	if err := distinct("ClientCertificateTypes", types, known, "is not supported"); err != nil {
		return err
	}
	if !slices.Contains(types, CertificateRawPublicKey) {
		if len(cfg.RawPublicKeys) > 0 || cfg.ChooseRawPublicKey != nil || cfg.VerifyRawPublicKey != nil {
			return errors.New("tlsconn: config: raw public keys, but no CertificateRawPublicKey among ClientCertificateTypes")
		}
		return nil
	}
	for _, t := range types {
		p.clientTypes = append(p.clientTypes, byte(t))
	}
	for i := range cfg.RawPublicKeys {
		bare, err := withoutCertificate(&cfg.RawPublicKeys[i])
		if err != nil {
			return fmt.Errorf("tlsconn: config: RawPublicKeys[%d]: %w", i, err)
		}
		c, err := newCertificate(bare)
		if err != nil {
			return fmt.Errorf("tlsconn: config: RawPublicKeys[%d]: %w", i, err)
		}
		p.rawKeys = append(p.rawKeys, c)
	}
	return nil
}

// takes tells whether clients may show who they are in a form.
func (p *prepared) takes(t CertificateType) bool {
	if p.clientTypes == nil {
		return t == CertificateX509
	}
	return slices.Contains(p.clientTypes, byte(t))
}

// withoutCertificate returns key with its SubjectPublicKeyInfo in the place of a chain,
// where the Certificate message of TLS 1.3 has it (RFC 8446 4.4.2).
func withoutCertificate(key *tls.Certificate) (*tls.Certificate, error) {
	if len(key.Certificate) > 0 {
		return nil, errors.New("has a certificate, which would not be shown")
	}
	private, ok := key.PrivateKey.(interface{ Public() crypto.PublicKey })
	if !ok {
		return nil, fmt.Errorf("private key of type %T cannot sign", key.PrivateKey)
	}
	spki, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{
		Certificate:                  [][]byte{spki},
		PrivateKey:                   key.PrivateKey,
		SupportedSignatureAlgorithms: key.SupportedSignatureAlgorithms,
	}, nil
}

// settleClientType chooses in which form the client is to show who it is, if it is
// asked at all (RFC 7250 4.2).
func (hs *parties) settleClientType(hello *wire.ClientHello) error {
	p, _ := hs.c.config.prepare()
	if p.clientTypes == nil || hs.c.config.ClientAuth == tls.NoClientCert {
		return nil
	}
	offered := hello.ClientCertificateTypes
	switch {
	case len(offered) == 0:
		offered = []byte{byte(CertificateX509)}
	case len(offered) == 1 && offered[0] == byte(CertificateX509):
		// RFC 7250 4.1: with no type but the default one "it MUST omit the
		// client_certificate_type extension".
		return abort(AlertIllegalParameter, "client_hello: client_certificate_type has X.509 alone")
	}
	for _, t := range p.clientTypes {
		if slices.Contains(offered, t) {
			hs.clientType = CertificateType(t)
			return nil
		}
	}
	// RFC 7250 4.2: no type in common ends in "a fatal alert of type unsupported_certificate".
	return abort(AlertUnsupportedCertificate, "client_hello: client_certificate_type has no type in common with ours")
}

// clientTypeAnswer is the client_certificate_type of a server's answer, empty for none.
// RFC 7250 4.2: a server that does not request a certificate omits it.
func (hs *parties) clientTypeAnswer(hello *wire.ClientHello) []byte {
	p, _ := hs.c.config.prepare()
	if p.clientTypes == nil || len(hello.ClientCertificateTypes) == 0 || hs.c.config.ClientAuth == tls.NoClientCert {
		return nil
	}
	return []byte{byte(hs.clientType)}
}

// learnClientType takes that answer. Without it the server wants X.509, whatever was
// offered.
func (hs *parties) learnClientType(message string, answer []byte) error {
	if len(answer) == 0 {
		return nil
	}
	p, _ := hs.c.config.prepare()
	if !slices.Contains(p.clientTypes, answer[0]) {
		return abort(AlertIllegalParameter, "%s: client_certificate_type selects %v, which was not offered", message, CertificateType(answer[0]))
	}
	hs.clientType = CertificateType(answer[0])
	return nil
}

// clientRawKey chooses the key that a client shows: by ChooseRawPublicKey, or among the
// Config's; none if there is none that is able. It is called again until ok.
func (hs *parties) clientRawKey(asked *certificateAsk, version uint16, able able) (ok bool, err error) {
	config := hs.c.config
	if config.ChooseRawPublicKey != nil {
		key, ok, err := hs.chosen("ChooseRawPublicKey", func(c *Completion[*tls.Certificate]) {
			config.ChooseRawPublicKey(&CertificateRequest{asked.info(version), slices.Clone(asked.types)}, c)
		})
		switch {
		case !ok || err != nil:
			return ok, err
		case key != nil && key.PrivateKey == nil:
			return true, nil
		case key != nil:
			bare, err := withoutCertificate(key)
			if err != nil {
				return true, abort(AlertInternalError, "ChooseRawPublicKey: the key %w", err)
			}
			return true, hs.use(bare, "ChooseRawPublicKey", "certificate_request", able)
		}
	}
	p, _ := config.prepare()
	for _, c := range p.rawKeys {
		if s, ok := able(c); ok {
			hs.cert, hs.scheme = c, s
			break
		}
	}
	return true, nil
}

// readRawKey takes the key of a Certificate message of TLS 1.2, as a copy, and adds the
// message to the transcript. The key is the only entry of the chain; there is none if
// the client has none.
func (hs *handshake12) readRawKey(m message) (chain [][]byte, err error) {
	var cert wire.RawPublicKey12
	if err := cert.Unmarshal(m.body()); err != nil {
		return nil, decodeError(err)
	}
	if len(cert.Key) > 0 {
		chain = [][]byte{slices.Clone(cert.Key)}
	}
	hs.log(m.raw)
	return chain, nil
}

// rawKey parses the key that stands in the place of the chain; whose it is
// VerifyRawPublicKey has to know.
func (v *verification) rawKey() (*Peer, error) {
	if len(v.chain) > 1 {
		// RFC 8446 4.4.2: "no more than one CertificateEntry".
		return nil, abort(AlertIllegalParameter, "certificate: %d entries in the place of a raw public key", len(v.chain))
	}
	key, err := parseRawKey(v.chain[0])
	if err != nil {
		return nil, err
	}
	peer := v.peer
	peer.RawPublicKey = key
	return &peer, nil
}

// parseRawKey parses a SubjectPublicKeyInfo (RFC 5280 4.1).
func parseRawKey(spki []byte) (crypto.PublicKey, error) {
	if len(spki) > maxRawPublicKey {
		return nil, abort(AlertBadCertificate, "certificate: raw public key: %d bytes, more than %d", len(spki), maxRawPublicKey)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(spki, &info); err != nil || len(rest) > 0 {
		return nil, abort(AlertDecodeError, "certificate: raw public key: not a SubjectPublicKeyInfo")
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, abort(AlertUnsupportedCertificate, "certificate: raw public key: %w", quoted{err})
	}
	if err := checkKeySize(0, key); err != nil {
		return nil, err
	}
	// A key has one encoding: else who is on a list of revoked ones comes back in another.
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil {
		return nil, abort(AlertUnsupportedCertificate, "certificate: raw public key: %w", quoted{err})
	} else if !bytes.Equal(again, spki) {
		return nil, abort(AlertDecodeError, "certificate: raw public key: not the DER encoding of the key")
	}
	return key, nil
}
