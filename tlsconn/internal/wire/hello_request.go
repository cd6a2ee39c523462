package wire

// HelloRequest is the empty message by which a TLS 1.2 server asks for a
// renegotiation (RFC 5246 section 7.4.1.1). It belongs to no transcript.
type HelloRequest struct{}

// Unmarshal refuses any byte in the body of a hello_request.
func (*HelloRequest) Unmarshal(body []byte) error {
	r := newReader(body, TypeHelloRequest)
	return r.finish()
}

// Append appends the whole message to b.
func (*HelloRequest) Append(b []byte) []byte { return AppendHeader(b, TypeHelloRequest, 0) }
