package tlsconn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"errors"
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
	// settle, if set, answers what the Conn waits for, and tells whether there was any.
	settle func() bool
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
	heard       []byte // the message heard last
	tail        []byte // put behind the next message, into its record
	changed     func() // if set, told of the Conn's change_cipher_spec
	// edit, if set, changes the next message as it is encoded.
	edit func([]byte) []byte

	hello     wire.ClientHello // the client's last, sent or received
	share     *clientShare     // of a client
	sh        wire.ServerHello // the server's last
	requested bool             // a CertificateRequest was sent
	shown     bool             // a client's Certificate was not empty
	suite     *suite
	d         *keysched.Deriver
	log       []byte // the transcript's messages
	suiteID   uint16 // that it offers or selects
	cert      tls.Certificate

	twelve      *puppet12 // itself, if it speaks TLS 1.2
	plainMaster bool      // and it has no extended_master_secret in a play

	tickets []puppetTicket // of which it knows the secrets
	psk     []byte         // of the session that is resumed
	// rebind, if set, changes the binders of the next ClientHello.
	rebind func(hello []byte, binders [][]byte)

	master, clientHS, serverHS, clientApp, serverApp, resumption keysched.Secret
}

// puppetKey is one direction's protection, on the standard library alone.
type puppetKey struct {
	on     bool
	secret keysched.Secret
	aead   cipher.AEAD
	iv     [12]byte
	seq    uint64

	tls12  bool // records are those of TLS 1.2
	salted bool // and carry a part of the nonce
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
	ca := newTestCA(t)
	cert := ca.issue(t, keyEd25519, "example.org")
	config := clientFor(ca)
	if role == RoleClient {
		config = serverFor(cert)
	}
	config.MinVersion = tls.VersionTLS13
	config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	if adjust != nil {
		adjust(config)
	}
	return newPuppetFor(t, ws, role, config, cert)
}

// newPuppetFor makes a puppet with a certificate, and a Conn with a Config.
func newPuppetFor(t testing.TB, ws *Workspace, role Role, config *Config, cert tls.Certificate) *puppet {
	t.Helper()
	p := &puppet{t: t, role: role, suiteID: tls.TLS_AES_128_GCM_SHA256, cert: cert}
	p.tr = &testTransport{in: new(stream), out: new(stream), auto: true, quota: -1}
	p.call = &callCounter{testTransport: p.tr}
	if role == RoleClient {
		p.conn = ws.Server(p.call, config)
	} else {
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
	if p.write.tls12 {
		p.raw(p.write.sealed12(typ, content))
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
	for moved := -1; moved != p.tr.moved || p.err == ErrWantApp && p.settle != nil && p.settle(); {
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
	if h.Type == record.ChangeCipherSpec && p.changed != nil {
		p.changed()
	}
	if h.Type == record.ChangeCipherSpec || !p.read.on {
		return h.Type, rec[record.HeaderLen:], true
	}
	k := &p.read
	if k.tls12 {
		return h.Type, k.opened12(p.t, rec), true
	}
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
			closure := Alert(content[1]) == AlertCloseNotify || Alert(content[1]) == AlertUserCanceled
			if closure != (content[0] == alertLevelWarning) || content[0] > alertLevelFatal {
				// RFC 8446 6: error alerts "MUST be sent with AlertLevel=fatal"; RFC 9846 6.1
				// has close_notify be a warning.
				p.t.Fatalf("puppet: the Conn sent %v with level %d", Alert(content[1]), content[0])
			}
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
	p.heard = raw
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
	p.d.Early(&early, p.psk)
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

// wantAnswer has the Conn send data and checks that the puppet can read it.
func (p *puppet) wantAnswer(data string) {
	p.t.Helper()
	mark := len(p.received)
	n, err := p.conn.Write([]byte(data))
	if n != len(data) || err != nil {
		p.t.Fatalf("%v: Write = %d, %v", p.conn.role, n, err)
	}
	if p.hearAll(); string(p.received[mark:]) != data {
		p.t.Fatalf("%v: sent %q, want %q", p.conn.role, p.received[mark:], data)
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
