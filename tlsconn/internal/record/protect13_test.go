package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

var aeads = []struct {
	name string
	AEAD
}{
	{"AES-128-GCM", AES128GCM},
	{"AES-256-GCM", AES256GCM},
	{"ChaCha20-Poly1305", ChaCha20Poly1305},
}

// sequence is n bytes, none of them zero, that differ from their neighbours.
func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i%251) + 1
	}
	return b
}

func newKey(t testing.TB, a AEAD) *Key13 {
	t.Helper()
	k := new(Key13)
	if err := k.Init(a, sequence(a.KeyLen()), sequence(nonceLen)); err != nil {
		t.Fatal(err)
	}
	return k
}

// forEachAEAD runs a test with a key of each AEAD.
func forEachAEAD(t *testing.T, test func(t *testing.T, k *Key13)) {
	for _, a := range aeads {
		t.Run(a.name, func(t *testing.T) { test(t, newKey(t, a.AEAD)) })
	}
}

// seal returns content as a record.
func seal(k *Key13, content []byte, typ Type, seq uint64) []byte {
	rec := make([]byte, len(content)+Overhead13)
	copy(rec[HeaderLen:], content)
	k.Seal(rec, len(content), typ, seq)
	return rec
}

// sealInner returns any inner plaintext, such as Seal does not make, as a record.
func sealInner(k *Key13, inner []byte, seq uint64) []byte {
	rec := make([]byte, HeaderLen, HeaderLen+len(inner)+tagLen)
	PutHeader(rec, Header{ApplicationData, 0x0303, len(inner) + tagLen})
	return k.aead.Seal(rec, k.nonceFor(seq), inner, rec)
}

func TestSealedRecordsOpenToTheSameContent(t *testing.T) {
	forEachAEAD(t, func(t *testing.T, k *Key13) {
		for _, n := range []int{0, 1, 15, 16, 17, 100, 1400, MaxPlaintext - 1, MaxPlaintext} {
			for _, seq := range []uint64{0, 1, 1 << 32, math.MaxUint64} {
				content := sequence(n)
				rec := seal(k, content, Handshake, seq)
				if h := ParseHeader(rec); h != (Header{ApplicationData, 0x0303, n + 1 + 16}) {
					t.Fatalf("header %+v of a record with %d bytes of content", h, n)
				}
				got, typ, err := k.Open(nil, rec, seq)
				if err != nil || typ != Handshake || !bytes.Equal(got, content) {
					t.Fatalf("%d bytes, sequence number %d: %v, %d bytes, error %v", n, seq, typ, len(got), err)
				}
			}
		}
	})
}

func TestNonceIsTheIVWithTheSequenceNumberInItsLastEightBytes(t *testing.T) {
	k := newKey(t, AES128GCM)
	iv := sequence(nonceLen)
	for _, seq := range []uint64{0, 1, 0x0102030405060708, math.MaxUint64} {
		want := bytes.Clone(iv)
		for i, b := range binary.BigEndian.AppendUint64(nil, seq) {
			want[4+i] ^= b
		}
		if got := k.nonceFor(seq); !bytes.Equal(got, want) {
			t.Errorf("nonce %x of sequence number %x, want %x", got, seq, want)
		}
	}
}

func TestOpenReturnsTheSameInPlaceAndIntoASlice(t *testing.T) {
	forEachAEAD(t, func(t *testing.T, k *Key13) {
		for _, test := range []struct {
			name    string
			content []byte
			padding int
		}{
			{"a record without padding", sequence(100), 0},
			{"a record with padding", sequence(100), 40},
			{"a record of padding and type only", nil, 40},
			{"a record of the greatest length", sequence(MaxPlaintext), 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				inner := append(append(bytes.Clone(test.content), byte(ApplicationData)), make([]byte, test.padding)...)
				rec := sealInner(k, inner, 7)
				buf := make([]byte, len(inner)+8)
				copy(buf[len(inner):], "untouched"[:8])
				before := bytes.Clone(rec)

				content, typ, err := k.Open(buf[:0:len(inner)], rec, 7)
				if err != nil || typ != ApplicationData || !bytes.Equal(content, test.content) {
					t.Fatalf("into a slice: %v, %d bytes, error %v", typ, len(content), err)
				}
				if len(content) > 0 && &content[0] != &buf[0] {
					t.Error("content is not in the slice")
				}
				if string(buf[len(inner):]) != "untouche" {
					t.Error("bytes past the documented room were written")
				}
				if !bytes.Equal(rec, before) {
					t.Error("the record was changed")
				}

				content, typ, err = k.Open(nil, rec, 7)
				if err != nil || typ != ApplicationData || !bytes.Equal(content, test.content) {
					t.Fatalf("in place: %v, %d bytes, error %v", typ, len(content), err)
				}
				if len(content) > 0 && &content[0] != &rec[HeaderLen] {
					t.Error("content is not in place")
				}
				if cap(content) != len(content) {
					t.Error("appending to the content would write over the record")
				}
			})
		}
	})
}

