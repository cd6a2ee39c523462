package tlsconn

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"
)

var _ TicketProtector = (*TicketKeys)(nil)

// fakeClock tells the time that a test says it is.
type fakeClock struct{ time time.Time }

func newFakeClock() *fakeClock               { return &fakeClock{time.Unix(1_700_000_000, 0)} }
func (c *fakeClock) now() time.Time          { return c.time }
func (c *fakeClock) advance(d time.Duration) { c.time = c.time.Add(d) }

// opened is what a protector says is in a ticket. It has to say it at once.
func opened(t testing.TB, p TicketProtector, ticket []byte) []byte {
	t.Helper()
	answer := new(Completion[[]byte])
	p.OpenTicket(ticket, answer)
	if !answer.ended() || answer.err != nil {
		t.Fatalf("ended is %v, %v", answer.ended(), answer.err)
	}
	return answer.value
}

func sealed(t testing.TB, p TicketProtector, state string) []byte {
	t.Helper()
	ticket, err := p.SealTicket([]byte(state))
	if err != nil || len(ticket) == 0 {
		t.Fatalf("%x, %v", ticket, err)
	}
	return ticket
}

func wantState(t *testing.T, p TicketProtector, ticket []byte, want string) {
	t.Helper()
	if got := opened(t, p, ticket); string(got) != want || want == "" && got != nil {
		t.Errorf("opened to %q, want %q", got, want)
	}
}

// secretOf returns a secret that is well enough, the same for the same seed.
func secretOf(seed byte) []byte {
	b := secretBytes(ticketSecretSize)
	for i := range b {
		b[i] ^= seed
	}
	return b
}

