package tlsconn

import (
	"bytes"
	crand "crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The other way around: the same server, which makes the same mistake, answers a client
// of ours and one of crypto/tls. As their hellos differ in random and shares, so do the
// server's answers; what is changed in them is the same.

// The flights that a client is met with.
const (
	flight13 = iota
	flightRetry
	flight12
	flights
)

// FuzzServerFlightLikeCryptoTLS changes one message of a server's flight.
func FuzzServerFlightLikeCryptoTLS(f *testing.F) {
	judgedCerts() // keys take seconds to make, with which the fuzzer would charge an input
	sampleShares()
	for flight := range byte(flights) {
		for setup := range byte(3) {
			f.Add(setup, flight, byte(0), []byte{})
		}
		for which := range byte(2) {
			for i := range sampleExtensions() {
				f.Add(byte(0), flight, which, []byte{editSample, 0, byte(i), 0})
			}
			for kind := range byte(editKinds) {
				f.Add(byte(0), flight, which, []byte{kind, 1, 4, 0, 0, 3, 4})
			}
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		f.Add(byte(r.IntN(3)), byte(r.IntN(flights)), byte(r.IntN(2)), randomBytes(r, 24))
	}
	f.Fuzz(func(t *testing.T, setup, flight, which byte, edits []byte) {
		p := metBy{judgedAs(setup % 3).versions, flight % flights, int(which % 2), func(h *looseHello) { h.edit(&knobs{edits}) }}
		p.compare(t)
	})
}

// metBy is what a client of versions is met by: a flight, in which change changes the
// message of the number that can be taken apart.
type metBy struct {
	versions [2]uint16
	flight   byte
	which    int
	change   func(*looseHello)
}

// newServer makes the server, which says act after act.
func (m metBy) newServer(t *testing.T) *scriptedServer {
	p := &puppet{t: quitter{t}, role: RoleServer, suiteID: tls.TLS_AES_128_GCM_SHA256}
	p.tr = &testTransport{in: new(stream), out: new(stream), auto: true, quota: -1}
	p.cert = judgedCerts()[keyECDSA]
	return &scriptedServer{puppet: p, metBy: m}
}

type scriptedServer struct {
	*puppet
	metBy
	acts, said int
	changed    *looseHello
}

// act reads what the client has sent so far and answers it. It returns false if
// there is nothing to say.
func (s *scriptedServer) act() (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, quits := r.(quit); !quits {
				panic(r)
			}
			ok = false
		}
	}()
	s.acts++
	if s.acts > 1 && (s.flight != flightRetry || s.acts > 2) {
		return false
	}
	raw, ok := s.take()
	if !ok || wire.MessageType(raw[0]) != wire.TypeClientHello {
		return false
	}
	s.log = append(s.log, raw...)
	if err := s.hello.Unmarshal(raw[wire.HeaderLen:]); err != nil {
		return false
	}
	if len(s.hello.KeyShares) == 0 { // of TLS 1.2
		s.hello.KeyShares = []wire.KeyShare{{Group: uint16(tls.CurveP256), KeyExchange: ecdhShare()}}
	}
	switch {
	case s.flight == flight12:
		s.flight12()
	case s.flight == flightRetry && s.acts == 1:
		s.helloRetry()
	default:
		s.prepare()
		s.serverHello(nil)
		s.prepare()
		s.encryptedExtensions(nil)
		s.certificate(nil)
		s.certificateVerify(nil)
		s.serverFinished(nil)
	}
	return true
}

// prepare has the next message changed, if it is its turn.
func (s *scriptedServer) prepare() {
	if s.said++; s.said-1 != s.which {
		return
	}
	s.edit = func(raw []byte) []byte {
		loose, ok := parseLoose(raw)
		if !ok {
			return raw
		}
		s.change(loose)
		s.changed = loose
		return loose.encode()
	}
}

// helloRetry asks for a share that the client has not sent.
func (s *scriptedServer) helloRetry() {
	s.prepare()
	s.helloRetryRequest(func(m *wire.ServerHello) { m.SelectedGroup = uint16(tls.CurveP384) })
}

