package main

import (
	"crypto/tls"
	"errors"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// clientConfig is a client's.
func (x *connection) clientConfig(id identity) (*tlsconn.Config, error) {
	s, seen := x.set, &x.seen
	config := x.commonConfig()
	var err error
	if config.NextProtos, err = parseProtocols(s.advertiseALPN); err != nil {
		return nil, err
	}
	config.ServerName, config.AllowUnknownProtocol = s.hostName, s.allowUnknownALPN
	config.KeyShares = s.shares()
	// The runner allows it by default. Where it expects one, its absence is a failure too.
	config.AllowMissingRenegotiationInfo = !s.noLegacyServer && !s.expectReneg
	config.RequestOCSP, config.RequestSCTs = s.requestOCSP, s.requestSCTs
	config.Grease = s.grease
	if !s.noTicket { // a client that does not resume does not ask for tickets either
		config.Sessions, config.SessionKey = &x.sessions, sessionName
	}
	config.ClientCertificateTypes = withRawKeys(s.availableTypes)
	if s.availableTypes == nil {
		config.ClientCertificateTypes = withRawKeys(id.forms())
	}
	if !s.async {
		id.install(config)
	}
	choose := func(form tlsconn.CertificateType) func(*tlsconn.CertificateRequest, *tlsconn.Completion[*tls.Certificate]) {
		return func(request *tlsconn.CertificateRequest, c *tlsconn.Completion[*tls.Certificate]) {
			answer(&x.pending, askCertificate, c, func() (*tls.Certificate, error) {
				seen.requested = true
				seen.schemes, seen.authorities, seen.types = request.SignatureSchemes, request.AcceptableCAs, request.CertificateTypes
				if s.failCert {
					return nil, errors.New("the certificate callback fails")
				}
				cert, err := id.choose(form, request.Version, request.SignatureSchemes, request.AcceptableCAs)
				if err != nil || s.async {
					return cert, err
				}
				return nil, nil // the engine chooses
			})
		}
	}
	config.ChooseClientCertificate = choose(tlsconn.CertificateX509)
	if config.ClientCertificateTypes != nil {
		config.ChooseRawPublicKey = choose(tlsconn.CertificateRawPublicKey)
	}
	return config, nil
}

// withRawKeys returns certificate types in the order of the flags, nil if X.509 is the only
// one, as which it is the default.
func withRawKeys[T uint16 | tlsconn.CertificateType](flags []T) (types []tlsconn.CertificateType) {
	if !slices.Contains(flags, T(tlsconn.CertificateRawPublicKey)) {
		return nil
	}
	for _, t := range flags {
		types = append(types, tlsconn.CertificateType(t))
	}
	return types
}

// shares are the groups to send a share of, by the runner's rules: the first one
// that the server is thought to have, else those that are set, else the first one
// with a post-quantum KEM and the first one without. Nil is the engine's choice, where
// it is the same.
func (s *settings) shares() []tls.CurveID {
	groups := curveIDs(s.groups())
	for _, g := range groups {
		if slices.Contains(s.groupsHint, uint16(g)) {
			return []tls.CurveID{g}
		}
	}
	switch {
	case s.noKeyShares:
		return []tls.CurveID{}
	case s.keyShares != nil:
		return curveIDs(s.keyShares)
	}
	classical, quantum := slices.IndexFunc(groups, isClassical), slices.IndexFunc(groups, isQuantum)
	if classical < 0 || quantum < 0 || quantum == 0 && groups[0] == tls.X25519MLKEM768 && groups[classical] == tls.X25519 {
		return nil
	}
	return []tls.CurveID{groups[min(classical, quantum)], groups[max(classical, quantum)]}
}

const mlkem1024 tls.CurveID = 0x0202

func isQuantum(g tls.CurveID) bool   { return g == tls.X25519MLKEM768 || g == mlkem1024 }
func isClassical(g tls.CurveID) bool { return !isQuantum(g) }
