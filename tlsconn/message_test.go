package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// puppet is a TLS 1.3 peer that says only what a test tells it to, in whatever
// order and however wrong, and keeps keys and transcript in step with what it
// said: so a test can be wrong in one thing alone. It shares nothing with the
// Conn that it talks to but the leaves under internal/ and the signatures.
type puppet struct {
	t    testing.TB
	role Role // the puppet's own
	conn *Conn
	tr   *testTransport // the Conn's
	call *callCounter   // around tr

	err error // the Conn's last answer
	// watch, if set, is told each answer.
	watch func(verb string, n int, err error)
	data  []byte // what the Conn has read from us

	read, write puppetKey
	seen        int    // bytes of the Conn's output that were taken
	inbox       []byte // handshake bytes received and not taken
	alerts      []Alert
	received    []byte // application data from the Conn
	ccs         int    // change_cipher_spec records received
	last        []byte // the message said last
	tail        []byte // put behind the next message, into its record
	// edit, if set, changes the next message as it is encoded.
	edit func([]byte) []byte

	hello     wire.ClientHello // the client's last, sent or received
	share     *clientShare     // of a client
	sh        wire.ServerHello // the server's last
	requested bool             // a CertificateRequest was sent
	suite     *suite
	d         *keysched.Deriver
	log       []byte          // the transcript's messages
	suiteID   uint16          // that it offers or selects
	cert      tls.Certificate // of a server

	master, clientHS, serverHS, clientApp, serverApp keysched.Secret
}

// puppetKey is one direction's protection, on the standard library alone.
type puppetKey struct {
	on     bool
	secret keysched.Secret
	aead   cipher.AEAD
	iv     [12]byte
	seq    uint64
}

// callCounter counts the calls of a transport's methods: what an event loop
// pays for.
type callCounter struct {
	*testTransport
	reads, writes int
}

func (c *callCounter) Read(b []byte) (int, error) {
	c.reads++
	return c.testTransport.Read(b)
}

func (c *callCounter) Write(b []byte) (int, error) {
	c.writes++
	return c.testTransport.Write(b)
}

// newPuppet makes a puppet of the given role and a Conn of the other one.
// adjust may change the Conn's Config and the Workspace's.
func newPuppet(t testing.TB, role Role, adjust func(*Config)) *puppet {
	t.Helper()
	return newPuppetIn(t, NewWorkspace(WorkspaceConfig{}), role, adjust)
}

func newPuppetIn(t testing.TB, ws *Workspace, role Role, adjust func(*Config)) *puppet {
	t.Helper()
	p := &puppet{t: t, role: role, suiteID: tls.TLS_AES_128_GCM_SHA256}
	p.tr = &testTransport{in: new(stream), out: new(stream), auto: true, quota: -1}
	p.call = &callCounter{testTransport: p.tr}
	ca := newTestCA(t)
	config := clientFor(ca)
	if role == RoleClient {
		config = serverFor(ca.issue(t, keyEd25519, "example.org"))
	}
	config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	if adjust != nil {
		adjust(config)
	}
	if role == RoleClient {
		p.conn = ws.Server(p.call, config)
	} else {
		p.cert = ca.issue(t, keyEd25519, "example.org")
		p.conn = ws.Client(p.call, config)
	}
	return p
}

// onlyP256 makes a server ask our puppet, which sends an X25519 share, to retry.
func onlyP256(c *Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }

func (k *puppetKey) install(d *keysched.Deriver, s *suite, secret keysched.Secret) {
	*k = puppetKey{on: true, secret: secret}
	key := make([]byte, s.aead.KeyLen())
	d.TrafficKey(key, k.iv[:], &secret)
	if s == suiteChaCha {
		k.aead, _ = chacha20poly1305.New(key)
		return
	}
	block, _ := aes.NewCipher(key)
	k.aead, _ = cipher.NewGCM(block)
}

func (k *puppetKey) nonce() []byte {
	n := slices.Clone(k.iv[:])
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^k.seq)
	return n
}

// sealed protects inner (content, type and padding, of any length) as a record.
func (k *puppetKey) sealed(inner []byte) []byte {
	rec := make([]byte, record.HeaderLen, record.HeaderLen+len(inner)+tagLen)
	record.PutHeader(rec, record.Header{Type: record.ApplicationData, Version: 0x0303, Length: len(inner) + tagLen})
	rec = k.aead.Seal(rec, k.nonce(), inner, rec[:record.HeaderLen])
	k.seq++
	return rec
}