func givenKeys(t testing.TB, secrets ...[]byte) *TicketKeys {
	t.Helper()
	k := new(TicketKeys)
	if err := k.SetKeys(secrets...); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestATicketShowsNothingOfItsState(t *testing.T) {
	k := NewTicketKeys(newFakeClock().now)
	state := string(testSession().append(nil))
	a, b := sealed(t, k, state), sealed(t, k, state)
	wantState(t, k, a, state)
	wantState(t, k, b, state)
	if len(a) != len(state)+ticketOverhead {
		t.Errorf("%d bytes of state make a ticket of %d", len(state), len(a))
	}
	if bytes.Contains(a, []byte("example.org")) || bytes.Equal(a[ticketNameSize:], b[ticketNameSize:]) {
		t.Error("the state shows, or that it is the same")
	}
}

func TestWhatIsNoTicketHasNoState(t *testing.T) {
	k := NewTicketKeys(newFakeClock().now)
	good := sealed(t, k, "state")
	t.Run("changed at any byte", func(t *testing.T) {
		for i := range good {
			forged := bytes.Clone(good)
			forged[i] ^= 0x40
			wantState(t, k, forged, "")
		}
	})
	t.Run("cut off anywhere", func(t *testing.T) {
		for n := range good {
			wantState(t, k, good[:n], "")
			wantState(t, k, good[n+1:], "")
		}
	})
	t.Run("with more behind it", func(t *testing.T) { wantState(t, k, append(bytes.Clone(good), 0), "") })
	t.Run("longer than a ticket can be", func(t *testing.T) {
		wantState(t, k, append(bytes.Clone(good), make([]byte, maxTicket)...), "")
	})
	t.Run("of nobody", func(t *testing.T) { wantState(t, k, make([]byte, 200), "") })
	t.Run("of another instance", func(t *testing.T) {
		wantState(t, NewTicketKeys(newFakeClock().now), good, "")
	})
	t.Run("opening does not change it", func(t *testing.T) { wantState(t, k, good, "state") })
}

func TestTheLongestState(t *testing.T) {
	k := NewTicketKeys(newFakeClock().now)
	if ticket := sealed(t, k, strings.Repeat("s", maxTicket-ticketOverhead)); len(ticket) != maxTicket {
		t.Errorf("a ticket of %d bytes", len(ticket))
	}
	if ticket, err := k.SealTicket(make([]byte, maxTicket-ticketOverhead+1)); ticket != nil || err != nil {
		t.Errorf("a byte more made a ticket of %d bytes, %v", len(ticket), err)
	}
}

// CVE-2020-13777: GnuTLS sealed with a key of zeros until the first rotation.
func TestWithoutKeysThereAreNoTickets(t *testing.T) {
	var k TicketKeys
	if ticket, err := k.SealTicket([]byte("state")); ticket != nil || err != nil {
		t.Errorf("%x, %v", ticket, err)
	}
	wantState(t, &k, sealed(t, NewTicketKeys(newFakeClock().now), "state"), "")
}

func TestKeysOfOnesOwnRotate(t *testing.T) {
	clock := newFakeClock()
	k := NewTicketKeys(clock.now)
	first := sealed(t, k, "first")
	clock.advance(ticketKeyDay - 1)
	last := sealed(t, k, "last")
	if !bytes.Equal(first[:ticketNameSize], last[:ticketNameSize]) {
		t.Error("the key changed within a day")
	}
	clock.advance(1)
	next := sealed(t, k, "next")
	if bytes.Equal(first[:ticketNameSize], next[:ticketNameSize]) {
		t.Error("the key did not change after a day")
	}
	clock.advance(maxTicketLifetime - 1)
	wantState(t, k, first, "first")
	wantState(t, k, last, "last")
	wantState(t, k, next, "next")
	clock.advance(1)
	wantState(t, k, last, "") // although nothing has been sealed since
	wantState(t, k, next, "next")
}

func TestADayWithoutAnyTicketIsNoReasonToKeepAKey(t *testing.T) {
	clock := newFakeClock()
	k := NewTicketKeys(clock.now)
	old := sealed(t, k, "old")
	clock.advance(ticketKeyLife)
	wantState(t, k, old, "")
	clock.advance(30 * 24 * time.Hour)
	sealed(t, k, "new")
	if n := len(k.ring.Load().keys); n != 1 {
		t.Errorf("%d keys", n)
	}
}

func TestTheNumberOfKeysIsBounded(t *testing.T) {
	clock := newFakeClock()
	k := NewTicketKeys(clock.now)
	for range 1000 {
		sealed(t, k, "state")
		clock.advance(5 * time.Hour)
		if n := len(k.ring.Load().keys); n > 8 {
			t.Fatalf("%d keys", n)
		}
	}
}

func TestAClockThatIsSetBack(t *testing.T) {
	for _, c := range []struct {
		name string
		back time.Duration
		kept bool
	}{
		{"by a minute keeps the keys", maxClockStep, true},
		{"by more makes new ones: else the key of a wrong year would be the last", maxClockStep + 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newFakeClock()
			k := NewTicketKeys(clock.now)
			ticket := sealed(t, k, "state")
			clock.advance(-c.back)
			if kept := opened(t, k, ticket) != nil; kept != c.kept {
				t.Errorf("kept is %v", kept)
			}
			again := sealed(t, k, "again")
			if same := bytes.Equal(again[:ticketNameSize], ticket[:ticketNameSize]); same != c.kept {
				t.Errorf("the same key: %v", same)
			}
			clock.advance(ticketKeyDay + maxClockStep)
			if next := sealed(t, k, "next"); bytes.Equal(next[:ticketNameSize], again[:ticketNameSize]) {
				t.Error("the keys do not rotate any more")
			}
		})
	}
}

func TestAFleetTakesEachOthersTickets(t *testing.T) {
	old, current := secretOf(1), secretOf(2)
	a, b := givenKeys(t, old), givenKeys(t, current, old)
	wantState(t, b, sealed(t, a, "of a"), "of a")
	wantState(t, a, sealed(t, b, "of b"), "") // a does not know the current key yet
	ofA := sealed(t, a, "of a")
	if err := a.SetKeys(current); err != nil {
		t.Fatal(err)
	}
	wantState(t, a, sealed(t, b, "of b"), "of b")
	wantState(t, a, ofA, "") // the key was dropped
}

