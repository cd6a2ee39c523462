package wire

// The limits of this package. All others follow from the length of a message,
// which the engine bounds before a message gets here.
const (
	// maxCertificates bounds the entries of a certificate_list. The list alone
	// among TLS's has a 24-bit length: of the smallest entries, 6 bytes each, a
	// peer could fit 43,000 into a message of 256 KiB and make them 96 bytes of
	// memory each; in TLS 1.2, of 4 bytes each, 65,000 and 24 bytes. OpenSSL's
	// default is a chain of at most 100.
	maxCertificates = 100

	// maxKept is the capacity, in entries, up to which a message that is decoded
	// into again keeps a list; honest peers need less. Without it a peer could
	// make a message that lives as long as its event loop grow another list with
	// each connection, and keep them all: the entries of one certificate_list
	// could pin 50 MiB.
	maxKept = 128
)
