package record

import (
	"fmt"
	"testing"
)

func eachSize(b *testing.B, bench func(b *testing.B, k *Key13, n int)) {
	for _, a := range aeads {
		for _, n := range []int{100, MaxPlaintext} {
			b.Run(fmt.Sprintf("%s/%d", a.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n))
				bench(b, newKey(b, a.AEAD), n)
			})
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	eachSize(b, func(b *testing.B, k *Key13, n int) {
		rec := make([]byte, n+Overhead13)
		for b.Loop() {
			k.Seal(rec, n, ApplicationData, 0)
		}
	})
}

// BenchmarkOpen opens into a slice, which leaves the record to be opened again.
func BenchmarkOpen(b *testing.B) {
	eachSize(b, func(b *testing.B, k *Key13, n int) {
		rec := seal(k, sequence(n), ApplicationData, 0)
		dst := make([]byte, n+1)
		for b.Loop() {
			if _, _, err := k.Open(dst, rec, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpenPadding is what a peer can make a byte of content cost at most.
func BenchmarkOpenPadding(b *testing.B) {
	b.ReportAllocs()
	k := newKey(b, AES128GCM)
	inner := make([]byte, MaxPlaintext+1)
	inner[0] = byte(ApplicationData)
	rec := sealInner(k, inner, 0)
	dst := make([]byte, len(inner))
	for b.Loop() {
		if _, _, err := k.Open(dst, rec, 0); err != nil {
			b.Fatal(err)
		}
	}
}
