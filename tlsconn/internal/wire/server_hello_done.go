package wire

// ServerHelloDone is the empty message that ends a TLS 1.2 server's first
// flight (RFC 5246 section 7.4.5).
type ServerHelloDone struct{}

// Unmarshal refuses any byte in the body of a server_hello_done.
func (*ServerHelloDone) Unmarshal(body []byte) error {
	r := newReader(body, TypeServerHelloDone)
	return r.finish()
}

// Append appends the whole message to b.
func (*ServerHelloDone) Append(b []byte) []byte { return AppendHeader(b, TypeServerHelloDone, 0) }
