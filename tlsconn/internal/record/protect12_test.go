package record

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func newKey12(t testing.TB, a AEAD) *Key12 {
	t.Helper()
	k := new(Key12)
	if err := k.Init(a, sequence(a.KeyLen()), sequence(a.IVLen12())); err != nil {
		t.Fatal(err)
	}
	return k
}

// forEachAEAD12 runs a test with a key of each AEAD.
func forEachAEAD12(t *testing.T, test func(t *testing.T, a AEAD, k *Key12)) {
	for _, a := range aeads {
		t.Run(a.name, func(t *testing.T) { test(t, a.AEAD, newKey12(t, a.AEAD)) })
	}
}

// seal12 returns content as a record.
func seal12(a AEAD, k *Key12, content []byte, typ Type, seq uint64) []byte {
	rec := make([]byte, len(content)+a.Overhead12())
	copy(rec[a.Prefix12():], content)
	k.Seal(rec, len(content), typ, seq)
	return rec
}

// reference12 is a record by the words of RFC 5246 6.2.3.3, RFC 5288 3 and RFC 7905 2, over the key of
// newKey12. The explicit nonce is used by AES-GCM alone. It makes records that Seal does not make, too.
func reference12(t *testing.T, a AEAD, content []byte, typ Type, seq, explicit uint64) []byte {
	t.Helper()
	aead, err := a.new(sequence(a.KeyLen()))
	if err != nil {
		t.Fatal(err)
	}
	seqNum := binary.BigEndian.AppendUint64(nil, seq)
	var nonce, sent []byte
	if a == ChaCha20Poly1305 {
		nonce = sequence(12)
		for i, b := range seqNum {
			nonce[4+i] ^= b
		}
	} else {
		sent = binary.BigEndian.AppendUint64(nil, explicit)
		nonce = append(sequence(4), sent...)
	}
	additional := append(seqNum, byte(typ), 3, 3, byte(len(content)>>8), byte(len(content)))
	fragment := aead.Seal(sent, nonce, content, additional)
	return append([]byte{byte(typ), 3, 3, byte(len(fragment) >> 8), byte(len(fragment))}, fragment...)
}

func TestRecordsOfTLS12AreWhatTheRFCsSay(t *testing.T) {
	forEachAEAD12(t, func(t *testing.T, a AEAD, k *Key12) {
		for _, n := range []int{0, 1, 15, 16, 17, 100, 1400, MaxPlaintext - 1, MaxPlaintext} {
			for _, seq := range []uint64{0, 1, 0x0102030405060708, 1 << 32, math.MaxUint64} {
				for _, typ := range []Type{Alert, Handshake, ApplicationData} {
					content := sequence(n)
					rec := seal12(a, k, content, typ, seq)
					if want := reference12(t, a, content, typ, seq, seq); !bytes.Equal(rec, want) {
						t.Fatalf("%v of %d bytes, sequence number %d: sealed otherwise", typ, n, seq)
					}
					got, gotType, err := k.Open(nil, rec, seq)
					if err != nil || gotType != typ || got == nil || !bytes.Equal(got, content) {
						t.Fatalf("%v of %d bytes, sequence number %d: opened %v, %d bytes, error %v", typ, n, seq, gotType, len(got), err)
					}
				}
			}
		}
	})
}

func TestOverheadsOfTLS12(t *testing.T) {
	for _, test := range []struct {
		AEAD
		iv, prefix, overhead int
	}{
		{AES128GCM, 4, 13, 29},
		{AES256GCM, 4, 13, 29},
		{ChaCha20Poly1305, 12, 5, 21},
	} {
		if test.IVLen12() != test.iv || test.Prefix12() != test.prefix || test.Overhead12() != test.overhead {
			t.Errorf("AEAD %d: iv %d, prefix %d, overhead %d", test.AEAD, test.IVLen12(), test.Prefix12(), test.Overhead12())
		}
		if HeaderLen+MaxCiphertext12 < MaxPlaintext+test.overhead {
			t.Errorf("AEAD %d: MaxCiphertext12 does not hold a record of the greatest length", test.AEAD)
		}
	}
	// The read buffers are made for TLS 1.3, and the limit of RFC 5246 6.2.3 is 2^14 + 2048.
	if MaxCiphertext12 > MaxCiphertext13 || MaxCiphertext12 > MaxPlaintext+2048 {
		t.Errorf("MaxCiphertext12 = %d", MaxCiphertext12)
	}
}

