package record

import (
	"bytes"
	"errors"
	"math/bits"
	"testing"
)

// errTooLarge is what the checks of these tests refuse with.
var errTooLarge = errors.New("too large")

// unlimited allows every message.
func unlimited(byte, int) error { return nil }

// message is a handshake message of a type with a body of n bytes.
func message(typ byte, n int) []byte {
	return append([]byte{typ, byte(n >> 16), byte(n >> 8), byte(n)}, sequence(n)...)
}

// drain copies out the messages that Next returns until it wants more payload.
func drain(t testing.TB, r *Reassembler) (msgs [][]byte) {
	t.Helper()
	for {
		msg, ok, err := r.Next(unlimited)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return msgs
		}
		if cap(msg) != len(msg) {
			t.Fatal("appending to a message would write over what follows")
		}
		msgs = append(msgs, bytes.Clone(msg))
	}
}

// lend feeds a copy of payload, and returns what to call when the loan is over: it spoils the copy.
func lend(r *Reassembler, payload []byte) (spoil func()) {
	b := bytes.Clone(payload)
	r.Feed(b)
	return func() {
		for i := range b {
			b[i] = 0xee
		}
	}
}

func equalMessages(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// flight is several messages: empty ones, short ones, one longer than the first storage.
var flight = [][]byte{message(8, 6), message(5, 0), message(11, 150), message(15, 1), message(20, 32), message(24, 1)}

func TestMessagesWhollyInOnePayloadAreNotCopied(t *testing.T) {
	var r Reassembler
	payload := bytes.Join(flight, nil)
	r.Feed(payload)
	off := 0
	for _, want := range flight {
		if r.Empty() {
			t.Fatal("empty before the last message was taken")
		}
		msg, ok, err := r.Next(unlimited)
		if err != nil || !ok || !bytes.Equal(msg, want) {
			t.Fatalf("message %x, %v, error %v", msg, ok, err)
		}
		if &msg[0] != &payload[off] {
			t.Fatal("message is a copy")
		}
		off += len(msg)
	}
	if _, ok, err := r.Next(unlimited); ok || err != nil || !r.Empty() || r.own != nil {
		t.Errorf("after the last message: %v, error %v, empty %v, storage of %d bytes", ok, err, r.Empty(), cap(r.own))
	}
}

func TestEveryTwoWaySplitYieldsTheWhole(t *testing.T) {
	payload := bytes.Join(flight, nil)
	for i := range len(payload) + 1 {
		for _, name := range []string{"drained", "stashed before draining"} {
			var r Reassembler
			var got [][]byte
			for _, part := range [][]byte{payload[:i], payload[i:]} {
				spoil := lend(&r, part)
				if name != "drained" {
					r.Stash()
					spoil()
				}
				got = append(got, drain(t, &r)...)
				spoil()
			}
			if !equalMessages(got, flight) || !r.Empty() {
				t.Fatalf("split at %d, %s: %x, empty %v", i, name, got, r.Empty())
			}
		}
	}
}

func TestEveryThreeWaySplitYieldsTheWhole(t *testing.T) {
	short := [][]byte{message(8, 2), message(5, 0), message(20, 12)}
	payload := bytes.Join(short, nil)
	for i := range len(payload) + 1 {
		for j := i; j <= len(payload); j++ {
			var r Reassembler
			var got [][]byte
			for _, part := range [][]byte{payload[:i], payload[i:j], payload[j:]} {
				spoil := lend(&r, part)
				got = append(got, drain(t, &r)...)
				spoil()
			}
			if !equalMessages(got, short) || !r.Empty() {
				t.Fatalf("split at %d and %d: %x", i, j, got)
			}
		}
	}
}

func TestStashBetweenMessagesKeepsTheRest(t *testing.T) {
	payload := bytes.Join(flight, nil)
	for stop := range len(flight) + 1 {
		var r Reassembler
		spoil := lend(&r, payload)
		var got [][]byte
		for range stop {
			msg, _, _ := r.Next(unlimited)
			got = append(got, bytes.Clone(msg))
		}
		r.Stash()
		spoil()
		rest := len(payload) - len(bytes.Join(flight[:stop], nil))
		if r.Buffered() != rest || r.Empty() != (rest == 0) {
			t.Errorf("after %d messages: %d bytes held, want %d; empty %v", stop, r.Buffered(), rest, r.Empty())
		}
		r.Stash()
		if got = append(got, drain(t, &r)...); !equalMessages(got, flight) || !r.Empty() {
			t.Errorf("after %d messages: %x", stop, got)
		}
	}
}

func TestFeedBeforeThePayloadIsUsedUpKeepsTheRest(t *testing.T) {
	var r Reassembler
	payload := bytes.Join(flight, nil)
	r.Feed(payload[:100])
	r.Feed(payload[100:])
	if got := drain(t, &r); !equalMessages(got, flight) {
		t.Errorf("%x", got)
	}
}

func TestAMessageIsClearedWhenItExpires(t *testing.T) {
	// Else a handler that keeps a slice of it works until the storage is used again.
	var r Reassembler
	m := message(11, 100)
	r.Feed(m[:50])
	drain(t, &r)
	r.Feed(m[50:])
	msg, ok, _ := r.Next(unlimited)
	if !ok || !bytes.Equal(msg, m) || !r.Empty() || r.Buffered() != 0 {
		t.Fatalf("%x, %v", msg, ok)
	}
	r.Feed(nil)
	if !bytes.Equal(msg, make([]byte, len(msg))) {
		t.Error("an expired message is still readable")
	}
}

func TestReleaseClearsAndDropsTheStorage(t *testing.T) {
	var r Reassembler
	r.Feed(message(11, 100)[:50])
	drain(t, &r)
	own := r.own
	if r.Buffered() != 50 || r.Empty() {
		t.Fatalf("%d bytes held", r.Buffered())
	}
	r.Release()
	if !bytes.Equal(own, make([]byte, 50)) || r.own != nil || !r.Empty() || r.Buffered() != 0 {
		t.Error("storage is not clear or not dropped")
	}
	r.Feed(flight[0])
	if got := drain(t, &r); !equalMessages(got, flight[:1]) {
		t.Errorf("after Release: %x", got)
	}
}

func TestALengthOverTheLimitIsRefusedBeforeMemoryIsSpent(t *testing.T) {
	check := func(typ byte, length int) error {
		limit := 10
		if typ == 11 {
			limit = 100
		}
		if length > limit {
			return errTooLarge
		}
		return nil
	}
	for _, test := range []struct {
		name    string
		message []byte
		want    error
	}{
		{"a certificate at its limit", message(11, 100), nil},
		{"a certificate over its limit", message(11, 101), errTooLarge},
		{"another message at its limit", message(20, 10), nil},
		{"another message over its limit", message(20, 11), errTooLarge},
		{"a declared length of 2^24 - 1, and nothing more", []byte{1, 255, 255, 255}, errTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			for split := range messageHeaderLen + 1 {
				var r Reassembler
				r.Feed(test.message[:split])
				if _, ok, err := r.Next(check); split < messageHeaderLen && (ok || err != nil) {
					t.Fatalf("a piece of a header: %v, error %v", ok, err)
				}
				r.Feed(test.message[split:])
				msg, ok, err := r.Next(check)
				if err != test.want || ok != (test.want == nil) || ok && !bytes.Equal(msg, test.message) {
					t.Fatalf("header split at %d: %x, %v, error %v", split, msg, ok, err)
				}
				if test.want == nil {
					continue
				}
				if _, _, again := r.Next(check); again != err {
					t.Errorf("on the next call: %v", again)
				}
				if cap(r.own) > max(minStorage, 2*len(test.message)) {
					t.Errorf("storage of %d bytes", cap(r.own))
				}
			}
		})
	}
}

