package tlsconn

import (
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// protection is how the records of one direction look.
type protection uint8

const (
	plaintext   protection = iota
	protected13            // RFC 8446 5.2
	protected12            // RFC 5246 6.2.3.3
)

// halfConn is one direction's protection as an idle connection keeps it: what the
// key is expanded from when it is needed, and the sequence number. 64 bytes.
type halfConn struct {
	// secret is the traffic secret of TLS 1.3; of TLS 1.2 the write key, and behind it
	// the write IV.
	secret     keysched.Secret
	seq        uint64 // of the next record, RFC 8446 5.3
	slot       int32  // where the expanded key may be in the Workspace's cache
	protection protection
	// Of a protected record: the bytes before its content, and all beside it.
	prefix, overhead uint8
}

// on tells whether records are protected.
func (h *halfConn) on() bool { return h.protection != plaintext }

// cachedKey is an expanded key and whose it is.
type cachedKey struct {
	owner *halfConn
	used  bool // since the hand last passed
	key13 record.Key13
	key12 *record.Key12 // instead, of a connection of TLS 1.2
}

// open and seal are those of the key of either version (record.Key13).
func (k *cachedKey) open(dst, rec []byte, seq uint64) ([]byte, record.Type, error) {
	if k.key12 != nil {
		return k.key12.Open(dst, rec, seq)
	}
	return k.key13.Open(dst, rec, seq)
}

func (k *cachedKey) seal(rec []byte, n int, typ record.Type, seq uint64) {
	if k.key12 != nil {
		k.key12.Seal(rec, n, typ, seq)
		return
	}
	k.key13.Seal(rec, n, typ, seq)
}

// clear drops the expanded key.
func (k *cachedKey) clear() {
	k.key13.Clear()
	k.key12 = nil
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
func (ws *Workspace) key(h *halfConn, s *suite) *cachedKey {
	k := &ws.keys
	if int(h.slot) < len(k.entries) {
		if e := &k.entries[h.slot]; e.owner == h {
			e.used = true
			return e
		}
	}
	h.slot = k.evict()
	e := &k.entries[h.slot]
	e.owner, e.used = h, true
	if err := ws.expand(e, h, s); err != nil {
		panic("tlsconn: internal: " + err.Error()) // lengths are the AEAD's own
	}
	return e
}

// expand makes the key of h in e.
func (ws *Workspace) expand(e *cachedKey, h *halfConn, s *suite) error {
	if h.protection == protected12 {
		e.key12 = new(record.Key12)
		keyLen, ivLen := s.aead.KeyLen(), s.aead.IVLen12()
		return e.key12.Init(s.aead, h.secret[:keyLen], h.secret[keyLen:keyLen+ivLen])
	}
	var keyBytes [32]byte
	var iv [12]byte
	key := keyBytes[:s.aead.KeyLen()]
	ws.deriver(s.hash).TrafficKey(key, iv[:], &h.secret)
	err := e.key13.Init(s.aead, key, iv[:])
	clear(keyBytes[:])
	clear(iv[:])
	return err
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
			e.clear()
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
			e.clear()
			e.owner, e.used = nil, false
			ws.keys.free = append(ws.keys.free, h.slot)
		}
	}
}

// install gives h a new traffic secret of TLS 1.3 and starts its sequence numbers anew.
func (ws *Workspace) install(h *halfConn, secret *keysched.Secret) {
	ws.forget(h)
	h.secret = *secret
	h.seq = 0
	h.protection, h.prefix, h.overhead = protected13, record.HeaderLen, record.Overhead13
}

// install12 gives h a write key of TLS 1.2, with its write IV behind it.
func (ws *Workspace) install12(h *halfConn, key *keysched.Secret, aead record.AEAD) {
	ws.forget(h)
	h.secret = *key
	h.seq = 0
	h.protection, h.prefix, h.overhead = protected12, uint8(aead.Prefix12()), uint8(aead.Overhead12())
}

// clearKeys forgets all that h knows.
func (ws *Workspace) clearKeys(h *halfConn) {
	ws.forget(h)
	*h = halfConn{}
}
