package tlsconn

import (
	"bytes"
	"crypto/hmac"
	"slices"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The lines of a resumption: tickets, and hellos that offer and take them.

// puppetTicket is a ticket with its secret.
type puppetTicket struct {
	wire.NewSessionTicket
	suite *suite
	psk   []byte
}

// again makes a puppet of the same role, with the same certificate and tickets,
// and a Conn with the same Config, as adjust changes it.
func (p *puppet) again(adjust func(*Config)) *puppet {
	p.t.Helper()
	config := cloneConfig(p.conn.config)
	if adjust != nil {
		adjust(config)
	}
	q := newPuppetFor(p.t, NewWorkspace(WorkspaceConfig{}), p.role, config, p.cert)
	q.tickets, q.suiteID, q.shown = p.tickets, p.suiteID, p.shown
	return q
}

// finishResumption derives the resumption secret, after the client's Finished.
func (p *puppet) finishResumption() {
	p.d.DeriveSecret(&p.resumption, &p.master, keysched.LabelResumption, p.sum())
}

// ticketOf makes a ticket of its message, and knows it from now on.
func (p *puppet) ticketOf(m *wire.NewSessionTicket) puppetTicket {
	t := puppetTicket{NewSessionTicket: *m, suite: p.suite}
	t.Ticket, t.Nonce, t.Extensions = slices.Clone(m.Ticket), slices.Clone(m.Nonce), slices.Clone(m.Extensions)
	var psk keysched.Secret
	p.d.ResumptionPSK(&psk, &p.resumption, m.Nonce)
	t.psk = slices.Clone(psk[:p.d.Size()])
	p.tickets = append(p.tickets, t)
	return t
}

// hearTicket takes a NewSessionTicket.
func (p *puppet) hearTicket() puppetTicket {
	p.t.Helper()
	var m wire.NewSessionTicket
	if err := m.Unmarshal(p.hear(wire.TypeNewSessionTicket)[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	return p.ticketOf(&m)
}

// newSessionTicket says a NewSessionTicket.
func (p *puppet) newSessionTicket(f func(*wire.NewSessionTicket)) puppetTicket {
	p.t.Helper()
	m := wire.NewSessionTicket{Lifetime: 3600, AgeAdd: 0xffffff00, Nonce: []byte{1, 2}, Ticket: []byte("a ticket")}
	change(&m, f)
	p.say(m.Append(nil))
	return p.ticketOf(&m)
}

// known returns the ticket of an identity, nil if the puppet has not seen it.
func (p *puppet) known(identity []byte) *puppetTicket {
	for i := range p.tickets {
		if bytes.Equal(p.tickets[i].Ticket, identity) {
			return &p.tickets[i]
		}
	}
	return nil
}

// binder is the PSK binder over raw, a ClientHello behind log of which the last n
// bytes are the list of binders (RFC 8446 4.2.11.2).
func (t *puppetTicket) binder(log, raw []byte, n int) []byte {
	return t.binderOf(keysched.LabelResumptionBinder, log, raw, n)
}

// binderOf is the same for any label.
func (t *puppetTicket) binderOf(label string, log, raw []byte, n int) []byte {
	d := keysched.New(t.suite.hash)
	h := t.suite.hash.New()
	h.Write(log)
	h.Write(raw[:max(0, len(raw)-n)]) // an edit may have cut it shorter
	var key keysched.Secret
	d.Early(&key, t.psk)
	d.DeriveSecret(&key, &key, label, d.EmptyHash())
	return d.FinishedMAC(nil, &key, h.Sum(nil))
}

// offering has a client offer tickets, by itself or behind another change; the
// binders are right.
func offering(tickets ...puppetTicket) func(*wire.ClientHello) {
	return func(m *wire.ClientHello) {
		m.PSKModes = []byte{pskModeDHE}
		for _, t := range tickets {
			m.PSKIdentities = append(m.PSKIdentities, wire.PSKIdentity{Identity: t.Ticket, ObfuscatedTicketAge: t.AgeAdd})
			m.PSKBinders = append(m.PSKBinders, make([]byte, t.suite.hash.Size()))
		}
	}
}

// bound applies a test's edit to an encoded ClientHello and then computes the
// binders of the tickets that the puppet knows: so an edit alone is wrong, not the
// binders over it. Binders of a length that is not theirs stay as they are.
func (p *puppet) bound(raw []byte) []byte {
	if p.edit != nil {
		raw, p.edit = p.edit(raw), nil
	}
	binders := slices.Clone(p.hello.PSKBinders)
	for i := range min(len(binders), len(p.hello.PSKIdentities)) {
		if t := p.known(p.hello.PSKIdentities[i].Identity); t != nil && len(binders[i]) == t.suite.hash.Size() {
			binders[i] = t.binder(p.log, raw, p.hello.BindersLen())
		}
	}
	if p.rebind != nil {
		p.rebind(raw, binders)
		p.rebind = nil
	}
	if len(binders) > 0 {
		_ = wire.PatchBinders(raw, binders) // an edit may have cut them off
	}
	return raw
}

// wantOffer checks that the client's hello offers a ticket, of the given age, alone
// and as its last extension, with a binder that is right.
func (p *puppet) wantOffer(t puppetTicket, age time.Duration) {
	p.t.Helper()
	m := &p.hello
	if len(m.PSKIdentities) != 1 || !bytes.Equal(m.PSKIdentities[0].Identity, t.Ticket) || m.Extensions[len(m.Extensions)-1] != wire.ExtPreSharedKey {
		p.t.Fatalf("offers %v in %v", m.PSKIdentities, m.Extensions)
	}
	if want := uint32(age.Milliseconds()) + t.AgeAdd; m.PSKIdentities[0].ObfuscatedTicketAge != want {
		p.t.Fatalf("obfuscated_ticket_age %#x, want %#x", m.PSKIdentities[0].ObfuscatedTicketAge, want)
	}
	log := p.log[:len(p.log)-len(p.heard)]
	if !hmac.Equal(m.PSKBinders[0], t.binder(log, p.heard, m.BindersLen())) {
		p.t.Fatal("the binder does not verify")
	}
	if !slices.Equal(m.PSKModes, []byte{pskModeDHE}) || m.Has(wire.ExtEarlyData) {
		p.t.Fatalf("offers modes %v, early data %t", m.PSKModes, m.Has(wire.ExtEarlyData))
	}
}

// resuming has a server take a ticket that the client offers.
func (p *puppet) resuming(t puppetTicket) func(*wire.ServerHello) {
	p.psk = t.psk
	return func(m *wire.ServerHello) { m.Answer(wire.ExtPreSharedKey) }
}

// withTicket plays a handshake and has a ticket come, that a client puppet takes or
// a server puppet makes.
func withTicket(t testing.TB, role Role, adjust func(*Config)) *puppet {
	t.Helper()
	p := newPuppet(t, role, func(c *Config) {
		if c.NextProtos = nil; role == RoleClient {
			c.Tickets = NewTicketKeys(testClock)
		} else {
			c.Sessions = new(lastSession)
		}
		if adjust != nil {
			adjust(c)
		}
	})
	if role == RoleServer {
		p.handshake()
		p.newSessionTicket(nil)
		p.wantData("behind the ticket")
		return p
	}
	p.clientHello(offering())
	p.hearServerFlight()
	p.clientFinished(nil)
	p.wantConnected()
	p.hearTicket()
	return p
}