// flight12 says everything up to ServerHelloDone.
func (s *scriptedServer) flight12() {
	m := wire.ServerHello{LegacyVersion: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, PointFormats: []byte{0}}
	crand.Read(m.Random[:])
	m.Answer(wire.ExtExtendedMasterSecret)
	m.Answer(wire.ExtRenegotiationInfo)
	s.prepare()
	s.say(m.Append(nil))
	random := s.last[wire.HeaderLen+2:][:32] // as it was sent
	s.say((&wire.Certificate12{Certificates: s.cert.Certificate}).Append(nil))
	public, _, err := respond(tls.CurveP256, ecdhShare())
	if err != nil {
		s.t.Fatal(err)
	}
	ske := wire.ServerKeyExchange{Group: uint16(tls.CurveP256), Point: public, Algorithm: uint16(tls.ECDSAWithP256AndSHA256)}
	signed := ske.AppendParams(append(bytes.Clone(s.hello.Random[:]), random...))
	if ske.Signature, err = sign(testKeys()[keyECDSA], tls.ECDSAWithP256AndSHA256, signed); err != nil {
		s.t.Fatal(err)
	}
	s.say(ske.Append(nil))
	s.say((&wire.ServerHelloDone{}).Append(nil))
}

// ecdhShare is somebody's point on P-256.
func ecdhShare() []byte { return sampleShares()[tls.CurveP256][4:] }

// judge reads the client's alert, if it has sent one, protected or not.
func (s *scriptedServer) judge(v *ruling, sent []byte) {
	for b := sent[s.seen:]; len(b) >= record.HeaderLen; {
		h := record.ParseHeader(b)
		body := b[record.HeaderLen:][:h.Length]
		if h.Type == record.ApplicationData && s.read.on {
			if inner, err := s.read.aead.Open(nil, s.read.nonce(), body, b[:record.HeaderLen]); err == nil {
				s.read.seq++
				h.Type, body = record.Type(inner[len(inner)-1]), inner[:len(inner)-1]
			}
		}
		if h.Type == record.Alert && len(body) == 2 {
			v.what, v.alert = refuses, Alert(body[1])
		}
		b = b[record.HeaderLen+h.Length:]
	}
}

// byOurs is what our client makes of it.
func (m metBy) byOurs(t *testing.T) (v ruling, s *scriptedServer) {
	s = m.newServer(t)
	c := Client(s.tr, &Config{MinVersion: m.versions[0], MaxVersion: m.versions[1], ServerName: "example.org", InsecureSkipVerify: true,
		CurvePreferences: defaultGroups, NextProtos: []string{"h2", "http/1.1"}, Time: testClock})
	err := c.Handshake()
	for err == ErrWantRead && s.act() {
		err = c.Handshake()
	}
	if err != nil && !isWant(err) {
		v.what, v.reason = hangsUp, err.Error()
	} else {
		v = ruling{what: waits}
		if err == nil || c.facts.suite != nil && c.State() == StateExpectChangeCipherSpec {
			state := c.ConnectionState()
			v = ruling{what: accepts, version: state.Version, suite: state.CipherSuite, group: uint16(state.Group), protocol: state.NegotiatedProtocol}
		}
	}
	s.judge(&v, s.tr.out.bytes)
	return v, s
}

// byTheirs is what crypto/tls's makes of it.
func (m metBy) byTheirs(t *testing.T) (v ruling) {
	s := m.newServer(t)
	conn := &askedConn{}
	conn.more = func() bool {
		s.tr.out.bytes = conn.out
		ok := s.act()
		conn.in, s.tr.in.bytes = append(conn.in, s.tr.in.bytes...), nil
		return ok
	}
	client := tls.Client(conn, &tls.Config{MinVersion: m.versions[0], MaxVersion: m.versions[1], ServerName: "example.org", InsecureSkipVerify: true,
		CurvePreferences: defaultGroups, CipherSuites: suites12OfBoth, NextProtos: []string{"h2", "http/1.1"}, Time: testClock})
	err := client.Handshake()
	state := client.ConnectionState()
	switch {
	case err == nil || errors.Is(err, io.EOF) && state.Version == tls.VersionTLS12 && bytes.Contains(conn.out, []byte{byte(record.ChangeCipherSpec), 3, 3, 0, 1, 1}):
		v = ruling{what: accepts, version: state.Version, suite: state.CipherSuite, group: uint16(state.CurveID), protocol: state.NegotiatedProtocol}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		v.what = waits
	default:
		v.what, v.reason = hangsUp, err.Error()
	}
	s.judge(&v, conn.out)
	return v
}

