package tlsconn

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

func TestLegalOrders(t *testing.T) {
	for _, o := range everyLegalOrder {
		for _, role := range o.roles {
			t.Run(fmt.Sprintf("%s, a %v", o.mode, role), func(t *testing.T) {
				p := o.play(t, role, len(o.order), func(p *puppet, l line) {
					p.drive()
					if st := p.conn.State(); st != l.at {
						t.Fatalf("before %v: state %v, want %v: %v", l.typ, st, l.at, p.err)
					}
					if l.typ != changeOfKeys && !slices.Contains(l.at.accepts(role, o.how.version()), l.typ) {
						t.Fatalf("%v does not accept %v", l.at, l.typ)
					}
				})
				p.wantConnected()
				p.wantData("after " + o.mode)
				p.wantAnswer("in the mode " + o.mode)
				if p.twelve != nil {
					p.twelve.wantExporter(!p.plainMaster)
				}
				if s := p.conn.ConnectionState(); s.Version != o.how.version() || s.DidResume != (o.how&(withSession|withoutIt) == withSession) {
					t.Fatalf("%+v", s)
				}
			})
		}
	}
}

// refusedWhenConnected are what a connection of TLS 1.2 accepts to refuse it by an alert
// of its own: an attempt to renegotiate.
var refusedWhenConnected = map[Role]wire.MessageType{RoleServer: wire.TypeClientHello, RoleClient: wire.TypeHelloRequest}

// Every state either consumes messages, the same ones for each call, or works.
func TestStatesAcceptWhatTheirOrdersSay(t *testing.T) {
	type key struct {
		version uint16
		role    Role
		st      State
	}
	legal := make(map[key][]wire.MessageType)
	reached := make(map[State]bool) // by a peer that says something there
	for _, version := range bothVersions {
		for _, role := range bothRoles {
			if version == tls.VersionTLS12 {
				k := key{version, role, StateConnected}
				legal[k] = append(legal[k], refusedWhenConnected[role])
			}
		}
	}
	for _, o := range everyLegalOrder {
		for _, role := range o.roles {
			for _, l := range o.order {
				if l.from == role {
					continue
				}
				reached[l.at] = true
				k := key{o.how.version(), role, l.at}
				if l.typ != changeOfKeys && !slices.Contains(legal[k], l.typ) {
					legal[k] = append(legal[k], l.typ)
				}
			}
		}
	}
	for st := range stateNames {
		for _, version := range bothVersions {
			for _, role := range bothRoles {
				want, got := slices.Clone(legal[key{version, role, st}]), slices.Clone(st.accepts(role, version))
				foreign := want == nil && reached[st] // a state of the other role or version
				slices.Sort(want)
				slices.Sort(got)
				if !foreign && !slices.Equal(got, want) {
					t.Errorf("%v of a %v of %s accepts %v, the legal orders say %v", st, role, tls.VersionName(version), got, want)
				}
			}
		}
	}
}

// sampleMessage is a message of type typ that is well-formed, as far as the type
// is known, so that nothing but its place is wrong.
func sampleMessage(typ wire.MessageType) []byte {
	var raw []byte
	switch typ {
	case wire.TypeClientHello:
		raw = (&wire.ClientHello{LegacyVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
			CompressionMethods: []byte{0}, SupportedVersions: []uint16{tls.VersionTLS13}}).Append(nil)
	case wire.TypeServerHello:
		raw = (&wire.ServerHello{LegacyVersion: tls.VersionTLS12, CipherSuite: tls.TLS_AES_128_GCM_SHA256,
			SupportedVersion: tls.VersionTLS13}).Append(nil)
	case wire.TypeNewSessionTicket:
		raw = (&wire.NewSessionTicket{Lifetime: 60, Ticket: []byte("ticket")}).Append(nil)
	case wire.TypeEncryptedExtensions:
		raw = new(wire.EncryptedExtensions).Append(nil)
	case wire.TypeCertificate:
		raw = new(wire.Certificate).Append(nil)
	case wire.TypeCertificateRequest:
		raw = (&wire.CertificateRequest{SignatureAlgorithms: offeredSchemes}).Append(nil)
	case wire.TypeCertificateVerify:
		raw = (&wire.CertificateVerify{Algorithm: uint16(tls.Ed25519), Signature: make([]byte, 64)}).Append(nil)
	case wire.TypeKeyUpdate:
		raw = new(wire.KeyUpdate).Append(nil)
	case wire.TypeFinished:
		raw = wire.AppendFinished(nil, make([]byte, 32))
	default:
		raw = wire.AppendHeader(nil, typ, 0)
	}
	return raw
}

