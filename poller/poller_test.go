package poller

import "testing"

func TestToken(t *testing.T) {
	for _, c := range []struct {
		name              string
		index, generation uint32
		want              Token
	}{
		{"zero is zero", 0, 0, 0},
		{"the index is the upper half", 1, 0, 1 << 32},
		{"the generation is the lower half", 0, 1, 1},
		{"a generation with its highest bit does not spill into the index", 5, 1 << 31, 5<<32 | 1<<31},
		{"both maxima are the reserved token", 1<<32 - 1, 1<<32 - 1, wakeToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := NewToken(c.index, c.generation)
			if got != c.want || got.Index() != c.index || got.Generation() != c.generation {
				t.Errorf("NewToken(%d, %d) = %#x, with index %d and generation %d; want %#x",
					c.index, c.generation, uint64(got), got.Index(), got.Generation(), uint64(c.want))
			}
		})
	}
}

func TestSetsAreReadable(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"no interest", Interest(0).String(), "none"},
		{"one interest", Writable.String(), "writable"},
		{"all interests", (Readable | Writable | HalfClose).String(), "readable|writable|half-close"},
		{"an interest that does not exist", Interest(1 << 7).String(), "?"},
		{"nothing ready", Ready(0).String(), "none"},
		{"a reset", (CanRead | HungUp | Failed).String(), "can-read|hung-up|failed"},
		{"a half-close", (HalfClosed | CanWrite).String(), "can-write|half-closed"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}
