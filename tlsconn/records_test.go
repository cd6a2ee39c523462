package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The record layer as a peer meets it.

// stage is a point of a connection at which a record arrives.
type stage int

const (
	serverFresh     stage = iota // a server that has seen nothing
	serverHandshake              // a server that awaits the client's Finished, protected
	serverConnected
	clientHelloSent // a client that awaits the ServerHello
	clientHandshake // a client that awaits EncryptedExtensions, protected
	clientConnected
)

var (
	plainStages     = []stage{serverFresh, clientHelloSent}
	handshakeStages = []stage{serverHandshake, clientHandshake}
	connectedStages = []stage{serverConnected, clientConnected}
	protectedStages = slices.Concat(handshakeStages, connectedStages)
	allStages       = slices.Concat(plainStages, protectedStages)
)

func (s stage) String() string {
	return [...]string{"a fresh server", "a server in the handshake", "a connected server",
		"a client that sent its hello", "a client in the handshake", "a connected client"}[s]
}

// puppet brings a Conn to the stage.
func (s stage) puppet(t testing.TB) *puppet {
	t.Helper()
	role := RoleClient
	if s >= clientHelloSent {
		role = RoleServer
	}
	p := newPuppet(t, role, nil)
	switch s {
	case serverFresh:
	case serverHandshake:
		p.clientHello(nil)
		p.hearServerFlight()
	case clientHelloSent:
		p.hearClientHello()
	case clientHandshake:
		p.hearClientHello()
		p.serverHello(nil)
	case serverConnected, clientConnected:
		p.handshake()
	}
	p.drive()
	return p
}

// fragment is the beginning of a message that the Conn accepts at the stage.
func (p *puppet) fragment() []byte {
	accepted := p.conn.State().accepts(p.conn.role, tls.VersionTLS13)
	return wire.AppendHeader(nil, accepted[0], 40)[:3]
}

