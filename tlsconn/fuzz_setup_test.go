package tlsconn

import (
	"cmp"
	"crypto/tls"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// What the upper bits of an input's second and third bytes choose.
const (
	inTLS12      = 64  // of the second: an order of TLS 1.2, which the Conn speaks too
	failing      = 16  // of the third: operations fail
	requiring    = 32  // a server that requests a certificate requires one
	fromBefore   = 64  // the session is of a connection of ours, not made up
	lessRequired = 128 // of TLS 1.2: sessions have ids, and renegotiation_info may be missing
)

// newFuzzed sets up what the first three bytes of the input choose.
func newFuzzed(t *testing.T, role Role, k *knobs) *fuzzed {
	fz := &fuzzed{t: t, k: k}
	setup, transport, order := k.byte(), k.byte(), k.byte()
	kind := [4]keyKind{keyEd25519, keyECDSA, keyRSA, keyEd25519}[setup>>3&3]
	fz.play = int(setup & 0xc0)
	orders := legalOrders
	if transport&inTLS12 != 0 {
		orders = legalOrders12
	}
	fz.order = orderFor(orders, role, int(order&15))
	fz.fails = order&failing != 0
	config := WorkspaceConfig{CachedKeys: 1 + int(transport>>4&1)}
	if setup&32 != 0 {
		config.Offload = func(task func()) bool { return len(fz.ops.parked) == 0 && fz.ops.offload(task) }
	}
	fz.ws = NewWorkspace(config)
	if transport&32 != 0 {
		fz.ws.keyLimit = 3
	}
	fz.p = newPuppetIn(quitter{t}, fz.ws, role.other(), func(c *Config) { fz.configure(c, role, kind, setup, order) })
	fz.knowSession(kind, order)
	fz.p.cert = fuzzCerts()[kind]
	fz.chooseSuite(int(setup&3)%len(allSuites), kind)
	fz.p.watch = fz.check
	fz.p.tr.readMax = [4]int{0, 1, 7, 1000}[transport&3]
	fz.p.tr.quota = [4]int{-1, 1, 50, 5000}[transport>>2&3]
	fz.p.tr.left = fz.p.tr.quota
	return fz
}

// configure sets the Conn up.
func (fz *fuzzed) configure(c *Config, role Role, kind keyKind, setup, order byte) {
	c.Certificates = nil
	if role == RoleServer {
		c.Certificates = []tls.Certificate{fuzzCerts()[kind]}
		c.CurvePreferences = []tls.CurveID{tls.X25519}
		c.Tickets = NewTicketKeys(testClock)
	} else {
		c.InsecureSkipVerify = true // or the chain, which the fuzzer cannot sign, is all it meets
		c.Sessions = new(lastSession)
	}
	how := fz.order.how
	if how&of12 != 0 {
		c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	}
	how.configure(role, c)
	if order&requiring != 0 && c.ClientAuth != tls.NoClientCert {
		c.ClientAuth = tls.RequireAnyClientCert
	}
	if order&fromBefore != 0 {
		m := fuzzSession(how, order)
		c.Tickets, c.Sessions = m.keys, &lastSession{session: m.freshSession()}
	}
	if how&of12 != 0 && order&lessRequired != 0 {
		c.AllowMissingRenegotiationInfo = role == RoleClient
		c.ServerSessions = cmp.Or[SessionStore](c.ServerSessions, NewSessionStore(0))
	}
	if c.ServerSessions != nil {
		fz.store = c.ServerSessions.(*MemoryStore)
		if m := fuzzSession(how, order); order&fromBefore != 0 && m.state != nil {
			fz.store.PutSession(m.session.id, m.state)
		}
	}
	if setup&4 != 0 {
		fz.later(c)
	}
}

// knowSession has the puppet know the session that it is to resume, and the version.
func (fz *fuzzed) knowSession(kind keyKind, order byte) {
	p, how := fz.p, fz.order.how
	p.tickets = knownTicketOf(how)
	if order&fromBefore != 0 && (how&of12 == 0 || p.tickets != nil) {
		p.tickets = fuzzSession(how, order).tickets
	}
	if how&of12 != 0 {
		p.twelve, p.plainMaster = puppet12Of(p), how&withPlainMaster != 0
		if kind == keyECDSA {
			p.twelve.group = tls.CurveP256 // which a client offers too if the key is on it (RFC 8422 4)
		}
	}
}

// chooseSuite has the puppet offer or select the n-th suite that it can.
func (fz *fuzzed) chooseSuite(n int, kind keyKind) {
	p, how := fz.p, fz.order.how
	switch {
	case how&of12 == 0 && p.tickets != nil:
		p.suiteID = p.tickets[0].suite.id
	case how&of12 == 0:
		p.suiteID = suiteNames[n]
	case how&(withSession|withoutIt) == withSession:
		p.suiteID = knownSessionOf(how, nil).suite
	default:
		suites := slices.DeleteFunc(slices.Clone(allSuites12), func(s *suite) bool { return s.rsa != (kind == keyRSA) })
		p.suiteID = suites[n].id
	}
}

// metBefore is what is left of a connection of ours.
type metBefore struct {
	keys    *TicketKeys
	session *Session
	state   []byte         // of a server's store; nil without
	tickets []puppetTicket // the session, as a puppet knows it
}

// freshSession is the session for one input: what becomes of it, no other one sees.
func (m *metBefore) freshSession() *Session {
	s := *m.session
	s.failed = new(atomic.Bool)
	return &s
}

// fuzzSession is the one of the version: by an id in TLS 1.2 where the order or the input
// wants it.
func fuzzSession(how handshakeMode, order byte) *metBefore {
	switch {
	case how&of12 == 0:
		return session13()
	case how&withID != 0 || how&withSession == 0 && order&lessRequired != 0:
		return session12ByID()
	}
	return session12()
}

// The sessions, each of one connection for all inputs that resume.
var (
	session13     = sync.OnceValue(func() *metBefore { return meetBefore(tls.TLS_AES_128_GCM_SHA256, false) })
	session12     = sync.OnceValue(func() *metBefore { return meetBefore(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false) })
	session12ByID = sync.OnceValue(func() *metBefore { return meetBefore(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true) })
)

// meetBefore makes a connection with the suite, of which a session remains.
func meetBefore(suite uint16, byID bool) *metBefore {
	ca, cache, store := newTestCA(quitter{}), new(lastSession), NewSessionStore(0)
	client, server := clientFor(ca), serverFor(fuzzCerts()[keyEd25519])
	client.InsecureSkipVerify, client.NextProtos, client.Sessions = true, nil, cache
	m := &metBefore{keys: NewTicketKeys(testClock)}
	server.Tickets, server.CipherSuites = m.keys, []uint16{suite}
	if suite12ByID(suite) != nil {
		server.MinVersion, server.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		client.MinVersion = tls.VersionTLS12
	}
	if byID {
		server.SessionTicketsDisabled, server.Tickets, server.ServerSessions = true, nil, store
	}
	p := newPair(quitter{}, client, server)
	p.handshake()
	p.send(p.server, []byte("behind the ticket"))
	m.session = cache.session
	if byID {
		m.state, _ = store.lru.get(string(m.session.id))
	}
	m.tickets = []puppetTicket{{
		NewSessionTicket: wire.NewSessionTicket{Ticket: slices.Concat(m.session.ticket, m.session.id), AgeAdd: m.session.ageAdd},
		suite:            suiteByID(m.session.suite), // of TLS 1.3
		psk:              m.session.psk,
	}}
	return m
}

// orderFor returns the n-th of the orders for a Conn of the given role.
func orderFor(orders []legalOrder, role Role, n int) *legalOrder {
	var fit []*legalOrder
	for i := range orders {
		if slices.Contains(orders[i].roles, role) {
			fit = append(fit, &orders[i])
		}
	}
	return fit[n%len(fit)]
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
	if c.ServerSessions != nil {
		c.ServerSessions = &lateStore{c.ServerSessions, &fz.ops}
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
	seeds = append(seeds, fuzzSeeds12(role)...)
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