func TestMemoryGrowsWithWhatArrivedNotWithWhatWasDeclared(t *testing.T) {
	var r Reassembler
	m := message(11, 1<<20)
	for arrived := 0; arrived < len(m)-100; arrived += 100 {
		r.Feed(m[arrived : arrived+100])
		if _, ok, err := r.Next(unlimited); ok || err != nil {
			t.Fatalf("%v, error %v", ok, err)
		}
		if limit := max(minStorage, 2*(arrived+100)); cap(r.own) > limit {
			t.Fatalf("storage of %d bytes after %d arrived", cap(r.own), arrived+100)
		}
	}
}

func TestAMessageInOneByteRecordsIsCopiedInLinearWork(t *testing.T) {
	m := message(1, 1<<17)
	var r Reassembler
	allocations, copied := 0, 0
	for i := range m {
		before := cap(r.own)
		r.Feed(m[i : i+1])
		msg, ok, err := r.Next(unlimited)
		if err != nil || ok != (i == len(m)-1) || ok && !bytes.Equal(msg, m) {
			t.Fatalf("byte %d: %v, error %v", i, ok, err)
		}
		copied++
		if cap(r.own) != before {
			allocations++
			copied += i // what was there moved
		}
	}
	if allocations > bits.Len(uint(len(m))) || copied > 3*len(m) {
		t.Errorf("%d allocations and %d bytes copied for a message of %d", allocations, copied, len(m))
	}
}

func TestStorageIsReusedForTheNextSplitMessage(t *testing.T) {
	var r Reassembler
	m := message(11, 1000)
	if n := testing.AllocsPerRun(100, func() {
		r.Feed(m[:500])
		r.Next(unlimited)
		r.Feed(m[500:])
		if msg, ok, _ := r.Next(unlimited); !ok || len(msg) != len(m) {
			t.Error("no message")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
