package tlsconn

import (
	"bytes"
	"crypto/tls"
	"testing"
	"time"
)

// A client offers no session whose certificate has expired: the server has another
// one by then, which a full handshake would show.
func TestSessionEndsWithTheCertificate(t *testing.T) {
	for _, tt := range []struct {
		name     string
		insecure bool
		after    time.Duration
		resumed  bool
	}{
		{"before it expires", false, 59 * time.Minute, true},
		{"after it has expired", false, 61 * time.Minute, false},
		{"after it has expired, of a client that does not care", true, 61 * time.Minute, true},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tls.VersionName(version)+", "+tt.name, func(t *testing.T) {
				r := newResumption(t)
				r.client.MinVersion, r.client.MaxVersion = version, version
				r.server.MinVersion = tls.VersionTLS12
				r.client.InsecureSkipVerify = tt.insecure
				r.server.Certificates = []tls.Certificate{r.ca.issueUntil(t, keyECDSA, testTime.Add(time.Hour), "example.org")}
				r.want("the first connection", false)
				r.now = testTime.Add(tt.after)
				r.server.Certificates = []tls.Certificate{r.ca.issue(t, keyECDSA, "example.org")}
				p := r.want("the next one", tt.resumed)
				if got := p.client.conn.ConnectionState().Version; got != version {
					t.Errorf("it is of %s", tls.VersionName(got))
				}
			})
		}
	}
}

// longTickets are as long as a NewSessionTicket allows, and longer than a ClientHello does.
type longTickets struct{}

func (longTickets) SealTicket([]byte) ([]byte, error) {
	return bytes.Repeat([]byte{1}, maxTicket-100), nil
}
func (longTickets) OpenTicket(_ []byte, answer *Completion[[]byte]) { answer.Complete(nil) }

func TestTicketThatNoClientHelloHasRoomFor(t *testing.T) {
	r := newResumption(t)
	r.server.Tickets = longTickets{}
	r.want("the first connection", false)
	r.want("the next one", false)
}

func TestLongestTicketThatIsOffered(t *testing.T) {
	r := newResumption(t)
	for total := 0; total < maxProtocols; total += 256 {
		r.client.NextProtos = append(r.client.NextProtos, string(bytes.Repeat([]byte{'a' + byte(total>>8)%64}, 255)))
	}
	r.want("the first connection", false)
	r.cache.session.ticket = make([]byte, maxOfferedTicket)
	p := newPair(t, cloneConfig(&r.client), cloneConfig(&r.server))
	if err := p.client.conn.Handshake(); err != ErrWantRead {
		t.Error(err)
	}
	if n := len(p.server.tr.in.bytes); n < maxOfferedTicket+maxProtocols {
		t.Errorf("a ClientHello of %d bytes", n)
	}
}

// A session that nobody proved anything in is not resumed, wherever it comes from.
func TestSessionWithoutAChain(t *testing.T) {
	r := newResumption(t)
	r.want("the first connection", false)
	bare := *r.cache.session
	bare.chain = nil
	r.cache.session = &bare
	r.want("the next one", false)
}

// To the server a resumed connection is of the client that began the session: one
// with another certificate, or none, does not borrow that.
func TestSessionBelongsToTheClientsCertificate(t *testing.T) {
	r := newResumption(t)
	alice, bob := []tls.Certificate{r.ca.issue(t, keyEd25519, "alice")}, []tls.Certificate{r.ca.issue(t, keyECDSA, "bob")}
	r.server.ClientAuth = tls.RequestClientCert
	for _, step := range []struct {
		name    string
		certs   []tls.Certificate
		resumed bool
		shown   string
	}{
		{"Alice", alice, false, "alice"},
		{"Alice again", alice, true, "alice"},
		{"Bob with Alice's session", bob, false, "bob"},
		{"Bob again", bob, true, "bob"},
		{"nobody with Bob's session", nil, false, ""},
		{"nobody again", nil, true, ""},
	} {
		r.client.Certificates = step.certs
		p := r.want(step.name, step.resumed)
		shown := ""
		if certs := p.server.conn.ConnectionState().PeerCertificates; len(certs) > 0 {
			shown = certs[0].DNSNames[0]
		}
		if shown != step.shown {
			t.Errorf("%s: the server sees %q", step.name, shown)
		}
	}
}
