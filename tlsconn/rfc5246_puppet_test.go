package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// puppet12 is a puppet that speaks TLS 1.2: it says what a test tells it to, and keeps
// keys and transcript in step with what was said. Its lines are named as the messages.
type puppet12 struct {
	*puppet
	key       *ephemeralKey // its own
	group     tls.CurveID
	peer      []byte // the point of the other side
	premaster []byte
	master    keysched.Secret
	randoms   keysched.Randoms
	extended  bool // extended_master_secret is agreed on
	// The keys that come into force with a change_cipher_spec, ours and theirs.
	nextWrite, nextRead puppetKey
	session             []byte // the ticket that the server issued
}

// newPuppet12 makes a puppet of the given role, and a Conn of the other one that speaks
// TLS 1.2 alone, unless adjust has it speak more.
func newPuppet12(t testing.TB, role Role, adjust func(*Config)) *puppet12 {
	t.Helper()
	return puppet12Of(newPuppet(t, role, func(c *Config) {
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		if role == RoleClient {
			c.Tickets = NewTicketKeys(testClock) // those of a Config of its own would be again's own
		}
		change(c, adjust)
	}))
}

func puppet12Of(p *puppet) *puppet12 {
	q := &puppet12{puppet: p, group: tls.X25519}
	q.suiteID = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	q.changed = func() { q.read = q.nextRead }
	return q
}

// again is a connection of the same two, as adjust changes the Conn's Config, that
// knows the session of the first one.
func (p *puppet12) again(adjust func(*Config)) *puppet12 {
	p.t.Helper()
	q := puppet12Of(p.puppet.again(adjust))
	q.suiteID, q.session, q.master = p.suiteID, p.session, p.master
	return q
}

// puppetKey12 is the protection of records of TLS 1.2 (RFC 5246 6.2.3.3, RFC 5288 3, RFC
// 7905 2), on the standard library alone.
func puppetKey12(s *suite, keys *keysched.Secret) puppetKey {
	k := puppetKey{on: true, tls12: true}
	n := s.aead.KeyLen()
	if k.salted = s.aead != record.ChaCha20Poly1305; k.salted {
		block, _ := aes.NewCipher(keys[:n])
		k.aead, _ = cipher.NewGCM(block)
		copy(k.iv[:4], keys[n:])
		return k
	}
	k.aead, _ = chacha20poly1305.New(keys[:n])
	copy(k.iv[:], keys[n:])
	return k
}

// nonce12 returns the nonce of a record, and the part of it that the record carries.
func (k *puppetKey) nonce12(number uint64) (nonce, explicit []byte) {
	nonce = slices.Clone(k.iv[:])
	low := nonce[4:]
	if k.salted {
		binary.BigEndian.PutUint64(low, number)
		return nonce, low
	}
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^number)
	return nonce, nil
}

// additional12 is the additional data of a record.
func (k *puppetKey) additional12(typ record.Type, n int) []byte {
	return append(binary.BigEndian.AppendUint64(nil, k.seq), byte(typ), 3, 3, byte(n>>8), byte(n))
}

// sealed12 protects content as a record, with the sequence number for its nonce.
func (k *puppetKey) sealed12(typ record.Type, content []byte) []byte {
	return k.sealedWith(typ, content, k.seq)
}

func (k *puppetKey) sealedWith(typ record.Type, content []byte, number uint64) []byte {
	nonce, explicit := k.nonce12(number)
	n := len(explicit) + len(content) + tagLen
	rec := append([]byte{byte(typ), 3, 3, byte(n >> 8), byte(n)}, explicit...)
	rec = k.aead.Seal(rec, nonce, content, k.additional12(typ, len(content)))
	k.seq++
	return rec
}

// opened12 opens a record of the Conn, which is to use the sequence number as nonce_explicit.
func (k *puppetKey) opened12(t testing.TB, rec []byte) []byte {
	t.Helper()
	nonce, explicit := k.nonce12(k.seq)
	typ, body := record.Type(rec[0]), rec[record.HeaderLen:]
	if !bytes.HasPrefix(body, explicit) {
		t.Fatalf("puppet: record %d of the Conn: nonce_explicit % x", k.seq, body[:8])
	}
	body = body[len(explicit):]
	content, err := k.aead.Open(nil, nonce, body, k.additional12(typ, len(body)-tagLen))
	if err != nil {
		t.Fatalf("puppet: record %d of the Conn: %v", k.seq, err)
	}
	k.seq++
	return content
}

