package tlsconn

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// everyCallback sets all callbacks of both Configs, and has each called where it
// can be: those that may leave the answer to the next one do.
func (s *scene) everyCallback() {
	s.remember()
	s.require()
	s.slowServer()
	s.slowClient()
	getCertificate := s.ops.signLater("serverSign", s.ed25519)
	getClientCertificate := s.ops.signLater("clientSign", s.cast.client)
	verify := func(name string) func(*Peer) error {
		return func(*Peer) error { s.ops.note(name); return nil }
	}

	server := cloneConfig(s.server)
	server.ChooseCertificate = s.ops.chooseLater(nil)
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		s.ops.note("get")
		return &getCertificate, nil
	}
	server.Tickets = &lateTickets{NewTicketKeys(testClock), s.ops}
	server.TicketCount = 2
	server.VerifyPeer = verify("verifyClient")
	server.VerifyPeerLater = s.ops.judgeLater("judgeClient")
	s.server.InspectClientHello = s.ops.inspectLater(server)

	s.client.ChooseClientCertificate = s.ops.chooseClientLater(nil)
	s.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		s.ops.note("getClient")
		return &getClientCertificate, nil
	}
	s.client.VerifyPeer = verify("verifyServer")
}

// nag drives both handshakes with each call repeated, and answers what is asked
// only when nothing else goes on. Whoever is asked to wait is asked again at once.
func (p *pair) nag() {
	p.t.Helper()
	for idle := 0; idle < 4; {
		before := p.client.tr.moved + p.server.tr.moved
		done := true
		for _, s := range []*side{p.client, p.server} {
			for range 3 {
				err := s.conn.Handshake()
				if err != nil && !isWant(err) {
					p.t.Fatalf("%s: %v%v", s.name, err, p)
				}
				if _, again := s.conn.Read(nil); again != nil && !isWant(again) {
					p.t.Fatalf("%s: %v, and then %v%v", s.name, err, again, p)
				}
				done = done && err == nil
			}
		}
		if done {
			return
		}
		if p.client.tr.moved+p.server.tr.moved > before || p.ops.complete() {
			idle = 0
		} else {
			idle++
		}
	}
	p.t.Fatalf("no progress%v", p)
}

// A callback is called once for what it is about: not again by a call that is
// repeated, nor when more bytes arrive, nor when its answer is there.
func TestCallbacksNeverRunTwice(t *testing.T) {
	cast := newCast(t)
	full := map[string]int{
		"inspect": 1, "choose": 1, "get": 1, "serverSign": 1, "verifyClient": 1, "judgeClient": 1, "seal": 2,
		"session": 1, "verifyServer": 1, "judgeServer": 1, "chooseClient": 1, "getClient": 1, "clientSign": 1, "put": 2,
		"offload": 2, // of the two verifications
	}
	resumed := map[string]int{
		"inspect": 1, "ticket": 1, "verifyClient": 1, "judgeClient": 1, "seal": 2,
		"session": 1, "verifyServer": 1, "judgeServer": 1, "put": 2,
		"offload": 2,
	}
	// TLS 1.2 has one ticket, in the handshake.
	full12, resumed12 := maps.Clone(full), maps.Clone(resumed)
	full12["seal"], full12["put"], resumed12["seal"], resumed12["put"] = 1, 1, 1, 1
	for _, eager := range []bool{false, true} {
		for mode, c := range map[string]struct {
			retry         bool
			set           func(*scene)
			full, resumed map[string]int
		}{
			"TLS 1.3":               {false, only13, full, resumed},
			"TLS 1.3, with a retry": {true, func(s *scene) { only13(s); s.retry() }, full, resumed},
			"TLS 1.2":               {false, only12, full12, resumed12},
		} {
			for how, deliver := range map[string]func(*pair){
				"whole":        func(*pair) {},
				"byte by byte": func(p *pair) { uniformDelivery(p, 1) },
			} {
				t.Run(fmt.Sprintf("at once %t, %s, %s", eager, mode, how), func(t *testing.T) {
					s := newScene(cast)
					s.ops.eager = eager
					c.set(s)
					s.everyCallback()
					for n, want := range []map[string]int{c.full, c.resumed, c.resumed} {
						p := s.open(t, uint64(n))
						deliver(p)
						p.nag()
						p.send(p.client, []byte("a request"))
						p.send(p.server, []byte("an answer, behind the tickets"))
						if got := s.ops.counts(); !maps.Equal(got, want) {
							t.Fatalf("connection %d: asked\n got %v\nwant %v%v", n, got, want, p)
						}
						if s := p.server.conn.ConnectionState(); s.DidResume != (n > 0) || s.HelloRetryRequest != c.retry {
							t.Fatalf("connection %d: %+v", n, s)
						}
					}
				})
			}
		}
	}
}

// counts tells how often each callback was called since the last time.
func (o *operations) counts() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := make(map[string]int)
	for _, name := range o.asked {
		counts[name]++
	}
	o.asked = nil
	return counts
}

// Callbacks get copies: what they do to them changes nothing for the handshake.
func TestCallbacksMayScribble(t *testing.T) {
	cast := newCast(t)
	for _, version := range bothVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) { callbacksScribble(t, cast, version) })
	}
}

func callbacksScribble(t *testing.T, cast *cast, version uint16) {
	s := newScene(cast)
	s.only(version)
	s.everyCallback()
	scribble := func(lists ...[]byte) {
		for _, list := range lists {
			clear(list)
		}
	}
	inner := cloneConfig(s.server)
	s.server.InspectClientHello = func(hello *ClientHello, answer *Completion[*Config]) {
		scribble(hello.Raw)
		clear(hello.CipherSuites)
		clear(hello.SupportedProtos)
		clear(hello.SignatureSchemes)
		clear(hello.SupportedCurves)
		hello.ServerName = "elsewhere.example"
		inner.InspectClientHello(hello, answer)
	}
	choose := s.client.ChooseClientCertificate
	s.client.ChooseClientCertificate = func(request *CertificateRequest, answer *Completion[*tls.Certificate]) {
		scribble(request.AcceptableCAs...)
		scribble(request.CertificateTypes)
		clear(request.SignatureSchemes)
		choose(request, answer)
	}
	for n := range uint64(2) {
		p := s.open(t, n)
		p.nag()
		p.send(p.server, []byte("an answer"))
		if got := p.server.conn.ConnectionState(); got.ServerName != "example.org" || got.DidResume != (n == 1) {
			t.Fatalf("connection %d: %+v", n, got)
		}
	}
	if names := slices.Compact(slices.Sorted(slices.Values(s.ops.asked))); len(names) < 10 {
		t.Errorf("asked %s only", strings.Join(names, " "))
	}
}
