package tlsconn

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"slices"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// This file is a server's side of resumption (RFC 8446 2.2): the tickets that a
// client offers, and those that it is given.

// pskModeDHE is psk_dhe_ke, the only mode that we speak: a PSK alone would give
// up forward secrecy (RFC 8446 4.2.9).
const pskModeDHE = 1

// pskOffer is how far a server is with the identities of a ClientHello.
type pskOffer struct {
	identity   int                 // the one that is tried, or was taken
	opening    *Completion[[]byte] // of its ticket
	binderHash keysched.Secret     // Transcript-Hash up to the binders
	modes      bool                // the client takes tickets, remembered from its hello
}

// takesTickets tells whether tickets are taken from this client.
func (hs *server13) takesTickets() bool {
	return !hs.c.config.SessionTicketsDisabled && hs.offersDHE()
}

func (hs *server13) offersDHE() bool { return slices.Contains(hs.hello.PSKModes, pskModeDHE) }

// awaitTicket opens the tickets that the client offers, one after the other, until
// one is good.
func (hs *server13) awaitTicket() (State, error) {
	o := &hs.offer
	for ; o.identity < min(len(hs.hello.PSKIdentities), maxIdentities); o.identity++ {
		state, ok, err := hs.openTicket(&o.opening, hs.hello.PSKIdentities[o.identity].Identity)
		if !ok || err != nil {
			return StateAwaitTicket, err
		}
		if s := hs.c.sessionOf(state, hs.fits); s != nil {
			return hs.resume(s)
		}
	}
	return hs.decided()
}

// fits tells whether a session can continue with the suite that was selected.
func (hs *server13) fits(s *session) bool {
	suite := suiteByID(s.suite)
	return s.version == tls.VersionTLS13 && suite != nil && suite.hash == hs.c.facts.suite.hash &&
		slices.Contains(hs.hello.CipherSuites, s.suite) // RFC 8446 asks for the hash alone; the client has changed its mind
}

// resume takes the session, once the client has proved that it knows the PSK.
func (hs *server13) resume(s *session) (State, error) {
	hs.session = s
	if err := hs.checkBinder(); err != nil {
		return 0, err
	}
	p, _ := hs.c.config.prepare()
	f := &hs.c.facts
	f.resumed = true
	f.ageSkew = ageSkew(hs.hello.PSKIdentities[hs.offer.identity].ObfuscatedTicketAge, s, p.now())
	return hs.decided()
}

// checkBinder verifies the binder of the identity that was taken. RFC 8446 4.2.11:
// "the server MUST validate the corresponding binder value [...]. If this value is not
// present or does not validate, the server MUST abort the handshake."
func (hs *server13) checkBinder() error {
	want := hs.binder(hs.d, hs.offer.binderHash[:hs.d.Size()])
	if subtle.ConstantTimeCompare(hs.hello.PSKBinders[hs.offer.identity], want) != 1 {
		return abort(AlertDecryptError, "client_hello: pre_shared_key: binder %d does not verify", hs.offer.identity)
	}
	return nil
}

// resumeAgain finds the identity that was taken in the second ClientHello. RFC 8446
// 4.1.2 lets the client remove others, which do not fit the suite, and has it
// compute the binder anew.
func (hs *server13) resumeAgain(first *wire.ClientHello) error {
	if !hs.hello.Has(wire.ExtPreSharedKey) {
		return abort(AlertMissingExtension, "second client_hello: no pre_shared_key")
	}
	taken := first.PSKIdentities[hs.offer.identity].Identity
	hs.offer.identity = slices.IndexFunc(hs.hello.PSKIdentities, func(id wire.PSKIdentity) bool {
		return bytes.Equal(id.Identity, taken)
	})
	if hs.offer.identity < 0 {
		return abort(AlertIllegalParameter, "second client_hello: pre_shared_key: an identity that fits is gone")
	}
	return hs.checkBinder()
}

// ageSkew is by how many seconds the client's view of a ticket's age is over ours
// (RFC 8446 8.3).
func ageSkew(obfuscated uint32, s *session, now time.Time) int32 {
	client := int64(obfuscated - s.ageAdd) // milliseconds, modulo 2^32
	return int32((client - s.ageAt(now).Milliseconds()) / 1000)
}

// sendTickets issues tickets behind our Finished, if the client has any use for
// them. The transcript ends with the client's Finished.
func (hs *server13) sendTickets() error {
	p, _ := hs.c.config.prepare()
	if hs.c.config.SessionTicketsDisabled || !hs.offer.modes {
		return nil
	}
	s, ok := hs.serverSession()
	if !ok {
		return nil
	}
	var resumption, psk keysched.Secret
	hs.d.DeriveSecret(&resumption, &hs.master, keysched.LabelResumption, hs.transcriptHash())
	s.psk = psk[:hs.d.Size()]
	state := make([]byte, 0, s.size()) // it must not grow: that would leave a copy of the PSK
	defer func() {
		clear(state[:cap(state)])
		clear(resumption[:])
		clear(psk[:])
	}()
	var messages []byte
	for i := range p.ticketCount {
		nonce := []byte{byte(i)}
		hs.d.ResumptionPSK(&psk, &resumption, nonce)
		s.ageAdd = randomUint32() // RFC 8446 4.6.1: "a securely generated, random 32-bit value"
		ticket, err := p.tickets.SealTicket(s.append(state))
		if err != nil {
			return abort(AlertInternalError, "ticket: %w", err)
		}
		if len(ticket) == 0 {
			break
		}
		t := wire.NewSessionTicket{
			Lifetime: uint32(s.lifetime / time.Second),
			AgeAdd:   s.ageAdd,
			Nonce:    nonce,
			Ticket:   ticket,
			Grease:   wire.ExtensionType(greaseValue()),
		}
		messages = t.Append(messages)
	}
	hs.seal()
	hs.c.appendRecords(record.Handshake, messages)
	return nil
}

func randomUint32() uint32 {
	var b [4]byte
	rand.Read(b[:]) // never fails: it ends the program rather
	return binary.BigEndian.Uint32(b[:])
}
