// Package keysched is the key schedule of TLS: from shared secrets and transcript hashes to
// traffic secrets, keys, Finished MACs, exporters and resumption keys. It knows nothing of messages,
// records or connections, and it is a leaf: standard library only.
//
// # Design
//
// A [Deriver] computes for one hash, SHA-256 or SHA-384, and belongs to one goroutine: in practice to
// the workspace of an event loop, shared by all of the loop's connections. It keeps no secret of
// theirs from one call to the next.
//
// HMAC (RFC 2104) and HKDF (RFC 5869) are composed here over one standard hash that is reset, instead
// of called from crypto/hmac and crypto/hkdf. They are ten lines each, and a handshake makes some
// twenty derivations: an expansion through the standard functions costs 0.7 us (SHA-256) or 1.5 us
// (SHA-384) and ten allocations, composed over a reset hash 0.3 or 1.0 us, which is the hash's own
// time, and none. The hash, the only primitive, is the standard library's; fuzz and table tests hold
// the composition against crypto/hmac and crypto/hkdf, for keys longer than a block too, and against
// every derivation in RFC 8448.
//
// No argument escapes. What goes through the hash.Hash interface would force a caller's stack
// array onto the heap, so every byte passes through scratch of the Deriver: an allocation saved
// here and at each call site too, for a copy of a few dozen bytes.
//
// Scratch that held a secret is cleared before a method returns, the state inside the hash
// included (after an HMAC it is as good as the key). What the runtime may have copied to a stack
// is out of reach.
//
// Lengths are the program's own, never the peer's: a label too long or an output longer than HKDF
// can make is a programmer's error and panics. The one place where an application chooses them is
// the exporter; whoever offers it checks them first, against [MaxLabel] and [Deriver.MaxOutput] in TLS
// 1.3 and against [MaxContext12] in TLS 1.2.
//
// hkdf.go and tls13.go are the schedule of RFC 8446 section 7. tls12.go is that of TLS 1.2: the PRF of
// RFC 5246 section 5 over the same HMAC, master secrets of both kinds (section 8.1, RFC 7627), key
// block, Finished and the exporter of RFC 5705. The two share nothing but HMAC over the Deriver's hash.
package keysched
