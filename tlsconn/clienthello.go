package tlsconn

import "crypto/tls"

// ClientHello is what a server's callbacks are asked about: the message as it
// came and what it says.
type ClientHello struct {
	// ClientHelloInfo is what the message says, in crypto/tls's form. Its Context is nil,
	// and its Conn is a stub that only has addresses.
	*tls.ClientHelloInfo
	// CertificateAuthorities are the names of whom the client trusts, DER-encoded
	// distinguished names; empty if it does not say.
	CertificateAuthorities [][]byte
	// Raw is the handshake message with its header of four bytes, for fingerprints.
	Raw []byte
}
