package tlsconn

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The MUSTs of RFC 8446 about resumption (2.2, 4.1.2, 4.2.9 to 4.2.11, 4.6.1). What
// a ticket is bound to beyond them is in resumption_test.go.

// lastExtension returns an edit that replaces the last extension of a ClientHello, or
// adds one, with the lengths corrected.
func lastExtension(typ wire.ExtensionType, body ...byte) func([]byte) []byte {
	return func(raw []byte) []byte {
		raw = without(typ)(raw)
		raw = binary.BigEndian.AppendUint16(raw, uint16(typ))
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(body)))
		raw = append(raw, body...)
		at := extensionsAt(raw)
		binary.BigEndian.PutUint16(raw[at:], uint16(len(raw)-at-2))
		return setLength(raw)
	}
}

// offeredPSKs encodes the body of pre_shared_key with a list of identities, each
// with an age, and of binders.
func offeredPSKs(identities, binders [][]byte) []byte {
	var ids, macs []byte
	for _, id := range identities {
		ids = slices.Concat(binary.BigEndian.AppendUint16(ids, uint16(len(id))), id, make([]byte, 4))
	}
	for _, mac := range binders {
		macs = append(append(macs, byte(len(mac))), mac...)
	}
	b := append(binary.BigEndian.AppendUint16(nil, uint16(len(ids))), ids...)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(macs))), macs...)
}

// strange is an identity that no server knows, with a binder of the longer hash.
func strange(m *wire.ClientHello, at int) {
	m.PSKIdentities = slices.Insert(m.PSKIdentities, at, wire.PSKIdentity{Identity: []byte("strange"), ObfuscatedTicketAge: 1})
	m.PSKBinders = slices.Insert(m.PSKBinders, at, make([]byte, 48))
}

// wantResumed plays a server's flight of a resumption, and the rest.
func (p *puppet) wantResumed(identity uint16) {
	p.t.Helper()
	p.hearServerHello()
	// 4.1.3, 4.2.8: with psk_dhe_ke the server's share comes as well.
	want := []wire.ExtensionType{wire.ExtSupportedVersions, wire.ExtKeyShare, wire.ExtPreSharedKey}
	if !slices.Equal(p.sh.Extensions, want) || p.sh.SelectedIdentity != identity {
		p.t.Fatalf("server_hello: %+v", p.sh)
	}
	var ee wire.EncryptedExtensions
	if err := ee.Unmarshal(p.hear(wire.TypeEncryptedExtensions)[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	if len(ee.Extensions) != 0 { // 4.2.9, 4.2.10: no psk_key_exchange_modes, no early_data
		p.t.Fatalf("encrypted_extensions: %v", ee.Extensions)
	}
	p.hearServerFinished() // 4.3.2: at once, without CertificateRequest
	p.finish(serverHandshake)
	if state := p.conn.ConnectionState(); !state.DidResume || state.ServerName != string(p.hello.ServerName) {
		p.t.Fatalf("%+v", state)
	}
}

func TestServerResumes(t *testing.T) {
	for _, v := range []struct {
		must     string
		change   func(*wire.ClientHello)
		identity uint16
	}{
		{"2.2: a ticket of its own", nil, 0},
		{"4.2.11: one behind identities of others, which are ignored", func(m *wire.ClientHello) { strange(m, 0) }, 1},
		{"4.2.11: one in front of identities whose binders are wrong", func(m *wire.ClientHello) { strange(m, 1) }, 0},
		{"4.2.9: psk_ke and modes that nobody knows besides", func(m *wire.ClientHello) { m.PSKModes = []byte{0, 0x0b, 1, 255} }, 0},
		{"4.2.9: psk_dhe_ke in front of psk_ke", func(m *wire.ClientHello) { m.PSKModes = []byte{1, 0} }, 0},
		{"9.2: no signature_algorithms with pre_shared_key", func(m *wire.ClientHello) { m.SignatureAlgorithms = nil }, 0},
		{"8.3: an age that cannot be, without early data", func(m *wire.ClientHello) { m.PSKIdentities[0].ObfuscatedTicketAge = 12345 }, 0},
		{"4.2.10: early_data, which is declined", func(m *wire.ClientHello) { m.Offer(wire.ExtEarlyData) }, 0},
	} {
		for _, retry := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, retry %t", v.must, retry), func(t *testing.T) {
				p := withTicket(t, RoleClient, nil)
				ticket := p.tickets[0]
				if p = p.again(nil); retry {
					p = p.again(onlyP256)
				}
				p.clientHello(func(m *wire.ClientHello) {
					offering(ticket)(m)
					change(m, v.change)
				})
				if p.hello.Has(wire.ExtEarlyData) {
					p.earlyData(500)
				}
				if retry {
					p.hearServerHello()
					p.secondClientHello(func(m *wire.ClientHello) { withoutEarlyOffer(m) })
				}
				p.wantResumed(v.identity)
			})
		}
	}
}