// agree makes the secrets once both shares are known: the transcript ends with the
// ClientKeyExchange.
func (p *puppet12) agree() {
	p.t.Helper()
	var err error
	if p.premaster == nil {
		if p.premaster, err = p.key.secret(p.peer); err != nil {
			p.t.Fatal(err)
		}
	}
	if p.extended {
		p.d.ExtendedMasterSecret(&p.master, p.premaster, p.sum())
	} else {
		p.d.MasterSecret(&p.master, p.premaster, &p.randoms)
	}
	p.expand()
}

// expand makes the keys of both directions.
func (p *puppet12) expand() {
	var client, server keysched.Secret
	p.d.WriteKeys(&client, &server, &p.master, &p.randoms, p.suite.aead.KeyLen(), p.suite.aead.IVLen12())
	p.nextWrite, p.nextRead = puppetKey12(p.suite, &client), puppetKey12(p.suite, &server)
	if p.role == RoleServer {
		p.nextWrite, p.nextRead = p.nextRead, p.nextWrite
	}
}

// setSuite12 settles the suite.
func (p *puppet12) setSuite12(id uint16) {
	if p.suite = suite12ByID(id); p.suite == nil {
		p.suite = allSuites12[0] // a test is lying about the suite
	}
	p.d = keysched.New(p.suite.hash)
}

// Lines of both.

func (p *puppet12) changeCipherSpec() {
	p.plain(record.ChangeCipherSpec, 1)
	p.write = p.nextWrite
}

// verifyData is that of a side at this point.
func (p *puppet12) verifyData(role Role) []byte {
	label := keysched.LabelClientFinished
	if role == RoleServer {
		label = keysched.LabelServerFinished
	}
	return p.d.VerifyData(nil, &p.master, label, p.sum())
}

func (p *puppet12) finished(f func(*[]byte)) {
	p.t.Helper()
	data := p.verifyData(p.role)
	change(&data, f)
	p.say(wire.AppendFinished(nil, data))
}

// hearFinished takes the other side's change_cipher_spec and Finished.
func (p *puppet12) hearFinished() {
	p.t.Helper()
	p.drive()
	want, before := p.verifyData(p.conn.role), p.ccs
	if raw := p.hear(wire.TypeFinished); !bytes.Equal(raw[wire.HeaderLen:], want) {
		p.t.Fatalf("puppet: the %v's Finished does not match", p.conn.role)
	}
	if p.ccs != before+1 {
		p.t.Fatalf("puppet: the %v sent %d change_cipher_spec", p.conn.role, p.ccs-before)
	}
}

// signs makes a signature of the puppet's key, by the first of the schemes that fits it.
func (p *puppet12) signs(message []byte) (uint16, []byte) {
	p.t.Helper()
	key := p.cert.PrivateKey.(crypto.Signer)
	scheme := schemesOf12(key.Public())[0]
	signature, err := sign(key, scheme, message)
	if err != nil {
		p.t.Fatal(err)
	}
	return uint16(scheme), signature
}

// checkSignature checks one of the Conn's certificate, which is the puppet's too.
func (p *puppet12) checkSignature(scheme uint16, message, signature []byte) {
	p.t.Helper()
	leaf, err := x509.ParseCertificate(p.conn.config.Certificates[0].Certificate[0])
	if err != nil {
		p.t.Fatal(err)
	}
	if err := verifySignature(tls.VersionTLS12, leaf.PublicKey, tls.SignatureScheme(scheme), offeredSchemes, message, signature); err != nil {
		p.t.Fatalf("puppet: %v", err)
	}
}

func (p *puppet12) certificate(f func(*wire.Certificate12)) {
	p.t.Helper()
	m := wire.Certificate12{Certificates: p.cert.Certificate}
	change(&m, f)
	p.say(m.Append(nil))
}

