package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestKeyFramesComeBackAsTheyWent(t *testing.T) {
	requests := []keyRequest{{7, 0x0403, []byte("what to sign")}, {1 << 60, 0, []byte{}}}
	answers := []keyAnswer{{id: 7, signature: []byte("signature")}, {id: 8, refusal: "no"}, {id: 9, signature: []byte{}}}
	var wire []byte
	for _, r := range requests {
		wire = r.appendTo(wire)
	}
	for _, a := range answers {
		wire = a.appendTo(wire)
	}
	from := bytes.NewReader(wire)
	for _, want := range requests {
		if got, err := readKeyRequest(from); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	for _, want := range answers {
		if got, err := readKeyAnswer(from); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if _, err := readKeyAnswer(from); err != io.EOF {
		t.Errorf("the end between two frames: %v", err)
	}
	long := keyAnswer{refusal: strings.Repeat("x", 2*maxKeyFrame)}
	if got, err := readKeyAnswer(bytes.NewReader(long.appendTo(nil))); err != nil || got.refusal == "" {
		t.Errorf("a long refusal: %v", err)
	}
}

func TestKeyFramesOutOfBoundsAreRefused(t *testing.T) {
	frame := func(length uint32, rest int) []byte {
		return append(binary.BigEndian.AppendUint32(nil, length), make([]byte, rest)...)
	}
	for _, tt := range []struct {
		name string
		wire []byte
		want error // nil for one of ours
	}{
		{"a frame too short for its fixed part", frame(keyRequestHeader-1, keyRequestHeader), nil},
		{"a frame that is too long, before it is read", frame(maxKeyFrame+1, 0), nil},
		{"a frame that ends early", frame(100, 99), io.ErrUnexpectedEOF},
		{"a frame that ends after its length", frame(100, 0), io.ErrUnexpectedEOF},
		{"a length that ends early", []byte{0, 0}, io.ErrUnexpectedEOF},
	} {
		if _, err := readKeyRequest(bytes.NewReader(tt.wire)); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
