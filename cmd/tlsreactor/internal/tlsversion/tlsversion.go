// Package tlsversion reads and writes versions of TLS as the program's flags have them: 1.2, 1.3.
package tlsversion

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// A Version is a version of TLS by its number on the wire, such as tls.VersionTLS13. It is a
// flag's value by encoding.TextMarshaler and TextUnmarshaler.
type Version uint16

// MarshalText returns the version's name in a flag, such as "1.3".
func (v Version) MarshalText() ([]byte, error) {
	switch v {
	case tls.VersionTLS12:
		return []byte("1.2"), nil
	case tls.VersionTLS13:
		return []byte("1.3"), nil
	}
	return nil, fmt.Errorf("no version of TLS that is spoken here: %#04x", uint16(v))
}

// UnmarshalText reads it.
func (v *Version) UnmarshalText(text []byte) error {
	switch string(text) {
	case "1.2":
		*v = tls.VersionTLS12
	case "1.3":
		*v = tls.VersionTLS13
	default:
		return errors.New("want 1.2 or 1.3")
	}
	return nil
}

// String returns the version's full name, such as "TLS 1.3".
func (v Version) String() string { return tls.VersionName(uint16(v)) }
