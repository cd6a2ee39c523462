package wire

// The values among a ClientHello's cipher_suites that are no cipher suites but
// say something of the client (a Signaling Cipher Suite Value, SCSV).
const (
	// EmptyRenegotiationInfoSCSV says what an empty renegotiation_info says
	// (RFC 5746 section 3.3).
	EmptyRenegotiationInfoSCSV uint16 = 0x00FF
	// FallbackSCSV says that the client offered a higher version before, and
	// failed: a server that speaks a higher one refuses (RFC 7507 sections 2 and 3).
	FallbackSCSV uint16 = 0x5600
)
