package keysched

import (
	"bytes"
	"testing"
)

// FuzzDeriver holds HMAC, Extract and ExpandLabel against crypto/hmac and crypto/hkdf, on one Deriver
// in a row: what one call leaves behind must not reach the next.
func FuzzDeriver(f *testing.F) {
	f.Add(false, []byte("key"), []byte("data"), "label", []byte("context"), uint16(16))
	f.Add(true, make([]byte, 129), make([]byte, 128), "", []byte{}, uint16(12240))
	f.Add(false, make([]byte, 65), make([]byte, 63), "c hs traffic", make([]byte, 32), uint16(33))
	f.Fuzz(func(t *testing.T, long bool, key, data []byte, label string, context []byte, n uint16) {
		h := hashes[0]
		if long {
			h = hashes[1]
		}
		d := New(h)

		mac := make([]byte, d.Size())
		d.HMAC(mac, key, data, context)
		if !bytes.Equal(mac, hmacOf(h, key, data, context)) {
			t.Error("HMAC differs from crypto/hmac")
		}

		var prk Secret
		d.Extract(&prk, key, data)
		if !bytes.Equal(prk[:d.Size()], extractOf(t, h, key, data)) {
			t.Error("Extract differs from crypto/hkdf")
		}

		if len(label) > MaxLabel || len(context) > maxVector || int(n) > d.MaxOutput() {
			return
		}
		out := make([]byte, n)
		d.ExpandLabel(out, prk[:d.Size()], label, context)
		if !bytes.Equal(out, expandLabelOf(t, h, int(n), prk[:d.Size()], label, context)) {
			t.Error("ExpandLabel differs from crypto/hkdf")
		}
	})
}
