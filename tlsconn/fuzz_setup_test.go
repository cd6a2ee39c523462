package tlsconn

import (
	"crypto/tls"
	"slices"
	"sync"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// newFuzzed sets up what the first three bytes of the input choose.
func newFuzzed(t *testing.T, role Role, k *knobs) *fuzzed {
	fz := &fuzzed{t: t, k: k}
	setup, transport, order := k.byte(), k.byte(), k.byte()
	kind := [4]keyKind{keyEd25519, keyECDSA, keyRSA, keyEd25519}[setup>>3&3]
	fz.play = int(setup & 0xc0)
	fz.order = orderFor(role, int(order&15))
	fz.fails = order&16 != 0
	config := WorkspaceConfig{CachedKeys: 1 + int(transport>>4&1)}
	if setup&32 != 0 {
		config.Offload = func(task func()) bool { return len(fz.ops.parked) == 0 && fz.ops.offload(task) }
	}
	fz.ws = NewWorkspace(config)
	if transport&32 != 0 {
		fz.ws.keyLimit = 3
	}
	fz.p = newPuppetIn(quitter{t}, fz.ws, role.other(), func(c *Config) {
		c.Certificates = nil
		if role == RoleServer {
			c.Certificates = []tls.Certificate{fuzzCerts()[kind]}
			c.CurvePreferences = []tls.CurveID{tls.X25519}
			c.Tickets = NewTicketKeys(testClock)
		} else {
			c.InsecureSkipVerify = true // or the chain, which the fuzzer cannot sign, is all it meets
			c.Sessions = new(lastSession)
		}
		fz.order.how.configure(role, c)
		if order&32 != 0 && c.ClientAuth != tls.NoClientCert {
			c.ClientAuth = tls.RequireAnyClientCert
		}
		if order&64 != 0 {
			c.Tickets, c.Sessions = fuzzSession().keys, &lastSession{session: fuzzSession().session}
		}
		if setup&4 != 0 {
			fz.later(c)
		}
	})
	if fz.p.tickets = knownTicketOf(fz.order.how); order&64 != 0 {
		fz.p.tickets = fuzzSession().tickets
	}
	fz.p.cert = fuzzCerts()[kind]
	if fz.p.suiteID = suiteNames[int(setup&3)%len(suiteNames)]; fz.p.tickets != nil {
		fz.p.suiteID = fz.p.tickets[0].suite.id
	}
	fz.p.watch = fz.check
	fz.p.tr.readMax = [4]int{0, 1, 7, 1000}[transport&3]
	fz.p.tr.quota = [4]int{-1, 1, 50, 5000}[transport>>2&3]
	fz.p.tr.left = fz.p.tr.quota
	return fz
}

// metBefore is what is left of a connection of ours.
type metBefore struct {
	keys    *TicketKeys
	session *Session
	tickets []puppetTicket // the session, as a puppet knows it
}

// fuzzSession makes one connection for all inputs that resume.
var fuzzSession = sync.OnceValue(func() (m metBefore) {
	ca, cache := newTestCA(quitter{}), new(lastSession)
	client, server := clientFor(ca), serverFor(fuzzCerts()[keyEd25519])
	client.InsecureSkipVerify, client.NextProtos, client.Sessions = true, nil, cache
	m.keys = NewTicketKeys(testClock)
	server.Tickets, server.CipherSuites = m.keys, []uint16{tls.TLS_AES_128_GCM_SHA256}
	p := newPair(quitter{}, client, server)
	p.handshake()
	p.send(p.server, []byte("behind the ticket"))
	m.session = cache.session
	m.tickets = []puppetTicket{{
		NewSessionTicket: wire.NewSessionTicket{Ticket: m.session.ticket, AgeAdd: m.session.ageAdd},
		suite:            suiteByID(m.session.suite),
		psk:              m.session.psk,
	}}
	return m
})

// orderFor returns the n-th legal order for a Conn of the given role.
func orderFor(role Role, n int) *legalOrder {
	var orders []*legalOrder
	for i := range legalOrders {
		if slices.Contains(legalOrders[i].roles, role) {
			orders = append(orders, &legalOrders[i])
		}
	}
	return orders[n%len(orders)]
}

// later has everything that a Conn can be asked answered later.
func (fz *fuzzed) later(c *Config) {
	certs := slices.Clone(c.Certificates)
	for i := range certs {
		certs[i] = fz.ops.signLater("sign", certs[i])
	}
	c.Certificates = certs
	c.InspectClientHello, c.ChooseCertificate = fz.ops.inspectLater(nil), fz.ops.chooseLater(nil)
	c.ChooseClientCertificate, c.VerifyPeerLater = fz.ops.chooseClientLater(nil), fz.ops.judgeLater("judge")
	if c.Tickets != nil {
		c.Tickets = &lateTickets{c.Tickets, &fz.ops}
	}
	if c.Sessions != nil {
		c.Sessions = &lateSessions{c.Sessions, &fz.ops}
	}
}

// fuzzCerts are made once: they are no business of the fuzzer's.
var fuzzCerts = sync.OnceValue(func() map[keyKind]tls.Certificate {
	ca := newTestCA(quitter{})
	certs := make(map[keyKind]tls.Certificate)
	for _, kind := range []keyKind{keyEd25519, keyECDSA, keyRSA} {
		certs[kind] = ca.issue(quitter{}, kind, "example.org")
	}
	return certs
})

// fuzzSeeds are inputs that reach every play, state and kind of alteration, and
// flows of real bytes.
func fuzzSeeds(t testing.TB, role Role) [][]byte {
	var seeds [][]byte
	order := byte(0) // the third byte of each seed
	add := func(parts ...[]byte) {
		seeds = append(seeds, slices.Insert(slices.Concat(parts...), 2, order))
	}
	calls := []byte{16, 0, 200, 17, 0, 100, 18, 1, 0, 19, 1, 6, 1, 23, 3, 4, 0, 16, 40, 0, 21, 22, 20, 10, 23}
	flood := []byte{7, 49, 23, 13, 0, 6, 1, 23, 6, 1, 23, 17, 255, 255, 19, 0, 20, 12, 1, 23, 13, 255, 21}
	for setup := byte(0); setup < 64; setup += 7 {
		for _, transport := range []byte{0, 1, 5, 0x3f, 0x2a} {
			add([]byte{setup | playAfter, transport}, calls)
		}
		add([]byte{setup | playAfter, 0}, flood)
		add([]byte{setup | playRaw, 0, 8, byte(wire.TypeClientHello), 23, 8, byte(wire.TypeServerHello), 23, 5, 1, 90, 23, 11, 23})
	}
	for i := range byte(8) {
		for kind := range byte(6) {
			add([]byte{playAltered, 0, 0, i, 0, 0, 0, 40, kind, 3}, calls)
			add([]byte{playOther | 4 | 32, 2, 0, i, 7, 0, 1, 5, 1, 0, 9, kind, 3, 0, 20, 5, 1}, calls)
		}
	}
	for i := range byte(8) { // ahead of each message: an alert, change_cipher_spec, garbage, part of a message
		for _, ahead := range [][]byte{{5, 1, 90}, {5, 2, 40}, {10}, {1, 0, 1, 1}, {0, 0, 5, 23, 3, 3, 0, 1}, {2, 0, 2, 11, 0, 0}, {11}, {15}, {19, 1}} {
			add([]byte{playOther, 1, 0, i}, ahead, []byte{0, 0, 0, 0, 0, 0}, calls)
		}
	}
	for order = 1; order < 12; order++ { // every other order, whole and with each message altered
		add([]byte{playAfter, 0}, calls)
		add([]byte{playAfter | 4 | 32, 5}, calls)
		for i := range byte(11) {
			add([]byte{playAltered, 0, 0, i, 0, 0, 0, 40, i % 6, 3}, calls)
			add([]byte{playAltered | 4, 2, 0, i, 0, 1, 0, 60, 2, 0}, calls)
		}
	}
	for order = 16; order < 64; order += 5 { // operations that fail, or are never answered
		add([]byte{playAfter | 4 | 32, 0}, calls)
		add([]byte{playOther | 4, 0, 0, order % 8, 24, 40, 0, 1}, calls)
	}
	for order = 64; order < 64+12; order++ { // a session of a real connection
		add([]byte{playAfter, 0}, calls)
		add([]byte{playAfter | 4 | 32, 5}, flood)
		add([]byte{playOther, 2, 0, order % 8, 4, 22, 0, 1}, calls)
	}
	order = 0
	for _, slice := range []byte{1, 3, 39} { // data, opened into slices and in place
		add([]byte{playAfter, 0, 3, 0, 50, 16, 0, slice, 16, 0, slice, 4, 23, 20, 5, 16, 0, slice, 2, 0, 3, 24, 0, 0, 0, 16, 0, slice, 3, 0, 1, 16, 0, slice, 23})
	}
	// What a real peer sends, unprotected, as raw bytes.
	p := newPuppet(t, RoleClient, nil)
	if role == RoleClient {
		p = clientHelloSent.puppet(t)
		p.serverHello(nil)
	} else {
		p.clientHello(nil)
	}
	flight := p.tr.in.bytes
	add([]byte{playRaw, 0, 0, byte(len(flight) >> 8), byte(len(flight))}, flight, []byte{23}, calls)
	add([]byte{playRaw, 1, 0, byte(len(flight) >> 8), byte(len(flight))}, flight, []byte{23, 10, 23})
	return seeds
}
