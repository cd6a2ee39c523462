package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestTicketGivesItsStateBack(t *testing.T) {
	key, err := newTicketKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 40 { // of every padding
		state := append([]byte{1, 3, 4, 0x13, 0x01}, make([]byte, n)...)
		ticket, err := key.seal(state)
		if err != nil {
			t.Fatal(err)
		}
		if got := key.open(ticket); !bytes.Equal(got, state) {
			t.Fatalf("state %x, want %x", got, state)
		}
		ticket[len(ticket)-1] ^= 1
		if got := key.open(ticket); got != nil {
			t.Fatalf("state %x out of a forged ticket", got)
		}
		for cut := range ticket {
			if key.open(ticket[:cut]) != nil {
				t.Fatalf("a ticket cut to %d bytes was opened", cut)
			}
		}
	}
}

func TestTicketOfAnotherKeyIsNotOpened(t *testing.T) {
	one, _ := newTicketKey(make([]byte, 48))
	other, _ := newTicketKey(nil)
	ticket, err := one.seal([]byte{1, 3, 4, 0x13, 0x01})
	if err != nil {
		t.Fatal(err)
	}
	if state := other.open(ticket); state != nil {
		t.Errorf("state %x", state)
	}
}

// The runner opens a ticket, finds the version two bytes long behind an INTEGER,
// and the cipher suite behind that.
func TestWhatIsChangedInATicketComesBackInItsState(t *testing.T) {
	key, _ := newTicketKey(make([]byte, 48))
	content := ticketContent{Format: 1, Version: 0x0303, Suite: []byte{0xc0, 0x2f}, State: []byte{1, 3, 4, 0x13, 0x01, 7}}
	ticket, err := key.encrypt(content)
	if err != nil {
		t.Fatal(err)
	}
	state := key.open(ticket)
	if binary.BigEndian.Uint16(state[1:]) != 0x0303 || binary.BigEndian.Uint16(state[3:]) != 0xc02f || state[5] != 7 {
		t.Errorf("state %x", state)
	}
}
