package keysched

// Secret is one secret of the schedule: its first Size() bytes, the rest being zero. The caller
// owns it and clears it (*s = Secret{}) as soon as nothing is derived from it any more.
type Secret [maxHashSize]byte

// The labels of RFC 8446 7.1's diagram, for [Deriver.DeriveSecret].
const (
	LabelExternalBinder    = "ext binder"
	LabelResumptionBinder  = "res binder"
	LabelClientEarly       = "c e traffic"
	LabelEarlyExporter     = "e exp master"
	LabelDerived           = "derived"
	LabelClientHandshake   = "c hs traffic"
	LabelServerHandshake   = "s hs traffic"
	LabelClientApplication = "c ap traffic"
	LabelServerApplication = "s ap traffic"
	LabelExporter          = "exp master"
	LabelResumption        = "res master"
)

// DeriveSecret writes Derive-Secret(secret, label, Messages) to out (RFC 8446 7.1);
// transcriptHash is Transcript-Hash(Messages), EmptyHash() for none. Out may be secret.
func (d *Deriver) DeriveSecret(out, secret *Secret, label string, transcriptHash []byte) {
	d.setKey(secret[:d.size])
	d.expandLabel(out[:d.size], label, transcriptHash)
	clear(out[d.size:])
	d.wipe()
}

// Early writes the Early Secret, HKDF-Extract(0, PSK), to out. A nil psk stands for the Size()
// zero bytes of a handshake without one.
func (d *Deriver) Early(out *Secret, psk []byte) {
	d.Extract(out, nil, psk)
}

// Handshake writes the Handshake Secret to out. Shared is the (EC)DHE shared secret: 32 bytes for
// X25519, 64 for X25519MLKEM768, a coordinate's length for the NIST curves; nil, for psk_ke, stands
// for Size() zero bytes. Out may be early.
func (d *Deriver) Handshake(out, early *Secret, shared []byte) {
	d.next(out, early, shared)
}

// Master writes the Master Secret to out, which may be handshake.
func (d *Deriver) Master(out, handshake *Secret) {
	d.next(out, handshake, nil)
}

// next is the step between two rows of RFC 8446 7.1's diagram:
// HKDF-Extract(Derive-Secret(secret, "derived", ""), ikm).
func (d *Deriver) next(out, secret *Secret, ikm []byte) {
	d.DeriveSecret(out, secret, LabelDerived, d.EmptyHash())
	d.Extract(out, out[:d.size], ikm)
}

// TrafficKey fills key and iv, whose lengths are the AEAD's, from a traffic secret (RFC 8446 7.3).
func (d *Deriver) TrafficKey(key, iv []byte, secret *Secret) {
	d.setKey(secret[:d.size])
	d.expandLabel(key, "key", nil)
	d.expandLabel(iv, "iv", nil)
	d.wipe()
}

// NextTrafficSecret writes application_traffic_secret_N+1 to out, which may be secret, the one
// before it (RFC 8446 7.2).
func (d *Deriver) NextTrafficSecret(out, secret *Secret) {
	d.DeriveSecret(out, secret, "traffic upd", nil)
}

// FinishedMAC appends the Size() bytes of verify_data to out and returns the extended slice
// (RFC 8446 4.4.4). BaseKey is the sender's handshake traffic secret, or for a PSK binder the
// binder key (4.2.11.2). It allocates only if out has no room. A received MAC is compared with it
// in constant time.
func (d *Deriver) FinishedMAC(out []byte, baseKey *Secret, transcriptHash []byte) []byte {
	var finishedKey Secret
	d.DeriveSecret(&finishedKey, baseKey, "finished", nil)
	d.setKey(finishedKey[:d.size])
	finishedKey = Secret{}
	d.begin()
	d.write(transcriptHash)
	d.end()
	out = append(out, d.sum[:d.size]...)
	d.wipe()
	return out
}

// Export fills out with keying material (RFC 8446 7.5): the TLS-Exporter, from the exporter or the
// early exporter secret. TLS 1.3 does not tell an absent context from an empty one. Out may be up
// to MaxOutput() bytes, label up to MaxLabel, context of any length.
func (d *Deriver) Export(out []byte, exporterMaster *Secret, label string, context []byte) {
	var secret Secret
	d.DeriveSecret(&secret, exporterMaster, label, d.EmptyHash())
	d.h.Reset()
	d.write(context)
	contextHash := d.h.Sum(d.sum[:0]) // expandLabel copies it before it uses d.sum
	d.setKey(secret[:d.size])
	secret = Secret{}
	d.expandLabel(out, "exporter", contextHash)
	d.wipe()
}

// ResumptionPSK writes to out the PSK that belongs to a ticket: HKDF-Expand-Label(
// resumption_master_secret, "resumption", ticket_nonce, Hash.length) (RFC 8446 4.6.1). Nonce is up
// to 255 bytes, as its field is. Out may be resumption.
func (d *Deriver) ResumptionPSK(out, resumption *Secret, nonce []byte) {
	d.DeriveSecret(out, resumption, "resumption", nonce)
}
