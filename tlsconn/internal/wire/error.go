package wire

// Error says where a message departs from its format. It is what Unmarshal
// and Validate return, always as *Error. Its text is made of RFC names and
// numbers alone: bytes of the peer never reach a log through it.
type Error struct {
	// Message is the message at fault.
	Message MessageType
	// Field is the path to the field as the RFCs spell it, an extension first:
	// "cipher_suites", "key_share.client_shares". Empty for the message as a whole.
	Field string
	// Reason is a constant phrase: "truncated", "trailing bytes".
	Reason string
	// Illegal tells the alert: illegal_parameter for "errors which conform to the
	// formal protocol syntax but are otherwise incorrect", decode_error for the
	// rest (RFC 8446 section 6.2).
	Illegal bool
}

// Error returns "message: field: reason".
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Message.String() + ": " + e.Reason
	}
	return e.Message.String() + ": " + e.Field + ": " + e.Reason
}

// The reasons of decode errors. Reasons of illegal values stand where they are found.
const (
	reasonTruncated = "truncated"
	reasonTrailing  = "trailing bytes"
	reasonLength    = "length out of bounds"
	reasonOdd       = "odd length"
	reasonTooMany   = "too many certificates" // more than maxCertificates
)

// position is where a reader or a writer stands, and its first failure.
type position struct {
	message   MessageType
	extension ExtensionType // meaningful while inExtension
	// inExtension prefixes the field of a failure with the extension's name.
	inExtension bool
	err         *Error
}

// fail keeps the first failure only: what comes after it is a consequence.
func (p *position) fail(field, reason string, illegal bool) {
	if p.err != nil {
		return
	}
	if p.inExtension {
		if field != "" {
			field = "." + field
		}
		field = p.extension.String() + field
	}
	p.err = &Error{Message: p.message, Field: field, Reason: reason, Illegal: illegal}
}
