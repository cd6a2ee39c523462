package keysched

import (
	"bytes"
	"crypto"
	"crypto/hkdf"
	"crypto/hmac"
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384}

// forEachHash runs a test for both hashes, with a Deriver of each.
func forEachHash(t *testing.T, test func(t *testing.T, h crypto.Hash, d *Deriver)) {
	for _, h := range hashes {
		t.Run(h.String(), func(t *testing.T) { test(t, h, New(h)) })
	}
}

// sequence is n bytes that differ from their neighbours and, by seed, from other sequences.
func sequence(seed, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed*29 + 1)
	}
	return b
}

// hmacOf, expandLabelOf and extractOf are the references: RFC 8446 7.1 over crypto/hmac and crypto/hkdf.
func hmacOf(h crypto.Hash, key []byte, data ...[]byte) []byte {
	m := hmac.New(h.New, key)
	for _, p := range data {
		m.Write(p)
	}
	return m.Sum(nil)
}

func extractOf(t testing.TB, h crypto.Hash, salt, ikm []byte) []byte {
	t.Helper()
	b, err := hkdf.Extract(h.New, ikm, salt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func expandLabelOf(t testing.TB, h crypto.Hash, n int, secret []byte, label string, context []byte) []byte {
	t.Helper()
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(6+len(label)))
	info = append(info, "tls13 "+label...)
	info = append(info, byte(len(context)))
	info = append(info, context...)
	b, err := hkdf.Expand(h.New, secret, string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHMACEqualsTheStandardLibrarysForAnyLengths(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		out := make([]byte, d.Size())
		for _, keyLen := range []int{0, 1, 31, 32, 48, 63, 64, 65, 127, 128, 129, 256, 1000} {
			for _, dataLen := range []int{0, 1, 63, 64, 65, 127, 128, 129, 300} {
				key, a, b := sequence(1, keyLen), sequence(2, dataLen), sequence(3, dataLen/2)
				d.HMAC(out, key, a, b)
				if want := hmacOf(h, key, a, b); !bytes.Equal(out, want) {
					t.Fatalf("key of %d bytes, data of %d+%d: %x, want %x", keyLen, len(a), len(b), out, want)
				}
			}
		}
	})
}

func TestHMACAllowsOverlapAndTruncation(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		buf := sequence(4, 200)
		want := hmacOf(h, buf[:70], buf[10:90])
		d.HMAC(buf[5:5+d.Size()], buf[:70], buf[10:90])
		if !bytes.Equal(buf[5:5+d.Size()], want) {
			t.Error("out that overlaps key and data differs")
		}
		short := make([]byte, 10)
		d.HMAC(short, []byte("key"))
		if want := hmacOf(h, []byte("key"))[:10]; !bytes.Equal(short, want) {
			t.Errorf("first 10 bytes of the HMAC of nothing: %x, want %x", short, want)
		}
	})
}

func TestExtractEqualsTheStandardLibrarys(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		zero := make([]byte, d.Size())
		for _, test := range []struct {
			name              string
			salt, ikm         []byte
			wantSalt, wantIKM []byte
		}{
			{"secrets of hash size", sequence(1, d.Size()), sequence(2, d.Size()), nil, nil},
			{"a hybrid shared secret of 64 bytes", sequence(1, d.Size()), sequence(2, 64), nil, nil},
			{"a P-521 shared secret of 66 bytes", sequence(1, d.Size()), sequence(2, 66), nil, nil},
			{"a salt longer than a block", sequence(1, 200), sequence(2, 32), nil, nil},
			{"an input longer than the scratch", sequence(1, 32), sequence(2, 1000), nil, nil},
			{"an empty input, which is not an absent one", sequence(1, 32), []byte{}, nil, nil},
			{"no salt stands for zeros", nil, sequence(2, 32), zero, nil},
			{"no input stands for zeros", sequence(1, 32), nil, nil, zero},
		} {
			t.Run(test.name, func(t *testing.T) {
				salt, ikm := test.salt, test.ikm
				if test.wantSalt != nil {
					salt = test.wantSalt
				}
				if test.wantIKM != nil {
					ikm = test.wantIKM
				}
				want := extractOf(t, h, salt, ikm)
				out := Secret(sequence(9, maxHashSize))
				d.Extract(&out, test.salt, test.ikm)
				if !bytes.Equal(out[:d.Size()], want) {
					t.Errorf("%x, want %x", out, want)
				}
				if rest := out[d.Size():]; !bytes.Equal(rest, make([]byte, len(rest))) {
					t.Errorf("bytes past the hash's size are not zero: %x", rest)
				}
			})
		}
	})
}

