// Package wire encodes and decodes the handshake messages of TLS 1.3 and their
// extensions (RFC 8446 section 4), and those of TLS 1.2 that a handshake with
// ephemeral elliptic-curve keys needs (RFC 5246 section 7.4). It holds no state and knows no alerts, no
// keys and no records: bytes in, a struct out, and back.
//
// # Decoding
//
// Every message has Unmarshal(body), which takes the bytes behind the 4-byte
// handshake header. It resets its receiver but keeps the capacity of its
// slices, so a message that is reused decodes without allocating. Every
// []byte in the result aliases body and is valid as long as body is; whoever
// keeps one longer copies it.
//
// Decoding refuses whatever the grammar refuses: a vector shorter than its
// floor or longer than its ceiling, a byte left over in any vector, a message
// that ends early, an extension that is there twice. What the grammar allows,
// but an RFC forbids in that message whatever else has been said (a
// pre_shared_key that is not last, a key_update that requests 2), is refused
// too, with [Error].Illegal set. Whether a value may be chosen in this state
// of this connection is the engine's to judge.
//
// Extensions that a message does not define here are skipped, GREASE (RFC
// 8701) among them, but their types are kept in the Extensions of the message,
// in order, so that the engine can refuse what was never offered.
//
// # Encoding
//
// Every message has Append(b), which appends the whole message with its header
// to b. Lengths come from configuration (names, certificates), so they can
// exceed what their prefix can hold. Append never truncates a length and never
// panics: it appends nothing at all when the message cannot be encoded, and
// Validate says why. Whatever Append writes, Unmarshal accepts. An engine
// calls Validate once on what the user supplied, or compares the length of
// what Append returned with what it passed.
//
// # Presence
//
// Most extensions are present when their field is not empty. An extension
// whose body may be empty (early_data, an empty key_share) or may be a zero
// (the selected identity of pre_shared_key) has to be told apart from an
// absent one: there the encoder is told with Offer or Answer, and Has answers
// for decoded messages and for messages to be encoded alike.
//
// # Cost to a hostile peer
//
// All work is linear in the length of the message. Duplicate extension types
// are found in one pass, with a bitmap once a block has more than a few
// entries, so that 16,000 empty extensions cost 16,000 steps. Memory is at
// most 24 bytes for each 2 bytes received (the slice header of an ALPN name of
// one byte), before the growth of append; certificates, whose list alone has a
// 24-bit length, are counted (maxCertificates).
package wire