// badRecords are records that end the connection, each at some stages.
var badRecords = []struct {
	name   string
	stages []stage
	send   func(*puppet)
	alert  Alert
	text   string
}{
	{"an unassigned record type (5: MUST terminate)", allStages,
		func(p *puppet) { p.plain(24, 1, 2, 3) }, AlertUnexpectedMessage, "type 24"},
	{"an unassigned inner type", protectedStages,
		func(p *puppet) { p.record(24, []byte{1}, 0) }, AlertUnexpectedMessage, "inner type 24"},
	{"a plaintext of 2^14+1 bytes, by its header alone (5.1)", plainStages,
		func(p *puppet) { p.raw([]byte{22, 3, 3, 0x40, 1}) }, AlertRecordOverflow, "16385"},
	{"a ciphertext of 2^14+257 bytes, by its header alone (5.2)", protectedStages,
		func(p *puppet) { p.raw([]byte{23, 3, 3, 0x41, 1}) }, AlertRecordOverflow, "16641"},
	{"an inner plaintext of 2^14+2 bytes by its padding (5.4)", protectedStages,
		func(p *puppet) { p.record(record.ApplicationData, make([]byte, 1<<14), 1) }, AlertRecordOverflow, ""},
	{"an inner plaintext of 2^14+240 bytes, the longest that fits a record", protectedStages,
		func(p *puppet) { p.record(record.ApplicationData, make([]byte, 1<<14+239), 0) }, AlertRecordOverflow, ""},
	{"a version that is not of TLS", allStages,
		func(p *puppet) { p.raw([]byte{22, 2, 0, 0, 1, 1}) }, AlertProtocolVersion, "0x0200"},
	{"a version other than 0x0303 on a protected record (5.2)", protectedStages,
		func(p *puppet) { p.raw([]byte{23, 3, 1, 0, 20}) }, AlertProtocolVersion, "0x0301"},
	{"an empty handshake record (5.1)", plainStages,
		func(p *puppet) { p.plain(record.Handshake) }, AlertUnexpectedMessage, "empty handshake"},
	{"an empty protected handshake record (5.4)", protectedStages,
		func(p *puppet) { p.record(record.Handshake, nil, 0) }, AlertUnexpectedMessage, "empty handshake"},
	{"an empty protected handshake record with padding (5.1)", protectedStages,
		func(p *puppet) { p.record(record.Handshake, nil, 100) }, AlertUnexpectedMessage, "empty handshake"},
	{"an empty alert record (5.4)", allStages,
		func(p *puppet) { p.record(record.Alert, nil, 0) }, AlertUnexpectedMessage, "empty alert"},
	{"a fragment of an alert (5.1)", allStages,
		func(p *puppet) { p.record(record.Alert, []byte{2}, 0) }, AlertDecodeError, "1 bytes"},
	{"two alerts in a record (5.1)", allStages,
		func(p *puppet) { p.record(record.Alert, []byte{1, 90, 1, 0}, 0) }, AlertDecodeError, "4 bytes"},
	{"padding and nothing else (5.4)", protectedStages,
		func(p *puppet) { p.record(0, nil, 10) }, AlertUnexpectedMessage, "no content type"},
	{"a tag and nothing else", protectedStages,
		func(p *puppet) { p.raw(p.write.sealed(nil)) }, AlertUnexpectedMessage, "no content type"},
	{"a record too short for a tag", protectedStages,
		func(p *puppet) { p.raw(append([]byte{23, 3, 3, 0, 15}, make([]byte, 15)...)) }, AlertBadRecordMAC, ""},
	{"an empty record of application data, unprotected", protectedStages,
		func(p *puppet) { p.plain(record.ApplicationData) }, AlertBadRecordMAC, ""},
	{"application data before any key", plainStages,
		func(p *puppet) { p.plain(record.ApplicationData, 1) }, AlertUnexpectedMessage, "application data in state"},
	{"application data under handshake keys", handshakeStages,
		func(p *puppet) { p.record(record.ApplicationData, []byte("early"), 0) }, AlertUnexpectedMessage, "application data in state"},
	{"an empty record of application data under handshake keys", handshakeStages,
		func(p *puppet) { p.record(record.ApplicationData, nil, 0) }, AlertUnexpectedMessage, "application data in state"},
	{"an unprotected handshake record where they are protected (5.2, BoGo: UnencryptedEncryptedExtensions)", protectedStages,
		func(p *puppet) { p.plain(record.Handshake, sampleMessage(wire.TypeKeyUpdate)...) }, AlertBadRecordMAC, "unprotected handshake"},
	{"an unprotected alert from a peer that refused our flight", protectedStages,
		func(p *puppet) { p.plain(record.Alert, 2, byte(AlertUnknownCA)) }, AlertBadRecordMAC, "unprotected alert unknown_ca"},
	{"an alert of level 0 (BoGo: SendBogusAlertType)", allStages,
		func(p *puppet) { p.alert(0, AlertUnexpectedMessage) }, AlertIllegalParameter, "unexpected_message with level 0"},
	{"a close_notify of level 0x42", allStages,
		func(p *puppet) { p.alert(0x42, AlertCloseNotify) }, AlertIllegalParameter, "close_notify with level 66"},
	{"an error alert with the level of a warning (6: MUST be treated as an error, BoGo: SendWarningAlerts-TLS13)", protectedStages,
		func(p *puppet) { p.alert(1, AlertBadCertificate) }, AlertDecodeError, "bad_certificate with the level of a warning"},
	{"no_renegotiation, a warning of TLS 1.2", protectedStages,
		func(p *puppet) { p.alert(1, AlertNoRenegotiation) }, AlertDecodeError, "no_renegotiation with the level"},
	{"a warning that no RFC names (6: MUST be treated as an error)", protectedStages,
		func(p *puppet) { p.alert(1, 200) }, AlertDecodeError, "alert(200) with the level"},
	{"an alert within a handshake message (5.1: not interleaved)", allStages,
		func(p *puppet) {
			p.record(record.Handshake, p.fragment(), 0)
			p.alert(1, AlertUserCanceled)
		}, AlertUnexpectedMessage, "alert within a handshake message"},
	{"application data within a handshake message (5.1)", protectedStages,
		func(p *puppet) {
			p.record(record.Handshake, p.fragment(), 0)
			p.record(record.ApplicationData, []byte("x"), 0)
		}, AlertUnexpectedMessage, "application_data within a handshake message"},
	{"change_cipher_spec within a handshake message", allStages,
		func(p *puppet) {
			p.record(record.Handshake, p.fragment(), 0)
			p.plain(record.ChangeCipherSpec, 1)
		}, AlertUnexpectedMessage, "change_cipher_spec within a handshake message"},
	{"change_cipher_spec before the first ClientHello (5)", []stage{serverFresh},
		func(p *puppet) { p.plain(record.ChangeCipherSpec, 1) }, AlertUnexpectedMessage, "in state expectClientHello"},
	{"change_cipher_spec after the peer's Finished (5)", connectedStages,
		func(p *puppet) { p.plain(record.ChangeCipherSpec, 1) }, AlertUnexpectedMessage, "in state connected"},
	{"change_cipher_spec of another byte (5)", slices.Concat([]stage{clientHelloSent}, handshakeStages),
		func(p *puppet) { p.plain(record.ChangeCipherSpec, 2) }, AlertUnexpectedMessage, "not the single byte 1"},
	{"change_cipher_spec of two bytes", slices.Concat([]stage{clientHelloSent}, handshakeStages),
		func(p *puppet) { p.plain(record.ChangeCipherSpec, 1, 1) }, AlertUnexpectedMessage, "not the single byte 1"},
	{"change_cipher_spec of no byte", slices.Concat([]stage{clientHelloSent}, handshakeStages),
		func(p *puppet) { p.plain(record.ChangeCipherSpec) }, AlertUnexpectedMessage, "not the single byte 1"},
	{"a protected change_cipher_spec (5)", protectedStages,
		func(p *puppet) { p.record(record.ChangeCipherSpec, []byte{1}, 0) }, AlertUnexpectedMessage, "protected change_cipher_spec"},
	{"a record that was sent before", protectedStages,
		func(p *puppet) {
			before := len(p.tr.in.bytes)
			p.alert(1, AlertUserCanceled)
			p.raw(slices.Clone(p.tr.in.bytes[before:]))
		}, AlertBadRecordMAC, ""},
	{"a record out of order", protectedStages,
		func(p *puppet) {
			p.write.seq++
			p.alert(1, AlertUserCanceled)
		}, AlertBadRecordMAC, ""},
	{"the last sequence number (5.3: MUST NOT wrap)", protectedStages,
		func(p *puppet) {
			p.conn.in.seq, p.write.seq = math.MaxUint64, math.MaxUint64
			p.alert(1, AlertUserCanceled)
		}, AlertInternalError, "sequence number wraps"},
}