// refused asserts that rec does not open, in place or into a slice, and leaves no plaintext behind.
func refused(t *testing.T, k *Key13, rec []byte, seq uint64, secret []byte, want error) {
	t.Helper()
	dst := make([]byte, len(rec))
	for _, dst := range [][]byte{dst, nil} {
		in := bytes.Clone(rec)
		content, typ, err := k.Open(dst, in, seq)
		if err != want || content != nil || typ != 0 {
			t.Fatalf("opened %v %x, error %v, want %v", typ, content, err, want)
		}
		if len(secret) > 0 && (bytes.Contains(dst, secret) || bytes.Contains(in, secret)) {
			t.Fatal("the refused record left plaintext behind")
		}
	}
	if !bytes.Equal(dst, make([]byte, len(dst))) {
		t.Fatal("the slice of a refused record is not clear")
	}
}

func TestEveryBitFlipIsRefused(t *testing.T) {
	// Header bits too: type, version and length are the additional data (RFC 8446 5.2).
	forEachAEAD(t, func(t *testing.T, k *Key13) {
		secret := []byte("attack at dawn")
		rec := seal(k, secret, ApplicationData, 3)
		for bit := range 8 * len(rec) {
			rec[bit/8] ^= 1 << (bit % 8)
			refused(t, k, rec, 3, secret[:4], ErrBadMAC)
			rec[bit/8] ^= 1 << (bit % 8)
		}
	})
}

func TestRecordsThatAreNotWhatWasSealedAreRefused(t *testing.T) {
	forEachAEAD(t, func(t *testing.T, k *Key13) {
		secret := sequence(50)
		rec := seal(k, secret, ApplicationData, 3)
		for _, test := range []struct {
			name string
			rec  []byte
			seq  uint64
		}{
			{"an earlier sequence number", rec, 2},
			{"a later sequence number", rec, 4},
			{"a sequence number that differs above 32 bits", rec, 3 | 1<<32},
			{"a record cut by a byte", rec[:len(rec)-1], 3},
			{"a record with a byte more", append(bytes.Clone(rec), 0), 3},
			{"a tag alone", rec[:HeaderLen+tagLen], 3},
			{"less than a tag", rec[:HeaderLen+tagLen-1], 3},
			{"a header alone", rec[:HeaderLen], 3},
			{"less than a header", rec[:2], 3},
			{"nothing", nil, 3},
		} {
			t.Run(test.name, func(t *testing.T) {
				refused(t, k, test.rec, test.seq, secret[:4], ErrBadMAC)
			})
		}
		other := new(Key13)
		if err := other.Init(ChaCha20Poly1305, make([]byte, 32), sequence(nonceLen)); err != nil {
			t.Fatal(err)
		}
		refused(t, other, rec, 3, secret[:4], ErrBadMAC)
	})
}

func TestPaddingIsStripped(t *testing.T) {
	k := newKey(t, AES128GCM)
	for _, test := range []struct {
		name    string
		inner   []byte
		content []byte
		typ     Type
	}{
		{"no padding", []byte{1, 2, 23}, []byte{1, 2}, ApplicationData},
		{"one byte of padding", []byte{1, 2, 23, 0}, []byte{1, 2}, ApplicationData},
		{"a block of padding", append([]byte{1, 2, 22}, make([]byte, 16)...), []byte{1, 2}, Handshake},
		{"content that ends in zeros keeps them", []byte{1, 0, 0, 23, 0, 0}, []byte{1, 0, 0}, ApplicationData},
		{"content of zeros only keeps them", []byte{0, 0, 0, 23, 0}, []byte{0, 0, 0}, ApplicationData},
		{"empty content", []byte{23}, []byte{}, ApplicationData},
		{"empty content with padding", []byte{21, 0, 0, 0}, []byte{}, Alert},
		{"as much padding as a record holds", append([]byte{23}, make([]byte, MaxPlaintext)...), []byte{}, ApplicationData},
		{"a type that is none of TLS's", []byte{1, 99}, []byte{1}, Type(99)},
	} {
		t.Run(test.name, func(t *testing.T) {
			content, typ, err := k.Open(nil, sealInner(k, test.inner, 0), 0)
			if err != nil || typ != test.typ || content == nil || !bytes.Equal(content, test.content) {
				t.Errorf("%v %x, error %v", typ, content, err)
			}
		})
	}
}