// OpenSSL begins with a random one: RFC 5288 3 leaves the explicit nonce to the sender.
func TestAnyExplicitNonceOfThePeerIsAccepted(t *testing.T) {
	for _, a := range []AEAD{AES128GCM, AES256GCM} {
		k := newKey12(t, a)
		for _, explicit := range []uint64{0, 7, 0xfedcba9876543210, math.MaxUint64} {
			rec := reference12(t, a, []byte("content"), ApplicationData, 5, explicit)
			if content, typ, err := k.Open(nil, rec, 5); err != nil || typ != ApplicationData || string(content) != "content" {
				t.Errorf("AEAD %d, nonce %x: %v %q, error %v", a, explicit, typ, content, err)
			}
		}
	}
}

func TestOpenOfTLS12ReturnsTheSameInPlaceAndIntoASlice(t *testing.T) {
	forEachAEAD12(t, func(t *testing.T, a AEAD, k *Key12) {
		for _, n := range []int{0, 1, 100, MaxPlaintext} {
			content := sequence(n)
			rec := seal12(a, k, content, ApplicationData, 7)
			before := bytes.Clone(rec)
			buf := append(make([]byte, n), "untouched"...)

			got, typ, err := k.Open(buf[:0:n], rec, 7)
			if err != nil || typ != ApplicationData || got == nil || !bytes.Equal(got, content) {
				t.Fatalf("into a slice: %v, %d bytes, error %v", typ, len(got), err)
			}
			if n > 0 && &got[0] != &buf[0] {
				t.Error("content is not in the slice")
			}
			if string(buf[n:]) != "untouched" || !bytes.Equal(rec, before) {
				t.Error("bytes past the content's room, or the record, were written")
			}

			got, typ, err = k.Open(nil, rec, 7)
			if err != nil || typ != ApplicationData || got == nil || !bytes.Equal(got, content) {
				t.Fatalf("in place: %v, %d bytes, error %v", typ, len(got), err)
			}
			if n > 0 && &got[0] != &rec[a.Prefix12()] {
				t.Error("content is not in place")
			}
			if cap(got) != len(got) {
				t.Error("appending to the content would write over the record")
			}
		}
	})
}

// refused12 asserts that rec does not open, in place or into a slice, and leaves no plaintext behind.
func refused12(t *testing.T, k *Key12, rec []byte, seq uint64, secret []byte, want error) {
	t.Helper()
	dst := make([]byte, len(rec))
	for _, dst := range [][]byte{dst, nil} {
		in := bytes.Clone(rec)
		content, typ, err := k.Open(dst, in, seq)
		if err != want || content != nil || typ != 0 {
			t.Fatalf("opened %v %x, error %v, want %v", typ, content, err, want)
		}
		if bytes.Contains(dst, secret) || bytes.Contains(in, secret) {
			t.Fatal("the refused record left plaintext behind")
		}
	}
	if !bytes.Equal(dst, make([]byte, len(dst))) {
		t.Fatal("the slice of a refused record is not clear")
	}
}

func TestEveryBitFlipOfTLS12IsRefused(t *testing.T) {
	// In the header type, version and length, in AES-GCM's records the explicit nonce too.
	forEachAEAD12(t, func(t *testing.T, a AEAD, k *Key12) {
		secret := []byte("attack at dawn")
		rec := seal12(a, k, secret, ApplicationData, 3)
		for bit := range 8 * len(rec) {
			rec[bit/8] ^= 1 << (bit % 8)
			refused12(t, k, rec, 3, secret[:4], ErrBadMAC)
			rec[bit/8] ^= 1 << (bit % 8)
		}
	})
}