// withoutEarlyOffer is what is left of a hello's offers behind a HelloRetryRequest.
func withoutEarlyOffer(m *wire.ClientHello) {
	ids, binders := m.PSKIdentities, m.PSKBinders
	withoutEarlyData(m)
	m.PSKIdentities, m.PSKBinders = ids, binders
}

// 4.1.2: a client may, behind a HelloRetryRequest, update the age and remove what does not
// fit the suite.
func TestServerResumesWithASecondClientHello(t *testing.T) {
	for must, change := range map[string]func(*wire.ClientHello){
		"another age": func(m *wire.ClientHello) { m.PSKIdentities[1].ObfuscatedTicketAge++ },
		"those that do not fit are removed": func(m *wire.ClientHello) {
			m.PSKIdentities, m.PSKBinders = m.PSKIdentities[1:2], m.PSKBinders[1:2]
		},
	} {
		t.Run(must, func(t *testing.T) {
			p := withTicket(t, RoleClient, nil).again(onlyP256)
			p.clientHello(func(m *wire.ClientHello) {
				offering(p.tickets[0])(m)
				strange(m, 0)
				strange(m, 2)
			})
			p.hearServerHello()
			p.secondClientHello(change)
			p.wantResumed(uint16(slices.IndexFunc(p.hello.PSKIdentities, func(id wire.PSKIdentity) bool { return string(id.Identity) != "strange" })))
		})
	}
}