func TestGivenKeysDoNotRotate(t *testing.T) {
	clock := newFakeClock()
	k := NewTicketKeys(clock.now)
	own := sealed(t, k, "own")
	if err := k.SetKeys(secretOf(1)); err != nil {
		t.Fatal(err)
	}
	wantState(t, k, own, "")
	given := sealed(t, k, "given")
	clock.advance(365 * 24 * time.Hour)
	wantState(t, k, given, "given")
	wantState(t, givenKeys(t, secretOf(1)), sealed(t, k, "later"), "later")
}

func TestTheGivenSecretsStayTheCallers(t *testing.T) {
	secret := secretOf(1)
	k := givenKeys(t, secret)
	if !bytes.Equal(secret, secretOf(1)) {
		t.Fatal("the secret was changed")
	}
	clear(secret)
	wantState(t, k, sealed(t, givenKeys(t, secretOf(1)), "state"), "state")
}

// Machines of different versions share keys, so that neither the derivation nor the
// format may change: this ticket is of the first version.
func TestTheFormatOfTickets(t *testing.T) {
	ticket, err := hex.DecodeString("23c71c7b3a42aef0afe0c0bda14f3f97" +
		"cc0010ec9fd97af46a608f09dbad1715f64049295c58426b" +
		"d1dea353666252e6117233939056fae91655c79166")
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, givenKeys(t, secretOf(1)), ticket, "state")
}

// USENIX Security 2023, Hebrok et al.: weak keys make tickets that anybody decrypts.
func TestWeakTicketKeysAreRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		secrets [][]byte
		want    string
	}{
		{"none", nil, "none"},
		{"nil", [][]byte{nil}, "key 0 has 0 bytes"},
		{"too short", [][]byte{secretOf(1), secretOf(2)[1:]}, "key 1 has 31 bytes"},
		{"too long", [][]byte{append(secretOf(1), 1)}, "key 0 has 33 bytes"},
		{"zeros", [][]byte{make([]byte, 32)}, "key 0 is not random"},
		{"one character", [][]byte{bytes.Repeat([]byte("k"), 32)}, "key 0 is not random"},
		{"a few bytes again and again", [][]byte{secretOf(1), bytes.Repeat([]byte("abcd"), 8)}, "key 1 is not random"},
		{"a few bytes and zeros", [][]byte{append([]byte("secret"), make([]byte, 26)...)}, "key 0 is not random"},
		{"one twice", [][]byte{secretOf(1), secretOf(2), secretOf(1)}, "keys 0 and 2 are the same"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := givenKeys(t, secretOf(7))
			ticket := sealed(t, k, "state")
			err := k.SetKeys(c.secrets...)
			if err == nil || !strings.HasPrefix(err.Error(), "tlsconn: ticket keys: "+c.want) {
				t.Errorf("%v", err)
			}
			wantState(t, k, ticket, "state") // the keys are what they were
		})
	}
}

func TestRandomKeysAreNotRefused(t *testing.T) {
	for range 1000 {
		secret := make([]byte, ticketSecretSize)
		rand.Read(secret)
		givenKeys(t, secret)
	}
}

// What dropped keys' secrets lie in cannot be overwritten: cipher.AEAD has no way. So
// nothing may hold them.
func TestDroppedKeysAreHeldByNobody(t *testing.T) {
	clock := newFakeClock()
	for _, c := range []struct {
		name string
		drop func(k *TicketKeys)
	}{
		{"replaced", func(k *TicketKeys) {
			if err := k.SetKeys(secretOf(1)); err != nil {
				t.Fatal(err)
			}
		}},
		{"too old", func(k *TicketKeys) {
			clock.advance(ticketKeyDay)
			sealed(t, k, "state")
			clock.advance(maxTicketLifetime)
			sealed(t, k, "state")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := NewTicketKeys(clock.now)
			sealed(t, k, "state")
			key := weak.Make(k.ring.Load().keys[0])
			runtime.GC()
			if key.Value() == nil {
				t.Fatal("collected while in use")
			}
			c.drop(k)
			runtime.GC()
			if key.Value() != nil {
				t.Error("still there")
			}
			runtime.KeepAlive(k)
		})
	}
}

