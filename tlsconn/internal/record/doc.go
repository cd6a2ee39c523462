// Package record is the record layer of TLS: headers, the protection of single records, and the
// cutting of handshake messages out of record payloads. It knows no states, alerts or transports,
// and it is a leaf: standard library, x/crypto and x/sys/cpu only.
//
// # Design
//
// Bytes stay where they are. [Key13.Seal] and [Key12.Seal] protect a record in the output buffer where
// its plaintext was put; [Key13.Open] and [Key12.Open] decrypt it in the input buffer where it arrived,
// or straight into the application's slice; the [Reassembler] hands out messages inside the decrypted
// payload and copies only those that records split. Nothing here allocates per record.
//
// The sequence number is the caller's and is passed in: an idle connection keeps it with its traffic
// secret and drops the expanded key, which is the expensive part (about 1.3 KB), to a cache. The
// caller refuses to let it wrap (RFC 8446 5.3, RFC 5246 6.1).
//
// A record that is refused leaves no plaintext behind, and its error is one of three sentinels, so
// that the engine maps each to its alert. What the type of a record permits in a state of the
// handshake (an empty handshake record, an outer type other than application_data under a key) is
// the engine's to judge.
//
// Every length that a peer declares is judged before memory is spent on it; memory grows with the
// bytes that arrived, and the work per byte is constant however small the pieces are.
//
// protect13.go is RFC 8446 section 5. protect12.go is RFC 5246 section 6.2.3.3, with the nonces of AES-GCM
// (RFC 5288), of which each record carries a part, and of ChaCha20-Poly1305 (RFC 7905), of which none
// does; the type of a record lies open in its header, and nothing pads it.
package record
