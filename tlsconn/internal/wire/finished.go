package wire

// A Finished message (RFC 8446 section 4.4.4, RFC 5246 section 7.4.9) is its
// verify_data, without any length: to decode it is to compare the whole body,
// in constant time, with what it has to be.

// AppendFinished appends a finished message with the given verify_data, a hash
// long or in TLS 1.2 12 bytes, and appends nothing if 24 bits cannot hold its length.
func AppendFinished(b, verifyData []byte) []byte {
	return appendMessage(b, TypeFinished, verifyData)
}