func TestRecordsOfTLS12ThatAreNotWhatWasSealedAreRefused(t *testing.T) {
	forEachAEAD12(t, func(t *testing.T, a AEAD, k *Key12) {
		secret := sequence(50)
		rec := seal12(a, k, secret, ApplicationData, 3)
		for _, test := range []struct {
			name string
			rec  []byte
			seq  uint64
		}{
			{"an earlier sequence number", rec, 2}, // the explicit nonce alone would let it pass
			{"a later sequence number", rec, 4},
			{"a sequence number that differs above 32 bits", rec, 3 | 1<<32},
			{"a record cut by a byte", rec[:len(rec)-1], 3},
			{"a record with a byte more", append(bytes.Clone(rec), 0), 3},
			{"explicit nonce and tag alone", rec[:a.Overhead12()], 3},
			{"a byte less than that", rec[:a.Overhead12()-1], 3},
			{"a header alone", rec[:HeaderLen], 3},
			{"less than a header", rec[:2], 3},
			{"nothing", nil, 3},
		} {
			t.Run(test.name, func(t *testing.T) {
				refused12(t, k, test.rec, test.seq, secret[:4], ErrBadMAC)
			})
		}
		other := new(Key12)
		if err := other.Init(a, make([]byte, a.KeyLen()), sequence(a.IVLen12())); err != nil {
			t.Fatal(err)
		}
		refused12(t, other, rec, 3, secret[:4], ErrBadMAC)
		if err := other.Init(a, sequence(a.KeyLen()), make([]byte, a.IVLen12())); err != nil {
			t.Fatal(err)
		}
		refused12(t, other, rec, 3, secret[:4], ErrBadMAC)
	})
}

func TestContentOfTLS12OverTheGreatestLengthIsRefused(t *testing.T) {
	forEachAEAD12(t, func(t *testing.T, a AEAD, k *Key12) {
		for _, n := range []int{MaxPlaintext + 1, MaxPlaintext + 2048, math.MaxUint16 - 24} {
			content := sequence(n)
			refused12(t, k, reference12(t, a, content, ApplicationData, 0, 0), 0, content[:20], ErrOverflow)
		}
		// What the limit for headers lets pass, at its greatest.
		refused12(t, k, make([]byte, HeaderLen+MaxCiphertext12+1), 0, sequence(20), ErrOverflow)
	})
}

func TestInitOfTLS12RefusesWrongLengths(t *testing.T) {
	for _, a := range aeads {
		t.Run(a.name, func(t *testing.T) {
			for _, n := range []int{0, 15, 16, 17, 24, 31, 32, 33} {
				err := new(Key12).Init(a.AEAD, sequence(n), sequence(a.IVLen12()))
				if ok := n == a.KeyLen(); ok != (err == nil) {
					t.Errorf("key of %d bytes: error %v", n, err)
				}
			}
			for _, n := range []int{0, 3, 4, 5, 8, 11, 12, 13} {
				err := new(Key12).Init(a.AEAD, sequence(a.KeyLen()), sequence(n))
				if ok := n == a.IVLen12(); ok != (err == nil) {
					t.Errorf("iv of %d bytes: error %v", n, err)
				}
			}
		})
	}
}

func TestAKeyOfTLS12IsInitializedAgainForAnyAEAD(t *testing.T) {
	// The cache of expanded keys does so: nothing of an IV of 12 bytes may stay behind one of 4.
	k := newKey12(t, ChaCha20Poly1305)
	if err := k.Init(AES128GCM, sequence(16), sequence(4)); err != nil {
		t.Fatal(err)
	}
	if got, want := seal12(AES128GCM, k, []byte("content"), Handshake, 1), reference12(t, AES128GCM, []byte("content"), Handshake, 1, 1); !bytes.Equal(got, want) {
		t.Errorf("sealed %x, want %x", got, want)
	}
	if k.Clear(); *k != (Key12{}) {
		t.Errorf("cleared, it is %+v", k)
	}
}

