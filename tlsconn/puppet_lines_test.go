package tlsconn

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

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
	p.say(p.bound(p.hello.Append(nil)))
}

// secondClientHello answers the HelloRetryRequest that serverHello took.
func (p *puppet) secondClientHello(f func(*wire.ClientHello)) {
	p.t.Helper()
	p.hello.KeyShares = []wire.KeyShare{p.newShare(tls.CurveID(p.sh.SelectedGroup))}
	p.hello.Cookie = p.sh.Cookie
	change(&p.hello, f)
	p.say(p.bound(p.hello.Append(nil)))
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
	if p.sh.Has(wire.ExtPreSharedKey) {
		p.psk = p.known(p.hello.PSKIdentities[p.sh.SelectedIdentity].Identity).psk
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
	if p.psk == nil {
		if p.conn.config.ClientAuth != tls.NoClientCert {
			p.hear(wire.TypeCertificateRequest)
		}
		p.hear(wire.TypeCertificate)
		p.hear(wire.TypeCertificateVerify)
	}
	p.hearServerFinished()
}

func (p *puppet) clientFinished(f func(*[]byte)) {
	p.t.Helper()
	mac := p.finishedMAC(&p.clientHS)
	change(&mac, f)
	p.say(wire.AppendFinished(nil, mac))
	p.finishResumption()
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
	if m.Signature, err = sign(key, schemes[0], signedMessage(p.role.context(), p.sum())); err != nil {
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

// serverFlight says everything behind ServerHello, of a handshake with a certificate.
func (p *puppet) serverFlight() {
	p.t.Helper()
	p.encryptedExtensions(nil)
	p.certificate(nil)
	p.certificateVerify(nil)
	p.serverFinished(nil)
}

// hearClientFinished takes the client's last flight, behind which it has its application key.
func (p *puppet) hearClientFinished() {
	p.t.Helper()
	if p.requested {
		p.hear(wire.TypeCertificate)
		if p.shown {
			p.hear(wire.TypeCertificateVerify)
		}
	}
	want := p.finishedMAC(&p.clientHS)
	if raw := p.hear(wire.TypeFinished); !bytes.Equal(raw[wire.HeaderLen:], want) {
		p.t.Fatal("puppet: the client's Finished does not match")
	}
	p.finishResumption()
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
		p.serverFlight()
		p.hearClientFinished()
	}
	p.wantConnected()
}