func TestBadRecords(t *testing.T) {
	for _, b := range badRecords {
		for _, s := range b.stages {
			t.Run(fmt.Sprintf("%s, to %v", b.name, s), func(t *testing.T) {
				p := s.puppet(t)
				b.send(p)
				p.wantAlert(b.alert, b.text)
			})
		}
	}
}

// goodRecords are unusual records that must not disturb.
var goodRecords = []struct {
	name   string
	stages []stage
	send   func(*puppet)
}{
	{"nothing", allStages, func(*puppet) {}},
	{"change_cipher_spec (5, D.4)", slices.Concat([]stage{clientHelloSent}, handshakeStages),
		func(p *puppet) { p.plain(record.ChangeCipherSpec, 1) }},
	{"as many change_cipher_spec as are allowed", slices.Concat([]stage{clientHelloSent}, handshakeStages),
		func(p *puppet) {
			for range maxChangeCipherSpec {
				p.plain(record.ChangeCipherSpec, 1)
			}
		}},
	{"change_cipher_spec with an old version (5.1: to be ignored)", []stage{clientHelloSent},
		func(p *puppet) { p.raw([]byte{20, 3, 1, 0, 1, 1}) }},
	{"user_canceled, with the level of a fatal alert (6.1)", allStages,
		func(p *puppet) { p.alert(2, AlertUserCanceled) }},
	{"an empty record of application data (5.4)", connectedStages,
		func(p *puppet) { p.record(record.ApplicationData, nil, 0) }},
	{"an empty record of application data with all the padding that fits", connectedStages,
		func(p *puppet) { p.record(record.ApplicationData, nil, 1<<14) }},
	{"a full record (2^14 bytes of content)", connectedStages,
		func(p *puppet) { p.record(record.ApplicationData, make([]byte, 1<<14), 0) }},
}