// raw puts bytes on the wire to the Conn.
func (p *puppet) raw(b []byte) {
	p.tr.in.bytes = append(p.tr.in.bytes, b...)
	p.tr.in.delivered = len(p.tr.in.bytes)
}

// plain sends a record without protection.
func (p *puppet) plain(typ record.Type, content ...byte) {
	p.raw(append([]byte{byte(typ), 3, 3, byte(len(content) >> 8), byte(len(content))}, content...))
}

// record sends a record as things stand, with padding if it is protected.
func (p *puppet) record(typ record.Type, content []byte, padding int) {
	if !p.write.on {
		p.plain(typ, content...)
		return
	}
	inner := append(append(slices.Clone(content), byte(typ)), make([]byte, padding)...)
	p.raw(p.write.sealed(inner))
}

// alert sends an alert of the given level.
func (p *puppet) alert(level byte, a Alert) { p.record(record.Alert, []byte{level, byte(a)}, 0) }

// say sends a handshake message in a record of its own, or as many as it takes,
// and puts it into the transcript.
func (p *puppet) say(raw []byte) {
	p.t.Helper()
	if len(raw) == 0 {
		p.t.Fatal("puppet: a message cannot be encoded")
	}
	if p.edit != nil {
		raw, p.edit = p.edit(raw), nil
	}
	p.last = raw
	p.log = append(p.log, raw...)
	for piece := range slices.Chunk(append(slices.Clone(raw), p.tail...), record.MaxPlaintext) {
		p.record(record.Handshake, piece, 0)
	}
	p.tail = nil
}

// drive calls the Conn until it fails, or wants something and gets no further.
func (p *puppet) drive() {
	for moved := -1; moved != p.tr.moved; {
		moved = p.tr.moved
		if p.step(); !isWant(p.err) {
			return
		}
	}
}

// step calls the Conn until it wants something, or fails.
func (p *puppet) step() {
	p.err = p.conn.Handshake()
	p.watched("Handshake", 0, p.err)
	buf := make([]byte, 20000)
	for p.err == nil {
		var n int
		n, p.err = p.conn.Read(buf)
		p.data = append(p.data, buf[:n]...)
		p.watched("Read", n, p.err)
	}
}

func (p *puppet) watched(verb string, n int, err error) {
	if p.watch != nil {
		p.watch(verb, n, err)
	}
}

// nextRecord takes the next record that the Conn has sent, and opens it.
func (p *puppet) nextRecord() (typ record.Type, content []byte, ok bool) {
	p.t.Helper()
	rest := p.tr.out.bytes[p.seen:]
	if len(rest) < record.HeaderLen {
		return 0, nil, false
	}
	h := record.ParseHeader(rest)
	if len(rest) < record.HeaderLen+h.Length {
		return 0, nil, false
	}
	rec := rest[:record.HeaderLen+h.Length]
	p.seen += len(rec)
	if h.Type == record.ChangeCipherSpec || !p.read.on {
		return h.Type, rec[record.HeaderLen:], true
	}
	k := &p.read
	if h.Type != record.ApplicationData {
		p.t.Fatalf("puppet: the Conn sent %v unprotected: % x", h.Type, rec)
	}
	inner, err := k.aead.Open(nil, k.nonce(), rec[record.HeaderLen:], rec[:record.HeaderLen])
	if err != nil {
		p.t.Fatalf("puppet: record %d of the Conn: %v", k.seq, err)
	}
	k.seq++
	inner = bytes.TrimRight(inner, "\x00")
	return record.Type(inner[len(inner)-1]), inner[:len(inner)-1], true
}

// take sorts the records that the Conn has sent until a handshake message is
// whole or none is left, and returns the message.
func (p *puppet) take() (raw []byte, ok bool) {
	p.t.Helper()
	for {
		if b := p.inbox; len(b) >= wire.HeaderLen {
			if n := wire.HeaderLen + int(b[1])<<16 + int(b[2])<<8 + int(b[3]); n <= len(b) {
				p.inbox = b[n:]
				return b[:n:n], true
			}
		}
		typ, content, ok := p.nextRecord()
		switch {
		case !ok:
			return nil, false
		case typ == record.Handshake:
			p.inbox = append(p.inbox, content...)
		case typ == record.ChangeCipherSpec:
			p.ccs++
		case typ == record.ApplicationData:
			p.received = append(p.received, content...)
		case typ == record.Alert && len(content) == 2:
			p.alerts = append(p.alerts, Alert(content[1]))
		default:
			p.t.Fatalf("puppet: the Conn sent %v % x", typ, content)
		}
	}
}

