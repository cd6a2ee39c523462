package wire

// EndOfEarlyData is the empty message that ends a client's 0-RTT data (RFC 8446
// section 4.5).
type EndOfEarlyData struct{}

// Unmarshal refuses any byte in the body of an end_of_early_data.
func (*EndOfEarlyData) Unmarshal(body []byte) error {
	r := newReader(body, TypeEndOfEarlyData)
	return r.finish()
}

// Append appends the whole message to b.
func (*EndOfEarlyData) Append(b []byte) []byte { return AppendHeader(b, TypeEndOfEarlyData, 0) }
