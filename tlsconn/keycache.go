package tlsconn

import (
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// halfConn is one direction's protection as an idle connection keeps it: the
// traffic secret, from which the key is expanded again when it is needed, and
// the sequence number. 64 bytes.
type halfConn struct {
	secret keysched.Secret
	seq    uint64 // of the next record, RFC 8446 5.3
	slot   int32  // where the expanded key may be in the Workspace's cache
	on     bool   // protection is on; before, records are plaintext
}

// cachedKey is an expanded key and whose it is.
type cachedKey struct {
	owner *halfConn
	used  bool // since the hand last passed
	key   record.Key13
}

// keyCache is a Workspace's bounded set of expanded keys, with second-chance
// eviction. A half-connection remembers its slot, so a look-up is one compare.
type keyCache struct {
	entries []cachedKey
	free    []int32 // entries without an owner
	limit   int
	hand    int
}

// key returns h's expanded key, valid until the next call for another
// half-connection.
func (ws *Workspace) key(h *halfConn, s *suite) *record.Key13 {
	k := &ws.keys
	if int(h.slot) < len(k.entries) {
		if e := &k.entries[h.slot]; e.owner == h {
			e.used = true
			return &e.key
		}
	}
	h.slot = k.evict()
	e := &k.entries[h.slot]
	e.owner, e.used = h, true

	var keyBytes [32]byte
	var iv [12]byte
	key := keyBytes[:s.aead.KeyLen()]
	ws.deriver(s.hash).TrafficKey(key, iv[:], &h.secret)
	// The key has the length that the AEAD asks for, so Init cannot fail.
	if err := e.key.Init(s.aead, key, iv[:]); err != nil {
		panic("tlsconn: internal: " + err.Error())
	}
	clear(keyBytes[:])
	clear(iv[:])
	return &e.key
}

// evict returns the index of a free entry: one that was given back, a new one, or
// one whose owner has not used it lately.
func (k *keyCache) evict() int32 {
	if n := len(k.free); n > 0 {
		slot := k.free[n-1]
		k.free = k.free[:n-1]
		return slot
	}
	if len(k.entries) < k.limit {
		k.entries = append(k.entries, cachedKey{})
		return int32(len(k.entries) - 1)
	}
	for {
		k.hand = (k.hand + 1) % len(k.entries)
		e := &k.entries[k.hand]
		if !e.used {
			e.key.Clear()
			e.owner = nil
			return int32(k.hand)
		}
		e.used = false
	}
}

// forget drops h's expanded key, if it is cached.
func (ws *Workspace) forget(h *halfConn) {
	if int(h.slot) < len(ws.keys.entries) {
		if e := &ws.keys.entries[h.slot]; e.owner == h {
			e.key.Clear()
			e.owner, e.used = nil, false
			ws.keys.free = append(ws.keys.free, h.slot)
		}
	}
}

// install gives h a new traffic secret and starts its sequence numbers anew.
func (ws *Workspace) install(h *halfConn, secret *keysched.Secret) {
	ws.forget(h)
	h.secret = *secret
	h.seq = 0
	h.on = true
}

// clearKeys forgets all that h knows.
func (ws *Workspace) clearKeys(h *halfConn) {
	ws.forget(h)
	*h = halfConn{}
}