func TestExpandLabelEqualsTheStandardLibrarysForEveryNumberOfBlocks(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		secret := sequence(1, d.Size())
		for _, n := range []int{0, 1, 12, 16, 31, 32, 33, 48, 49, 96, 97, 1000, d.MaxOutput() - 1, d.MaxOutput()} {
			for _, label := range []string{"", "key", strings.Repeat("l", MaxLabel)} {
				for _, contextLen := range []int{0, 1, 48, 255} {
					context := sequence(3, contextLen)
					out := make([]byte, n)
					d.ExpandLabel(out, secret, label, context)
					if want := expandLabelOf(t, h, n, secret, label, context); !bytes.Equal(out, want) {
						t.Fatalf("%d bytes, label of %d, context of %d: differs", n, len(label), contextLen)
					}
				}
			}
		}
	})
}

func TestExpandLabelMayOverwriteItsSecret(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		buf := sequence(1, 4*d.Size())
		want := expandLabelOf(t, h, len(buf), buf[:d.Size()], "key", nil)
		d.ExpandLabel(buf, buf[:d.Size()], "key", nil)
		if !bytes.Equal(buf, want) {
			t.Error("several blocks over their own secret differ")
		}
	})
}

func TestLengthsOutOfRangePanic(t *testing.T) {
	d := New(crypto.SHA256)
	secret := make([]byte, 32)
	for _, test := range []struct {
		name string
		call func()
	}{
		{"a label longer than MaxLabel", func() { d.ExpandLabel(secret, secret, strings.Repeat("l", MaxLabel+1), nil) }},
		{"a context of 256 bytes", func() { d.ExpandLabel(secret, secret, "key", make([]byte, 256)) }},
		{"an output longer than MaxOutput", func() { d.ExpandLabel(make([]byte, d.MaxOutput()+1), secret, "key", nil) }},
		{"an exporter's label longer than MaxLabel", func() { d.Export(secret, new(Secret), strings.Repeat("l", MaxLabel+1), nil) }},
		{"a hash of no cipher suite", func() { New(crypto.SHA512) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil || !strings.HasPrefix(fmt.Sprint(r), "keysched: ") {
					t.Errorf("recovered %v, want a panic of this package", r)
				}
			}()
			test.call()
		})
	}
}

func TestNoSecretStaysInTheScratch(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		secret := Secret(sequence(1, maxHashSize))
		long := sequence(2, 300)
		var out Secret
		key, iv := make([]byte, 32), make([]byte, 12)
		fresh := New(h)
		for _, test := range []struct {
			name string
			call func()
		}{
			{"HMAC", func() { d.HMAC(key, long, long) }},
			{"Extract", func() { d.Extract(&out, long, long) }},
			{"ExpandLabel", func() { d.ExpandLabel(key, secret[:], "key", nil) }},
			{"DeriveSecret", func() { d.DeriveSecret(&out, &secret, LabelDerived, d.EmptyHash()) }},
			{"Early", func() { d.Early(&out, long[:32]) }},
			{"Handshake", func() { d.Handshake(&out, &secret, long[:66]) }},
			{"Master", func() { d.Master(&out, &secret) }},
			{"TrafficKey", func() { d.TrafficKey(key, iv, &secret) }},
			{"NextTrafficSecret", func() { d.NextTrafficSecret(&out, &secret) }},
			{"FinishedMAC", func() { d.FinishedMAC(nil, &secret, d.EmptyHash()) }},
			{"Export", func() { d.Export(key, &secret, "label", long) }},
			{"ResumptionPSK", func() { d.ResumptionPSK(&out, &secret, []byte{0, 0}) }},
		} {
			t.Run(test.name, func(t *testing.T) {
				test.call()
				if d.key != fresh.key || d.feed != fresh.feed || d.sum != fresh.sum {
					t.Error("scratch is not clear")
				}
				if !reflect.DeepEqual(d.h, fresh.h) {
					t.Error("the hash remembers what it was given")
				}
			})
		}
	})
}
