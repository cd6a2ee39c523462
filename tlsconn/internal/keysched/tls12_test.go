package keysched

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// prfOf is the reference: RFC 5246 section 5 over crypto/hmac.
func prfOf(h crypto.Hash, n int, secret []byte, label string, seed ...[]byte) (out []byte) {
	s := append([]byte(label), bytes.Join(seed, nil)...)
	for a := s; len(out) < n; {
		a = hmacOf(h, secret, a)
		out = append(out, hmacOf(h, secret, a, s)...)
	}
	return out[:n]
}

// fromHex decodes hexadecimal digits in lines.
func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The vectors that were posted to the IETF's TLS mailing list when RFC 5246 was new, and that
// implementations have agreed on since.
func TestPRFReproducesThePublicVectors(t *testing.T) {
	for _, test := range []struct {
		hash              crypto.Hash
		secret, seed, out string
	}{
		{crypto.SHA256, "9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c", `
			e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a
			6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab
			4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701
			87347b66`},
		{crypto.SHA384, "b80b733d6ceefcdc71566ea48e5567df", "cd665cf6a8447dd6ff8b27555edb7465", `
			7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd
			e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd
			8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425
			9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6
			91c8f3a26854308d5eaa3be85e0990703d73e56f`},
	} {
		t.Run(test.hash.String(), func(t *testing.T) {
			want := fromHex(t, test.out)
			out := make([]byte, len(want))
			New(test.hash).PRF(out, fromHex(t, test.secret), "test label", fromHex(t, test.seed))
			if !bytes.Equal(out, want) {
				t.Errorf("%x\nwant\n%x", out, want)
			}
		})
	}
}

func TestPRFEqualsTheFormulaForEveryNumberOfBlocks(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		for _, n := range []int{0, 1, 12, 31, 32, 33, 48, 49, 64, 88, 96, 97, 1000} {
			for _, secretLen := range []int{0, 32, 48, 64, 65, 66, 128, 129, 300} {
				for _, labelLen := range []int{0, 13, 64, 128, 129, 500} {
					secret, label, a, b := sequence(1, secretLen), string(sequence(2, labelLen)), sequence(3, 32), sequence(4, n)
					out := make([]byte, n)
					d.PRF(out, secret, label, a, nil, b)
					if !bytes.Equal(out, prfOf(h, n, secret, label, a, b)) {
						t.Fatalf("%d bytes from a secret of %d and a label of %d differ", n, secretLen, labelLen)
					}
				}
			}
		}
	})
}

func TestDerivationsOfTLS12EqualTheFormulasOfTheRFCs(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		r := Randoms{Client: [32]byte(sequence(1, 32)), Server: [32]byte(sequence(2, 32))}
		c, s := r.Client[:], r.Server[:]
		master := Secret(sequence(3, 48))
		hash := sequence(4, d.Size())
		secret := func(derive func(out *Secret)) []byte {
			out := Secret(sequence(9, 48))
			derive(&out)
			return out[:]
		}
		export := func(n int, label string, context []byte) []byte {
			out := make([]byte, n)
			d.Export12(out, &master, &r, label, context)
			return out
		}
		length := func(context []byte) []byte { return binary.BigEndian.AppendUint16(nil, uint16(len(context))) }
		long := sequence(7, MaxContext12)
		longLabel := strings.Repeat("EXPORTER-", 100)
		for _, test := range []struct {
			name      string
			got, want []byte
		}{
			{"the master secret of X25519",
				secret(func(out *Secret) { d.MasterSecret(out, sequence(5, 32), &r) }),
				prfOf(h, 48, sequence(5, 32), "master secret", c, s)},
			{"the master secret of P-521",
				secret(func(out *Secret) { d.MasterSecret(out, sequence(5, 66), &r) }),
				prfOf(h, 48, sequence(5, 66), "master secret", c, s)},
			{"the extended master secret",
				secret(func(out *Secret) { d.ExtendedMasterSecret(out, sequence(5, 32), hash) }),
				prfOf(h, 48, sequence(5, 32), "extended master secret", hash)},
			{"the client's verify_data, appended",
				d.VerifyData([]byte("before"), &master, LabelClientFinished, hash),
				append([]byte("before"), prfOf(h, 12, master[:], "client finished", hash)...)},
			{"the server's verify_data",
				d.VerifyData(nil, &master, LabelServerFinished, hash),
				prfOf(h, 12, master[:], "server finished", hash)},
			{"an exporter without a context",
				export(32, "EXPORTER-test", nil), prfOf(h, 32, master[:], "EXPORTER-test", c, s)},
			{"an exporter with an empty context, which is not none",
				export(32, "EXPORTER-test", []byte{}), prfOf(h, 32, master[:], "EXPORTER-test", c, s, []byte{0, 0})},
			{"an exporter with a context",
				export(100, "EXPORTER-test", []byte("context")),
				prfOf(h, 100, master[:], "EXPORTER-test", c, s, length([]byte("context")), []byte("context"))},
			{"an exporter with the longest context and more output than HKDF can make",
				export(20000, longLabel, long), prfOf(h, 20000, master[:], longLabel, c, s, length(long), long)},
		} {
			t.Run(test.name, func(t *testing.T) {
				if !bytes.Equal(test.got, test.want) {
					t.Errorf("%x\nwant\n%x", test.got, test.want)
				}
			})
		}
	})
}

