package main

import "github.com/tlsreactor/tlsreactor/tlsconn"

// What callbacks are asked.
const (
	askInspection  = "the inspection of the ClientHello"
	askCertificate = "the certificate"
	askSignature   = "the signature"
	askVerdict     = "the verdict on the peer"
	askSession     = "the session"
	askTicket      = "the state in the ticket"
	askStored      = "the state of the session with an id"
)

// expectCalls checks that the callbacks were called as often as a handshake takes,
// those that answer later and the others. A resumption does without signature and
// verification, unless the test wants the latter repeated.
func (x *connection) expectCalls(state *tlsconn.ConnectionState) error {
	s, seen := x.set, &x.seen
	full := !state.DidResume
	known := state.PeerCertificates != nil || state.PeerRawPublicKey != nil
	verified := known && (full || s.reverify)
	states := x.pending.calls[askTicket] + x.pending.calls[askStored]
	for _, count := range []struct {
		what string
		got  int
		want bool
	}{
		{"the private key", seen.signed, s.server && full || !s.server && seen.signed > 0},
		{"the verification of the peer", seen.verified, verified},
		{askVerdict, x.pending.calls[askVerdict], s.customVerify && known},
		{askInspection, x.pending.calls[askInspection], s.server && s.inspects()},
		{askCertificate, x.pending.calls[askCertificate], s.server && full && !s.noServerNameAck || seen.requested},
		{askSignature, x.pending.calls[askSignature], s.async && seen.signed > 0},
		{askSession, x.pending.calls[askSession], !s.server},
		{"the state of the session", states, s.server && (state.DidResume || states > 0)},
	} {
		want := 0
		if count.want {
			want = 1
		}
		if count.got != want {
			return broken("%s was asked for %d times, not %d; all calls: %v", count.what, count.got, want, x.pending.calls)
		}
	}
	return nil
}
