package tlsconn

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// TicketKeys is the TicketProtector of who has no other: it seals session state
// into the ticket with XChaCha20-Poly1305. The keys are of its own, made and
// changed as time goes by (NewTicketKeys), or given (SetKeys), so that many
// machines take each other's tickets. The zero value has no keys: it makes no
// ticket and takes none until SetKeys.
//
// It is safe for concurrent use, and one may serve any number of Configs: share it
// between a Config and the one that replaces it, or the reload invalidates all tickets.
//
// Whoever learns a key can read and impersonate the sessions in all tickets under
// it. Those that are dropped are left to the garbage collector; nothing keeps them.
type TicketKeys struct {
	now  func() time.Time // nil: keys are given, none is made
	mu   sync.Mutex       // held by who replaces the ring
	ring atomic.Pointer[keyRing]
}

const (
	// ticketKeyDay is how long a key of our own seals.
	ticketKeyDay = 24 * time.Hour
	// ticketKeyLife is how long it opens: until the last ticket under it is too old.
	ticketKeyLife = ticketKeyDay + maxTicketLifetime

	ticketSecretSize = 32
	ticketNameSize   = 16

	// ticketOverhead is what a ticket has beyond the state: the key's name, the nonce, the tag.
	ticketOverhead = ticketNameSize + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

	// maxTicket is the longest that a NewSessionTicket can carry (RFC 8446 4.6.1).
	maxTicket = math.MaxUint16

	// minSecretBytes is how many different bytes a secret has to have. Random ones have
	// about 30, and fewer than 8 never; a text or a pattern of padding has few.
	minSecretBytes = 8
)

// keyRing is a set of keys; it does not change.
type keyRing struct {
	keys []*ticketKey // the first seals, all open
	// What keys of our own are good for: the times when the first may seal and none is
	// to be dropped. With given ones, fixed.
	fixed       bool
	from, until time.Time
}

// ticketKey is a key ready for use.
type ticketKey struct {
	made time.Time
	name [ticketNameSize]byte
	aad  []byte // what a ticket is, and the name
	aead cipher.AEAD
}

// NewTicketKeys returns TicketKeys that make a random key by the time of now
// (nil means time.Now), another one every 24 hours, and drop each seven days after it
// has sealed its last ticket. The keys die with the process.
func NewTicketKeys(now func() time.Time) *TicketKeys {
	if now == nil {
		now = wallClock
	}
	return &TicketKeys{now: now}
}