func TestTicketKeysAreSafeForConcurrentUse(t *testing.T) {
	for _, c := range []struct {
		name  string
		keys  *TicketKeys
		alter func(k *TicketKeys, i int) // in a goroutine of its own
	}{
		{"keys of one's own", NewTicketKeys(concurrentClock()), func(*TicketKeys, int) {}},
		{"given keys", givenKeys(t, secretOf(0)), func(k *TicketKeys, i int) {
			if err := k.SetKeys(secretOf(byte(i+1)), secretOf(byte(i))); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 200 {
						ticket, err := c.keys.SealTicket([]byte("state"))
						answer := new(Completion[[]byte])
						c.keys.OpenTicket(ticket, answer)
						// The key may have been dropped meanwhile.
						if err != nil || answer.err != nil || answer.value != nil && string(answer.value) != "state" {
							t.Errorf("%v, %v, %q", err, answer.err, answer.value)
						}
					}
				})
			}
			all.Go(func() {
				for i := range 200 {
					c.alter(c.keys, i)
				}
			})
			all.Wait()
		})
	}
}

// concurrentClock returns a clock that any goroutine may ask, and that goes on by an
// hour whenever one does.
func concurrentClock() func() time.Time {
	var mu sync.Mutex
	clock := newFakeClock()
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		clock.advance(time.Hour)
		return clock.now()
	}
}

func TestWhatATicketAllocates(t *testing.T) {
	k := NewTicketKeys(newFakeClock().now)
	state := plainSession().append(nil)
	ticket := sealed(t, k, string(state))
	if n := testing.AllocsPerRun(20, func() { _, _ = k.SealTicket(state) }); n != 1 {
		t.Errorf("SealTicket allocates %v times", n)
	}
	if n := testing.AllocsPerRun(20, func() { opened(t, k, ticket) }); n != 2 { // one is the Completion
		t.Errorf("OpenTicket allocates %v times", n)
	}
	forged := slices.Concat(ticket[:ticketNameSize], make([]byte, 200))
	if n := testing.AllocsPerRun(20, func() { opened(t, k, forged[1:]) }); n != 1 {
		t.Errorf("OpenTicket of somebody else's allocates %v times", n)
	}
}

func BenchmarkSealTicket(b *testing.B) {
	k := NewTicketKeys(newFakeClock().now)
	state := testSession().append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.SealTicket(state); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenTicket(b *testing.B) {
	k := NewTicketKeys(newFakeClock().now)
	ticket := sealed(b, k, string(testSession().append(nil)))
	b.ReportAllocs()
	for b.Loop() {
		if opened(b, k, ticket) == nil {
			b.Fatal("not opened")
		}
	}
}

// FuzzTicket: whatever the ticket, it has no state but what was sealed.
func FuzzTicket(f *testing.F) {
	k := givenKeys(f, secretOf(1), secretOf(2))
	f.Add(sealed(f, k, "state"))
	f.Add(sealed(f, givenKeys(f, secretOf(2)), "state"))
	f.Add(sealed(f, givenKeys(f, secretOf(3)), "state"))
	f.Fuzz(func(t *testing.T, ticket []byte) {
		given := bytes.Clone(ticket)
		if state := opened(t, k, given); state != nil && string(state) != "state" {
			t.Fatalf("opened to %q", state)
		}
		if !bytes.Equal(given, ticket) {
			t.Fatal("the ticket changed")
		}
	})
}
