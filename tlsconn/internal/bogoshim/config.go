package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/tlsreactor/tlsreactor/tlsconn"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// observed is what the callbacks of a Config saw of its one connection.
type observed struct {
	selected     int // the credential that signed, by its place in the list; -1 for the default one
	signed       int // how often any did
	verified     int // how often the peer's chain was verified
	verifyFailed bool
	peer         *tlsconn.Peer         // as it was shown for verification
	advertised   []string              // by a client, of ALPN
	requested    bool                  // by a server: a certificate
	schemes      []tls.SignatureScheme // that the peer accepts
	authorities  [][]byte              // that a server names
	types        []byte                // of keys that it takes
	messages     strings.Builder       // each message of the protocol, in the runner's words
}

func (o *observed) signedWith(credential int) {
	o.selected = credential
	o.signed++
}

// message notes one as BoringSSL's shim does.
func (o *observed) message(m tlsconn.TracedMessage) {
	way := "read"
	if m.Sent {
		way = "write"
	}
	switch record.Type(m.ContentType) {
	case record.Handshake:
		fmt.Fprintf(&o.messages, "%s hs %d\n", way, m.Type)
	case record.Alert:
		fmt.Fprintf(&o.messages, "%s alert %d %d\n", way, m.Level, m.Type)
	default:
		fmt.Fprintf(&o.messages, "%s ccs\n", way)
	}
}

// neverOffered is a protocol that no test knows: a server that has only this one
// refuses every client that offers any (RFC 7301 3.2).
const neverOffered = "bogoshim: no protocol of yours"

// config translates the settings for the engine. What its callbacks see goes to
// x.seen.
func (x *connection) config() (*tlsconn.Config, error) {
	id, err := x.set.loadIdentity(&x.pending, &x.seen)
	if err != nil {
		return nil, err
	}
	x.seen.selected = -1
	if x.set.server {
		return x.serverConfig(id), nil
	}
	return x.clientConfig(id)
}

// commonConfig is what both roles configure.
func (x *connection) commonConfig() *tlsconn.Config {
	s := x.set
	config := &tlsconn.Config{
		Time:                x.process.time,
		CipherSuites:        suitesNamed(s.ciphers),
		CurvePreferences:    curveIDs(s.groups()),
		SignatureSchemes:    s.acceptedSchemes(),
		MaxFragment:         s.maxFragment,
		FallbackSCSV:        s.fallbackSCSV,
		MaxCertificateBytes: s.maxCertList,
		TraceMessage:        func(_ *tlsconn.Conn, m tlsconn.TracedMessage) { x.seen.message(m) },
	}
	config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
	if !s.allows(tls.VersionTLS12) {
		config.MinVersion = tls.VersionTLS13
	}
	if !s.allows(tls.VersionTLS13) {
		config.MaxVersion = tls.VersionTLS12
	}
	x.installVerification(config)
	return config
}

// suites12 are the engine's of TLS 1.2, in its order.
var suites12 = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// suitesNamed are the suites of TLS 1.2 that BoringSSL's rules name, as far as the engine
// has them; nil for its own choice. Those of TLS 1.3 are not configured. A rule is a part of
// a suite's name or stands for all, and "!" takes suites out. A group of equal preference
// leaves the choice to the client, as the engine does between AES and ChaCha20 only if no
// order is given.
func suitesNamed(rules string) (suites []uint16) {
	if rules == "" || strings.Contains(rules, "[") {
		return nil
	}
	for rule := range strings.SplitSeq(rules, ":") {
		rule, out := strings.CutPrefix(rule, "!")
		named := func(id uint16) bool {
			bare := strings.NewReplacer("_", "")
			return rule == "ALL" || rule == "DEFAULT" || strings.Contains(bare.Replace(tls.CipherSuiteName(id)), bare.Replace(rule))
		}
		if out {
			suites = slices.DeleteFunc(suites, named)
			continue
		}
		for _, id := range suites12 {
			if named(id) && !slices.Contains(suites, id) {
				suites = append(suites, id)
			}
		}
	}
	return suites
}

func curveIDs(groups []uint16) (ids []tls.CurveID) {
	for _, g := range groups {
		ids = append(ids, tls.CurveID(g))
	}
	return ids
}

// defaultSchemes are the signature schemes that the runner assumes without
// -verify-prefs.
var defaultSchemes = []tls.SignatureScheme{
	tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256, tls.PKCS1WithSHA256,
	tls.ECDSAWithP384AndSHA384, tls.PSSWithSHA384, tls.PKCS1WithSHA384,
	tls.PSSWithSHA512, tls.PKCS1WithSHA512,
}

// acceptedSchemes are those of -verify-prefs that the engine has. It has none of
// SHA-1 and MD5, so it refuses a peer that signs so whatever is configured.
func (s *settings) acceptedSchemes() (schemes []tls.SignatureScheme) {
	if s.verifyPrefs == nil {
		return defaultSchemes
	}
	for _, scheme := range s.verifyPrefs {
		switch scheme := tls.SignatureScheme(scheme); scheme {
		case tls.PKCS1WithSHA1, tls.ECDSAWithSHA1, md5SHA1, pkcs1Legacy:
		default:
			schemes = append(schemes, scheme)
		}
	}
	return schemes
}

// Schemes that the standard library has no names for.
const (
	md5SHA1     tls.SignatureScheme = 0xff01 // BoringSSL's number for what TLS 1.0 and 1.1 sign
	pkcs1Legacy tls.SignatureScheme = 0x0420 // rsa_pkcs1_sha256_legacy
)

// parseProtocols splits a list of ALPN protocols, each with its length before it.
func parseProtocols(list string) ([]string, error) {
	var protocols []string
	for len(list) > 0 {
		n := 1 + int(list[0])
		if n > len(list) {
			return nil, fmt.Errorf("list of protocols: %q is cut off", list)
		}
		protocols = append(protocols, list[1:n])
		list = list[n:]
	}
	return protocols, nil
}

// sameProtocols compares protocols with such a list.
func sameProtocols(got []string, list string) bool {
	want, err := parseProtocols(list)
	return err == nil && slices.Equal(got, want)
}

// sameOctets compares lists of byte strings.
func sameOctets(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }
