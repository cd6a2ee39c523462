package tlsconn

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"slices"
	"strings"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// difference is a ClientHello about which we and crypto/tls may differ.
type difference struct {
	judged       judged
	ours, theirs ruling
	loose        *looseHello // the last ClientHello sent; nil if it cannot be taken apart
}

// decided is a difference that is meant to be, with an example: OpenSSL's ClientHello
// (or, answering a HelloRetryRequest, its second one) as show changes it, or else the
// bytes of stream, sent to a server of setup.
type decided struct {
	why    string
	ours   string                 // part of our reason, empty if the row is about theirs
	when   func(*difference) bool // nil for whatever crypto/tls makes of it
	setup  byte
	again  bool
	show   func(*looseHello)
	stream string
	flight byte // of a client: that it is met with, and the number of the message that show changes
	which  int
}

// Setups of the examples, beside the first: both versions, and every certificate.
const (
	setup12     = 1         // TLS 1.2
	setupRetry  = 3 * 2 * 2 // P-384 and P-521 are the groups, and a P-256 certificate is all
	setup12EC   = 3*2*2 + setup12
	setupCurves = 3 * 2 * 3 // an Ed25519 and a P-384 certificate
)

// explained tells which row explains a difference; nil without one. It is ok too if
// there is none but what a server is free to choose.
func (d *difference) explained() (row *decided, ok bool) {
	if d.ours.what == d.theirs.what {
		for _, c := range choices {
			c.settle(d)
		}
	}
	if d.ours.same(d.theirs) {
		return nil, true
	}
	for i := range decidedDifferences {
		row := &decidedDifferences[i]
		if strings.Contains(d.ours.reason, row.ours) && (row.when == nil || row.when(d)) {
			return row, true
		}
	}
	return nil, false
}

// same tells whether two rulings are, in what is compared.
func (v ruling) same(w ruling) bool { return reflect.DeepEqual(v.compared(), w.compared()) }

// compared is what both have to have the same.
func (v ruling) compared() ruling {
	if v.what != accepts && v.what != asksAgain {
		return ruling{what: v.what, alert: v.alert}
	}
	v.reason = ""
	v.extensions = append([]wire.ExtensionType{}, v.extensions...) // none is none
	return v
}

// choice is a detail that the RFCs leave to a server.
type choice struct {
	why    string
	settle func(*difference) // makes their choice ours if both chose what they may
}

var choices = []choice{
	{"RFC 8449 1: an extension is answered by who knows it, and crypto/tls does not know record_size_limit", func(d *difference) {
		if d.has(wire.ExtRecordSizeLimit) {
			d.ours.extensions = slices.DeleteFunc(d.ours.extensions, func(e wire.ExtensionType) bool { return e == wire.ExtRecordSizeLimit })
		}
	}},
	{"RFC 6066 3: server_name is answered by who has used it, which crypto/tls says in TLS 1.2 in any case", func(d *difference) {
		at := slices.Index(d.theirs.extensions, wire.ExtServerName)
		if at >= 0 && d.theirs.version == tls.VersionTLS12 && !slices.Contains(d.ours.extensions, wire.ExtServerName) {
			d.theirs.extensions = slices.Delete(d.theirs.extensions, at, at+1)
		}
	}},
	{"RFC 8446 4.2.7: the order of supported_groups is the client's preference; crypto/tls follows it in TLS 1.2, and we our own", func(d *difference) {
		if d.ours.version == tls.VersionTLS12 && d.lists(wire.ExtSupportedGroups, d.ours.group) && d.lists(wire.ExtSupportedGroups, d.theirs.group) {
			d.theirs.group = d.ours.group
		}
	}},
	{"RFC 8446 4.2.3: the order of signature_algorithms is the client's preference, and RFC 8446 4.4.2.2 leaves it to the server which certificate it shows", func(d *difference) {
		if d.lists(wire.ExtSignatureAlgorithms, uint16(d.ours.scheme)) && d.lists(wire.ExtSignatureAlgorithms, uint16(d.theirs.scheme)) {
			d.theirs.scheme = d.ours.scheme
		}
	}},
	{"RFC 8446 4.1.3 and RFC 5246 7.4.1.3: the suite is the server's choice; what makes a client one that prefers ChaCha20 is read differently", func(d *difference) {
		if d.offersSuite(d.ours.suite) && d.offersSuite(d.theirs.suite) {
			d.theirs.suite = d.ours.suite
		}
	}},
	{"RFC 7301 3.2: a protocol is selected at the first ClientHello by us, at the last by crypto/tls", func(d *difference) {
		if d.ours.what == asksAgain {
			d.theirs.protocol = d.ours.protocol
		}
	}},
}

