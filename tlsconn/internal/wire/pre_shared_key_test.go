package wire

import (
	"bytes"
	"testing"
)

func TestBindersAreTheEndOfTheMessage(t *testing.T) {
	m := fullClientHello()
	encoded := m.Append(nil)
	tail := encoded[len(encoded)-m.BindersLen():]
	if want := vec16(vec8(string(m.PSKBinders[0])), vec8(string(m.PSKBinders[1]))); string(tail) != want {
		t.Errorf("the tail is %x, want %x", tail, want)
	}
	var decoded ClientHello
	if err := decoded.Unmarshal(encoded[HeaderLen:]); err != nil {
		t.Fatal(err)
	}
	if decoded.BindersLen() != m.BindersLen() {
		t.Errorf("decoded %d, encoded %d", decoded.BindersLen(), m.BindersLen())
	}
	if n := new(ClientHello).BindersLen(); n != 0 {
		t.Errorf("%d bytes of binders without pre_shared_key", n)
	}
}

func TestPatchedBindersAreThoseEncoded(t *testing.T) {
	m := fullClientHello()
	final := m.PSKBinders
	m.PSKBinders = [][]byte{make([]byte, len(final[0])), make([]byte, len(final[1]))}
	patched := m.Append(nil)
	if err := PatchBinders(patched, final); err != nil {
		t.Fatal(err)
	}
	m.PSKBinders = final
	if want := m.Append(nil); !bytes.Equal(patched, want) {
		t.Errorf("patched\n%x\nwant\n%x", patched, want)
	}
}

func TestBindersThatDoNotFitAreNotPatchedIn(t *testing.T) {
	m := fullClientHello() // its binders have 32 and 48 bytes
	for _, c := range []struct {
		name    string
		binders [][]byte
	}{
		{"no binders", nil},
		{"one too few", [][]byte{make([]byte, 48)}},
		{"one too many", [][]byte{make([]byte, 32), make([]byte, 32), make([]byte, 48)}},
		{"the wrong order", [][]byte{make([]byte, 48), make([]byte, 32)}},
		{"other lengths with the same sum", [][]byte{make([]byte, 40), make([]byte, 40)}},
		{"longer than the message", [][]byte{make([]byte, 1<<16)}},
		{"longer than a binder may be", [][]byte{make([]byte, 32+256), make([]byte, 48)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg := m.Append(nil)
			if err := PatchBinders(msg, c.binders); err == nil {
				t.Error("accepted")
			}
			if !bytes.Equal(msg, m.Append(nil)) {
				t.Error("the message was changed")
			}
		})
	}
}
