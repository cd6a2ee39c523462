package record

import (
	"bytes"
	"crypto/rand"
	"testing"
)

// FuzzReassembler feeds a stream at once, and again in pieces that the input cuts, some of them
// stashed or left half drained: messages, errors and what is left must be the same.
func FuzzReassembler(f *testing.F) {
	f.Add(bytes.Join(flight, nil), []byte{1, 2, 3, 128, 0, 200})
	f.Add(message(11, 300)[:200], []byte{1})
	f.Add([]byte{1, 255, 255, 255, 0}, []byte{2})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		check := func(typ byte, length int) error {
			if length > int(typ)*16 {
				return errTooLarge
			}
			return nil
		}
		take := func(r *Reassembler, n int) (msgs [][]byte, more bool, err error) {
			for ; n > 0; n-- {
				msg, ok, err := r.Next(check)
				if err != nil || !ok {
					return msgs, false, err
				}
				msgs = append(msgs, bytes.Clone(msg))
			}
			return msgs, true, nil
		}

		var whole Reassembler
		whole.Feed(stream)
		want, _, wantErr := take(&whole, len(stream)+1)

		var r Reassembler
		var got [][]byte
		var err error
		for rest := stream; len(rest) > 0 && err == nil; {
			n, how := len(rest), 2
			if len(cuts) > 0 {
				n, how = min(n, int(cuts[0]>>2)), int(cuts[0]&3)
				cuts = cuts[1:]
			}
			spoil := lend(&r, rest[:n])
			rest = rest[n:]
			if how == 0 {
				r.Stash()
				spoil()
				continue
			}
			var msgs [][]byte
			var more bool
			if msgs, more, err = take(&r, how); more {
				r.Stash()
			}
			got = append(got, msgs...)
			spoil()
			if len(r.own) > len(stream) || cap(r.own) > max(minStorage, 2*len(stream)) {
				t.Fatalf("%d bytes held in storage of %d, of a stream of %d", len(r.own), cap(r.own), len(stream))
			}
		}
		if err == nil {
			var msgs [][]byte
			msgs, _, err = take(&r, len(stream)+1)
			got = append(got, msgs...)
		}
		if err != wantErr || !equalMessages(got, want) {
			t.Errorf("in pieces %x, error %v; whole %x, error %v", got, err, want, wantErr)
		}
		if err == nil && (r.Empty() != whole.Empty() || r.Buffered() != whole.Buffered()) {
			t.Errorf("in pieces %d bytes are left, whole %d", r.Buffered(), whole.Buffered())
		}
	})
}

// FuzzOpen: no bytes make Open panic, and none open that were not sealed. The keys are new in each
// process, for the fuzzer keeps what it has found: under a fixed key it might learn an authentic record.
func FuzzOpen(f *testing.F) {
	var keys []*Key13
	for i, a := range aeads {
		key := make([]byte, a.KeyLen())
		rand.Read(key)
		k := new(Key13)
		if err := k.Init(a.AEAD, key, sequence(nonceLen)); err != nil {
			f.Fatal(err)
		}
		keys = append(keys, k)
		f.Add(byte(i), seal(newKey(f, a.AEAD), []byte("content"), ApplicationData, 0), uint64(0))
	}
	f.Add(byte(0), make([]byte, HeaderLen+MaxCiphertext13+1), uint64(0))
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