func TestServerRefusesAPreSharedKey(t *testing.T) {
	mac := make([]byte, 32)
	for _, f := range []struct {
		must   string
		change func(*wire.ClientHello)
		rebind func(*puppet, []byte, [][]byte)
		edit   func([]byte) []byte
		alert  Alert
		text   string
	}{
		{"4.2.11: a binder with its first bit changed", nil, func(_ *puppet, _ []byte, b [][]byte) { b[0][0] ^= 0x80 }, nil, AlertDecryptError, "binder 0 does not verify"},
		{"4.2.11: a binder with its last bit changed", nil, func(_ *puppet, _ []byte, b [][]byte) { b[0][31] ^= 1 }, nil, AlertDecryptError, "binder 0"},
		{"4.2.11: a binder of zeros", nil, func(_ *puppet, _ []byte, b [][]byte) { clear(b[0]) }, nil, AlertDecryptError, "binder 0"},
		{"4.2.11: a binder that is wrong behind one that is not looked at", func(m *wire.ClientHello) { strange(m, 0) },
			func(_ *puppet, _ []byte, b [][]byte) { b[1][7] ^= 1 }, nil, AlertDecryptError, "binder 1"},
		{"4.2.11.2: a binder for an external key", nil, func(p *puppet, raw []byte, b [][]byte) {
			b[0] = p.tickets[0].binderOf(keysched.LabelExternalBinder, p.log, raw, 35)
		}, nil, AlertDecryptError, "binder 0"},
		{"4.2.11.2: a binder over the list of binders too", nil, func(p *puppet, raw []byte, b [][]byte) {
			b[0] = p.tickets[0].binder(p.log, raw, 0)
		}, nil, AlertDecryptError, "binder 0"},
		{"4.2.11.2: a binder over less", nil, func(p *puppet, raw []byte, b [][]byte) {
			b[0] = p.tickets[0].binder(p.log, raw, 36)
		}, nil, AlertDecryptError, "binder 0"},
		{"4.2.11.2: a binder of another ticket", nil, func(p *puppet, raw []byte, b [][]byte) {
			other := p.tickets[0]
			other.psk = make([]byte, 32)
			b[0] = other.binder(p.log, raw, 35)
		}, nil, AlertDecryptError, "binder 0"},
		{"4.2.11: a binder that is longer than the hash", func(m *wire.ClientHello) { m.PSKBinders[0] = make([]byte, 48) }, nil, nil, AlertDecryptError, "binder 0"},
		{"4.2.11: no binder", nil, nil, lastExtension(wire.ExtPreSharedKey, offeredPSKs([][]byte{{1}}, nil)...), AlertDecodeError, "binders"},
		{"4.2.11: two binders for one identity", nil, nil, lastExtension(wire.ExtPreSharedKey, offeredPSKs([][]byte{{1}}, [][]byte{mac, mac})...), AlertIllegalParameter, "differ in number"},
		{"4.2.11: one binder for two identities", nil, nil, lastExtension(wire.ExtPreSharedKey, offeredPSKs([][]byte{{1}, {2}}, [][]byte{mac})...), AlertIllegalParameter, "differ in number"},
		{"4.2.11: an empty identity", nil, nil, lastExtension(wire.ExtPreSharedKey, offeredPSKs([][]byte{{}, {2}}, [][]byte{mac, mac})...), AlertDecodeError, "identity"},
		{"4.2.11: no identity", nil, nil, lastExtension(wire.ExtPreSharedKey, offeredPSKs(nil, [][]byte{mac})...), AlertDecodeError, "identities"},
		{"4.2.11: data behind the binders", nil, nil, lastExtension(wire.ExtPreSharedKey, append(offeredPSKs([][]byte{{1}}, [][]byte{mac}), 0)...), AlertDecodeError, "pre_shared_key"},
		{"4.2.11: an empty extension", nil, nil, lastExtension(wire.ExtPreSharedKey), AlertDecodeError, "pre_shared_key"},
		{"4.2.11: not the last extension", nil, nil, func(raw []byte) []byte { return lastExtension(grease)(raw) }, AlertIllegalParameter, "not the last"},
		{"4.2.9: no psk_key_exchange_modes", func(m *wire.ClientHello) { m.PSKModes = nil }, nil, nil, AlertMissingExtension, "psk_key_exchange_modes"},
		{"4.2.9: an empty psk_key_exchange_modes", nil, nil, replaced(wire.ExtPSKModes, 0), AlertDecodeError, "psk_key_exchange_modes"},
		{"9.2: no key_share", nil, nil, without(wire.ExtKeyShare), AlertMissingExtension, "key_share"},
		{"9.2: no supported_groups", nil, nil, without(wire.ExtSupportedGroups), AlertMissingExtension, "supported_groups"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := withTicket(t, RoleClient, nil).again(nil)
			if p.edit = f.edit; f.rebind != nil {
				p.rebind = func(raw []byte, b [][]byte) { f.rebind(p, raw, b) }
			}
			p.clientHello(func(m *wire.ClientHello) {
				offering(p.tickets[0])(m)
				change(m, f.change)
			})
			p.wantAlert(f.alert, f.text)
		})
	}
}

