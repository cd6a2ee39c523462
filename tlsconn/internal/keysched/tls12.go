package keysched

import (
	"encoding/binary"
	"fmt"
)

// In TLS 1.2 a Deriver's hash is that of the cipher suite: SHA-384 for the suites with AES-256, and
// SHA-256 for the others (RFC 5289 3, RFC 7905 2). The master secret has 48 bytes with either, all of
// a [Secret].

const (
	// VerifyDataLen is the length in bytes of TLS 1.2's verify_data: the default of RFC 5246 7.4.9,
	// which no cipher suite of ours changes.
	VerifyDataLen = 12

	// MaxContext12 is the greatest length in bytes of a context given to [Deriver.Export12]: its
	// length goes into the seed as a uint16 (RFC 5705 4).
	MaxContext12 = 1<<16 - 1
)

// The labels of RFC 5246 7.4.9, for [Deriver.VerifyData].
const (
	LabelClientFinished = "client finished"
	LabelServerFinished = "server finished"
)

// Randoms are the randoms of the ClientHello and the ServerHello. They are named because TLS 1.2 has
// them in one order here and in the other there. They are public.
type Randoms struct {
	Client, Server [32]byte
}

// PRF fills out, of any length, with PRF(secret, label, seed[0] || seed[1] || ...), which is
// P_hash(secret, label || seed) (RFC 5246 5). Out may overlap secret, but no seed.
//
//	P_hash(secret, seed) = HMAC_hash(secret, A(1) + seed) +
//	                       HMAC_hash(secret, A(2) + seed) + ...
//	A(0) = seed
//	A(i) = HMAC_hash(secret, A(i-1))
func (d *Deriver) PRF(out, secret []byte, label string, seed ...[]byte) {
	d.setKey(secret)
	var a [maxHashSize]byte
	d.begin()
	d.writeSeed(label, seed)
	for {
		d.end()
		copy(a[:], d.sum[:d.size]) // A(i), from 1

		d.begin()
		d.write(a[:d.size])
		d.writeSeed(label, seed)
		d.end()
		out = out[copy(out, d.sum[:d.size]):]
		if len(out) == 0 {
			break
		}

		d.begin()
		d.write(a[:d.size])
	}
	clear(a[:])
	d.wipe()
}

// writeSeed gives the hash what PRF calls P_hash's seed.
func (d *Deriver) writeSeed(label string, seed [][]byte) {
	for len(label) > 0 {
		n := copy(d.feed[:], label)
		d.h.Write(d.feed[:n])
		label = label[n:]
	}
	for _, p := range seed {
		d.write(p)
	}
}

// MasterSecret writes to out the master secret of a handshake without the extended_master_secret
// extension (RFC 5246 8.1). Premaster is the ECDHE shared secret: 32 bytes for X25519, a coordinate's
// length, leading zeros included, for the NIST curves (RFC 8422 5.10). Out may overlap it.
func (d *Deriver) MasterSecret(out *Secret, premaster []byte, r *Randoms) {
	d.PRF(out[:], premaster, "master secret", r.Client[:], r.Server[:])
}

// ExtendedMasterSecret writes to out the master secret of a handshake with the extended_master_secret
// extension (RFC 7627 4). SessionHash is the hash of all handshake messages up to and including the
// ClientKeyExchange (section 3). Out may overlap premaster, which is as for MasterSecret.
func (d *Deriver) ExtendedMasterSecret(out *Secret, premaster, sessionHash []byte) {
	d.PRF(out[:], premaster, "extended master secret", sessionHash)
}

// WriteKeys expands the master secret into what each side protects its records with (RFC 5246 6.3):
// out gets the write key, of keyLen bytes, and right behind it the write IV, of ivLen; the rest is
// zero. All AEADs of TLS 1.2 fit: the largest have a key of 32 bytes and an IV of 12. Lengths that do
// not fit are a programmer's error and panic.
func (d *Deriver) WriteKeys(client, server, master *Secret, r *Randoms, keyLen, ivLen int) {
	if keyLen < 0 || ivLen < 0 || keyLen+ivLen > len(client) {
		panic(fmt.Sprintf("keysched: no secret holds a key of %d bytes and an IV of %d", keyLen, ivLen))
	}
	// The key_block: client_write_key, server_write_key, client_write_IV, server_write_IV; AEADs have
	// no MAC keys. Its seed, unlike all others, has the server's random first.
	var block [2 * len(Secret{})]byte
	d.PRF(block[:2*(keyLen+ivLen)], master[:], "key expansion", r.Server[:], r.Client[:])
	rest := block[:]
	*client, *server = Secret{}, Secret{}
	for _, part := range [][]byte{
		client[:keyLen], server[:keyLen], client[keyLen : keyLen+ivLen], server[keyLen : keyLen+ivLen],
	} {
		rest = rest[copy(part, rest):]
	}
	clear(block[:])
}

// VerifyData appends the VerifyDataLen bytes of a Finished message to out and returns the extended
// slice (RFC 5246 7.4.9). Label is the sender's; transcriptHash is of all handshake messages before
// this Finished, the other side's included if that came first. It allocates only if out has no room. A
// received verify_data is compared with it in constant time.
func (d *Deriver) VerifyData(out []byte, master *Secret, label string, transcriptHash []byte) []byte {
	var verifyData [VerifyDataLen]byte
	d.PRF(verifyData[:], master[:], label, transcriptHash)
	return append(out, verifyData[:]...)
}

// Export12 fills out with keying material (RFC 5705 4). A nil context stands for none, which is not
// the same as an empty one. Label and out may have any length, context up to MaxContext12 bytes; more
// is a programmer's error and panics. The labels that TLS uses itself, such as "key expansion", are the
// caller's to refuse.
func (d *Deriver) Export12(out []byte, master *Secret, r *Randoms, label string, context []byte) {
	if context == nil {
		d.PRF(out, master[:], label, r.Client[:], r.Server[:])
		return
	}
	if len(context) > MaxContext12 {
		panic(fmt.Sprintf("keysched: an exporter's context of %d bytes", len(context)))
	}
	var length [2]byte
	binary.BigEndian.PutUint16(length[:], uint16(len(context)))
	d.PRF(out, master[:], label, r.Client[:], r.Server[:], length[:], context)
}