func TestGoodRecords(t *testing.T) {
	for _, g := range goodRecords {
		for _, s := range g.stages {
			t.Run(fmt.Sprintf("%s, to %v", g.name, s), func(t *testing.T) {
				p := s.puppet(t)
				st := p.conn.State()
				g.send(p)
				if p.drive(); p.err != ErrWantRead || p.conn.State() != st {
					t.Fatalf("got %v in state %v", p.err, p.conn.State())
				}
				if p.in() != 0 {
					t.Fatalf("holds %d bytes of input with nothing to read", p.in())
				}
				p.finish(s)
			})
		}
	}
}

// in returns the bytes of the read buffer that the Conn holds.
func (p *puppet) in() int {
	if p.conn.in.buf == nil {
		return 0
	}
	return len(p.conn.in.buf.data)
}

// finish completes a handshake from a stage on, and exchanges data.
func (p *puppet) finish(s stage) {
	p.t.Helper()
	switch s {
	case serverFresh:
		p.handshake()
	case serverHandshake:
		p.clientFinished(nil)
	case clientHelloSent, clientHandshake:
		if s == clientHelloSent {
			p.serverHello(nil)
		}
		p.encryptedExtensions(nil)
		p.certificate(nil)
		p.certificateVerify(nil)
		p.serverFinished(nil)
		p.hearClientFinished()
	case serverConnected, clientConnected:
	}
	p.wantConnected()
	p.wantData("in step")
}

// RFC 8446 5.1: legacy_record_version "MUST be ignored for all purposes".
func TestRecordVersionOfAClientHelloIsIgnored(t *testing.T) {
	for _, version := range []byte{0, 1, 2, 3, 4, 99} {
		p := newPuppet(t, RoleClient, nil)
		p.clientHello(nil)
		p.tr.in.bytes[2] = version
		p.finishServer(t)
	}
}

// finishServer completes a puppet client's handshake after its hello.
func (p *puppet) finishServer(t *testing.T) {
	t.Helper()
	p.hearServerFlight()
	p.finish(serverHandshake)
}

// Each bit of a protected record counts: "bad_record_mac" if the AEAD says so (5.2).
func TestEachFlippedBitOfARecordIsNoticed(t *testing.T) {
	for _, s := range protectedStages {
		n := record.HeaderLen + len("some text") + 1 + tagLen
		for bit := 8 * record.HeaderLen; bit < 8*n; bit += 5 {
			p := s.puppet(t)
			before := len(p.tr.in.bytes)
			p.record(record.Alert, []byte("some text"), 0)
			p.tr.in.bytes[before+bit/8] ^= 1 << (bit % 8)
			p.wantAlert(AlertBadRecordMAC, "authentication failed")
		}
	}
}

// A flipped bit in a record that would have been opened into the caller's slice
// leaves nothing of the plaintext there.
func TestForgedRecordLeavesNoPlaintext(t *testing.T) {
	p := serverConnected.puppet(t)
	p.record(record.ApplicationData, bytes.Repeat([]byte("secret"), 50), 0)
	p.tr.in.bytes[len(p.tr.in.bytes)-1] ^= 1
	buf := make([]byte, 1000)
	if n, err := p.conn.Read(buf); n != 0 || err == nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	if bytes.Contains(buf, []byte("secret")) {
		t.Fatal("plaintext of a forged record in the caller's slice")
	}
}

// What is not application data is cleared from the caller's slice.
func TestHandshakeBytesAreClearedFromTheCallersSlice(t *testing.T) {
	p := clientConnected.puppet(t)
	ticket := bytes.Repeat([]byte("ticket"), 20)
	p.say((&wire.NewSessionTicket{Ticket: ticket}).Append(nil))
	buf := make([]byte, 1000)
	if n, err := p.conn.Read(buf); n != 0 || err != ErrWantRead {
		t.Fatalf("Read = %d, %v", n, err)
	}
	if !bytes.Equal(buf, make([]byte, len(buf))) {
		t.Fatal("bytes of a NewSessionTicket in the caller's slice")
	}
}

// terminal alerts, each of which is the peer's end of the connection ("unknown Alert
// types MUST be treated as error alerts", 6). A warning that is an error is only
// understood from a peer that may be one of an older TLS.
var terminalAlerts = []struct {
	name  string
	level byte
	alert Alert
}{
	{"a fatal alert", 2, AlertHandshakeFailure},
	{"a fatal alert that no RFC names", 2, 200},
	{"no_renegotiation, said to be fatal", 2, AlertNoRenegotiation},
	{"a fatal alert with the level of a warning", 1, AlertBadCertificate},
	{"unrecognized_name, a warning of TLS 1.2 (RFC 6066 3)", 1, AlertUnrecognizedName},
}

