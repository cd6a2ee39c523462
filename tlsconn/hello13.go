package tlsconn

import (
	"bytes"
	"crypto/tls"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// ssl30 is the one legacy_version that RFC 8446 D.5 refuses for itself, with
// protocol_version, whatever the message says besides.
const ssl30 = 0x0300

// checkHello refuses a ClientHello that TLS 1.3 forbids, whatever is selected.
func (hs *server13) checkHello() error {
	m := &hs.hello
	if !slices.Contains(m.SupportedVersions, tls.VersionTLS13) {
		return abort(AlertProtocolVersion, "client_hello: no TLS 1.3 in supported_versions")
	}
	// RFC 8446 4.1.2: exactly one byte, set to zero, or illegal_parameter.
	if len(m.CompressionMethods) != 1 || m.CompressionMethods[0] != 0 {
		return abort(AlertIllegalParameter, "client_hello: legacy_compression_methods is not the single null method")
	}
	// RFC 8446 9.2: mandatory for psk_dhe_ke as without a pre-shared key.
	// signature_algorithms is asked for when there is something to sign.
	for _, e := range []wire.ExtensionType{wire.ExtSupportedGroups, wire.ExtKeyShare} {
		if !m.Has(e) {
			return abort(AlertMissingExtension, "client_hello: no %v", e)
		}
	}
	// RFC 8446 4.2.9: psk_key_exchange_modes comes with every pre_shared_key.
	if m.Has(wire.ExtPreSharedKey) && !m.Has(wire.ExtPSKModes) {
		return abort(AlertMissingExtension, "client_hello: pre_shared_key without psk_key_exchange_modes")
	}
	return checkShares(m)
}

// checkShares obeys RFC 8446 4.2.8: no two shares of one group, and none of a
// group that is not in supported_groups.
func checkShares(m *wire.ClientHello) error {
	for i, s := range m.KeyShares {
		for _, earlier := range m.KeyShares[:i] {
			if earlier.Group == s.Group {
				return abort(AlertIllegalParameter, "client_hello: key_share: two shares of group %#04x", s.Group)
			}
		}
		if !slices.Contains(m.SupportedGroups, s.Group) {
			return abort(AlertIllegalParameter, "client_hello: key_share: group %#04x is not in supported_groups", s.Group)
		}
		if i >= maxKeyShares {
			return abort(AlertIllegalParameter, "client_hello: key_share: more than %d shares", maxKeyShares)
		}
	}
	return nil
}

// checkSecondHello obeys RFC 8446 4.1.2: "the client MUST send the same ClientHello
// without modification, except" for what the HelloRetryRequest asked for. Extensions
// that we do not know are ignored, in the second hello as in the first: one of them may
// have to change (encrypted_client_hello, say).
func (hs *server13) checkSecondHello(first *wire.ClientHello) error {
	m := &hs.hello
	if m.Has(wire.ExtEarlyData) {
		return abort(AlertIllegalParameter, "second client_hello: early_data after a hello_retry_request")
	}
	if field := changedField(first, m); field != "" {
		return abort(AlertIllegalParameter, "second client_hello: %s is not that of the first", field)
	}
	// "... and (optionally) removing any PSKs which are incompatible with the server's
	// indicated cipher suite."
	rest := first.PSKIdentities
	for i, id := range m.PSKIdentities {
		same := func(earlier wire.PSKIdentity) bool { return bytes.Equal(earlier.Identity, id.Identity) }
		at := slices.IndexFunc(rest, same)
		if at < 0 {
			return abort(AlertIllegalParameter, "second client_hello: pre_shared_key: identity %d is not of the first", i)
		}
		rest = rest[at+1:]
	}
	// RFC 8446 4.1.2: "a list containing a single KeyShareEntry from the indicated group".
	if len(m.KeyShares) != 1 || m.KeyShares[0].Group != uint16(hs.retryGroup) {
		return abort(AlertIllegalParameter, "second client_hello: key_share is not the one of group %v that was asked for", hs.retryGroup)
	}
	return nil
}

// changedField names the first field in which two hellos differ that have to be
// the same, empty if there is none.
func changedField(a, b *wire.ClientHello) string {
	for _, field := range []struct {
		name string
		same bool
	}{
		{"random", a.Random == b.Random},
		{"legacy_version", a.LegacyVersion == b.LegacyVersion},
		{"legacy_session_id", bytes.Equal(a.SessionID, b.SessionID)},
		{"cipher_suites", slices.Equal(a.CipherSuites, b.CipherSuites)},
		{"server_name", bytes.Equal(a.ServerName, b.ServerName)},
		{"supported_versions", slices.Equal(a.SupportedVersions, b.SupportedVersions)},
		{"supported_groups", slices.Equal(a.SupportedGroups, b.SupportedGroups)},
		{"signature_algorithms", slices.Equal(a.SignatureAlgorithms, b.SignatureAlgorithms)},
		{"signature_algorithms_cert", slices.Equal(a.SignatureAlgorithmsCert, b.SignatureAlgorithmsCert)},
		{"ec_point_formats", bytes.Equal(a.PointFormats, b.PointFormats)},
		{"application_layer_protocol_negotiation", slices.EqualFunc(a.ALPN, b.ALPN, bytes.Equal)},
		{"psk_key_exchange_modes", bytes.Equal(a.PSKModes, b.PSKModes)},
		{"certificate_authorities", slices.EqualFunc(a.CertificateAuthorities, b.CertificateAuthorities, bytes.Equal)},
		{"server_certificate_type", bytes.Equal(a.ServerCertificateTypes, b.ServerCertificateTypes)},
		{"client_certificate_type", bytes.Equal(a.ClientCertificateTypes, b.ClientCertificateTypes)},
		{"record_size_limit", a.RecordSizeLimit == b.RecordSizeLimit},
		{"session_ticket", bytes.Equal(a.SessionTicket, b.SessionTicket)},
		{"renegotiation_info", bytes.Equal(a.RenegotiationInfo, b.RenegotiationInfo)},
		{"cookie", bytes.Equal(a.Cookie, b.Cookie)}, // we send none to be echoed
	} {
		if !field.same {
			return field.name
		}
	}
	for _, e := range []wire.ExtensionType{
		wire.ExtStatusRequest, wire.ExtSCT, wire.ExtExtendedMasterSecret, wire.ExtSessionTicket,
		wire.ExtRenegotiationInfo, wire.ExtPostHandshakeAuth,
	} {
		if a.Has(e) != b.Has(e) {
			return e.String()
		}
	}
	return ""
}

// selectGroup chooses our most preferred group of those in common, even if the
// client has sent no share of it and has to be asked for one: a client that guesses
// wrong pays a round trip, but nobody gets a weaker group by how others guess.
func selectGroup(ours []tls.CurveID, m *wire.ClientHello) (tls.CurveID, bool) {
	for _, g := range ours {
		if slices.Contains(m.SupportedGroups, uint16(g)) {
			return g, true
		}
	}
	return 0, false
}

// shareOf returns the key_exchange that the client sent for group, nil if none.
func shareOf(m *wire.ClientHello, group tls.CurveID) []byte {
	for _, s := range m.KeyShares {
		if s.Group == uint16(group) {
			return s.KeyExchange
		}
	}
	return nil
}

// selectProtocol chooses by the server's preference (RFC 7301 3.2). Without a
// list of either side nothing is negotiated.
func selectProtocol(ours []string, offered [][]byte) (string, error) {
	if len(ours) == 0 || len(offered) == 0 {
		return "", nil
	}
	for _, p := range ours {
		for _, o := range offered {
			if p == string(o) {
				return p, nil
			}
		}
	}
	return "", abort(AlertNoApplicationProtocol, "client_hello: no application protocol in common")
}

// settleProtocol takes the application protocol that the server chose in the message,
// if it did: one of those that were offered (RFC 7301 3.1).
func (c *Conn) settleProtocol(message string, chosen []byte) error {
	if len(chosen) == 0 {
		return nil
	}
	protocol := string(chosen)
	if !slices.Contains(c.config.NextProtos, protocol) && !c.config.AllowUnknownProtocol {
		return abort(AlertIllegalParameter, "%s: application protocol was not offered", message)
	}
	c.facts.protocol = protocol
	return nil
}