// 4.2.11: PskBinderEntry has 32 bytes at least. A shorter one for a ticket that is
// taken is a binder that does not verify (BoGo: Resume-Server-BinderWrongLength).
func TestServerRefusesAShortBinder(t *testing.T) {
	for _, n := range []int{1, 31} {
		p := withTicket(t, RoleClient, nil).again(nil)
		p.edit = lastExtension(wire.ExtPreSharedKey, offeredPSKs([][]byte{p.tickets[0].Ticket}, [][]byte{make([]byte, n)})...)
		p.clientHello(offering(p.tickets[0]))
		p.wantAlert(AlertDecryptError, "binder 0")
	}
}

// 4.1.2, 4.2.11.2: behind a HelloRetryRequest the binders are computed anew, over
// both hellos; no key may come that was not there before.
func TestServerRefusesAPreSharedKeyOfASecondClientHello(t *testing.T) {
	for _, f := range []struct {
		must   string
		first  func(*puppet) func(*wire.ClientHello)
		change func(*wire.ClientHello)
		rebind func(p *puppet, first, raw []byte, binders [][]byte)
		alert  Alert
		text   string
	}{
		{"4.2.11.2: the first one's binder", nil, nil, func(_ *puppet, first, _ []byte, b [][]byte) {
			b[0] = first[len(first)-32:]
		}, AlertDecryptError, "binder 0"},
		{"4.2.11.2: a binder without the first hello", nil, nil, func(p *puppet, _, raw []byte, b [][]byte) {
			b[0] = p.tickets[0].binder(nil, raw, 35)
		}, AlertDecryptError, "binder 0"},
		{"4.2.11.2: a binder without message_hash", nil, nil, func(p *puppet, first, raw []byte, b [][]byte) {
			retry := p.log[wire.HeaderLen+32:]
			b[0] = p.tickets[0].binder(slices.Concat(first, retry), raw, 35)
		}, AlertDecryptError, "binder 0"},
		{"4.1.2: the identity that was taken is gone, with all", nil, func(m *wire.ClientHello) {
			m.PSKIdentities, m.PSKBinders = nil, nil
			withoutEarlyData(m)
		}, nil, AlertMissingExtension, "pre_shared_key"},
		{"4.1.2: the identity that was taken is gone", func(p *puppet) func(*wire.ClientHello) {
			return func(m *wire.ClientHello) {
				offering(p.tickets[0])(m)
				strange(m, 0)
			}
		}, func(m *wire.ClientHello) {
			m.PSKIdentities, m.PSKBinders = m.PSKIdentities[:1], m.PSKBinders[:1]
		}, nil, AlertIllegalParameter, "pre_shared_key"},
		{"4.1.2: another identity instead", nil, func(m *wire.ClientHello) {
			m.PSKIdentities[0].Identity = []byte("strange")
		}, nil, AlertIllegalParameter, "identity 0 is not of the first"},
		{"4.1.2: an identity besides", nil, func(m *wire.ClientHello) { strange(m, 1) }, nil, AlertIllegalParameter, "identity 1 is not of the first"},
		{"4.1.2: the identity twice", nil, func(m *wire.ClientHello) {
			m.PSKIdentities, m.PSKBinders = append(m.PSKIdentities, m.PSKIdentities[0]), append(m.PSKBinders, m.PSKBinders[0])
		}, nil, AlertIllegalParameter, "identity 1 is not of the first"},
		{"4.1.2: an identity where there was none", func(*puppet) func(*wire.ClientHello) {
			return func(m *wire.ClientHello) { m.PSKModes = []byte{1} }
		}, func(m *wire.ClientHello) { strange(m, 0) }, nil, AlertIllegalParameter, "identity 0 is not of the first"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := withTicket(t, RoleClient, nil).again(onlyP256)
			hello := offering(p.tickets[0])
			if f.first != nil {
				hello = f.first(p)
			}
			p.clientHello(hello)
			first := p.last
			p.hearServerHello()
			if f.rebind != nil {
				p.rebind = func(raw []byte, b [][]byte) { f.rebind(p, first, raw, b) }
			}
			p.secondClientHello(f.change)
			p.wantAlert(f.alert, f.text)
		})
	}
}

