package tlsconn

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// Whoever resumes with a ticket gets another one, which says the same of who the client is
// and since when, and does not prolong the session.
func TestTicketsOfTLS12AreRenewed(t *testing.T) {
	r := newResumption12(t, false)
	sealer := new(leakySealer)
	r.server.Tickets = sealer
	r.server.TicketLifetime = 10 * time.Hour
	r.want("the first connection", false)
	for hours := range 9 {
		r.now = testTime.Add(time.Duration(hours+1) * time.Hour)
		r.want("a later one", true)
		s, err := parseSession(sealer.copied)
		if err != nil {
			t.Fatal(err)
		}
		left := time.Duration(9-hours) * time.Hour
		if !s.authenticated.Equal(testTime) || !s.created.Equal(r.now) || s.lifetime != left || r.cache.session.lifetime != left {
			t.Errorf("after %d hours: %+v; the client was told %v", hours+1, s, r.cache.session.lifetime)
		}
	}
	r.now = testTime.Add(10 * time.Hour)
	r.want("when the lifetime of the first ticket has passed", false)
}

// A new ticket is under the key of today, so clients follow a change of keys.
func TestRenewalFollowsAChangeOfKeys(t *testing.T) {
	secret := func(seed byte) []byte {
		b := make([]byte, ticketSecretSize)
		for i := range b {
			b[i] = seed + byte(7*i)
		}
		return b
	}
	r := newResumption12(t, false)
	keys := new(TicketKeys)
	r.server.Tickets = keys
	for i, step := range []struct {
		keys    [][]byte
		resumed bool
	}{
		{[][]byte{secret(1)}, false},
		{[][]byte{secret(2), secret(1)}, true},
		{[][]byte{secret(2)}, true},
		{[][]byte{secret(3)}, false},
	} {
		if err := keys.SetKeys(step.keys...); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(time.Minute) // or the same bytes are sealed with the same nonce: randomness is fixed
		before := r.cache.session
		p := r.want("a connection", step.resumed)
		if got := r.cache.session; before != nil && (got == before || bytes.Equal(got.ticket, before.ticket)) {
			t.Errorf("step %d: the client holds the ticket that it had%v", i, p)
		}
	}
}

// A server that has no ticket after all says so (RFC 5077 3.3), and the client keeps the one
// it has; a server whose protector fails ends the handshake.
func TestRenewalWithoutATicket(t *testing.T) {
	r := newResumption12(t, false)
	r.want("the first connection", false)
	had := r.cache.session.ticket
	sealing := r.server.Tickets
	r.server.Tickets = sealless{sealing, nil}
	for range 2 {
		r.want("of a server that makes no ticket any more", true)
		if !bytes.Equal(r.cache.session.ticket, had) {
			t.Error("the client has lost its ticket")
		}
	}
	broken := errors.New("no key")
	r.server.Tickets = sealless{sealing, broken}
	p := newPair(t, cloneConfig(&r.client), cloneConfig(&r.server))
	client, server := p.failHandshake()
	wantAlert(t, "server", server, AlertInternalError)
	wantPeerAlert(t, "client", client, AlertInternalError)
	if !errors.Is(server, broken) {
		t.Errorf("%v does not tell the reason", server)
	}
}

// sealless opens tickets, and makes none.
type sealless struct {
	TicketProtector
	err error
}

func (s sealless) SealTicket([]byte) ([]byte, error) { return nil, s.err }