// hear drives the Conn and takes its next message, which must be of type typ.
func (p *puppet) hear(typ wire.MessageType) []byte {
	p.t.Helper()
	p.drive()
	raw, ok := p.take()
	if !ok || wire.MessageType(raw[0]) != typ {
		p.t.Fatalf("puppet: want %v, the Conn sent % x, alerts %v; it is in state %v: %v", typ, raw, p.alerts, p.conn.State(), p.err)
	}
	p.log = append(p.log, raw...)
	return raw
}

func (p *puppet) sum() []byte {
	h := p.suite.hash.New()
	h.Write(p.log)
	return h.Sum(nil)
}

// finishedMAC is the verify_data at this point.
func (p *puppet) finishedMAC(secret *keysched.Secret) []byte {
	return p.d.FinishedMAC(nil, secret, p.sum())
}

func (p *puppet) setSuite(id uint16) {
	p.suite = suiteByID(id)
	if p.suite == nil {
		p.suite = suiteAES128 // a test is lying about the suite
	}
	p.d = keysched.New(p.suite.hash)
}

// startKeys is the schedule up to the handshake keys, which both directions take on.
func (p *puppet) startKeys(shared []byte) {
	var early, secret keysched.Secret
	p.d.Early(&early, nil)
	p.d.Handshake(&secret, &early, shared)
	p.d.DeriveSecret(&p.clientHS, &secret, keysched.LabelClientHandshake, p.sum())
	p.d.DeriveSecret(&p.serverHS, &secret, keysched.LabelServerHandshake, p.sum())
	p.d.Master(&p.master, &secret)
	mine, theirs := p.clientHS, p.serverHS
	if p.role == RoleServer {
		mine, theirs = theirs, mine
	}
	p.write.install(p.d, p.suite, mine)
	p.read.install(p.d, p.suite, theirs)
}

// finishKeys derives the application secrets, after the server's Finished.
func (p *puppet) finishKeys() {
	p.d.DeriveSecret(&p.clientApp, &p.master, keysched.LabelClientApplication, p.sum())
	p.d.DeriveSecret(&p.serverApp, &p.master, keysched.LabelServerApplication, p.sum())
}

// retryLog replaces the first ClientHello by its hash (RFC 8446 4.4.1).
func (p *puppet) retryLog() { p.log = wire.AppendMessageHash(nil, p.sum()) }

// change applies a test's change to a message, if there is one.
func change[M any](m *M, f func(*M)) {
	if f != nil {
		f(m)
	}
}

// The client's lines.

func (p *puppet) newShare(g tls.CurveID) wire.KeyShare {
	var err error
	if p.share, err = newClientShare(g, nil); err != nil {
		p.t.Fatal(err)
	}
	return wire.KeyShare{Group: uint16(g), KeyExchange: p.share.public()}
}

func (p *puppet) clientHello(f func(*wire.ClientHello)) {
	p.t.Helper()
	p.hello = wire.ClientHello{
		LegacyVersion:       tls.VersionTLS12,
		SessionID:           bytes.Repeat([]byte{7}, 32),
		CipherSuites:        []uint16{p.suiteID},
		CompressionMethods:  []byte{0},
		ServerName:          []byte("example.org"),
		SupportedVersions:   []uint16{tls.VersionTLS13},
		SupportedGroups:     []uint16{uint16(tls.X25519), uint16(tls.CurveP256)},
		SignatureAlgorithms: offeredSchemes,
		KeyShares:           []wire.KeyShare{p.newShare(tls.X25519)},
	}
	rand.Read(p.hello.Random[:])
	change(&p.hello, f)
	p.say(p.hello.Append(nil))
}

// secondClientHello answers the HelloRetryRequest that serverHello took.
func (p *puppet) secondClientHello(f func(*wire.ClientHello)) {
	p.t.Helper()
	p.hello.KeyShares = []wire.KeyShare{p.newShare(tls.CurveID(p.sh.SelectedGroup))}
	p.hello.Cookie = p.sh.Cookie
	change(&p.hello, f)
	p.say(p.hello.Append(nil))
}