// body returns the body of an extension of the ClientHello.
func (d *difference) body(t wire.ExtensionType) (body []byte, ok bool) {
	if d.loose != nil {
		for _, e := range d.loose.extensions {
			if e.typ == uint16(t) {
				return e.body, true
			}
		}
	}
	return nil, false
}

func (d *difference) has(t wire.ExtensionType) bool {
	_, ok := d.body(t)
	return ok
}

// numbers are those that an extension lists.
func (d *difference) numbers(t wire.ExtensionType) (numbers []uint16) {
	body, _ := d.body(t)
	entries, _, _ := vectors[t][0].split(body)
	for _, e := range entries {
		n, _, _ := number(e, 2)
		numbers = append(numbers, uint16(n))
	}
	return numbers
}

// shares are the groups of which there is one.
func (d *difference) shares() (groups []uint16) {
	body, _ := d.body(wire.ExtKeyShare)
	entries, _, _ := vectors[wire.ExtKeyShare][0].split(body)
	for _, e := range entries {
		n, _, _ := number(e, 2)
		groups = append(groups, uint16(n))
	}
	return groups
}

func (d *difference) lists(t wire.ExtensionType, number uint16) bool {
	return slices.Contains(d.numbers(t), number)
}

func (d *difference) offersSuite(id uint16) bool {
	return d.loose != nil && slices.ContainsFunc(d.loose.suites, func(s []byte) bool { return int(s[0])<<8|int(s[1]) == int(id) })
}

// theyRefuse is for what they notice too, with another alert, here or in something else.
func theyRefuse(d *difference) bool { return d.theirs.what == refuses }

func theySay(a Alert) func(*difference) bool {
	return func(d *difference) bool { return d.theirs.what == refuses && d.theirs.alert == a }
}

// they is for what crypto/tls alone notices, whatever we make of the rest.
func they(a Alert, because func(*difference) bool) func(*difference) bool {
	return func(d *difference) bool { return theySay(a)(d) && because(d) }
}

func having(t wire.ExtensionType) func(*difference) bool {
	return func(d *difference) bool { return d.has(t) }
}

// sets returns an edit that gives an extension another body, and adds one that is not there.
func sets(t wire.ExtensionType, body string) func(*looseHello) {
	return func(h *looseHello) {
		for i, e := range h.extensions {
			if e.typ == uint16(t) {
				h.extensions[i].body = []byte(body)
				return
			}
		}
		h.extensions = append(h.extensions, looseExtension{uint16(t), []byte(body)})
	}
}

// drops returns an edit that takes an extension out.
func drops(t wire.ExtensionType) func(*looseHello) {
	return func(h *looseHello) {
		h.extensions = slices.DeleteFunc(h.extensions, func(e looseExtension) bool { return e.typ == uint16(t) })
	}
}

// edits returns one edit of several.
func edits(all ...func(*looseHello)) func(*looseHello) {
	return func(h *looseHello) {
		for _, edit := range all {
			edit(h)
		}
	}
}