// An alert in each state of the handshake and after it ends the connection,
// without an answer, without a want, without a loop (CVE-2024-32650).
func TestAlertsInEachState(t *testing.T) {
	for _, o := range legalOrders {
		for _, role := range o.roles {
			for i, l := range o.order {
				if l.from == role {
					continue
				}
				for _, a := range terminalAlerts {
					t.Run(fmt.Sprintf("%s: %s to a %v in %v", o.mode, a.name, role, l.at), func(t *testing.T) {
						p := o.play(t, role, i, nil)
						p.alert(a.level, a.alert)
						if a.level == 1 && p.conn.facts.suite != nil {
							p.wantAlert(AlertDecodeError, a.alert.String())
							return
						}
						p.wantPeerAlert(a.alert)
					})
				}
				if l.at == StateConnected {
					continue
				}
				t.Run(fmt.Sprintf("%s: close_notify to a %v in %v", o.mode, role, l.at), func(t *testing.T) {
					p := o.play(t, role, i, nil)
					p.alert(1, AlertUserCanceled)
					p.alert(1, AlertCloseNotify)
					p.wantPeerAlert(AlertCloseNotify)
					if !errors.Is(p.err, io.EOF) || ErrorCode(p.err) != CodeZeroReturn {
						t.Fatalf("%v is not the controlled end of a stream", p.err)
					}
				})
			}
		}
	}
}

// wantPeerAlert drives the Conn and checks that the peer's alert ended it silently.
func (p *puppet) wantPeerAlert(alert Alert) {
	p.t.Helper()
	sent := len(p.tr.out.bytes)
	p.drive()
	wantPeerAlert(p.t, p.conn.role.String(), p.err, alert)
	calls := p.call.reads + p.call.writes
	p.wantEnded(p.err)
	if len(p.tr.out.bytes) != sent {
		p.t.Fatalf("%v: answered an alert with %d bytes", p.conn.role, len(p.tr.out.bytes)-sent)
	}
	if n := p.call.reads + p.call.writes - calls; n != 0 {
		p.t.Fatalf("%v: %d calls of the transport after the end", p.conn.role, n)
	}
}

// RFC 8446 6.1: "Any data received after a closure alert has been received MUST be
// ignored." It also must not be kept, nor be promised by Buffered, or a loop that
// repeats Read while there is something buffered never ends.
func TestDataAfterCloseNotifyIsIgnored(t *testing.T) {
	for _, s := range connectedStages {
		for name, send := range map[string]func(*puppet){
			"a record":                    func(p *puppet) { p.record(record.ApplicationData, []byte("late"), 0) },
			"part of a record":            func(p *puppet) { p.raw([]byte{23, 3, 3, 0, 100, 1, 2, 3}) },
			"what is not TLS":             func(p *puppet) { p.raw([]byte("GET / HTTP/1.1\r\n\r\n")) },
			"the beginning of a message":  func(p *puppet) { p.record(record.Handshake, p.fragment(), 0) },
			"a fatal alert":               func(p *puppet) { p.alert(2, AlertInternalError) },
			"user_canceled in front also": func(p *puppet) { p.alert(1, AlertUserCanceled) },
		} {
			t.Run(fmt.Sprintf("%s, to %v", name, s), func(t *testing.T) {
				p := s.puppet(t)
				p.record(record.ApplicationData, []byte("in time"), 0)
				p.alert(1, AlertUserCanceled)
				p.alert(1, AlertCloseNotify)
				send(p)
				if p.drive(); p.err != io.EOF || string(p.data) != "in time" {
					t.Fatalf("read %q, %v", p.data, p.err)
				}
				if p.conn.Buffered() != 0 || p.in() != 0 || p.conn.Wants() != 0 {
					t.Fatalf("Buffered %d, %d bytes held, wants %v", p.conn.Buffered(), p.in(), p.conn.Wants())
				}
				if _, err := p.conn.Write([]byte("ours stays open")); err != nil {
					t.Fatal(err)
				}
				if p.drive(); p.err != io.EOF {
					t.Fatalf("then %v", p.err)
				}
				if p.take(); string(p.received) != "ours stays open" {
					t.Fatalf("received %q", p.received)
				}
			})
		}
	}
}

