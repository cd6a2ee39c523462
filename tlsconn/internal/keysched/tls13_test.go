package keysched

import (
	"bytes"
	"crypto"
	"testing"
)

// reference is RFC 8446 section 7, written down once more over crypto/hmac and crypto/hkdf.
type reference struct {
	t testing.TB
	h crypto.Hash
}

func (r reference) hash(b []byte) []byte {
	h := r.h.New()
	h.Write(b)
	return h.Sum(nil)
}

func (r reference) derive(secret []byte, label string, transcriptHash []byte) []byte {
	return expandLabelOf(r.t, r.h, r.h.Size(), secret, label, transcriptHash)
}

func (r reference) next(secret, ikm []byte) []byte {
	return extractOf(r.t, r.h, r.derive(secret, "derived", r.hash(nil)), ikm)
}

func TestScheduleEqualsTheFormulasOfTheRFC(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		r := reference{t, h}
		n := d.Size()
		secret := Secret(sequence(1, maxHashSize))
		clear(secret[n:])
		s, zero := secret[:n], make([]byte, n)
		transcript := r.hash([]byte("messages"))
		for _, test := range []struct {
			name string
			got  func(out *Secret)
			want []byte
		}{
			{"the early secret without a PSK", func(out *Secret) { d.Early(out, nil) }, extractOf(t, h, zero, zero)},
			{"the early secret of a PSK", func(out *Secret) { d.Early(out, s) }, extractOf(t, h, zero, s)},
			{"the handshake secret of X25519", func(out *Secret) { d.Handshake(out, &secret, sequence(2, 32)) }, r.next(s, sequence(2, 32))},
			{"the handshake secret of X25519MLKEM768", func(out *Secret) { d.Handshake(out, &secret, sequence(2, 64)) }, r.next(s, sequence(2, 64))},
			{"the handshake secret without (EC)DHE", func(out *Secret) { d.Handshake(out, &secret, nil) }, r.next(s, zero)},
			{"the master secret", func(out *Secret) { d.Master(out, &secret) }, r.next(s, zero)},
			{"a traffic secret", func(out *Secret) { d.DeriveSecret(out, &secret, LabelClientHandshake, transcript) }, r.derive(s, "c hs traffic", transcript)},
			{"the next traffic secret", func(out *Secret) { d.NextTrafficSecret(out, &secret) }, r.derive(s, "traffic upd", nil)},
			{"a ticket's PSK", func(out *Secret) { d.ResumptionPSK(out, &secret, []byte{7}) }, r.derive(s, "resumption", []byte{7})},
		} {
			t.Run(test.name, func(t *testing.T) {
				out := Secret(sequence(9, maxHashSize))
				test.got(&out)
				if !bytes.Equal(out[:n], test.want) {
					t.Errorf("%x, want %x", out[:n], test.want)
				}
				if rest := out[n:]; !bytes.Equal(rest, make([]byte, len(rest))) {
					t.Errorf("bytes past the hash's size are not zero: %x", rest)
				}
			})
		}
	})
}

func TestDerivationsMayOverwriteTheirSecret(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		for _, test := range []struct {
			name   string
			derive func(out, secret *Secret)
		}{
			{"DeriveSecret", func(out, secret *Secret) { d.DeriveSecret(out, secret, LabelDerived, d.EmptyHash()) }},
			{"Handshake", func(out, secret *Secret) { d.Handshake(out, secret, []byte("shared")) }},
			{"Master", func(out, secret *Secret) { d.Master(out, secret) }},
			{"NextTrafficSecret", func(out, secret *Secret) { d.NextTrafficSecret(out, secret) }},
			{"ResumptionPSK", func(out, secret *Secret) { d.ResumptionPSK(out, secret, []byte{1}) }},
		} {
			t.Run(test.name, func(t *testing.T) {
				secret, separate := Secret(sequence(1, maxHashSize)), Secret{}
				test.derive(&separate, &secret)
				if test.derive(&secret, &secret); secret != separate {
					t.Error("in place it differs")
				}
			})
		}
	})
}

