package keysched

import "testing"

func BenchmarkDeriveSecret(b *testing.B) {
	for _, h := range hashes {
		b.Run(h.String(), func(b *testing.B) {
			b.ReportAllocs()
			d := New(h)
			var secret Secret
			for b.Loop() {
				d.DeriveSecret(&secret, &secret, LabelClientHandshake, d.EmptyHash())
			}
		})
	}
}

func BenchmarkTrafficKey(b *testing.B) {
	for _, h := range hashes {
		b.Run(h.String(), func(b *testing.B) {
			b.ReportAllocs()
			d := New(h)
			var secret Secret
			var key, iv [32]byte
			for b.Loop() {
				d.TrafficKey(key[:], iv[:12], &secret)
			}
		})
	}
}