func TestInnerPlaintextsThatTheRFCForbidsAreRefused(t *testing.T) {
	forEachAEAD(t, func(t *testing.T, k *Key13) {
		for _, test := range []struct {
			name  string
			inner []byte
			want  error
		}{
			{"an empty one", nil, ErrNoContentType},
			{"one zero", make([]byte, 1), ErrNoContentType},
			{"zeros up to the greatest length", make([]byte, MaxPlaintext+1), ErrNoContentType},
			{"content over the greatest length", append(sequence(MaxPlaintext+1), 23), ErrOverflow},
			{"padding over the greatest length", append([]byte{1, 23}, make([]byte, MaxPlaintext)...), ErrOverflow},
			{"the longest that a ciphertext can hold", append(sequence(MaxCiphertext13-tagLen-1), 23), ErrOverflow},
			{"longer than any ciphertext", append(sequence(MaxCiphertext13), 23), ErrOverflow},
		} {
			t.Run(test.name, func(t *testing.T) {
				refused(t, k, sealInner(k, test.inner, 0), 0, sequence(20), test.want)
			})
		}
	})
}

func TestInitRefusesWrongLengths(t *testing.T) {
	for _, a := range aeads {
		t.Run(a.name, func(t *testing.T) {
			for _, n := range []int{0, 15, 16, 17, 24, 31, 32, 33} {
				err := new(Key13).Init(a.AEAD, sequence(n), sequence(nonceLen))
				if ok := n == a.KeyLen(); ok != (err == nil) {
					t.Errorf("key of %d bytes: error %v", n, err)
				}
			}
			for _, n := range []int{0, 11, 13} {
				if new(Key13).Init(a.AEAD, sequence(a.KeyLen()), sequence(n)) == nil {
					t.Errorf("iv of %d bytes was accepted", n)
				}
			}
		})
	}
}

func TestClearLeavesNothingOfTheKey(t *testing.T) {
	k := newKey(t, AES128GCM)
	seal(k, nil, ApplicationData, 0)
	if k.Clear(); *k != (Key13{}) {
		t.Errorf("%+v", k)
	}
	if err := k.Init(AES256GCM, sequence(32), sequence(12)); err != nil {
		t.Errorf("initializing again: %v", err)
	}
}

func TestSealPanicsOnALengthThatIsNotTheContents(t *testing.T) {
	k := newKey(t, AES128GCM)
	for _, test := range []struct {
		name   string
		len, n int
	}{
		{"a record too short", 10 + Overhead13 - 1, 10},
		{"a record too long", 10 + Overhead13 + 1, 10},
		{"negative content", Overhead13 - 1, -1},
		{"content over the greatest length", MaxPlaintext + 1 + Overhead13, MaxPlaintext + 1},
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
}

func TestUseLimits(t *testing.T) {
	// 2^24.5, by squares: the greatest n with n^2 <= 2^49 (RFC 8446 5.5).
	n := AES128GCM.UseLimit()
	if n*n > 1<<49 || (n+1)*(n+1) <= 1<<49 {
		t.Errorf("AES-128-GCM: %d is not the floor of 2^24.5", n)
	}
	if AES256GCM.UseLimit() != n {
		t.Errorf("AES-256-GCM: %d, not AES-128-GCM's %d", AES256GCM.UseLimit(), n)
	}
	if got := ChaCha20Poly1305.UseLimit(); got != math.MaxUint64 {
		t.Errorf("ChaCha20-Poly1305: %d, not the bound of the sequence number", got)
	}
}

func TestErrorsAreDistinct(t *testing.T) {
	all := []error{ErrBadMAC, ErrOverflow, ErrNoContentType}
	for i, a := range all {
		for j, b := range all {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("%v and %v", a, b)
			}
		}
	}
}

func TestOpenAndSealDoNotAllocate(t *testing.T) {
	forEachAEAD(t, func(t *testing.T, k *Key13) {
		const n = 1000
		rec := make([]byte, n+Overhead13)
		dst := make([]byte, n+1)
		var err error
		for _, test := range []struct {
			name string
			dst  []byte
		}{
			{"in place", nil},
			{"into a slice", dst},
		} {
			t.Run(test.name, func(t *testing.T) {
				if got := testing.AllocsPerRun(100, func() {
					k.Seal(rec, n, ApplicationData, 5)
					_, _, err = k.Open(test.dst, rec, 5)
				}); got != 0 || err != nil {
					t.Errorf("%v allocations, error %v", got, err)
				}
			})
		}
	})
}