func TestWriteKeysAreThePartsOfTheKeyBlock(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		r := Randoms{Client: [32]byte(sequence(1, 32)), Server: [32]byte(sequence(2, 32))}
		master := Secret(sequence(3, 48))
		for _, test := range []struct {
			name          string
			keyLen, ivLen int
		}{
			{"AES-128-GCM", 16, 4},
			{"AES-256-GCM", 32, 4},
			{"ChaCha20-Poly1305", 32, 12},
			{"as much as fits", 36, 12},
		} {
			t.Run(test.name, func(t *testing.T) {
				k, iv := test.keyLen, test.ivLen
				block := prfOf(h, 2*(k+iv), master[:], "key expansion", r.Server[:], r.Client[:])
				zeros := make([]byte, 48-k-iv)
				wantClient := slices.Concat(block[:k], block[2*k:2*k+iv], zeros)
				wantServer := slices.Concat(block[k:2*k], block[2*k+iv:], zeros)
				client, server := Secret(sequence(8, 48)), Secret(sequence(9, 48))
				d.WriteKeys(&client, &server, &master, &r, k, iv)
				if !bytes.Equal(client[:], wantClient) || !bytes.Equal(server[:], wantServer) {
					t.Errorf("client %x\nwant   %x\nserver %x\nwant   %x", client, wantClient, server, wantServer)
				}
				in := master
				if d.WriteKeys(&in, &server, &in, &r, k, iv); in != client {
					t.Error("over the master secret it differs")
				}
			})
		}
	})
}

func TestMasterSecretsMayOverwriteTheirPremasterSecret(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		var r Randoms
		for _, test := range []struct {
			name   string
			derive func(out *Secret, premaster []byte)
		}{
			{"MasterSecret", func(out *Secret, premaster []byte) { d.MasterSecret(out, premaster, &r) }},
			{"ExtendedMasterSecret", func(out *Secret, premaster []byte) { d.ExtendedMasterSecret(out, premaster, d.EmptyHash()) }},
		} {
			t.Run(test.name, func(t *testing.T) {
				secret, separate := Secret(sequence(1, 48)), Secret{}
				test.derive(&separate, secret[:32])
				if test.derive(&secret, secret[:32]); secret != separate {
					t.Error("in place it differs")
				}
			})
		}
	})
}