// TestWrongMessageMatrix sends each type of message to each state that waits for
// another one: all of the types, those of other versions and unassigned ones too
// (a sample of these, unless the run is exhaustive).
func TestWrongMessageMatrix(t *testing.T) {
	var types []wire.MessageType
	for typ := range 256 {
		if mt := wire.MessageType(typ); exhaustive || typ < 26 || typ > 253 {
			types = append(types, mt)
		}
	}
	type cell struct {
		version uint16
		st      State
		role    Role
		resumed bool // or about to be
	}
	cells := make(map[cell]bool)
	for _, o := range everyLegalOrder {
		for _, role := range o.roles {
			for i := range len(o.order) + 1 {
				l := line{at: StateConnected} // behind the last one
				if i < len(o.order) {
					l = o.order[i]
				}
				c := cell{o.how.version(), l.at, role, o.how&(withSession|withoutIt) == withSession}
				if l.from == role || cells[c] {
					continue
				}
				cells[c] = true
				for _, typ := range types {
					if slices.Contains(l.at.accepts(role, c.version), typ) {
						continue
					}
					t.Run(fmt.Sprintf("%s, %v to a %v in %v, session %t", tls.VersionName(c.version), typ, role, l.at, c.resumed), func(t *testing.T) {
						p := o.play(t, role, i, nil)
						p.record(record.Handshake, sampleMessage(typ), 0)
						p.wantAlert(AlertUnexpectedMessage, "got "+typ.String()+" in state "+l.at.String(),
							fmt.Sprint("expects ", l.at.accepts(role, c.version)))
					})
				}
			}
		}
	}
	if len(cells) != 14+9+17+9 { // of TLS 1.3 and of TLS 1.2, without a session and with one
		t.Errorf("%d states were tried, of which some are not reached or new", len(cells))
	}
}

// A message that was right once is wrong when it comes again, byte by byte the same.
func TestRepeatedMessages(t *testing.T) {
	for _, o := range everyLegalOrder {
		for _, role := range o.roles {
			for i, l := range o.order {
				if l.from == role || l.at == StateConnected || l.typ == changeOfKeys {
					continue
				}
				t.Run(fmt.Sprintf("%s: %v twice to a %v in %v", o.mode, l.typ, role, l.at), func(t *testing.T) {
					p := o.play(t, role, i, nil)
					l.say(p)
					again := p.last
					for _, answer := range o.order[i+1:] {
						if answer.from != role {
							break
						}
						answer.hear(p)
					}
					p.record(record.Handshake, again, 0)
					alert := AlertUnexpectedMessage
					if o.how&withRetry != 0 && l.at == StateExpectClientHello {
						alert = AlertIllegalParameter // a first ClientHello where the second is due
					}
					p.wantAlert(alert)
				})
			}
		}
	}
}

// keyChanges are the messages behind which the receiver reads under new keys, and
// the two hellos that end a flight without that.
var keyChanges = []struct {
	name  string
	conn  Role // that receives it
	how   handshakeMode
	play  func(p *puppet, tail []byte) // until the message is said
	after func(*puppet)                // what the Conn still says under keys that the puppet has to follow
}{
	{"client hello", RoleServer, 0, func(p *puppet, tail []byte) {
		p.tail = tail
		p.clientHello(nil)
	}, (*puppet).hearServerHello},
	{"second client hello", RoleServer, withRetry, func(p *puppet, tail []byte) {
		p.clientHello(nil)
		p.hearServerHello()
		p.tail = tail
		p.secondClientHello(nil)
	}, (*puppet).hearServerHello},
	{"client finished", RoleServer, 0, func(p *puppet, tail []byte) {
		p.clientHello(nil)
		p.hearServerFlight()
		p.tail = tail
		p.clientFinished(nil)
	}, nil},
	{"client finished after a retry", RoleServer, withRetry, func(p *puppet, tail []byte) {
		p.clientHello(nil)
		p.hearServerHello()
		p.secondClientHello(nil)
		p.hearServerFlight()
		p.tail = tail
		p.clientFinished(nil)
	}, nil},
	{"client finished after a certificate", RoleServer, withRequest, func(p *puppet, tail []byte) {
		p.clientHello(nil)
		p.hearServerFlight()
		p.certificate(nil)
		p.certificateVerify(nil)
		p.tail = tail
		p.clientFinished(nil)
	}, nil},
	{"client hello that resumes", RoleServer, withSession, func(p *puppet, tail []byte) {
		p.tail = tail
		p.clientHello(offering(p.tickets[0]))
	}, (*puppet).hearServerHello},
	{"client finished of a resumption", RoleServer, withSession, func(p *puppet, tail []byte) {
		p.clientHello(offering(p.tickets[0]))
		p.hearServerFlight()
		p.tail = tail
		p.clientFinished(nil)
	}, nil},
	{"server hello that resumes", RoleClient, withSession, func(p *puppet, tail []byte) {
		p.hearResumingHello()
		p.tail = tail
		p.serverHello(p.resuming(p.tickets[0]))
	}, nil},
	{"key update of a client", RoleServer, 0, func(p *puppet, tail []byte) {
		p.handshake()
		p.tail = tail
		p.keyUpdate(false)
	}, nil},
	{"client hello that asks for a retry", RoleServer, withRetry, func(p *puppet, tail []byte) {
		p.tail = tail
		p.clientHello(nil)
	}, nil},
	{"hello retry request", RoleClient, withRetry, func(p *puppet, tail []byte) {
		p.hearClientHello()
		p.tail = tail
		p.helloRetryRequest(nil)
	}, nil},
	{"server hello", RoleClient, 0, func(p *puppet, tail []byte) {
		p.hearClientHello()
		p.tail = tail
		p.serverHello(nil)
	}, nil},
	{"server hello after a retry", RoleClient, withRetry, func(p *puppet, tail []byte) {
		p.hearClientHello()
		p.helloRetryRequest(nil)
		p.hearClientHello()
		p.tail = tail
		p.serverHello(nil)
	}, nil},
	{"server finished", RoleClient, 0, func(p *puppet, tail []byte) {
		p.hearClientHello()
		p.serverHello(nil)
		p.encryptedExtensions(nil)
		p.certificate(nil)
		p.certificateVerify(nil)
		p.tail = tail
		p.serverFinished(nil)
	}, nil},
	{"server finished of a resumption", RoleClient, withSession, func(p *puppet, tail []byte) {
		p.hearResumingHello()
		p.serverHello(p.resuming(p.tickets[0]))
		p.encryptedExtensions(nil)
		p.tail = tail
		p.serverFinished(nil)
	}, nil},
	{"key update of a server", RoleClient, 0, func(p *puppet, tail []byte) {
		p.handshake()
		p.tail = tail
		p.keyUpdate(true)
	}, nil},
}

