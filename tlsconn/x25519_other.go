//go:build !amd64 || purego

package tlsconn

import "crypto/ecdh"

// newX25519Key makes a key of X25519 (RFC 7748 5) of the standard library's.
func newX25519Key() (ecdhKey, error) { return newStandardKey(ecdh.X25519()) }