// Wiping the hash costs nothing because it leaves the last byte of its block, which here is one of a
// label, a random or a transcript hash. So what stays must not depend on the secret.
func TestNoSecretOfTLS12StaysInTheScratch(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, _ *Deriver) {
		var out, client, server Secret
		var r Randoms
		for _, test := range []struct {
			name string
			call func(d *Deriver, secret []byte)
		}{
			{"PRF", func(d *Deriver, secret []byte) { d.PRF(make([]byte, 100), secret, "label", sequence(2, 300)) }},
			{"MasterSecret", func(d *Deriver, secret []byte) { d.MasterSecret(&out, secret, &r) }},
			{"ExtendedMasterSecret", func(d *Deriver, secret []byte) { d.ExtendedMasterSecret(&out, secret, d.EmptyHash()) }},
			{"WriteKeys", func(d *Deriver, secret []byte) { d.WriteKeys(&client, &server, (*Secret)(secret), &r, 32, 12) }},
			{"VerifyData", func(d *Deriver, secret []byte) {
				d.VerifyData(nil, (*Secret)(secret), LabelClientFinished, d.EmptyHash())
			}},
			{"Export12", func(d *Deriver, secret []byte) {
				d.Export12(make([]byte, 100), (*Secret)(secret), &r, "label", sequence(2, 300))
			}},
		} {
			for _, n := range []int{48, 66, 300} {
				t.Run(fmt.Sprintf("%s of %d bytes", test.name, n), func(t *testing.T) {
					fresh, d, other := New(h), New(h), New(h)
					test.call(d, sequence(1, n))
					test.call(other, sequence(3, n))
					if d.key != fresh.key || d.feed != fresh.feed || d.sum != fresh.sum || d.info != fresh.info {
						t.Error("scratch is not clear")
					}
					if !reflect.DeepEqual(d.h, other.h) {
						t.Error("the hash remembers the secret")
					}
				})
			}
		}
	})
}

func TestLengthsThatTLS12CannotHavePanic(t *testing.T) {
	d := New(crypto.SHA256)
	var client, server, master Secret
	var r Randoms
	for _, test := range []struct {
		name string
		call func()
	}{
		{"a key and an IV of more than 48 bytes", func() { d.WriteKeys(&client, &server, &master, &r, 37, 12) }},
		{"a negative key length", func() { d.WriteKeys(&client, &server, &master, &r, -1, 12) }},
		{"a negative IV length", func() { d.WriteKeys(&client, &server, &master, &r, 16, -1) }},
		{"a context of 64 KiB", func() { d.Export12(nil, &master, &r, "label", make([]byte, 1<<16)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if p := recover(); !strings.HasPrefix(fmt.Sprint(p), "keysched: ") {
					t.Errorf("recovered %v", p)
				}
			}()
			test.call()
		})
	}
}

func TestNoDerivationOfTLS12Allocates(t *testing.T) {
	forEachHash(t, func(t *testing.T, h crypto.Hash, d *Deriver) {
		longLabel := strings.Repeat("label", 100)
		// As in TestNoDerivationAllocates, the arrays of each call must not escape.
		for _, test := range []struct {
			name string
			call func()
		}{
			{"PRF", func() { var a, b, c [200]byte; d.PRF(a[:], b[:], longLabel, c[:], b[:]) }},
			{"MasterSecret", func() { var s Secret; var a [32]byte; var r Randoms; d.MasterSecret(&s, a[:], &r) }},
			{"ExtendedMasterSecret", func() { var s Secret; var a [66]byte; d.ExtendedMasterSecret(&s, a[:], a[:32]) }},
			{"WriteKeys", func() { var a, b, c Secret; var r Randoms; d.WriteKeys(&a, &b, &c, &r, 32, 12) }},
			{"VerifyData", func() { var s Secret; var a [48]byte; d.VerifyData(a[:0], &s, LabelClientFinished, d.EmptyHash()) }},
			{"Export12", func() { var s Secret; var a, b [64]byte; var r Randoms; d.Export12(a[:], &s, &r, longLabel, b[:]) }},
		} {
			t.Run(test.name, func(t *testing.T) {
				if n := testing.AllocsPerRun(100, test.call); n != 0 {
					t.Errorf("%v allocations", n)
				}
			})
		}
	})
}

// FuzzPRF holds the PRF against the formula over crypto/hmac, twice on one Deriver: what one call
// leaves behind must not reach the next.
func FuzzPRF(f *testing.F) {
	f.Add(false, []byte("secret"), "label", []byte("seed"), uint16(48))
	f.Add(true, make([]byte, 129), strings.Repeat("l", 129), make([]byte, 128), uint16(1000))
	f.Add(false, make([]byte, 65), "", []byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, long bool, secret []byte, label string, seed []byte, n uint16) {
		h := hashes[0]
		if long {
			h = hashes[1]
		}
		d := New(h)
		want := prfOf(h, int(n), secret, label, seed, seed)
		for range 2 {
			out := make([]byte, n)
			if d.PRF(out, secret, label, seed, seed); !bytes.Equal(out, want) {
				t.Error("PRF differs from the formula over crypto/hmac")
			}
		}
	})
}