// What a server does not resume it greets as if for the first time, and does not
// look at the binder (4.2.11: of the selected one alone).
func TestServerDeclinesATicket(t *testing.T) {
	for _, f := range []struct {
		must   string
		adjust func(*Config)
		change func(*wire.ClientHello)
	}{
		{"4.2.9: a mode that the client does not list: psk_ke alone", nil, func(m *wire.ClientHello) { m.PSKModes = []byte{0} }},
		{"4.6.1: a suite of another hash", nil, func(m *wire.ClientHello) { m.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384} }},
		{"4.6.1: another server_name", nil, func(m *wire.ClientHello) { m.ServerName = []byte("other.example") }},
		{"4.6.1: no server_name", nil, func(m *wire.ClientHello) { m.ServerName = nil }},
		{"4.6.1: a lifetime that has passed", func(c *Config) { c.Time = func() time.Time { return testTime.Add(24 * time.Hour) } }, nil},
		{"4.2.11: a ticket with its first bit changed", nil, func(m *wire.ClientHello) { m.PSKIdentities[0].Identity[0] ^= 0x80 }},
		{"4.2.11: a ticket with its last bit changed", nil, func(m *wire.ClientHello) { id := m.PSKIdentities[0].Identity; id[len(id)-1] ^= 1 }},
		{"4.2.11: a ticket that is cut off", nil, func(m *wire.ClientHello) { m.PSKIdentities[0].Identity = m.PSKIdentities[0].Identity[:20] }},
		{"4.2.11: one behind more identities than are tried", nil, func(m *wire.ClientHello) {
			for range maxIdentities {
				strange(m, 0)
			}
		}},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := withTicket(t, RoleClient, nil).again(f.adjust)
			p.rebind = func(_ []byte, binders [][]byte) {
				for _, b := range binders {
					clear(b)
				}
			}
			p.clientHello(func(m *wire.ClientHello) {
				offering(p.tickets[0])(m)
				m.PSKIdentities[0].Identity = slices.Clone(m.PSKIdentities[0].Identity)
				change(m, f.change)
			})
			p.finishServer(t)
			if p.sh.Has(wire.ExtPreSharedKey) || p.conn.ConnectionState().DidResume {
				t.Fatal("resumed")
			}
		})
	}
}

// 4.6.1: what a server's tickets say.
func TestTicketsOfAServer(t *testing.T) {
	const week = 7 * 24 * time.Hour
	p := withTicket(t, RoleClient, func(c *Config) { c.TicketCount, c.TicketLifetime = maxTickets, week })
	for range maxTickets - 1 {
		p.hearTicket()
	}
	for i, a := range p.tickets {
		if a.Lifetime != 604800 { // "MUST NOT use any value greater than 604800 seconds"
			t.Errorf("lifetime %d", a.Lifetime)
		}
		if a.HasEarlyData || len(a.Extensions) != 1 || a.Extensions[0]&0x0f0f != 0x0a0a { // E.5, RFC 8701 4.1
			t.Errorf("extensions %v", a.Extensions)
		}
		for _, b := range p.tickets[:i] {
			// "a fresh value for each ticket", "unique across all tickets issued on this connection"
			if a.AgeAdd == b.AgeAdd || bytes.Equal(a.Nonce, b.Nonce) || bytes.Equal(a.Ticket, b.Ticket) {
				t.Errorf("two tickets with one ticket_age_add, nonce or content: %+v, %+v", a, b)
			}
		}
		q := p.again(nil)
		q.clientHello(offering(a))
		q.wantResumed(0)
	}
	if raw, ok := p.take(); ok {
		t.Errorf("one ticket more: % x", raw)
	}

	// A resumption five days later is given tickets for two days, and for nothing
	// when the authentication is seven days old.
	for _, later := range []time.Duration{5 * 24 * time.Hour, week - time.Second} {
		q := p.again(func(c *Config) { c.Time = func() time.Time { return testTime.Add(later) } })
		q.clientHello(offering(p.tickets[0]))
		q.wantResumed(0)
		if got := q.hearTicket().Lifetime; got != uint32((week-later)/time.Second) {
			t.Errorf("after %v: lifetime %d", later, got)
		}
	}
}

