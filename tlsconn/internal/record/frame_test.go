package record

import (
	"bytes"
	"testing"
)

func TestHeadersParseToWhatWasPut(t *testing.T) {
	for _, test := range []struct {
		name string
		h    Header
		wire []byte
	}{
		{"a client's first", Header{Handshake, 0x0301, 512}, []byte{22, 3, 1, 2, 0}},
		{"a protected one of the greatest length", Header{ApplicationData, 0x0303, MaxCiphertext13}, []byte{23, 3, 3, 0x41, 0}},
		{"an empty one", Header{Alert, 0x0303, 0}, []byte{21, 3, 3, 0, 0}},
		{"one of unknown type and version", Header{255, 0xfffe, 65535}, []byte{255, 255, 254, 255, 255}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := []byte("012345")
			PutHeader(b, test.h)
			if !bytes.Equal(b[:HeaderLen], test.wire) || b[HeaderLen] != '5' {
				t.Errorf("%x, want %x and what followed", b, test.wire)
			}
			if got := ParseHeader(b); got != test.h {
				t.Errorf("%+v, want %+v", got, test.h)
			}
		})
	}
}

func TestTypesHaveTheNamesOfTheRFC(t *testing.T) {
	for typ, want := range map[Type]string{
		20: "change_cipher_spec",
		21: "alert",
		22: "handshake",
		23: "application_data",
		24: "content type 24",
	} {
		if got := typ.String(); got != want {
			t.Errorf("%d: %q, want %q", uint8(typ), got, want)
		}
	}
}