// SetKeys replaces all keys by those of the given secrets: the first seals from now
// on, all open. Nothing changes by itself any more; who gives keys has to rotate them:
// first add the new one behind the current one on all machines, then move it to the
// front, and drop the old one when its last ticket has expired.
//
// A secret is 32 bytes from a cryptographic random number generator; equal ones make
// equal keys, and the slices stay the caller's. None at all, another length, one twice,
// and one that has few different bytes (zeros, a repeated character) are refused; then
// the keys are what they were.
func (k *TicketKeys) SetKeys(secrets ...[]byte) error {
	if len(secrets) == 0 {
		return errors.New("tlsconn: ticket keys: none")
	}
	ring := &keyRing{fixed: true}
	for i, secret := range secrets {
		if len(secret) != ticketSecretSize {
			return fmt.Errorf("tlsconn: ticket keys: key %d has %d bytes, not %d", i, len(secret), ticketSecretSize)
		}
		if n := differentBytes(secret); n < minSecretBytes {
			return fmt.Errorf("tlsconn: ticket keys: key %d is not random: it has %d different bytes", i, n)
		}
		key, err := newTicketKey(secret)
		if err != nil {
			return fmt.Errorf("tlsconn: ticket keys: key %d: %w", i, err)
		}
		if j := slices.IndexFunc(ring.keys, func(other *ticketKey) bool { return other.name == key.name }); j >= 0 {
			return fmt.Errorf("tlsconn: ticket keys: keys %d and %d are the same", j, i)
		}
		ring.keys = append(ring.keys, key)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ring.Store(ring)
	return nil
}

// differentBytes counts the values that occur in b.
func differentBytes(b []byte) int {
	var seen [256]bool
	n := 0
	for _, v := range b {
		if !seen[v] {
			seen[v] = true
			n++
		}
	}
	return n
}

// newTicketKey derives a key's name and the key itself from a secret (RFC 5869). The
// name is in every ticket and tells nothing of the key.
func newTicketKey(secret []byte) (*ticketKey, error) {
	derived, err := hkdf.Key(sha256.New, secret, nil, "tlsreactor ticket key v1", ticketNameSize+chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	key := new(ticketKey)
	copy(key.name[:], derived)
	key.aad = append([]byte("tlsreactor ticket v1"), key.name[:]...)
	key.aead, err = chacha20poly1305.NewX(derived[ticketNameSize:])
	return key, err
}

// newRandomKey makes a key that nobody else has.
func newRandomKey(now time.Time) (*ticketKey, error) {
	var secret [ticketSecretSize]byte
	defer clear(secret[:])
	rand.Read(secret[:]) // never fails: it ends the program rather
	key, err := newTicketKey(secret[:])
	if err != nil {
		return nil, err
	}
	key.made = now
	return key, nil
}

// current returns the keys for this moment; nil if there are none.
func (k *TicketKeys) current() (*keyRing, error) {
	ring := k.ring.Load()
	if k.now == nil || ring != nil && ring.fixed {
		return ring, nil
	}
	now := k.now().Round(0) // by the wall clock, as sessions age
	if ring.serves(now) {
		return ring, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if ring = k.ring.Load(); ring.serves(now) { // somebody else was faster
		return ring, nil
	}
	ring, err := ring.rotated(now)
	if err != nil {
		return nil, err
	}
	k.ring.Store(ring)
	return ring, nil
}

// serves reports whether the keys are those for the time now.
func (r *keyRing) serves(now time.Time) bool {
	return r != nil && (r.fixed || !now.Before(r.from) && now.Before(r.until))
}

// rotated returns the keys for the time now: of those there are, what may still
// open, behind a new one if the first may no longer seal. A key from the future was
// made before the clock was set back: kept, it would be the last one ever made, and
// the sessions under it are not fresh either.
func (r *keyRing) rotated(now time.Time) (*keyRing, error) {
	next := new(keyRing)
	if r != nil {
		for _, key := range r.keys {
			if now.Before(key.made.Add(ticketKeyLife)) && !key.made.After(now.Add(maxClockStep)) {
				next.keys = append(next.keys, key)
			}
		}
	}
	if len(next.keys) == 0 || !now.Before(next.keys[0].made.Add(ticketKeyDay)) {
		key, err := newRandomKey(now)
		if err != nil {
			return nil, err
		}
		next.keys = slices.Insert(next.keys, 0, key)
	}
	newest, oldest := next.keys[0].made, next.keys[len(next.keys)-1].made
	next.from, next.until = newest.Add(-maxClockStep), newest.Add(ticketKeyDay)
	if drop := oldest.Add(ticketKeyLife); drop.Before(next.until) {
		next.until = drop
	}
	return next, nil
}

// SealTicket implements TicketProtector. There is no ticket if there are no keys, or
// the state is too long for one.
//
// A ticket is the key's name, a nonce and the sealed state. The nonce is random: one
// of 24 bytes never repeats, however many tickets how many machines make with a key,
// where AES-GCM's 12 bytes allow 2^32 in all (NIST SP 800-38D 8.3).
func (k *TicketKeys) SealTicket(state []byte) (ticket []byte, err error) {
	ring, err := k.current()
	if err != nil || ring == nil || len(state) > maxTicket-ticketOverhead {
		return nil, err
	}
	key := ring.keys[0]
	ticket = make([]byte, ticketNameSize+chacha20poly1305.NonceSizeX, len(state)+ticketOverhead)
	copy(ticket, key.name[:])
	nonce := ticket[ticketNameSize:]
	rand.Read(nonce)
	return key.aead.Seal(ticket, nonce, state, key.aad), nil
}

// OpenTicket implements TicketProtector. It answers at once.
func (k *TicketKeys) OpenTicket(ticket []byte, answer *Completion[[]byte]) {
	ring, err := k.current()
	if err != nil {
		answer.Fail(err)
		return
	}
	answer.Complete(ring.open(ticket))
}

// open returns the state in a ticket, or nil if it is none of ours.
func (r *keyRing) open(ticket []byte) []byte {
	if r == nil || len(ticket) <= ticketOverhead || len(ticket) > maxTicket {
		return nil
	}
	name, sealed := [ticketNameSize]byte(ticket), ticket[ticketNameSize:]
	for _, key := range r.keys {
		if key.name == name {
			nonce, sealed := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
			state, err := key.aead.Open(nil, nonce, sealed, key.aad)
			if err != nil {
				return nil // forged
			}
			return state
		}
	}
	return nil
}