func TestTrafficKeyHasTheLengthsOfEachAEAD(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		secret := Secret(sequence(1, maxHashSize))
		for _, keyLen := range []int{16, 32} {
			key, iv := make([]byte, keyLen), make([]byte, 12)
			d.TrafficKey(key, iv, &secret)
			if want := expandLabelOf(t, h, keyLen, secret[:d.Size()], "key", nil); !bytes.Equal(key, want) {
				t.Errorf("key %x, want %x", key, want)
			}
			if want := expandLabelOf(t, h, 12, secret[:d.Size()], "iv", nil); !bytes.Equal(iv, want) {
				t.Errorf("iv %x, want %x", iv, want)
			}
		}
	})
}

func TestFinishedMACIsAppended(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		r := reference{t, h}
		secret, transcript := Secret(sequence(1, maxHashSize)), r.hash([]byte("messages"))
		finishedKey := r.derive(secret[:d.Size()], "finished", nil)
		want := append([]byte("before"), hmacOf(h, finishedKey, transcript)...)
		if got := d.FinishedMAC([]byte("before"), &secret, transcript); !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
	})
}

func TestExportEqualsTheFormulaOfTheRFC(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		r := reference{t, h}
		secret := Secret(sequence(1, maxHashSize))
		derived := r.derive(secret[:d.Size()], "EXPORTER-test", r.hash(nil))
		for _, test := range []struct {
			name    string
			n       int
			context []byte
		}{
			{"without a context", 32, nil},
			{"with an empty context, which equals none", 32, []byte{}},
			{"with a context longer than a label's", 100, sequence(5, 1000)},
			{"of the greatest length", d.MaxOutput(), []byte("context")},
		} {
			t.Run(test.name, func(t *testing.T) {
				out := make([]byte, test.n)
				d.Export(out, &secret, "EXPORTER-test", test.context)
				if want := expandLabelOf(t, h, test.n, derived, "exporter", r.hash(test.context)); !bytes.Equal(out, want) {
					t.Error("differs from TLS-Exporter of RFC 8446 7.5")
				}
			})
		}
	})
}

func TestNoDerivationAllocates(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		// Each call works on arrays of its own frame: they must not escape either.
		for _, test := range []struct {
			name string
			call func()
		}{
			{"HMAC", func() { var a, b, c [200]byte; d.HMAC(a[:32], b[:], c[:], b[:10]) }},
			{"Extract", func() { var s Secret; var a, b [200]byte; d.Extract(&s, a[:], b[:]) }},
			{"ExpandLabel", func() { var a, b [100]byte; d.ExpandLabel(a[:], b[:48], "key", b[:]) }},
			{"DeriveSecret", func() { var s Secret; var a [32]byte; d.DeriveSecret(&s, &s, LabelResumption, a[:]) }},
			{"Early", func() { var s Secret; var a [32]byte; d.Early(&s, a[:]) }},
			{"Handshake", func() { var s Secret; var a [64]byte; d.Handshake(&s, &s, a[:]) }},
			{"Master", func() { var s Secret; d.Master(&s, &s) }},
			{"TrafficKey", func() { var s Secret; var a, b [32]byte; d.TrafficKey(a[:], b[:12], &s) }},
			{"NextTrafficSecret", func() { var s Secret; d.NextTrafficSecret(&s, &s) }},
			{"FinishedMAC", func() { var s Secret; var a [48]byte; d.FinishedMAC(a[:0], &s, d.EmptyHash()) }},
			{"Export", func() { var s Secret; var a [64]byte; d.Export(a[:], &s, "label", a[:]) }},
			{"ResumptionPSK", func() { var s Secret; var a [8]byte; d.ResumptionPSK(&s, &s, a[:]) }},
		} {
			t.Run(test.name, func(t *testing.T) {
				if n := testing.AllocsPerRun(100, test.call); n != 0 {
					t.Errorf("%v allocations", n)
				}
			})
		}
	})
}