func (p *puppet12) hearCertificate() [][]byte {
	p.t.Helper()
	var m wire.Certificate12
	if err := m.Unmarshal(p.hear(wire.TypeCertificate)[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	return m.Certificates
}

// The client's lines.

func (p *puppet12) clientHello(f func(*wire.ClientHello)) {
	p.t.Helper()
	p.hello = wire.ClientHello{
		LegacyVersion:       tls.VersionTLS12,
		CipherSuites:        []uint16{p.suiteID},
		CompressionMethods:  []byte{0},
		ServerName:          []byte("example.org"),
		SupportedGroups:     []uint16{uint16(p.group)},
		SignatureAlgorithms: offeredSchemes,
	}
	p.hello.Offer(wire.ExtExtendedMasterSecret)
	p.hello.Offer(wire.ExtRenegotiationInfo)
	rand.Read(p.hello.Random[:])
	change(&p.hello, f)
	p.randoms.Client = p.hello.Random
	p.say(p.hello.Append(nil))
}

func (p *puppet12) hearServerHello() *wire.ServerHello {
	p.t.Helper()
	if err := p.sh.Unmarshal(p.hear(wire.TypeServerHello)[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	p.setSuite12(p.sh.CipherSuite)
	p.randoms.Server, p.extended = p.sh.Random, p.sh.Has(wire.ExtExtendedMasterSecret)
	return &p.sh
}

func (p *puppet12) hearServerKeyExchange() {
	p.t.Helper()
	var m wire.ServerKeyExchange
	if err := m.Unmarshal(p.hear(wire.TypeServerKeyExchange)[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	p.group, p.peer = tls.CurveID(m.Group), m.Point
	p.checkSignature(m.Algorithm, m.AppendParams(slices.Concat(p.randoms.Client[:], p.randoms.Server[:])), m.Signature)
}

// hearServerFlight takes everything from ServerHello to ServerHelloDone.
func (p *puppet12) hearServerFlight() {
	p.t.Helper()
	p.hearServerHello()
	p.hearCertificate()
	if p.sh.Has(wire.ExtStatusRequest) {
		p.hear(wire.TypeCertificateStatus)
	}
	p.hearServerKeyExchange()
	if p.conn.config.ClientAuth != tls.NoClientCert {
		p.hear(wire.TypeCertificateRequest)
		p.requested = true
	}
	p.hear(wire.TypeServerHelloDone)
}

func (p *puppet12) clientKeyExchange(f func(*wire.ClientKeyExchange)) {
	p.t.Helper()
	var err error
	if p.key == nil {
		if p.key, err = newEphemeralKey(p.group); err != nil {
			p.t.Fatal(err)
		}
	}
	m := wire.ClientKeyExchange{Point: p.key.public()}
	change(&m, f)
	p.say(m.Append(nil))
	p.agree()
}

func (p *puppet12) certificateVerify(f func(*wire.CertificateVerify)) {
	p.t.Helper()
	var m wire.CertificateVerify
	m.Algorithm, m.Signature = p.signs(p.log)
	change(&m, f)
	p.say(m.Append(nil))
}

// clientFlight says everything up to the change_cipher_spec.
func (p *puppet12) clientFlight() {
	p.t.Helper()
	if p.requested {
		p.certificate(nil)
	}
	p.clientKeyExchange(nil)
	if p.requested {
		p.certificateVerify(nil)
	}
}

// hearServerEnd takes the rest of the server's last flight.
func (p *puppet12) hearServerEnd() {
	p.t.Helper()
	if p.sh.Has(wire.ExtSessionTicket) {
		p.hearNewSessionTicket()
	}
	p.hearFinished()
}

func (p *puppet12) hearNewSessionTicket() {
	p.t.Helper()
	var m wire.NewSessionTicket12
	if err := m.Unmarshal(p.hear(wire.TypeNewSessionTicket)[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	p.session = slices.Clone(m.Ticket)
}

// The server's lines.

func (p *puppet12) hearClientHello() {
	p.t.Helper()
	p.puppet.hearClientHello()
	p.randoms.Client = p.hello.Random
}

// serverHello answers with what the client's hello asks for, and with no more.
func (p *puppet12) serverHello(f func(*wire.ServerHello)) {
	p.t.Helper()
	m := wire.ServerHello{LegacyVersion: tls.VersionTLS12, CipherSuite: p.suiteID}
	m.Answer(wire.ExtExtendedMasterSecret)
	m.Answer(wire.ExtRenegotiationInfo)
	rand.Read(m.Random[:])
	change(&m, f)
	p.setSuite12(m.CipherSuite)
	p.randoms.Server, p.extended = m.Random, m.Has(wire.ExtExtendedMasterSecret)
	p.sh = m
	p.say(m.Append(nil))
}

// withoutEMS makes a ServerHello one of a server that does not know RFC 7627.
func withoutEMS(m *wire.ServerHello) {
	kept := m.Has(wire.ExtRenegotiationInfo)
	*m = wire.ServerHello{LegacyVersion: m.LegacyVersion, Random: m.Random, SessionID: m.SessionID, CipherSuite: m.CipherSuite}
	if kept {
		m.Answer(wire.ExtRenegotiationInfo)
	}
}

func (p *puppet12) serverKeyExchange(f func(*wire.ServerKeyExchange)) {
	p.t.Helper()
	var err error
	if p.key == nil {
		if p.key, err = newEphemeralKey(p.group); err != nil {
			p.t.Fatal(err)
		}
	}
	m := wire.ServerKeyExchange{Group: uint16(p.group), Point: p.key.public()}
	m.Algorithm, m.Signature = p.signs(m.AppendParams(slices.Concat(p.randoms.Client[:], p.randoms.Server[:])))
	change(&m, f)
	p.say(m.Append(nil))
}

func (p *puppet12) certificateRequest(f func(*wire.CertificateRequest12)) {
	p.t.Helper()
	m := wire.CertificateRequest12{CertificateTypes: []byte{wire.ClientCertificateECDSASign}, SignatureAlgorithms: offeredSchemes}
	change(&m, f)
	p.requested = true
	p.say(m.Append(nil))
}

func (p *puppet12) serverHelloDone() {
	p.t.Helper()
	p.say((&wire.ServerHelloDone{}).Append(nil))
}

// serverFlight says everything behind ServerHello.
func (p *puppet12) serverFlight() {
	p.t.Helper()
	p.certificate(nil)
	p.serverKeyExchange(nil)
	p.serverHelloDone()
}

func (p *puppet12) hearClientKeyExchange() {
	p.t.Helper()
	var m wire.ClientKeyExchange
	if err := m.Unmarshal(p.hear(wire.TypeClientKeyExchange)[wire.HeaderLen:]); err != nil {
		p.t.Fatal(err)
	}
	p.peer = m.Point
	p.agree()
}

// hearClientFlight takes everything up to Finished.
func (p *puppet12) hearClientFlight() {
	p.t.Helper()
	shown := p.requested && len(p.hearCertificate()) > 0
	p.hearClientKeyExchange()
	if shown {
		signed := slices.Clone(p.log)
		var m wire.CertificateVerify
		if err := m.Unmarshal(p.hear(wire.TypeCertificateVerify)[wire.HeaderLen:]); err != nil {
			p.t.Fatal(err)
		}
		p.checkSignature(m.Algorithm, signed, m.Signature)
	}
	p.hearFinished()
}

func (p *puppet12) newSessionTicket(f func(*wire.NewSessionTicket12)) {
	p.t.Helper()
	m := wire.NewSessionTicket12{LifetimeHint: 3600, Ticket: []byte("a ticket of TLS 1.2")}
	change(&m, f)
	p.say(m.Append(nil))
	p.session = m.Ticket
}

// serverEnd says the server's last flight of a full handshake.
func (p *puppet12) serverEnd() {
	p.t.Helper()
	if p.sh.Has(wire.ExtSessionTicket) {
		p.newSessionTicket(nil)
	}
	p.changeCipherSpec()
	p.finished(nil)
}

// handshake plays a whole handshake, and drives the Conn until it is connected.
func (p *puppet12) handshake() {
	p.t.Helper()
	if p.role == RoleClient {
		p.clientHello(nil)
	} else {
		p.hearClientHello()
		p.serverHello(nil)
	}
	p.finishHandshake()
}

// finishHandshake goes on behind the puppet's hello.
func (p *puppet12) finishHandshake() {
	p.t.Helper()
	if p.role == RoleClient {
		p.hearServerFlight()
		p.clientFlight()
		p.changeCipherSpec()
		p.finished(nil)
		p.hearServerEnd()
	} else {
		p.serverFlight()
		p.hearClientFlight()
		p.serverEnd()
	}
	p.wantConnected()
}

// resumeServer offers a session to a server; its answer is the caller's to take.
func (p *puppet12) resumeServer(f func(*wire.ClientHello)) {
	p.t.Helper()
	p.clientHello(func(m *wire.ClientHello) {
		m.SessionTicket, m.SessionID = p.session, bytes.Repeat([]byte{0x1d}, 32)
		change(m, f)
	})
}

// finishResumption plays the rest of an abbreviated handshake behind the ServerHello.
func (p *puppet12) finishResumption() {
	p.t.Helper()
	p.expand()
	if p.role == RoleClient {
		p.hearServerEnd()
		p.changeCipherSpec()
		p.finished(nil)
	} else {
		p.changeCipherSpec()
		p.finished(nil)
		p.hearFinished()
	}
	p.wantConnected()
}
