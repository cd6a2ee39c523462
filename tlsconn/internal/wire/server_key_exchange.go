package wire

// curveTypeNamed is the ECCurveType named_curve, the one that RFC 8422 section
// 5.4 left in use: 1 and 2, which were explicit_prime and explicit_char2 (RFC 4492
// section 5.4), are "deprecated".
const curveTypeNamed = 3

const reasonCurveType = "not named_curve"

// ServerKeyExchange is the message of TLS 1.2 (RFC 5246 section 7.4.3) for an
// ephemeral elliptic-curve key, signed (RFC 8422 section 5.4). Every []byte
// aliases what was decoded.
type ServerKeyExchange struct {
	// Group is a NamedGroup, which TLS 1.2 calls NamedCurve.
	Group uint16
	// Point is the server's public value in the format of the group, of 1 to 255 bytes.
	Point []byte
	// Algorithm is a SignatureScheme, in the place of RFC 5246's pair of hash
	// and signature.
	Algorithm uint16
	// Signature is over both randoms and what AppendParams appends; its form is
	// the algorithm's.
	Signature []byte
}

// AppendParams appends the ServerECDHParams to b, or nothing when they cannot
// be encoded. Group and Point have to be set. The signature covers
// "ClientHello.random + ServerHello.random + ServerKeyExchange.params" (RFC 8422
// section 5.4), for the one who signs and the one who verifies alike: a named curve and a
// point have a single encoding, so these are the bytes that were decoded.
func (m *ServerKeyExchange) AppendParams(b []byte) []byte {
	w := writer{at: position{message: TypeServerKeyExchange}, b: b}
	w.ecdhParams(m.Group, m.Point)
	if w.at.err != nil {
		return b
	}
	return w.b
}

// Unmarshal decodes the body of a server_key_exchange. After an error m is unspecified.
func (m *ServerKeyExchange) Unmarshal(body []byte) error {
	r := newReader(body, TypeServerKeyExchange)
	if r.uint8("curve_type") != curveTypeNamed {
		r.fail("curve_type", reasonCurveType, true)
	}
	m.Group = r.uint16("namedcurve")
	m.Point = r.point()
	m.Algorithm = r.uint16("algorithm")
	m.Signature = r.opaque("signature", 0, max16)
	return r.finish()
}

// Append appends the whole message to b, or nothing when it cannot be encoded.
func (m *ServerKeyExchange) Append(b []byte) []byte {
	b, _ = m.encode(b)
	return b
}

// Validate returns why the message cannot be encoded, or nil.
func (m *ServerKeyExchange) Validate() error {
	_, err := m.encode(nil)
	return err
}

func (m *ServerKeyExchange) encode(b []byte) ([]byte, error) {
	w := newWriter(b, TypeServerKeyExchange)
	w.ecdhParams(m.Group, m.Point)
	w.uint16(m.Algorithm)
	w.opaque("signature", m.Signature, 0, max16)
	return w.finish()
}

func (w *writer) ecdhParams(group uint16, point []byte) {
	w.uint8(curveTypeNamed)
	w.uint16(group)
	w.point(point)
}

// point reads an ECPoint, "opaque point<1..2^8-1>" (RFC 8422 section 5.4).
func (r *reader) point() []byte { return r.opaque("point", 1, max8) }

func (w *writer) point(v []byte) { w.opaque("point", v, 1, max8) }
