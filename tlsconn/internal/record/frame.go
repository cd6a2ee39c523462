package record

import (
	"encoding/binary"
	"fmt"
)

// Type is a record's ContentType (RFC 8446 5.1).
type Type uint8

// The content types of TLS 1.2 and 1.3.
const (
	ChangeCipherSpec Type = 20
	Alert            Type = 21
	Handshake        Type = 22
	ApplicationData  Type = 23
)

// String returns the name that the RFC gives the type.
func (t Type) String() string {
	switch t {
	case ChangeCipherSpec:
		return "change_cipher_spec"
	case Alert:
		return "alert"
	case Handshake:
		return "handshake"
	case ApplicationData:
		return "application_data"
	}
	return fmt.Sprintf("content type %d", uint8(t))
}

const (
	// HeaderLen is the length in bytes of a record's header.
	HeaderLen = 5

	// MaxPlaintext is the longest content of a record: "The length MUST NOT exceed 2^14 bytes"
	// (RFC 8446 5.1).
	MaxPlaintext = 1 << 14

	// MaxCiphertext13 is the longest protected fragment of a TLS 1.3 record: "The length MUST NOT
	// exceed 2^14 + 256 bytes" (RFC 8446 5.2). The caller judges a header's length by it before it
	// waits for, or stores, the rest.
	MaxCiphertext13 = MaxPlaintext + 256
)

// Header is a record's header: TLSPlaintext or TLSCiphertext without the fragment.
type Header struct {
	Type    Type
	Version uint16 // legacy_record_version
	Length  int    // of the fragment, in bytes
}

// ParseHeader reads the first HeaderLen bytes of b, which the caller guarantees to be there.
// It judges none of the fields.
func ParseHeader(b []byte) Header {
	_ = b[HeaderLen-1]
	return Header{
		Type:    Type(b[0]),
		Version: binary.BigEndian.Uint16(b[1:]),
		Length:  int(binary.BigEndian.Uint16(b[3:])),
	}
}

// PutHeader writes h to the first HeaderLen bytes of b. Its Length must fit 16 bits.
func PutHeader(b []byte, h Header) {
	_ = b[HeaderLen-1]
	b[0] = byte(h.Type)
	binary.BigEndian.PutUint16(b[1:], h.Version)
	binary.BigEndian.PutUint16(b[3:], uint16(h.Length))
}
