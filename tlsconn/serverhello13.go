package tlsconn

import (
	"crypto/tls"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// readServerHello takes a ServerHello or, once, a HelloRetryRequest.
func (hs *client13) readServerHello(m message) (State, error) {
	var sh wire.ServerHello
	if err := sh.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	p, _ := hs.c.config.prepare()
	is13 := sh.SupportedVersion != 0 || hs.retrySuite != nil || sh.IsHelloRetryRequest()
	if p.minVersion == tls.VersionTLS12 && !is13 || p.maxVersion == tls.VersionTLS12 {
		// To who has TLS 1.2 alone, supported_versions is one more extension that was not asked
		// for (RFC 5246 7.4.1.4).
		return hs.become12(m, &sh)
	}
	suite, err := hs.checkServerHello(&sh)
	if err != nil {
		return 0, err
	}
	if sh.IsHelloRetryRequest() {
		if hs.retrySuite != nil {
			// RFC 8446 4.1.4: a second one is an unexpected message.
			return 0, abort(AlertUnexpectedMessage, "hello_retry_request: a second one")
		}
		return hs.retry(m, &sh, suite)
	}

	f := &hs.c.facts
	var share *clientShare
	for _, s := range hs.shares {
		if uint16(s.group) == sh.KeyShare.Group {
			share = s
		}
	}
	if share == nil {
		return 0, abort(AlertIllegalParameter, "server_hello: key_share: we sent no share of group %#04x", sh.KeyShare.Group)
	}
	f.group = share.group
	if err := hs.acceptSession(&sh, suite); err != nil {
		return 0, err
	}
	secret, err := share.secret(sh.KeyShare.KeyExchange)
	if err != nil {
		return 0, abort(AlertIllegalParameter, "server_hello: key_share: %v: %w", share.group, err)
	}
	if hs.retrySuite == nil {
		hs.begin(suite)
		hs.transcript.Write(hs.helloRaw)
	}
	hs.shares, hs.helloRaw = nil, nil
	hs.transcript.Write(m.raw)
	if err := hs.deriveHandshake(secret); err != nil {
		return 0, err
	}
	// From here on the server reads protected records, alerts included: the one about
	// a ServerHello with more behind it, too.
	hs.setWriteSecret(&hs.clientHandshake)
	// RFC 8446 D.4: "immediately before its second flight", which may be an alert;
	// after a HelloRetryRequest it went out before the second ClientHello.
	hs.c.out.compatibility = hs.retrySuite == nil
	if err := hs.c.setReadSecret(&hs.serverHandshake); err != nil {
		return 0, err
	}
	return StateExpectEncryptedExtensions, nil
}

// checkServerHello refuses what no ServerHello or HelloRetryRequest may say, and
// returns the suite.
func (hs *client13) checkServerHello(sh *wire.ServerHello) (*suite, error) {
	name, allowed := "server_hello", serverHelloExtensions
	if sh.IsHelloRetryRequest() {
		name, allowed = "hello_retry_request", retryExtensions
	}
	if sh.LegacyVersion == ssl30 {
		return nil, abort(AlertProtocolVersion, "%s: legacy_version is %#04x", name, sh.LegacyVersion)
	}
	if sh.SupportedVersion == 0 && hs.retrySuite != nil {
		// RFC 8446 4.1.4: the same selected_version as in the HelloRetryRequest.
		return nil, abort(AlertIllegalParameter, "%s: no supported_versions after a hello_retry_request", name)
	}
	if sh.SupportedVersion == 0 {
		if isDowngrade(sh.Random) {
			return nil, abortDowngrade()
		}
		return nil, abort(AlertProtocolVersion, "server_hello: the server has no TLS 1.3, only %s", tls.VersionName(sh.LegacyVersion))
	}
	// RFC 8446 4.2.1: any selected_version before TLS 1.3, or not offered, and 4.1.3.
	if sh.SupportedVersion != tls.VersionTLS13 {
		return nil, abort(AlertIllegalParameter, "%s: supported_versions selects %#04x, which was not offered", name, sh.SupportedVersion)
	}
	if sh.LegacyVersion != tls.VersionTLS12 {
		return nil, abort(AlertIllegalParameter, "%s: legacy_version is %#04x", name, sh.LegacyVersion)
	}
	if string(sh.SessionID) != string(hs.hello.SessionID) {
		return nil, abort(AlertIllegalParameter, "%s: legacy_session_id_echo is not ours", name)
	}
	if sh.CompressionMethod != 0 {
		if sh.IsHelloRetryRequest() {
			// A message of TLS 1.3 alone has no other form (BoGo: TLS13-HRR-InvalidCompressionMethod).
			return nil, abort(AlertDecodeError, "%s: legacy_compression_method is %d", name, sh.CompressionMethod)
		}
		return nil, abort(AlertIllegalParameter, "%s: legacy_compression_method is %d", name, sh.CompressionMethod)
	}
	if err := onlyOffered(name, &hs.hello, sh.Extensions, allowed, AlertIllegalParameter); err != nil {
		return nil, err
	}
	suite := suiteByID(sh.CipherSuite)
	if suite == nil || !slices.Contains(hs.hello.CipherSuites, sh.CipherSuite) {
		return nil, abort(AlertIllegalParameter, "%s: cipher suite %#04x was not offered", name, sh.CipherSuite)
	}
	if hs.retrySuite != nil && suite != hs.retrySuite {
		return nil, abort(AlertIllegalParameter, "%s: cipher suite is not that of the hello_retry_request", name)
	}
	if !sh.IsHelloRetryRequest() && !sh.Has(wire.ExtKeyShare) {
		if sh.Has(wire.ExtPreSharedKey) {
			// RFC 8446 4.2.11: illegal_parameter, if the modes that we offer require one.
			return nil, abort(AlertIllegalParameter, "server_hello: no key_share with pre_shared_key")
		}
		return nil, abort(AlertMissingExtension, "server_hello: no key_share")
	}
	return suite, nil
}

// isDowngrade tells whether a server that knows TLS 1.3 says that it chose less. RFC
// 8446 4.1.3: then somebody took our offer out.
func isDowngrade(random [32]byte) bool {
	tail := [8]byte(random[24:])
	return tail == wire.DowngradeTLS12 || tail == wire.DowngradeTLS11 || tail == downgradeJDK11
}

// downgradeJDK11 is what Google's servers say instead to what looks like the client of
// JDK 11, which cannot do their TLS 1.3 and would refuse the RFC's sentinel. We are not
// that client, so somebody has made our offer look like its.
var downgradeJDK11 = [8]byte{0xed, 0xbf, 0xb4, 0xa8, 0xc2, 0x47, 0x10, 0xff}

func abortDowngrade() error {
	return abort(AlertIllegalParameter, "server_hello: downgrade sentinel in random, from a server that knows TLS 1.3")
}

// become12 hands over to the machine of TLS 1.2, which the server has chosen.
func (hs *client13) become12(m message, sh *wire.ServerHello) (State, error) {
	p, _ := hs.c.config.prepare()
	if p.maxVersion == tls.VersionTLS13 && isDowngrade(sh.Random) {
		return 0, abortDowngrade()
	}
	hs.shares = nil
	next := newClient12(hs)
	hs.c.hs = next
	return next.readServerHello(m)
}

// What may stand in each of the server's messages (RFC 8446 4.2's table).
var (
	serverHelloExtensions = []wire.ExtensionType{wire.ExtKeyShare, wire.ExtPreSharedKey, wire.ExtSupportedVersions}
	retryExtensions       = []wire.ExtensionType{wire.ExtKeyShare, wire.ExtCookie, wire.ExtSupportedVersions}
	encryptedExtensions   = []wire.ExtensionType{wire.ExtServerName, wire.ExtSupportedGroups, wire.ExtALPN, wire.ExtEarlyData, wire.ExtRecordSizeLimit, wire.ExtClientCertificateType}
)

// notOfRequests are what we recognize and the same table keeps out of a CertificateRequest.
var notOfRequests = []wire.ExtensionType{
	wire.ExtServerName, wire.ExtSupportedGroups, wire.ExtALPN, wire.ExtKeyShare, wire.ExtSupportedVersions, wire.ExtCookie,
	wire.ExtPreSharedKey, wire.ExtPSKModes, wire.ExtEarlyData, wire.ExtPostHandshakeAuth, wire.ExtRecordSizeLimit,
	wire.ExtClientCertificateType,
}

// onlyOffered obeys RFC 8446 4.2: a response to an extension that was not sent
// is unsupported_extension, and one that belongs into another message misplaced.
// A HelloRetryRequest's cookie needs no offer.
func onlyOffered(name string, hello *wire.ClientHello, got, allowed []wire.ExtensionType, misplaced Alert) error {
	for _, e := range got {
		if !hello.Has(e) && e != wire.ExtCookie {
			return abort(AlertUnsupportedExtension, "%s: %v was not offered", name, e)
		}
		if !slices.Contains(allowed, e) {
			return abort(misplaced, "%s: %v does not belong here", name, e)
		}
	}
	return nil
}

// retry answers a HelloRetryRequest with the second ClientHello (RFC 8446 4.1.2).
func (hs *client13) retry(m message, hrr *wire.ServerHello, suite *suite) (State, error) {
	hello := &hs.hello
	if err := hs.c.endOfFlight(); err != nil {
		return 0, err
	}
	if !hrr.Has(wire.ExtKeyShare) && !hrr.Has(wire.ExtCookie) {
		return 0, abort(AlertIllegalParameter, "hello_retry_request: asks for no change")
	}
	if hrr.Has(wire.ExtKeyShare) {
		group := hrr.SelectedGroup
		// RFC 8446 4.2.8: one of our groups, and not one whose share we have sent.
		p, _ := hs.c.config.prepare()
		if !slices.Contains(p.groups, tls.CurveID(group)) {
			return 0, abort(AlertIllegalParameter, "hello_retry_request: group %#04x was not offered", group)
		}
		for _, s := range hello.KeyShares {
			if s.Group == group {
				return 0, abort(AlertIllegalParameter, "hello_retry_request: asks for group %#04x, whose share it has", group)
			}
		}
		hs.shares, hello.KeyShares = nil, nil
		if err := hs.makeShares([]tls.CurveID{tls.CurveID(group)}); err != nil {
			return 0, err
		}
	}
	hello.Cookie = slices.Clone(hrr.Cookie)

	hs.begin(suite)
	hs.retrySuite = suite
	hs.c.facts.retried = true
	hs.transcript.Write(hs.helloRaw)
	hs.retryTranscript()
	hs.transcript.Write(m.raw)
	hs.c.queueChangeCipherSpec()
	if s := hs.session; s != nil && (s.version != tls.VersionTLS13 || suiteByID(s.suite).hash != suite.hash) {
		// RFC 8446 4.1.4: "the client SHOULD NOT offer any pre-shared keys associated with a
		// hash other than that of the selected cipher suite". A session of TLS 1.2, whose ticket
		// or id stays in the hello, has none: the server is one of TLS 1.3.
		hs.dropSession()
	}
	second, err := hs.encodeHello()
	if err != nil {
		return 0, err
	}
	if err := hs.send(append(hs.flight, second...)); err != nil {
		return 0, err
	}
	hs.seal()
	return StateExpectSecondServerHello, nil
}

func (hs *client13) readEncryptedExtensions(m message) (State, error) {
	var ee wire.EncryptedExtensions
	if err := ee.Unmarshal(m.body()); err != nil {
		return 0, decodeError(err)
	}
	// RFC 8446 4.2 says illegal_parameter for an extension that we know and that does
	// not belong here; but what belongs nowhere in EncryptedExtensions answers nothing
	// that was asked, and every other stack says so (BoGo: EncryptedExtensionsWithKeyShare).
	if err := onlyOffered("encrypted_extensions", &hs.hello, ee.Extensions, encryptedExtensions, AlertUnsupportedExtension); err != nil {
		return 0, err
	}
	if err := hs.c.settleProtocol("encrypted_extensions", ee.ALPN); err != nil {
		return 0, err
	}
	if err := hs.learnClientType("encrypted_extensions", ee.ClientCertificateType); err != nil {
		return 0, err
	}
	if ee.RecordSizeLimit > 0 {
		hs.c.out.limitFragment(int(ee.RecordSizeLimit) - 1) // RFC 8449 4: it counts the content type
	}
	hs.transcript.Write(m.raw)
	hs.hello = wire.ClientHello{} // nothing is answered to any more
	if hs.session != nil {
		return hs.resumeVerified()
	}
	return StateExpectCertificateOrRequest, nil
}
