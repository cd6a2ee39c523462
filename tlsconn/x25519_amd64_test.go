//go:build !purego

package tlsconn

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"testing"

	"github.com/cloudflare/circl/dh/x25519"
)

// The library that X25519 is from answers as the standard library does: with the same keys, the
// same secrets and the same refusals.
func FuzzX25519LikeTheStandardLibrary(f *testing.F) {
	private := make([]byte, 32)
	rand.Read(private)
	for _, share := range invalidShares(f, false)[tls.X25519] {
		f.Add(private, share)
		high := bytes.Clone(share)
		high[len(high)-1] |= 0x80 // is masked (RFC 7748 5)
		f.Add(private, high)
	}
	for i := range 20 { // 2^255-20 and up: of these all but one are not canonical
		share := bytes.Repeat([]byte{0xff}, 32)
		share[0], share[31] = byte(0xec+i), 0x7f
		f.Add(private, share)
	}
	f.Add(bytes.Repeat([]byte{0xff}, 32), bytes.Repeat([]byte{9}, 32))
	f.Fuzz(func(t *testing.T, private, share []byte) {
		standard, err := ecdh.X25519().NewPrivateKey(private)
		if err != nil {
			return
		}
		ours := x25519KeyOf(x25519.Key(private))
		if !bytes.Equal(ours.public(), standard.PublicKey().Bytes()) {
			t.Fatalf("private key %x has public key %x, in the standard library %x", private, ours.public(), standard.PublicKey().Bytes())
		}
		var want []byte
		point, wantErr := ecdh.X25519().NewPublicKey(share)
		if wantErr == nil {
			want, wantErr = standard.ECDH(point)
		}
		got, err := ours.agree(share, nil)
		if (err != nil) != (wantErr != nil) || !bytes.Equal(got, want) {
			t.Errorf("private key %x, share %x: %x, %v; in the standard library %x, %v", private, share, got, err, want, wantErr)
		}
		if ours.private != (x25519.Key{}) {
			t.Error("the private key is left behind")
		}
	})
}