// hearServerHello takes a ServerHello, and the handshake keys, or a HelloRetryRequest.
func (p *puppet) hearServerHello() {
	p.t.Helper()
	before := len(p.log)
	raw := p.hear(wire.TypeServerHello)
	if err := p.sh.Unmarshal(raw[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	p.setSuite(p.sh.CipherSuite)
	if p.sh.IsHelloRetryRequest() {
		p.log = p.log[:before]
		p.retryLog()
		p.log = append(p.log, raw...)
		return
	}
	secret, err := p.share.secret(p.sh.KeyShare.KeyExchange)
	if err != nil {
		p.t.Fatal(err)
	}
	p.startKeys(secret)
}

// hearServerFinished takes the server's Finished, behind which it has its application key.
func (p *puppet) hearServerFinished() {
	p.t.Helper()
	want := p.finishedMAC(&p.serverHS)
	if raw := p.hear(wire.TypeFinished); !bytes.Equal(raw[wire.HeaderLen:], want) {
		p.t.Fatal("puppet: the server's Finished does not match")
	}
	p.finishKeys()
	p.read.install(p.d, p.suite, p.serverApp)
}

// hearServerFlight takes everything from ServerHello to Finished.
func (p *puppet) hearServerFlight() {
	p.t.Helper()
	p.hearServerHello()
	p.hear(wire.TypeEncryptedExtensions)
	p.hear(wire.TypeCertificate)
	p.hear(wire.TypeCertificateVerify)
	p.hearServerFinished()
}

func (p *puppet) clientFinished(f func(*[]byte)) {
	p.t.Helper()
	mac := p.finishedMAC(&p.clientHS)
	change(&mac, f)
	p.say(wire.AppendFinished(nil, mac))
	p.write.install(p.d, p.suite, p.clientApp)
}

// The server's lines.

func (p *puppet) hearClientHello() {
	p.t.Helper()
	raw := p.hear(wire.TypeClientHello)
	if err := p.hello.Unmarshal(raw[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
}

func (p *puppet) helloRetryRequest(f func(*wire.ServerHello)) {
	p.t.Helper()
	m := wire.ServerHello{
		LegacyVersion:    tls.VersionTLS12,
		Random:           wire.HelloRetryRequestRandom,
		SessionID:        p.hello.SessionID,
		CipherSuite:      p.suiteID,
		SupportedVersion: tls.VersionTLS13,
		SelectedGroup:    uint16(tls.CurveP256),
	}
	change(&m, f)
	p.setSuite(m.CipherSuite)
	p.retryLog()
	p.say(m.Append(nil))
}

func (p *puppet) serverHello(f func(*wire.ServerHello)) {
	p.t.Helper()
	share := p.hello.KeyShares[0]
	public, secret, err := respond(tls.CurveID(share.Group), share.KeyExchange)
	if err != nil {
		p.t.Fatal(err)
	}
	m := wire.ServerHello{
		LegacyVersion:    tls.VersionTLS12,
		SessionID:        p.hello.SessionID,
		CipherSuite:      p.suiteID,
		SupportedVersion: tls.VersionTLS13,
		KeyShare:         wire.KeyShare{Group: share.Group, KeyExchange: public},
	}
	rand.Read(m.Random[:])
	change(&m, f)
	p.setSuite(m.CipherSuite)
	p.say(m.Append(nil))
	p.startKeys(secret)
}

func (p *puppet) encryptedExtensions(f func(*wire.EncryptedExtensions)) {
	p.t.Helper()
	m := wire.EncryptedExtensions{ServerNameAck: true}
	change(&m, f)
	p.say(m.Append(nil))
}

func (p *puppet) certificateRequest(f func(*wire.CertificateRequest)) {
	p.t.Helper()
	m := wire.CertificateRequest{SignatureAlgorithms: offeredSchemes}
	change(&m, f)
	p.requested = true
	p.say(m.Append(nil))
}

func (p *puppet) certificate(f func(*wire.Certificate)) {
	p.t.Helper()
	var m wire.Certificate
	for _, der := range p.cert.Certificate {
		m.Entries = append(m.Entries, wire.CertificateEntry{Data: der})
	}
	change(&m, f)
	p.say(m.Append(nil))
}

func (p *puppet) certificateVerify(f func(*wire.CertificateVerify)) {
	p.t.Helper()
	key := p.cert.PrivateKey.(crypto.Signer)
	schemes, err := schemesOf(key.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	m := wire.CertificateVerify{Algorithm: uint16(schemes[0])}
	if m.Signature, err = sign(key, schemes[0], signedMessage(serverContext, p.sum())); err != nil {
		p.t.Fatal(err)
	}
	change(&m, f)
	p.say(m.Append(nil))
}

func (p *puppet) serverFinished(f func(*[]byte)) {
	p.t.Helper()
	mac := p.finishedMAC(&p.serverHS)
	change(&mac, f)
	p.say(wire.AppendFinished(nil, mac))
	p.finishKeys()
	p.write.install(p.d, p.suite, p.serverApp)
}

// hearClientFinished takes the client's last flight, behind which it has its application key.
func (p *puppet) hearClientFinished() {
	p.t.Helper()
	if p.requested {
		p.hear(wire.TypeCertificate)
	}
	want := p.finishedMAC(&p.clientHS)
	if raw := p.hear(wire.TypeFinished); !bytes.Equal(raw[wire.HeaderLen:], want) {
		p.t.Fatal("puppet: the client's Finished does not match")
	}
	p.read.install(p.d, p.suite, p.clientApp)
}

// Lines of both.

// keyUpdate says KeyUpdate and changes our key; request asks for theirs.
func (p *puppet) keyUpdate(request bool) {
	p.t.Helper()
	m := wire.KeyUpdate{RequestUpdate: request}
	p.say(m.Append(nil))
	next := p.write.secret
	p.d.NextTrafficSecret(&next, &next)
	p.write.install(p.d, p.suite, next)
}

func (p *puppet) hearKeyUpdate() {
	p.t.Helper()
	p.hear(wire.TypeKeyUpdate)
	next := p.read.secret
	p.d.NextTrafficSecret(&next, &next)
	p.read.install(p.d, p.suite, next)
}

// handshake plays a whole handshake, and drives the Conn until it is connected.
func (p *puppet) handshake() {
	p.t.Helper()
	if p.role == RoleClient {
		p.clientHello(nil)
		p.hearServerFlight()
		p.clientFinished(nil)
	} else {
		p.hearClientHello()
		p.serverHello(nil)
		p.encryptedExtensions(nil)
		p.certificate(nil)
		p.certificateVerify(nil)
		p.serverFinished(nil)
		p.hearClientFinished()
	}
	p.wantConnected()
}

func (p *puppet) wantConnected() {
	p.t.Helper()
	if p.drive(); p.err != ErrWantRead || p.conn.State() != StateConnected {
		p.t.Fatalf("%v: not connected: state %v, %v", p.conn.role, p.conn.State(), p.err)
	}
}

// wantData sends data and checks that the Conn reads it: it is alive and in step.
func (p *puppet) wantData(data string) {
	p.t.Helper()
	mark := len(p.data)
	p.record(record.ApplicationData, []byte(data), 0)
	if p.drive(); string(p.data[mark:]) != data {
		p.t.Fatalf("%v: read %q, want %q: %v", p.conn.role, p.data[mark:], data, p.err)
	}
}

// wantAlert drives the Conn and checks that it ended with the given alert: the
// last thing on the wire is that alert and the error sticks, says every text, and
// leaves nothing behind.
func (p *puppet) wantAlert(alert Alert, texts ...string) {
	p.t.Helper()
	p.drive()
	var local *LocalAlertError
	if !errors.As(p.err, &local) || local.Alert != alert {
		p.t.Fatalf("%v: got %v, want our alert %v", p.conn.role, p.err, alert)
	}
	for _, text := range texts {
		if !strings.Contains(p.err.Error(), text) {
			p.t.Fatalf("%v: error %q does not say %q", p.conn.role, p.err, text)
		}
	}
	p.hearAll()
	if !slices.Equal(p.alerts, []Alert{alert}) || p.seen != len(p.tr.out.bytes) {
		p.t.Fatalf("%v: alerts on the wire %v, want %v alone and last", p.conn.role, p.alerts, alert)
	}
	p.wantEnded(p.err)
}

// hearAll takes all that the Conn has sent, and follows its key updates.
func (p *puppet) hearAll() {
	p.t.Helper()
	for {
		raw, ok := p.take()
		if !ok {
			return
		}
		if wire.MessageType(raw[0]) == wire.TypeKeyUpdate {
			next := p.read.secret
			p.d.NextTrafficSecret(&next, &next)
			p.read.install(p.d, p.suite, next)
		}
	}
}

// wantEnded checks that a failure sticks, in every verb, and leaves nothing behind.
func (p *puppet) wantEnded(want error) {
	p.t.Helper()
	c := p.conn
	_, readErr := c.Read(make([]byte, 10))
	_, writeErr := c.Write([]byte("x"))
	_, fromErr := c.ReadFrom(strings.NewReader("x"))
	for verb, err := range map[string]error{"Handshake": c.Handshake(), "Read": readErr, "Write": writeErr,
		"ReadFrom": fromErr, "KeyUpdate": c.KeyUpdate(true), "CloseWrite": c.CloseWrite()} {
		if err != want {
			p.t.Fatalf("%v: %s after the end: %v, want %v again", c.role, verb, err, want)
		}
	}
	if c.Wants() != 0 || c.State() != StateFailed || c.Buffered() != 0 || c.in.buf != nil || c.out.buf != nil || c.in.messages != nil {
		p.t.Fatalf("%v: after the end: wants %v, state %v, Buffered %d, or a buffer is held", c.role, c.Wants(), c.State(), c.Buffered())
	}
	checkCleared(p.t, c)
}

// checkCleared checks that no secret is left in a Conn that has ended.
func checkCleared(t testing.TB, c *Conn) {
	t.Helper()
	if c.in.secret != (keysched.Secret{}) || c.out.secret != (keysched.Secret{}) || c.exporter != (keysched.Secret{}) || c.hs != nil {
		t.Fatalf("%v: secrets are left after the end", c.role)
	}
}

// line is one message of a legal order: who says it, and in which state the
// other side has to be to accept it.
type line struct {
	from Role
	typ  wire.MessageType
	at   State
	say  func(*puppet) // by a puppet of that role
	hear func(*puppet) // from a Conn of that role
}

// The lines of a play, in the RFC's words.
var (
	clientHello = line{RoleClient, wire.TypeClientHello, StateExpectClientHello,
		func(p *puppet) { p.clientHello(nil) }, (*puppet).hearClientHello}
	secondClientHello = line{RoleClient, wire.TypeClientHello, StateExpectSecondClientHello,
		func(p *puppet) { p.secondClientHello(nil) }, (*puppet).hearClientHello}
	helloRetryRequest = line{RoleServer, wire.TypeServerHello, StateExpectServerHello,
		func(p *puppet) { p.helloRetryRequest(nil) }, (*puppet).hearServerHello}
	serverHello = line{RoleServer, wire.TypeServerHello, StateExpectServerHello,
		func(p *puppet) { p.serverHello(nil) }, (*puppet).hearServerHello}
	serverHelloAfterRetry = line{RoleServer, wire.TypeServerHello, StateExpectSecondServerHello,
		func(p *puppet) { p.serverHello(nil) }, (*puppet).hearServerHello}
	encryptedExt = line{RoleServer, wire.TypeEncryptedExtensions, StateExpectEncryptedExtensions,
		func(p *puppet) { p.encryptedExtensions(nil) }, func(p *puppet) { p.hear(wire.TypeEncryptedExtensions) }}
	certificateReq = line{RoleServer, wire.TypeCertificateRequest, StateExpectCertificateOrRequest,
		func(p *puppet) { p.certificateRequest(nil) }, nil} // our server asks for none
	certificateMsg = line{RoleServer, wire.TypeCertificate, StateExpectCertificateOrRequest,
		func(p *puppet) { p.certificate(nil) }, func(p *puppet) { p.hear(wire.TypeCertificate) }}
	certificateAfterRequest = line{RoleServer, wire.TypeCertificate, StateExpectCertificate,
		func(p *puppet) { p.certificate(nil) }, nil}
	certificateVer = line{RoleServer, wire.TypeCertificateVerify, StateExpectCertificateVerify,
		func(p *puppet) { p.certificateVerify(nil) }, func(p *puppet) { p.hear(wire.TypeCertificateVerify) }}
	serverFinished = line{RoleServer, wire.TypeFinished, StateExpectServerFinished,
		func(p *puppet) { p.serverFinished(nil) }, (*puppet).hearServerFinished}
	clientFinished = line{RoleClient, wire.TypeFinished, StateExpectClientFinished,
		func(p *puppet) { p.clientFinished(nil) }, (*puppet).hearClientFinished}
	serverKeyUpdate = line{RoleServer, wire.TypeKeyUpdate, StateConnected,
		func(p *puppet) { p.keyUpdate(false) }, nil}
	clientKeyUpdate = line{RoleClient, wire.TypeKeyUpdate, StateConnected,
		func(p *puppet) { p.keyUpdate(false) }, nil}
	newSessionTicket = line{RoleServer, wire.TypeNewSessionTicket, StateConnected, func(p *puppet) {
		p.say((&wire.NewSessionTicket{Lifetime: 60, Ticket: []byte("ticket")}).Append(nil))
	}, nil}
)

// legalOrder is one of them.
type legalOrder struct {
	mode  string
	roles []Role // that the Conn can have
	retry bool   // the server asks for another share
	order []line
}

// legalOrders are all orders of messages that TLS 1.3 allows without a
// pre-shared key (RFC 8446 2, 4 and appendix A); every other one is refused.
// In an order that only a puppet plays (hear is nil), the Conn is of the other role.
var legalOrders = []legalOrder{
	{"full handshake", []Role{RoleServer, RoleClient}, false, []line{
		clientHello,
		serverHello, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
	}},
	{"hello retry request", []Role{RoleServer, RoleClient}, true, []line{
		clientHello,
		helloRetryRequest,
		secondClientHello,
		serverHelloAfterRetry, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
	}},
	{"with a certificate request", []Role{RoleClient}, false, []line{
		clientHello,
		serverHello, encryptedExt, certificateReq, certificateAfterRequest, certificateVer, serverFinished,
		clientFinished,
	}},
	{"hello retry request, with a certificate request", []Role{RoleClient}, true, []line{
		clientHello,
		helloRetryRequest,
		secondClientHello,
		serverHelloAfterRetry, encryptedExt, certificateReq, certificateAfterRequest, certificateVer, serverFinished,
		clientFinished,
	}},
	{"after the handshake, from the server", []Role{RoleClient}, false, []line{
		clientHello,
		serverHello, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
		newSessionTicket, serverKeyUpdate, serverKeyUpdate, newSessionTicket,
	}},
	{"after the handshake, from the client", []Role{RoleServer}, false, []line{
		clientHello,
		serverHello, encryptedExt, certificateMsg, certificateVer, serverFinished,
		clientFinished,
		clientKeyUpdate, clientKeyUpdate,
	}},
}

// play puts a puppet against a Conn of the given role and has both say the first
// n lines; before is called ahead of each of the puppet's.
func (o *legalOrder) play(t testing.TB, connRole Role, n int, before func(*puppet, line)) *puppet {
	t.Helper()
	var p *puppet
	switch {
	case connRole == RoleClient:
		p = newPuppet(t, RoleServer, nil)
	case o.retry:
		p = newPuppet(t, RoleClient, onlyP256)
	default:
		p = newPuppet(t, RoleClient, nil)
	}
	for _, l := range o.order[:n] {
		if l.from == connRole {
			l.hear(p)
			continue
		}
		if before != nil {
			before(p, l)
		}
		l.say(p)
	}
	p.drive()
	return p
}

func TestLegalOrders(t *testing.T) {
	for _, o := range legalOrders {
		for _, role := range o.roles {
			t.Run(fmt.Sprintf("%s, a %v", o.mode, role), func(t *testing.T) {
				p := o.play(t, role, len(o.order), func(p *puppet, l line) {
					p.drive()
					if st := p.conn.State(); st != l.at {
						t.Fatalf("before %v: state %v, want %v: %v", l.typ, st, l.at, p.err)
					}
					if !slices.Contains(l.at.accepts(role), l.typ) {
						t.Fatalf("%v does not accept %v", l.at, l.typ)
					}
				})
				p.wantConnected()
				p.wantData("after " + o.mode)
			})
		}
	}
}

// Every state either consumes messages, the same ones for each call, or works.
func TestStatesAcceptWhatTheirOrdersSay(t *testing.T) {
	legal := make(map[Role]map[State][]wire.MessageType)
	for _, role := range []Role{RoleServer, RoleClient} {
		legal[role] = make(map[State][]wire.MessageType)
		for _, o := range legalOrders {
			for _, l := range o.order {
				if l.from != role && slices.Contains(o.roles, role) && !slices.Contains(legal[role][l.at], l.typ) {
					legal[role][l.at] = append(legal[role][l.at], l.typ)
				}
			}
		}
	}
	for st := range stateNames {
		for role, byState := range legal {
			want, got := byState[st], slices.Clone(st.accepts(role))
			foreign := want == nil && len(legal[RoleServer][st])+len(legal[RoleClient][st]) > 0 // a state of the other role
			slices.Sort(want)
			slices.Sort(got)
			if !foreign && !slices.Equal(got, want) {
				t.Errorf("%v of a %v accepts %v, the legal orders say %v", st, role, got, want)
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
		st   State
		role Role
	}
	cells := make(map[cell]bool)
	for _, o := range legalOrders {
		for _, role := range o.roles {
			for i, l := range o.order {
				c := cell{l.at, role}
				if l.from == role || cells[c] {
					continue
				}
				cells[c] = true
				for _, typ := range types {
					if slices.Contains(l.at.accepts(role), typ) {
						continue
					}
					t.Run(fmt.Sprintf("%v to a %v in %v", typ, role, l.at), func(t *testing.T) {
						p := o.play(t, role, i, nil)
						p.record(record.Handshake, sampleMessage(typ), 0)
						p.wantAlert(AlertUnexpectedMessage, "got "+typ.String()+" in state "+l.at.String(),
							fmt.Sprint("expects ", l.at.accepts(role)))
					})
				}
			}
		}
	}
	if len(cells) != 12 {
		t.Errorf("%d states were tried, of which some are not reached or new", len(cells))
	}
}

// A message that was right once is wrong when it comes again, byte by byte the same.
func TestRepeatedMessages(t *testing.T) {
	for _, o := range legalOrders {
		for _, role := range o.roles {
			for i, l := range o.order {
				if l.from == role || l.at == StateConnected {
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
					if o.retry && l.at == StateExpectClientHello {
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
	retry bool
	play  func(p *puppet, tail []byte) // until the message is said
	after func(*puppet)                // what the Conn still says under keys that the puppet has to follow
}{
	{"client hello", RoleServer, false, func(p *puppet, tail []byte) {
		p.tail = tail
		p.clientHello(nil)
	}, (*puppet).hearServerHello},
	{"second client hello", RoleServer, true, func(p *puppet, tail []byte) {
		p.clientHello(nil)
		p.hearServerHello()
		p.tail = tail
		p.secondClientHello(nil)
	}, (*puppet).hearServerHello},
	{"client finished", RoleServer, false, func(p *puppet, tail []byte) {
		p.clientHello(nil)
		p.hearServerFlight()
		p.tail = tail
		p.clientFinished(nil)
	}, nil},
	{"client finished after a retry", RoleServer, true, func(p *puppet, tail []byte) {
		p.clientHello(nil)
		p.hearServerHello()
		p.secondClientHello(nil)
		p.hearServerFlight()
		p.tail = tail
		p.clientFinished(nil)
	}, nil},
	{"key update of a client", RoleServer, false, func(p *puppet, tail []byte) {
		p.handshake()
		p.tail = tail
		p.keyUpdate(false)
	}, nil},
	{"client hello that asks for a retry", RoleServer, true, func(p *puppet, tail []byte) {
		p.tail = tail
		p.clientHello(nil)
	}, nil},
	{"hello retry request", RoleClient, true, func(p *puppet, tail []byte) {
		p.hearClientHello()
		p.tail = tail
		p.helloRetryRequest(nil)
	}, nil},
	{"server hello", RoleClient, false, func(p *puppet, tail []byte) {
		p.hearClientHello()
		p.tail = tail
		p.serverHello(nil)
	}, nil},
	{"server hello after a retry", RoleClient, true, func(p *puppet, tail []byte) {
		p.hearClientHello()
		p.helloRetryRequest(nil)
		p.hearClientHello()
		p.tail = tail
		p.serverHello(nil)
	}, nil},
	{"server finished", RoleClient, false, func(p *puppet, tail []byte) {
		p.hearClientHello()
		p.serverHello(nil)
		p.encryptedExtensions(nil)
		p.certificate(nil)
		p.certificateVerify(nil)
		p.tail = tail
		p.serverFinished(nil)
	}, nil},
	{"key update of a server", RoleClient, false, func(p *puppet, tail []byte) {
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
				role, adjust := RoleServer, (func(*Config))(nil)
				if k.conn == RoleServer {
					role = RoleClient
					if k.retry {
						adjust = onlyP256
					}
				}
				p := newPuppet(t, role, adjust)
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