// askedConn is a scriptedConn that asks for more.
type askedConn struct {
	scriptedConn
	more func() bool
}

func (c *askedConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 && !c.more() {
		return 0, io.EOF
	}
	return c.scriptedConn.Read(p)
}

// compare holds the two clients against each other, and returns the row that explains
// how they differ.
func (m metBy) compare(t *testing.T) *decided {
	t.Helper()
	ours, s := m.byOurs(t)
	theirs := m.byTheirs(t)
	if ours.same(theirs) {
		return nil
	}
	d := &difference{ours: ours, theirs: theirs, loose: s.changed}
	for i := range decidedOfClients {
		row := &decidedOfClients[i]
		if strings.Contains(ours.reason, row.ours) && (row.when == nil || row.when(d)) {
			return row
		}
	}
	t.Fatalf("we and crypto/tls differ about %+v in flight %d to a client of %v\n  we: %v\n  crypto/tls: %v", s.changed, m.flight, m.versions, ours, theirs)
	return nil
}

func TestEveryDecidedDifferenceOfClientsIsMet(t *testing.T) {
	for i := range decidedOfClients {
		row := &decidedOfClients[i]
		t.Run(row.why, func(t *testing.T) {
			m := metBy{judgedAs(row.setup).versions, row.flight, row.which, row.show}
			if met := m.compare(t); met != row {
				t.Errorf("explained by %+v", met)
			}
		})
	}
}