// decidedDifferences are all that may be. First what we are strict about, then what
// crypto/tls is, and what both decide otherwise.
var decidedDifferences = []decided{
	{why: "RFC 8446 4.1.2: legacy_compression_methods<1..2^8-1>; a length out of range is a decode_error (6.2), not an illegal_parameter",
		ours: "legacy_compression_methods: length", when: theyRefuse,
		show: func(h *looseHello) { h.compression = nil }},
	{why: "RFC 8446 4.1.2: cipher_suites<2..2^16-2>; a length out of range is a decode_error (6.2), not a handshake_failure",
		ours: "cipher_suites: length", when: theyRefuse,
		show: func(h *looseHello) { h.suites = nil }},
	{why: "RFC 8446 4.1.2: legacy_session_id<0..32>, of which crypto/tls repeats a longer one",
		ours: "legacy_session_id: length",
		show: func(h *looseHello) { h.session = make([]byte, 33) }},
	{why: "RFC 8446 D.5: \"MUST abort the handshake with a protocol_version alert\" if legacy_version is 0x0300",
		ours: "legacy_version is 0x0300",
		show: func(h *looseHello) { h.version = 0x0300 }},
	{why: "RFC 8446 9.2: \"If not containing a supported_groups extension\" is missing_extension; crypto/tls says handshake_failure",
		ours: "no supported_groups", when: theyRefuse,
		show: drops(wire.ExtSupportedGroups)},
	{why: "RFC 8446 9.2: supported_groups without key_share is missing_extension; crypto/tls asks for a share",
		ours: "client_hello: no key_share",
		show: drops(wire.ExtKeyShare)},
	{why: "RFC 8446 4.2.8: \"Clients MUST NOT offer multiple KeyShareEntry values for the same group\", servers \"MAY check\" with illegal_parameter",
		ours: "key_share: two shares",
		show: edits(func(h *looseHello) { h.share(tls.X25519) }, func(h *looseHello) { h.share(tls.X25519) })},
	{why: "RFC 8446 4.2.8: \"Clients MUST NOT offer any KeyShareEntry values for groups not listed in the client's supported_groups\", servers \"MAY check\"",
		ours: "is not in supported_groups",
		show: sets(wire.ExtSupportedGroups, "\x00\x02\x00\x17")},
	{why: "RFC 8449 4: a record_size_limit that is malformed or too small, which crypto/tls does not know",
		ours: "client_hello: record_size_limit",
		show: sets(wire.ExtRecordSizeLimit, "\x00\x01")},
	{why: "RFC 8446 4.2.6: post_handshake_auth is empty, which crypto/tls does not look at",
		ours: "client_hello: post_handshake_auth",
		show: sets(wire.ExtPostHandshakeAuth, "x")},
	{why: "RFC 8446 4.2.4: certificate_authorities, which crypto/tls does not look at",
		ours: "client_hello: certificate_authorities",
		show: sets(wire.ExtCertificateAuthorities, "\x00\x00")},
	{why: "RFC 7250 3 and 4.2: server_certificate_type, which crypto/tls does not look at",
		ours: "server_certificate_type",
		show: sets(wire.ExtServerCertificateType, "\x01\x02")},
	{why: "RFC 7250 3: client_certificate_type, which crypto/tls does not look at",
		ours: "client_certificate_type",
		show: sets(wire.ExtClientCertificateType, "")},
	{why: "RFC 8446 4.2.9: ke_modes<1..255>, of which crypto/tls takes none at all",
		ours: "psk_key_exchange_modes.ke_modes: length",
		show: sets(wire.ExtPSKModes, "\x00")},
	{why: "RFC 8446 4.2.9: \"If clients offer pre_shared_key without a psk_key_exchange_modes extension, servers MUST abort the handshake\"",
		ours: "pre_shared_key without psk_key_exchange_modes",
		show: edits(drops(wire.ExtPSKModes), sets(wire.ExtPreSharedKey, "\x00\x0c\x00\x06ticket\x00\x00\x00\x00\x00\x21\x20"+zeros32))},
	{why: "RFC 8446 4.2.11: pre_shared_key that is not the last extension is illegal_parameter; crypto/tls says decode_error",
		ours: "not the last extension", when: theyRefuse,
		show: edits(sets(wire.ExtPreSharedKey, "\x00\x0c\x00\x06ticket\x00\x00\x00\x00\x00\x21\x20"+zeros32), sets(0x0a0a, ""))},
	{why: "RFC 8446 4.2.11: as many binders as identities, or illegal_parameter; crypto/tls says so only where it resumes, or decode_error",
		ours: "binders and identities differ in number",
		show: sets(wire.ExtPreSharedKey, "\x00\x0c\x00\x06ticket\x00\x00\x00\x00\x00\x42\x20"+zeros32+"\x20"+zeros32)},
	{why: "RFC 6066 3: host_name is a DNS name in ASCII, and nothing else comes into our logs and tables",
		ours: "server_name is not printable ASCII",
		show: sets(wire.ExtServerName, "\x00\x07\x00\x00\x04b\xc3\xbch")},
	{why: "RFC 6066 3: a NUL is in no DNS name, and ends one for whoever is told it",
		ours: "host_name: contains a NUL",
		show: sets(wire.ExtServerName, "\x00\x06\x00\x00\x03a\x00b")},
	{why: "RFC 1035 2.3.4: no DNS name is longer than 255 bytes",
		ours: "more than a DNS name can have",
		show: sets(wire.ExtServerName, "\x01\x03\x00\x01\x00"+strings.Repeat("a", 256))},
	{why: "RFC 6066 3: \"MUST NOT contain more than one name of the same name_type\" is illegal_parameter of what can be decoded; crypto/tls says decode_error",
		ours: "host_name: more than one", when: theyRefuse,
		show: sets(wire.ExtServerName, "\x00\x08\x00\x00\x01a\x00\x00\x01b")},
	{why: "RFC 6066 3: a list of names of types that nobody knows names nothing",
		ours: "host_name: missing",
		show: sets(wire.ExtServerName, "\x00\x04\x01\x00\x01a")},
	{why: "RFC 8422 5.1.2: formats without uncompressed are illegal_parameter; crypto/tls says missing_extension",
		ours: "ec_point_formats is without uncompressed", when: theyRefuse, setup: setup12,
		show: sets(wire.ExtECPointFormats, "\x01\x01")},
	{why: "RFC 8422 5.3: \"the public key in the server's certificate MUST respect the client's choice of elliptic curves\"; crypto/tls shows its only certificate all the same",
		ours: "supported_groups is without the curve", setup: setup12EC,
		show: sets(wire.ExtSupportedGroups, "\x00\x02\x00\x18")},
	{why: "RFC 8446 4.1.2: \"the client MUST send the same ClientHello without modification\"; crypto/tls does not compare every extension",
		ours: "second client_hello: ", setup: setupRetry, again: true,
		show: drops(wire.ExtExtendedMasterSecret)},
	{why: "RFC 8446 4.2.1: a second ClientHello without our version is protocol_version, as is a first one; crypto/tls says illegal_parameter of the change",
		ours: "no TLS 1.3 in supported_versions", when: theyRefuse, setup: setupRetry, again: true,
		show: drops(wire.ExtSupportedVersions)},

	{why: "RFC 8446 4.2.10: a server that does not take 0-RTT data may \"ignore the extension\" and skip the data; crypto/tls refuses",
		when: they(AlertUnsupportedExtension, having(wire.ExtEarlyData)),
		show: sets(wire.ExtEarlyData, "")},
	{why: "RFC 9001 8.2: who supports quic_transport_parameters refuses it outside of QUIC; we have never heard of it (RFC 8446 4.1.2: ignore)",
		when: they(AlertUnsupportedExtension, having(extQUIC)),
		show: sets(extQUIC, "\x01\x02\x43\xe8")},
	{why: "RFC 9849: encrypted_client_hello is one that crypto/tls knows, and we ignore (RFC 8446 4.1.2)",
		when: func(d *difference) bool {
			return d.has(extECH) && (theySay(AlertIllegalParameter)(d) || theySay(AlertDecodeError)(d) || slices.Contains(d.theirs.extensions, extECH))
		},
		show: sets(extECH, "\x02")},
	{why: "RFC 6066 3: a name is \"without a trailing dot\", which crypto/tls makes a decode_error and we overlook",
		when: they(AlertDecodeError, func(d *difference) bool {
			body, _ := d.body(wire.ExtServerName)
			names, _, _ := vectors[wire.ExtServerName][0].split(body)
			return slices.ContainsFunc(names, func(name []byte) bool { return name[0] == 0 && bytes.HasSuffix(name, []byte(".")) })
		}),
		show: sets(wire.ExtServerName, "\x00\x0f\x00\x00\x0cexample.org.")},
	{why: "RFC 6066 3: names of types that nobody knows are skipped; crypto/tls demands that they are not empty",
		when: they(AlertDecodeError, func(d *difference) bool {
			body, _ := d.body(wire.ExtServerName)
			names, _, _ := vectors[wire.ExtServerName][0].split(body)
			return slices.ContainsFunc(names, func(name []byte) bool { return name[0] != 0 && len(name) == 3 })
		}),
		show: sets(wire.ExtServerName, "\x00\x07\x00\x00\x01a\x01\x00\x00")},
	{why: "RFC 6066 8: a status_request of a type that nobody knows has a form that nobody knows",
		when: they(AlertDecodeError, func(d *difference) bool {
			body, ok := d.body(wire.ExtStatusRequest)
			return ok && len(body) > 0 && body[0] != 1
		}),
		show: sets(wire.ExtStatusRequest, "\x02")},
	{why: "RFC 5746 3.6 is of TLS 1.2: in 1.3 renegotiation_info is as an unknown extension is",
		when: they(AlertHandshakeFailure, func(d *difference) bool {
			body, _ := d.body(wire.ExtRenegotiationInfo)
			return len(body) > 1 && d.lists(wire.ExtSupportedVersions, tls.VersionTLS13)
		}),
		show: sets(wire.ExtRenegotiationInfo, "\x01x")},
	{why: "RFC 8446 4.4.2.2: of certificates none of which has the name we show one that the client can use, crypto/tls the first",
		when: they(AlertHandshakeFailure, func(d *difference) bool { return len(d.judged.certs) > 1 && d.ours.what != refuses }),
		show: edits(sets(wire.ExtServerName, "\x00\x08\x00\x00\x05other"), sets(wire.ExtSignatureAlgorithms, "\x00\x02\x08\x04"))},

	{why: "RFC 8446 4.1.1: we ask for our most preferred group, crypto/tls takes any of which there is a share, and goes on to what may be wrong then",
		when: func(d *difference) bool {
			return d.ours.what == asksAgain && d.theirs.what != asksAgain && slices.ContainsFunc(d.shares(), func(g uint16) bool {
				return g != d.ours.group && slices.Contains(d.judged.groups, tls.CurveID(g))
			})
		},
		setup: setupRetry,
		show:  func(h *looseHello) { h.share(tls.CurveP521) }},
	{why: "RFC 6066, 7301 and 8446 name no order of checks: no protocol in common ends it for us before groups, shares and suites do",
		ours: "no application protocol in common", when: func(d *difference) bool {
			return d.theirs.what == asksAgain || theyRefuse(d) && !theySay(AlertNoApplicationProtocol)(d)
		},
		setup: setupRetry,
		show:  sets(wire.ExtALPN, "\x00\x05\x04spdy")},
	{why: "nor for TLS_FALLBACK_SCSV, with which we begin and crypto/tls ends (RFC 7507 3)",
		ours: "TLS_FALLBACK_SCSV below our version", when: func(d *difference) bool { return theyRefuse(d) && !theySay(AlertInappropriateFallback)(d) },
		show: edits(drops(wire.ExtSupportedVersions), func(h *looseHello) { h.suites = [][]byte{{0x56, 0x00}} })},
	{why: "nor for a share that is none and signatures: crypto/tls looks at the share first",
		ours: "client_hello: signature_algorithms has none", when: theySay(AlertIllegalParameter),
		show: edits(sets(wire.ExtKeyShare, "\x00\x05\x00\x1d\x00\x01x"), sets(wire.ExtSignatureAlgorithms, "\x00\x02\x02\x01"))},
	{why: "and without signature_algorithms",
		ours: "client_hello: no signature_algorithms", when: theySay(AlertIllegalParameter),
		show: edits(sets(wire.ExtKeyShare, "\x00\x05\x00\x1d\x00\x01x"), drops(wire.ExtSignatureAlgorithms))},
	{why: "RFC 8422 5.3 again: to a legacy_version above TLS 1.2 crypto/tls shows a certificate as in TLS 1.3, of a curve that is not offered",
		ours: "signature_algorithms has none", when: func(d *difference) bool {
			return d.theirs.what == accepts && d.theirs.version == tls.VersionTLS12 && d.loose != nil && d.loose.version > tls.VersionTLS12
		},
		setup: setupCurves,
		show: edits(func(h *looseHello) { h.version = 0x0304 }, drops(wire.ExtSupportedVersions),
			sets(wire.ExtSupportedGroups, "\x00\x02\x00\x17"), sets(wire.ExtSignatureAlgorithms, "\x00\x04\x04\x03\x05\x03"))},

	{why: "RFC 8446 6: a user_canceled ends nothing, of whichever level; crypto/tls hangs up after one that is fatal before it knows the version",
		when: func(d *difference) bool {
			return d.theirs.what == hangsUp && strings.Contains(d.theirs.reason, "user canceled")
		},
		stream: "\x15\x03\x03\x00\x02\x02\x5a"},
	{why: "RFC 8446 6.2: any other alert ahead of the ClientHello ends the connection; crypto/tls goes on after one that is a warning",
		ours:   "tlsconn: peer sent alert",
		stream: "\x15\x03\x03\x00\x02\x01\x64"},
	{why: "RFC 8446 6: an alert of no known level; we say illegal_parameter, crypto/tls unexpected_message",
		ours: "tlsconn: alert: ", when: theyGoNoFurther,
		stream: "\x15\x03\x03\x00\x02\x07\x32"},
	{why: "RFC 8446 5.1 and E.1: legacy_record_version is ignored, but what does not begin with 3 is no TLS; crypto/tls draws the line at 0x1000",
		ours:   "tlsconn: record: version",
		stream: "\x16\x02\x00\x00\x04\x01\x00\x00\x26"},
	{why: "RFC 8446 6 names no alert for what is no TLS: crypto/tls hangs up without one, or says another one",
		ours: "tlsconn: record: ", when: theyGoNoFurther,
		stream: "GET / HTTP/1.1\r\n"},
	{why: "the same where the first record has not arrived whole",
		when:   func(d *difference) bool { return d.ours.what == waits && d.theirs.what == hangsUp },
		stream: "\x17\x03\x03\x00\x05a"},
	{why: "CVE-2016-6307: we take ClientHellos of up to 32 KiB and say illegal_parameter, crypto/tls twice that and internal_error",
		ours:   "tlsconn: handshake message: client_hello of",
		stream: "\x16\x03\x03\x00\x04\x01\x00\x80\x01"},
	{why: "RFC 8446 5.1: what comes in one record with a ClientHello and does not belong there; crypto/tls answers first, or looks at its length",
		ours:   "tlsconn: handshake message: more data behind",
		stream: coalesced()},
	{why: "a message of another type that is too long is unexpected_message by its type, and by its length crypto/tls's internal_error",
		ours: "tlsconn: handshake message: got", when: theyGoNoFurther,
		stream: "\x16\x03\x03\x00\x04\x02\x01\x80\x01"},
}

const (
	extQUIC wire.ExtensionType = 57
	extECH  wire.ExtensionType = 0xfe0d
	zeros32                    = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// theyGoNoFurther is for what ends with them too, if not as they say.
func theyGoNoFurther(d *difference) bool {
	return d.theirs.what != accepts && d.theirs.what != asksAgain
}

// coalesced is a ClientHello of TLS 1.2 with another message behind it in its record.
func coalesced() string {
	h := &looseHello{typ: wire.TypeClientHello, version: tls.VersionTLS12, random: make([]byte, 32), suites: [][]byte{{0xc0, 0x2b}}, compression: [][]byte{{0}}}
	edits(sets(wire.ExtSupportedGroups, "\x00\x02\x00\x17"), sets(wire.ExtSignatureAlgorithms, "\x00\x02\x04\x03"))(h)
	return string(framed(0, append(h.encode(), byte(wire.TypeClientKeyExchange), 0, 0, 0)))
}