// 4.2.9: who does not offer psk_dhe_ke has no use for our tickets.
func TestServerIssuesNoTicketsThatCannotBeUsed(t *testing.T) {
	for _, modes := range [][]byte{nil, {0}, {0x0b}} {
		p := newPuppet(t, RoleClient, nil)
		p.clientHello(func(m *wire.ClientHello) { m.PSKModes = modes })
		p.finishServer(t)
		if raw, ok := p.take(); ok {
			t.Errorf("modes %v: the server says % x", modes, raw)
		}
	}
}

// resumingClient is a client that knows a ticket with the given changes, as it says
// its next hello, some time later.
func resumingClient(t *testing.T, later time.Duration, f func(*wire.NewSessionTicket), adjust func(*Config)) *puppet {
	t.Helper()
	p := newPuppet(t, RoleServer, func(c *Config) { c.NextProtos, c.Sessions = nil, new(lastSession) })
	p.handshake()
	p.newSessionTicket(f)
	p.wantData("behind the ticket")
	p = p.again(func(c *Config) {
		c.Time = func() time.Time { return testTime.Add(later) }
		change(c, adjust)
	})
	p.hearClientHello()
	return p
}

func TestClientOffersATicket(t *testing.T) {
	for _, v := range []struct {
		must   string
		later  time.Duration
		change func(*wire.NewSessionTicket)
	}{
		{"4.2.11.1: at once", 0, nil},
		{"4.2.11.1: with an age that goes over 2^32 with ticket_age_add", 10 * time.Second, nil},
		{"4.2.11.1: within its lifetime", time.Hour - time.Second, nil},
		{"4.6.1: within seven days", 7*24*time.Hour - time.Second, func(m *wire.NewSessionTicket) { m.Lifetime = 1 << 31 }},
		{"4.6.1: with an empty nonce", 0, func(m *wire.NewSessionTicket) { m.Nonce = nil }},
		{"4.6.1: with a nonce of 255 bytes", 0, func(m *wire.NewSessionTicket) { m.Nonce = bytes.Repeat([]byte{3}, 255) }},
		{"E.5: without early data, even if the ticket allows it", 0, func(m *wire.NewSessionTicket) { m.HasEarlyData, m.MaxEarlyData = true, 1<<32-1 }},
		{"4.6.1: in spite of an extension that it does not know", 0, func(m *wire.NewSessionTicket) { m.Grease = grease }},
		{"4.6.1: of 16 KiB", 0, func(m *wire.NewSessionTicket) { m.Ticket = bytes.Repeat([]byte("t"), 16<<10) }},
	} {
		for _, retry := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, retry %t", v.must, retry), func(t *testing.T) {
				p := resumingClient(t, v.later, v.change, nil)
				p.wantOffer(p.tickets[0], v.later)
				if retry {
					p.helloRetryRequest(nil)
					const longer = 500 * time.Millisecond // 4.1.2: the age is updated as well
					p.conn.config.prepared.now = func() time.Time { return testTime.Add(v.later + longer) }
					p.hearClientHello()
					p.wantOffer(p.tickets[0], v.later+longer)
				}
				p.serverHello(p.resuming(p.tickets[0]))
				p.encryptedExtensions(nil)
				p.serverFinished(nil)
				p.hearClientFinished()
				if p.wantConnected(); !p.conn.ConnectionState().DidResume {
					t.Fatal("not resumed")
				}
				p.wantData("in step")
			})
		}
	}
}