// The mistake that operators make most gets an error that names it, however few
// bytes arrive at a time.
func TestPlainHTTPRequestIsNamed(t *testing.T) {
	for _, request := range []string{"GET / HTTP/1.1\r\n", "POST /x HTTP/1.1\r\n", "HEAD / HTTP/1.0\r\n", "OPTIONS * HTTP/1.1\r\n"} {
		for _, max := range []int{0, 1} {
			p := newPuppet(t, RoleClient, nil)
			p.tr.readMax = max
			p.raw([]byte(request))
			for p.err = ErrWantRead; p.err == ErrWantRead; {
				p.drive()
			}
			p.wantAlert(AlertUnexpectedMessage, "plain HTTP request")
		}
	}
}

// sent lists the records that the Conn has sent so far, by outer type and version.
func (p *puppet) sent() (records []string) {
	for b := p.tr.out.bytes; len(b) > 0; {
		h := record.ParseHeader(b)
		records = append(records, fmt.Sprintf("%v %04x", h.Type, h.Version))
		b = b[record.HeaderLen+h.Length:]
	}
	return records
}

// RFC 8446 D.4: who sends change_cipher_spec, when, and 5.1: in which versions records go out.
func TestOwnRecordsInCompatibilityMode(t *testing.T) {
	noSession := func(m *wire.ClientHello) { m.SessionID = nil }
	for _, c := range []struct {
		name string
		play func(t *testing.T) *puppet
		want string
	}{
		{"a server to a client with a session id: after its ServerHello", func(t *testing.T) *puppet {
			p := newPuppet(t, RoleClient, nil)
			p.clientHello(nil)
			p.hearServerFlight()
			return p
		}, "handshake 0303, change_cipher_spec 0303, application_data 0303"},
		{"a server to a client without one: the same", func(t *testing.T) *puppet {
			p := newPuppet(t, RoleClient, nil)
			p.clientHello(noSession)
			p.hearServerFlight()
			return p
		}, "handshake 0303, change_cipher_spec 0303, application_data 0303"},
		{"a server that asks to retry: after the HelloRetryRequest, and not again", func(t *testing.T) *puppet {
			p := newPuppet(t, RoleClient, onlyP256)
			p.clientHello(nil)
			p.hearServerHello()
			p.secondClientHello(nil)
			p.hearServerFlight()
			return p
		}, "handshake 0303, change_cipher_spec 0303, handshake 0303, application_data 0303"},
		{"a client: before its second flight", func(t *testing.T) *puppet { return clientConnected.puppet(t) },
			"handshake 0301, change_cipher_spec 0303, application_data 0303"},
		{"a client that is asked to retry: before its second hello", func(t *testing.T) *puppet {
			p := newPuppet(t, RoleServer, nil)
			p.hearClientHello()
			p.helloRetryRequest(nil)
			p.hearClientHello()
			p.finish(clientHelloSent)
			return p
		}, "handshake 0301, change_cipher_spec 0303, handshake 0303, application_data 0303"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(c.play(t).sent(), ", "); got != c.want {
				t.Fatalf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// earlyHello offers 0-RTT data under a ticket that is not ours (RFC 8446 4.2.10, 4.2.11).
func earlyHello(m *wire.ClientHello) {
	m.Offer(wire.ExtEarlyData)
	m.PSKModes = []byte{1}
	m.PSKIdentities = []wire.PSKIdentity{{Identity: []byte("a ticket of another server")}}
	m.PSKBinders = [][]byte{make([]byte, 32)}
}

// withoutEarlyData is what earlyHello's client says after a HelloRetryRequest.
func withoutEarlyData(m *wire.ClientHello) {
	*m = wire.ClientHello{
		LegacyVersion: m.LegacyVersion, Random: m.Random, SessionID: m.SessionID, CipherSuites: m.CipherSuites,
		CompressionMethods: m.CompressionMethods, ServerName: m.ServerName, SupportedVersions: m.SupportedVersions,
		SupportedGroups: m.SupportedGroups, SignatureAlgorithms: m.SignatureAlgorithms, KeyShares: m.KeyShares, PSKModes: m.PSKModes,
	}
}

// earlyData sends n bytes of records that nobody but the client can open.
func (p *puppet) earlyData(n int) {
	for n > 0 {
		k := min(n, 4096)
		body := make([]byte, k-record.HeaderLen)
		rand.Read(body)
		p.plain(record.ApplicationData, body...)
		n -= k
	}
}

// RFC 8446 4.2.10: a server that refuses early data skips it, by trial
// decryption, or by content type after a HelloRetryRequest, "up to the configured
// max_early_data_size".
func TestEarlyDataIsSkippedWithinALimit(t *testing.T) {
	early := func(t *testing.T, n int) *puppet {
		p := newPuppet(t, RoleClient, nil)
		p.clientHello(earlyHello)
		p.earlyData(n)
		return p
	}
	for _, n := range []int{0, 100, 4096, maxSkippedEarlyData} {
		t.Run(fmt.Sprintf("%d bytes without a retry", n), func(t *testing.T) { early(t, n).finishServer(t) })
		t.Run(fmt.Sprintf("%d bytes before a retry", n), func(t *testing.T) {
			p := newPuppet(t, RoleClient, onlyP256)
			p.clientHello(earlyHello)
			p.earlyData(n)
			p.hearServerHello()
			p.secondClientHello(withoutEarlyData)
			p.finishServer(t)
		})
	}
	t.Run("one byte over the limit", func(t *testing.T) {
		p := early(t, maxSkippedEarlyData-100)
		p.earlyData(101)
		p.hearServerFlight()
		p.wantAlert(AlertBadRecordMAC)
	})
	t.Run("one byte over the limit before a retry", func(t *testing.T) {
		p := newPuppet(t, RoleClient, onlyP256)
		p.clientHello(earlyHello)
		p.earlyData(maxSkippedEarlyData - 100)
		p.earlyData(101)
		p.hearServerHello()
		p.wantAlert(AlertUnexpectedMessage, "application data in state")
	})
	t.Run("from a client that offered none", func(t *testing.T) {
		p := newPuppet(t, RoleClient, nil)
		p.clientHello(nil)
		p.earlyData(100)
		p.hearServerFlight()
		p.wantAlert(AlertBadRecordMAC)
	})
	t.Run("after the second hello", func(t *testing.T) {
		p := newPuppet(t, RoleClient, onlyP256)
		p.clientHello(earlyHello)
		p.hearServerHello()
		p.secondClientHello(withoutEarlyData)
		p.hearServerFlight()
		p.earlyData(100)
		p.wantAlert(AlertBadRecordMAC)
	})
	t.Run("in the midst of the client's second flight", func(t *testing.T) {
		p := early(t, 100)
		p.hearServerFlight()
		finished := wire.AppendFinished(nil, p.finishedMAC(&p.clientHS))
		p.record(record.Handshake, finished[:10], 0)
		p.earlyData(100)
		p.wantAlert(AlertBadRecordMAC)
	})
}

// Records that a Conn makes hold at most 2^14 bytes each and all that was written.
func TestOwnRecordsAreNotTooLong(t *testing.T) {
	for _, s := range connectedStages {
		p := s.puppet(t)
		data := make([]byte, 3<<14)
		for i := range data {
			binary.BigEndian.PutUint16(data[i&^1:], uint16(i))
		}
		n, err := p.conn.Write(data)
		if n != len(data) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		for {
			typ, content, ok := p.nextRecord()
			if !ok {
				break
			}
			if typ != record.ApplicationData || len(content) > record.MaxPlaintext || len(content) == 0 {
				t.Fatalf("record of %v with %d bytes", typ, len(content))
			}
			p.received = append(p.received, content...)
		}
		if !bytes.Equal(p.received, data) {
			t.Fatal("data differ")
		}
	}
}

// A server that cannot use the client's hello tells it so in a plaintext alert
// that the client can read.
func TestRefusalBeforeKeysIsReadable(t *testing.T) {
	p := newPuppet(t, RoleClient, nil)
	p.clientHello(func(m *wire.ClientHello) { m.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256} })
	p.wantAlert(AlertHandshakeFailure)
	if got := fmt.Sprintf("% x", p.tr.out.bytes); got != "15 03 03 00 02 02 28" {
		t.Fatalf("sent % s", got)
	}
}
