package tlsconn

import (
	"crypto"
	"crypto/tls"
	"sync"
	"testing"
)

// operations are what callbacks have been asked and have not answered: the test
// answers later, between the calls of the connections.
type operations struct {
	mu     sync.Mutex // callbacks may run on any goroutine
	parked []parkedOperation
	eager  bool     // nothing is parked: every callback answers before it returns
	asked  []string // the names of all callbacks that were called, in their order
}

// parkedOperation is one that waits for its answer.
type parkedOperation struct {
	name      string
	complete  func()           // answers as it should
	fail      func(error) bool // Completion.Fail; nil for an offloaded task
	abandoned func() bool
}

// note writes down that a callback was called.
func (o *operations) note(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, name)
}

// park notes a callback and keeps its answer for later.
func park[T any](o *operations, name string, answer *Completion[T], complete func()) {
	o.note(name)
	if o.eager {
		complete()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.parked = append(o.parked, parkedOperation{name, complete, answer.Fail, answer.Abandoned})
}

// offload is a WorkspaceConfig.Offload that parks its tasks.
func (o *operations) offload(task func()) bool {
	o.note("offload")
	if o.eager {
		task()
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.parked = append(o.parked, parkedOperation{name: "offload", complete: task})
	return true
}

// take removes all that is parked.
func (o *operations) take() []parkedOperation {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	parked := o.parked
	o.parked = nil
	return parked
}

// complete answers all that is parked, each on another goroutine, and tells
// whether there was any.
func (o *operations) complete() bool {
	parked := o.take()
	for _, op := range parked {
		elsewhere(op.complete)
	}
	return len(parked) > 0
}

// elsewhere runs f on another goroutine and waits for its end.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

// one returns the only operation that is parked, which stays parked.
func (o *operations) one(t testing.TB) parkedOperation {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.parked) != 1 {
		t.Fatalf("%d operations are parked instead of one; asked %v", len(o.parked), o.asked)
	}
	return o.parked[0]
}

// inspectLater answers InspectClientHello with config.
func (o *operations) inspectLater(config *Config) func(*ClientHello, *Completion[*Config]) {
	return func(_ *ClientHello, answer *Completion[*Config]) {
		park(o, "inspect", answer, func() { answer.Complete(config) })
	}
}

// chooseLater answers ChooseCertificate with cert.
func (o *operations) chooseLater(cert *tls.Certificate) func(*ClientHello, *Completion[*tls.Certificate]) {
	return func(_ *ClientHello, answer *Completion[*tls.Certificate]) {
		park(o, "choose", answer, func() { answer.Complete(cert) })
	}
}

// chooseClientLater answers ChooseClientCertificate with cert.
func (o *operations) chooseClientLater(cert *tls.Certificate) func(*CertificateRequest, *Completion[*tls.Certificate]) {
	return func(_ *CertificateRequest, answer *Completion[*tls.Certificate]) {
		park(o, "chooseClient", answer, func() { answer.Complete(cert) })
	}
}

// judgeLater answers VerifyPeerLater of the named side: the peer is right.
func (o *operations) judgeLater(name string) func(*Peer, *Completion[struct{}]) {
	return func(_ *Peer, answer *Completion[struct{}]) {
		park(o, name, answer, func() { answer.Complete(struct{}{}) })
	}
}

// lateSigner is an AsyncSigner.
type lateSigner struct {
	crypto.Signer
	name string
	ops  *operations
}

// SignMessage implements AsyncSigner.
func (s *lateSigner) SignMessage(message []byte, scheme tls.SignatureScheme, answer *Completion[[]byte]) {
	park(s.ops, s.name, answer, func() {
		if signature, err := sign(s.Signer, scheme, message); err != nil {
			answer.Fail(err)
		} else {
			answer.Complete(signature)
		}
	})
}

// signLater returns cert with a key that answers later.
func (o *operations) signLater(name string, cert tls.Certificate) tls.Certificate {
	cert.PrivateKey = &lateSigner{cert.PrivateKey.(crypto.Signer), name, o}
	return cert
}

// lateTickets is a TicketProtector that opens later.
type lateTickets struct {
	TicketProtector
	ops *operations
}

// OpenTicket implements TicketProtector.
func (l *lateTickets) OpenTicket(ticket []byte, answer *Completion[[]byte]) {
	park(l.ops, "ticket", answer, func() { l.TicketProtector.OpenTicket(ticket, answer) })
}

// SealTicket implements TicketProtector.
func (l *lateTickets) SealTicket(state []byte) ([]byte, error) {
	l.ops.note("seal")
	return l.TicketProtector.SealTicket(state)
}

// lateStore is a SessionStore that finds later.
type lateStore struct {
	SessionStore
	ops *operations
}

// GetSession implements SessionStore.
func (l *lateStore) GetSession(id []byte, answer *Completion[[]byte]) {
	park(l.ops, "lookUp", answer, func() { l.SessionStore.GetSession(id, answer) })
}

// PutSession implements SessionStore.
func (l *lateStore) PutSession(id, state []byte) {
	l.ops.note("store")
	l.SessionStore.PutSession(id, state)
}

// lateSessions is a SessionCache that finds later.
type lateSessions struct {
	SessionCache
	ops *operations
}

// GetSession implements SessionCache.
func (l *lateSessions) GetSession(key string, answer *Completion[*Session]) {
	park(l.ops, "session", answer, func() { l.SessionCache.GetSession(key, answer) })
}

// PutSession implements SessionCache.
func (l *lateSessions) PutSession(key string, s *Session) {
	l.ops.note("put")
	l.SessionCache.PutSession(key, s)
}