func TestClientDoesNotOfferATicket(t *testing.T) {
	for _, v := range []struct {
		must   string
		later  time.Duration
		change func(*wire.NewSessionTicket)
		adjust func(*Config)
	}{
		{"4.2.11.1: older than its lifetime", time.Hour, nil, nil},
		{"4.6.1: older than seven days", 7 * 24 * time.Hour, func(m *wire.NewSessionTicket) { m.Lifetime = 1 << 31 }, nil},
		{"4.6.1: of no lifetime", 0, func(m *wire.NewSessionTicket) { m.Lifetime = 0 }, nil},
		{"4.6.1: for another name", 0, nil, func(c *Config) { c.ServerName, c.SessionKey = "www.example.org", "example.org" }},
		{"4.2.11: with no suite of its hash", 0, nil, func(c *Config) { c.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384} }},
		{"4.2.11: that leaves no room for a hello", 0, func(m *wire.NewSessionTicket) { m.Ticket = make([]byte, 1<<16-1) }, nil},
	} {
		t.Run(v.must, func(t *testing.T) {
			p := resumingClient(t, v.later, v.change, v.adjust)
			if p.hello.Has(wire.ExtPreSharedKey) {
				t.Fatal("offers it")
			}
		})
	}
}

func TestClientRefusesToResume(t *testing.T) {
	resumed := func(p *puppet, f func(*wire.ServerHello)) {
		psk := p.resuming(p.tickets[0])
		p.serverHello(func(m *wire.ServerHello) {
			psk(m)
			change(m, f)
		})
	}
	for _, f := range []struct {
		must  string
		say   func(*puppet)
		keys  bool // the client has taken the keys on
		alert Alert
		text  string
	}{
		{"4.2.11: an identity out of range", func(p *puppet) {
			resumed(p, func(m *wire.ServerHello) { m.SelectedIdentity = 1 })
		}, false, AlertIllegalParameter, "identity 1 of 1"},
		{"4.2.11: the greatest identity", func(p *puppet) {
			resumed(p, func(m *wire.ServerHello) { m.SelectedIdentity = 1<<16 - 1 })
		}, false, AlertIllegalParameter, "identity 65535 of 1"},
		{"4.2.11: a suite of another hash", func(p *puppet) {
			resumed(p, func(m *wire.ServerHello) { m.CipherSuite = tls.TLS_AES_256_GCM_SHA384 })
		}, false, AlertIllegalParameter, "hash of the pre-shared key"},
		{"4.2.11: no key_share, which psk_dhe_ke requires", func(p *puppet) {
			p.edit = without(wire.ExtKeyShare)
			resumed(p, nil)
		}, false, AlertIllegalParameter, "no key_share with pre_shared_key"},
		{"4.2.8: a key_share of another group", func(p *puppet) {
			resumed(p, func(m *wire.ServerHello) { m.KeyShare.Group = uint16(tls.CurveP256) })
		}, false, AlertIllegalParameter, "no share of group"},
		{"4.2.11: a selected_identity of one byte", func(p *puppet) {
			p.edit = replaced(wire.ExtPreSharedKey, 0)
			resumed(p, nil)
		}, false, AlertDecodeError, "pre_shared_key"},
		{"4.2.11: pre_shared_key twice", func(p *puppet) {
			p.edit = with(wire.ExtPreSharedKey, 0, 0)
			resumed(p, nil)
		}, false, AlertDecodeError, "duplicate"},
		{"4.2.9: psk_key_exchange_modes, which a server does not send", func(p *puppet) {
			p.edit = with(wire.ExtPSKModes, 1, 1)
			resumed(p, nil)
		}, false, AlertIllegalParameter, "psk_key_exchange_modes"},
		{"4.3.2: a CertificateRequest", func(p *puppet) {
			resumed(p, nil)
			p.encryptedExtensions(nil)
			p.certificateRequest(nil)
		}, true, AlertUnexpectedMessage, "certificate_request"},
		{"4.4.2: a Certificate", func(p *puppet) {
			resumed(p, nil)
			p.encryptedExtensions(nil)
			p.certificate(nil)
		}, true, AlertUnexpectedMessage, "certificate"},
		{"4.4.3: a CertificateVerify", func(p *puppet) {
			resumed(p, nil)
			p.encryptedExtensions(nil)
			p.certificateVerify(nil)
		}, true, AlertUnexpectedMessage, "certificate_verify"},
		{"4.2.10: early_data, which was not offered", func(p *puppet) {
			resumed(p, nil)
			p.edit = with(wire.ExtEarlyData)
			p.encryptedExtensions(nil)
		}, true, AlertUnsupportedExtension, "early_data"},
		{"4.4.4: a Finished that is wrong", func(p *puppet) {
			resumed(p, nil)
			p.encryptedExtensions(nil)
			p.serverFinished(func(mac *[]byte) { (*mac)[5] ^= 1 })
		}, true, AlertDecryptError, "finished"},
		{"4.1.4: a key of another hash than the HelloRetryRequest's suite has", func(p *puppet) {
			p.helloRetryRequest(func(m *wire.ServerHello) { m.CipherSuite = tls.TLS_AES_256_GCM_SHA384 })
			p.hearClientHello()
			if p.hello.Has(wire.ExtPreSharedKey) { // "the client SHOULD NOT offer any"
				p.t.Fatal("offers it still")
			}
			resumed(p, func(m *wire.ServerHello) { m.CipherSuite = tls.TLS_AES_256_GCM_SHA384 })
		}, false, AlertUnsupportedExtension, "pre_shared_key"},
	} {
		t.Run(f.must, func(t *testing.T) {
			p := resumingClient(t, 0, nil, nil)
			f.say(p)
			if !f.keys {
				p.read = puppetKey{}
			}
			p.wantAlert(f.alert, f.text)
		})
	}
}