// RFC 8446 5.1: "Handshake messages MUST NOT span key changes. Implementations MUST
// verify that all messages immediately preceding a key change align with a record
// boundary; if not, then they MUST terminate the connection with an
// "unexpected_message" alert." (CVE-2025-61730: what is left over would count as
// received under the new keys.)
func TestMessagesMustNotSpanKeyChanges(t *testing.T) {
	tails := map[string][]byte{
		"the first byte of a message":    {byte(wire.TypeFinished)},
		"a message's header":             {byte(wire.TypeEncryptedExtensions), 0, 0, 2},
		"a whole message":                new(wire.EncryptedExtensions).Append(nil),
		"the message that would be next": new(wire.KeyUpdate).Append(nil),
	}
	for _, k := range keyChanges {
		for name, tail := range tails {
			t.Run(fmt.Sprintf("%s behind %s", name, k.name), func(t *testing.T) {
				p := k.how.meet(t, k.conn)
				k.play(p, tail)
				if k.after != nil {
					k.after(p)
				}
				p.wantAlert(AlertUnexpectedMessage, "more data behind a message")
			})
		}
	}
}

// While a server awaits a signature from elsewhere, what the client sends waits
// too, and is judged in the state that follows.
func TestMessagesDuringAnOffloadedSignature(t *testing.T) {
	var task func()
	ws := NewWorkspace(WorkspaceConfig{Offload: func(f func()) bool { task = f; return true }})
	p := newPuppetIn(t, ws, RoleClient, func(c *Config) {
		c.Certificates = []tls.Certificate{newTestCA(t).issue(t, keyRSA, "example.org")}
	})
	p.clientHello(nil)
	if p.drive(); p.err != ErrWantApp || p.conn.Wants() != WantApp || p.conn.Pending() != OpSign {
		t.Fatalf("got %v, wants %v, pending %v", p.err, p.conn.Wants(), p.conn.Pending())
	}
	p.hearServerHello()
	p.record(record.Handshake, sampleMessage(wire.TypeKeyUpdate), 0)
	if p.drive(); p.err != ErrWantApp || p.tr.in.read == len(p.tr.in.bytes) {
		t.Fatalf("got %v, read %d of %d bytes", p.err, p.tr.in.read, len(p.tr.in.bytes))
	}
	task()
	p.hear(wire.TypeEncryptedExtensions)
	p.hear(wire.TypeCertificate)
	p.hear(wire.TypeCertificateVerify)
	p.hearServerFinished()
	p.wantAlert(AlertUnexpectedMessage, "got key_update in state expectClientFinished")
}

// extensionsAt returns where the extension block of a hello or of
// EncryptedExtensions begins: at its length.
func extensionsAt(raw []byte) int {
	at := wire.HeaderLen
	switch wire.MessageType(raw[0]) {
	case wire.TypeClientHello:
		at += 2 + 32
		at += 1 + int(raw[at])
		at += 2 + int(binary.BigEndian.Uint16(raw[at:]))
		at += 1 + int(raw[at])
	case wire.TypeServerHello:
		at += 2 + 32
		at += 1 + int(raw[at]) + 2 + 1
	}
	return at
}

// addExtension returns raw with one more extension, in front of the others.
func addExtension(raw []byte, typ wire.ExtensionType, body []byte) []byte {
	at := extensionsAt(raw)
	ext := binary.BigEndian.AppendUint16(nil, uint16(typ))
	ext = binary.BigEndian.AppendUint16(ext, uint16(len(body)))
	ext = append(ext, body...)
	block := slices.Concat(ext, raw[at+2:])
	out := binary.BigEndian.AppendUint16(slices.Clone(raw[:at]), uint16(len(block)))
	return setLength(append(out, block...))
}

// setLength corrects the length in the header of a message, in place.
func setLength(raw []byte) []byte {
	copy(raw, wire.AppendHeader(nil, wire.MessageType(raw[0]), len(raw)-wire.HeaderLen))
	return raw
}