// decidedOfClients are the differences of clients that are meant to be, as
// decidedDifferences are those of servers.
var decidedOfClients = []decided{
	{why: "RFC 7301 3.2 names no alert for a protocol that was not offered: illegal_parameter is ours, no_application_protocol or unsupported_extension crypto/tls's",
		ours: "application protocol was not offered", when: theyRefuse,
		flight: flight13, which: 1, show: sets(wire.ExtALPN, "\x00\x05\x04spdy")},
	{why: "RFC 8446 4.2: a response to an extension that was not offered is unsupported_extension; crypto/tls ignores what it does not know",
		ours:   "was not offered (",
		flight: flight13, which: 1, show: sets(0x0a0a, "")},
	{why: "RFC 8446 4.2: an extension that is not of this message is illegal_parameter; crypto/tls says unsupported_extension or ignores it",
		ours:   "does not belong here",
		flight: flight13, show: sets(wire.ExtRenegotiationInfo, "\x00")},
	{why: "RFC 8446 4.2: \"There MUST NOT be more than one extension of the same type\", for which the RFC names no alert",
		ours:   "duplicate extension",
		flight: flightRetry, show: func(h *looseHello) { h.extensions = append(h.extensions, h.extensions[0]) }},
	{why: "RFC 8446 4.1.4: a version that changes after a HelloRetryRequest is illegal_parameter; crypto/tls says missing_extension",
		ours: "no supported_versions after a hello_retry_request", when: theyRefuse,
		flight: flightRetry, which: 1, show: drops(wire.ExtSupportedVersions)},
	{why: "RFC 8446 D.5: legacy_version 0x0300 is protocol_version, whatever else",
		ours: "legacy_version is 0x0300", when: theyRefuse,
		flight: flight13, show: func(h *looseHello) { h.version = 0x0300 }},
	{why: "RFC 8446 4.1.3: legacy_session_id_echo<0..32>, of which crypto/tls reads any",
		ours:   "legacy_session_id_echo: length",
		flight: flight12, show: func(h *looseHello) { h.session = make([]byte, 33) }},
	{why: "RFC 8446 9.2 as of the ClientHello: no key_share is missing_extension; crypto/tls says illegal_parameter",
		ours: "server_hello: no key_share", when: theyRefuse,
		flight: flight13, show: drops(wire.ExtKeyShare)},
	{why: "RFC 5746 4.1: a client that cares \"MUST generate a fatal handshake_failure alert\" without renegotiation_info",
		ours:   "no renegotiation_info",
		flight: flight12, show: drops(wire.ExtRenegotiationInfo)},
	{why: "RFC 8446 4.2.1: a HelloRetryRequest without supported_versions is of no version that has one; crypto/tls reads a ServerHello of TLS 1.2 that echoes a session id",
		ours: "the server has no TLS 1.3", when: theyRefuse,
		flight: flightRetry, show: drops(wire.ExtSupportedVersions)},
	{why: "RFC 8446 4.2.8: a key_share that cannot be decoded is a decode_error in TLS 1.2 too, where crypto/tls does not look at it",
		ours:   "server_hello: key_share",
		flight: flight12, show: sets(wire.ExtKeyShare, "\x00\x00")},
	{why: "RFC 8446 4.1.4: a HelloRetryRequest without any extensions cannot be decoded; crypto/tls reads a ServerHello of TLS 1.2",
		ours: "server_hello: extensions: truncated", when: theyRefuse,
		flight: flightRetry, show: func(h *looseHello) { h.extensions, h.noBlock = nil, true }},
	{why: "RFC 8422 5.2: formats without uncompressed are illegal_parameter; crypto/tls hangs up without an alert",
		ours: "ec_point_formats is without uncompressed", when: theyGoNoFurther,
		flight: flight12, show: sets(wire.ExtECPointFormats, "\x01\x01")},
	{why: "RFC 8446 4.2.7: a server's supported_groups, which is for later connections, has to be well-formed; crypto/tls does not look at it",
		ours:   "encrypted_extensions: supported_groups",
		flight: flight13, which: 1, show: sets(wire.ExtSupportedGroups, "\x00\x01")},
	{why: "RFC 8449 4: a record_size_limit that is malformed or too small, which crypto/tls does not know",
		ours:   ": record_size_limit",
		flight: flight13, which: 1, show: sets(wire.ExtRecordSizeLimit, "\x00\x01")},
	{why: "no RFC names an order of checks: the echo of the session id and the extensions",
		ours: "legacy_session_id_echo is not ours", when: theySay(AlertUnsupportedExtension),
		flight: flight13, show: edits(func(h *looseHello) { h.session = []byte{1} }, sets(wire.ExtRenegotiationInfo, "\x00"))},
	{why: "RFC 8446 4.1.3: another compression is illegal_parameter, as in TLS 1.2; crypto/tls says decode_error",
		ours: "server_hello: legacy_compression_method", when: theyRefuse,
		flight: flight13, show: func(h *looseHello) { h.compression = [][]byte{{1}} }},
	{why: "RFC 8446 4.2.1: TLS 1.3 by legacy_version is protocol_version; crypto/tls says missing_extension",
		ours: "server_hello: the server has no TLS 1.2", when: theyRefuse,
		flight: flight12, show: func(h *looseHello) { h.version = 0x0304 }},
	{why: "no RFC names an order of checks: of a version that was not offered we see first what else is wrong",
		when: func(d *difference) bool { return d.ours.what == refuses && theySay(AlertProtocolVersion)(d) }, setup: 1,
		flight: flight13, show: func(h *looseHello) {
			h.extensions = slices.Insert(h.extensions, 0, looseExtension{uint16(wire.ExtRenegotiationInfo), []byte("\x01x")})
		}},
	{why: "no RFC names an order of checks: a renegotiation_info that is not empty (RFC 5746 3.4) and a session id that is echoed",
		ours: "renegotiation_info is not empty", when: theyRefuse, setup: 1,
		flight: flight13, show: func(h *looseHello) {
			h.extensions = []looseExtension{{uint16(wire.ExtRenegotiationInfo), []byte("\x01x")}}
		}},
}