// 4.6.1, RFC 9846 4.7.1: clients that do not resume MUST ignore tickets.
func TestClientWithoutSessionsIgnoresTickets(t *testing.T) {
	p := clientConnected.puppet(t)
	p.newSessionTicket(nil)
	p.wantData("fine")
	q := p.again(nil)
	if q.hearClientHello(); q.hello.Has(wire.ExtPSKModes) || q.hello.Has(wire.ExtPreSharedKey) {
		t.Fatal("offers to resume")
	}
}

// 4.6.1: a lifetime of zero "indicates that the ticket should be discarded immediately".
func TestClientDiscardsATicketOfNoLifetime(t *testing.T) {
	cache := new(lastSession)
	p := newPuppet(t, RoleServer, func(c *Config) { c.NextProtos, c.Sessions = nil, cache })
	p.handshake()
	p.newSessionTicket(func(m *wire.NewSessionTicket) { m.Lifetime = 0 })
	if p.wantData("behind it"); cache.puts != 0 {
		t.Errorf("%d tickets are kept", cache.puts)
	}
	p.newSessionTicket(nil)
	if p.wantData("behind the next"); cache.puts != 1 {
		t.Errorf("%d tickets are kept", cache.puts)
	}
}

// 4.6.1: tickets are of the keys that the handshake ended with, so that one that comes
// behind a KeyUpdate is as good.
func TestTicketBehindAKeyUpdate(t *testing.T) {
	p := newPuppet(t, RoleServer, func(c *Config) { c.NextProtos, c.Sessions = nil, new(lastSession) })
	p.handshake()
	p.keyUpdate(false)
	ticket := p.newSessionTicket(nil)
	p.record(record.ApplicationData, []byte("data"), 0)
	p.drive()
	p = p.again(nil)
	p.hearClientHello()
	p.wantOffer(ticket, 0)
}
