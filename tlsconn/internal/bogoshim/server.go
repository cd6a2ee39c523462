package main

import (
	"crypto/tls"
	"errors"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// serverConfig is a server's, with its callbacks.
func (x *connection) serverConfig(id identity) *tlsconn.Config {
	s := x.set
	config := x.plainServerConfig()
	inspected := x.plainServerConfig() // that the inspection answers with
	switch {
	case s.inspect:
		id.install(inspected)
	case !s.async || s.noServerNameAck:
		id.install(config)
		id.install(inspected)
	}
	if !s.noServerNameAck { // a callback that may have used the name acknowledges it
		choose := x.chooseCertificate(id)
		config.ChooseCertificate, inspected.ChooseCertificate = choose, choose
	}
	if s.inspects() {
		config.InspectClientHello = func(hello *tlsconn.ClientHello, c *tlsconn.Completion[*tlsconn.Config]) {
			answer(&x.pending, askInspection, c, func() (*tlsconn.Config, error) {
				return inspected, x.inspect(hello, inspected)
			})
		}
	}
	return config
}

// version is what a server negotiates with a client.
func (s *settings) version(hello *tlsconn.ClientHello) uint16 {
	if s.allows(tls.VersionTLS13) && slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// plainServerConfig is a server's without certificates, and without the callbacks
// that bring them.
func (x *connection) plainServerConfig() *tlsconn.Config {
	s := x.set
	config := x.commonConfig()
	switch {
	case s.rejectALPN:
		config.NextProtos = []string{neverOffered}
	case s.selectALPN != "":
		config.NextProtos = []string{s.selectALPN}
	}
	switch {
	case s.verifyPeer:
		config.ClientAuth = tls.RequestClientCert
	case s.requireAnyCert:
		config.ClientAuth = tls.RequireAnyClientCert
	}
	config.ClientCANames = s.clientCAs
	if config.ClientCertificateTypes = withRawKeys(s.acceptedTypes); config.ClientCertificateTypes != nil {
		config.VerifyRawPublicKey = func(peer *tlsconn.Peer, c *tlsconn.Completion[struct{}]) {
			result := func() (struct{}, error) { return struct{}{}, x.verify(peer) }
			if s.customVerify {
				answer(&x.pending, askVerdict, c, result)
			} else if _, err := result(); err != nil {
				c.Fail(err)
			} else {
				c.Complete(struct{}{})
			}
		}
	}
	config.Tickets = &tickets{key: x.process.ticketKey, skip: s.skipTicket, pending: &x.pending}
	config.SessionTicketsDisabled = s.noTicket
	config.ServerSessions = &x.store
	return config
}

// inspects tells whether the test needs an inspection of the ClientHello.
func (s *settings) inspects() bool {
	return s.inspect || s.failInspection || s.emptyALPN || s.curveFlags != nil || s.expectAdvertisedALPN != ""
}

// inspect looks at a ClientHello and completes the Config for it.
func (x *connection) inspect(hello *tlsconn.ClientHello, config *tlsconn.Config) error {
	s := x.set
	x.seen.advertised = hello.SupportedProtos
	if s.failInspection {
		return errors.New("the inspection of the ClientHello fails")
	}
	if s.emptyALPN {
		config.NextProtos = []string{""}
	}
	config.CurvePreferences = s.orderGroups(config.CurvePreferences, hello.SupportedCurves)
	return nil
}

// orderGroups applies -curves-flags: a group with flag 1 is as good as the one
// behind it, and the client decides between such.
func (s *settings) orderGroups(ours, clients []tls.CurveID) []tls.CurveID {
	rank := func(g tls.CurveID) int {
		if i := slices.Index(clients, g); i >= 0 {
			return i
		}
		return len(clients)
	}
	for start := 0; start < len(ours); {
		end := start + 1
		for end < len(ours) && end <= len(s.curveFlags) && s.curveFlags[end-1] == 1 {
			end++
		}
		slices.SortStableFunc(ours[start:end], func(a, b tls.CurveID) int { return rank(a) - rank(b) })
		start = end
	}
	return ours
}

// chooseCertificate is a server's callback. With -async it is the only one that
// has certificates, unless the inspection of the ClientHello has; else the choice
// is the engine's.
func (x *connection) chooseCertificate(id identity) func(*tlsconn.ClientHello, *tlsconn.Completion[*tls.Certificate]) {
	s, seen := x.set, &x.seen
	return func(hello *tlsconn.ClientHello, c *tlsconn.Completion[*tls.Certificate]) {
		answer(&x.pending, askCertificate, c, func() (*tls.Certificate, error) {
			seen.schemes = hello.SignatureSchemes
			if s.failCert {
				return nil, errors.New("the certificate callback fails")
			}
			if s.async && !s.inspect || !id.usable() {
				return id.choose(tlsconn.CertificateX509, s.version(hello), hello.SignatureSchemes, nil)
			}
			return nil, nil
		})
	}
}