func TestSealOfTLS12PanicsOnALengthThatIsNotTheContents(t *testing.T) {
	forEachAEAD12(t, func(t *testing.T, a AEAD, k *Key12) {
		for _, test := range []struct {
			name   string
			len, n int
		}{
			{"a record too short", 10 + a.Overhead12() - 1, 10},
			{"a record too long", 10 + a.Overhead12() + 1, 10},
			{"negative content", a.Overhead12() - 1, -1},
			{"content over the greatest length", MaxPlaintext + 1 + a.Overhead12(), MaxPlaintext + 1},
		} {
			t.Run(test.name, func(t *testing.T) {
				defer func() {
					if r := recover(); !strings.HasPrefix(fmt.Sprint(r), "record: Seal: ") {
						t.Errorf("recovered %v", r)
					}
				}()
				k.Seal(make([]byte, test.len), test.n, ApplicationData, 0)
			})
		}
	})
}

func TestOpenAndSealOfTLS12DoNotAllocate(t *testing.T) {
	forEachAEAD12(t, func(t *testing.T, a AEAD, k *Key12) {
		const n = 1000
		rec := make([]byte, n+a.Overhead12())
		var err error
		for _, dst := range [][]byte{nil, make([]byte, n)} {
			if got := testing.AllocsPerRun(100, func() {
				k.Seal(rec, n, ApplicationData, 5)
				_, _, err = k.Open(dst, rec, 5)
			}); got != 0 || err != nil {
				t.Errorf("%v allocations, error %v", got, err)
			}
		}
	})
}

// FuzzOpen12: no bytes make Open panic, and none open that were not sealed. As in FuzzOpen, the keys are
// new in each process.
func FuzzOpen12(f *testing.F) {
	var keys []*Key12
	for i, a := range aeads {
		key := make([]byte, a.KeyLen())
		rand.Read(key)
		k := new(Key12)
		if err := k.Init(a.AEAD, key, sequence(a.IVLen12())); err != nil {
			f.Fatal(err)
		}
		keys = append(keys, k)
		f.Add(byte(i), seal12(a.AEAD, newKey12(f, a.AEAD), []byte("content"), ApplicationData, 0), uint64(0))
	}
	f.Add(byte(0), make([]byte, HeaderLen+MaxCiphertext12+1), uint64(0))
	f.Fuzz(func(t *testing.T, which byte, rec []byte, seq uint64) {
		k := keys[int(which)%len(keys)]
		dst := make([]byte, len(rec))
		if content, _, err := k.Open(dst, rec, seq); err == nil {
			t.Errorf("opened %x", content)
		}
		if !bytes.Equal(dst, make([]byte, len(dst))) {
			t.Error("the slice of a refused record is not clear")
		}
		if _, _, err := k.Open(nil, bytes.Clone(rec), seq); err == nil {
			t.Error("opened in place")
		}
	})
}

// FuzzSeal12: whatever is sealed opens to the same, and to nothing else once a byte of it is changed.
func FuzzSeal12(f *testing.F) {
	f.Add(byte(0), []byte("content"), byte(23), uint64(0), uint16(0))
	f.Add(byte(2), []byte{}, byte(22), uint64(math.MaxUint64), uint16(20))
	f.Fuzz(func(t *testing.T, which byte, content []byte, typ byte, seq uint64, at uint16) {
		a := aeads[int(which)%len(aeads)].AEAD
		k := newKey12(t, a)
		if len(content) > MaxPlaintext {
			return
		}
		rec := seal12(a, k, content, Type(typ), seq)
		changed := slices.Clone(rec)
		changed[int(at)%len(changed)] ^= 0x10
		if _, _, err := k.Open(nil, changed, seq); err != ErrBadMAC {
			t.Errorf("changed, it opens with the error %v", err)
		}
		if got, gotType, err := k.Open(nil, rec, seq); err != nil || gotType != Type(typ) || !bytes.Equal(got, content) {
			t.Errorf("opened %v %x, error %v", gotType, got, err)
		}
	})
}
