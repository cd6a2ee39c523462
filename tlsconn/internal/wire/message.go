package wire

import "strconv"

// MessageType is the msg_type of a handshake message (RFC 8446 section 4, RFC
// 5246 section 7.4).
type MessageType uint8

// The message types of TLS 1.2 and 1.3. Where one type has another form in each
// version, the struct of TLS 1.2 has a 12 behind its name.
const (
	TypeHelloRequest        MessageType = 0 // TLS 1.2
	TypeClientHello         MessageType = 1
	TypeServerHello         MessageType = 2
	TypeNewSessionTicket    MessageType = 4
	TypeEndOfEarlyData      MessageType = 5
	TypeEncryptedExtensions MessageType = 8
	TypeCertificate         MessageType = 11
	TypeServerKeyExchange   MessageType = 12 // TLS 1.2
	TypeCertificateRequest  MessageType = 13
	TypeServerHelloDone     MessageType = 14 // TLS 1.2
	TypeCertificateVerify   MessageType = 15
	TypeClientKeyExchange   MessageType = 16 // TLS 1.2
	TypeFinished            MessageType = 20
	TypeCertificateStatus   MessageType = 22 // TLS 1.2
	TypeKeyUpdate           MessageType = 24
	// TypeMessageHash occurs in transcripts only, never on the wire.
	TypeMessageHash MessageType = 254
)

// messageNames are the names of RFC 8446 appendix B.3 without "_RESERVED",
// those of messages that we do not speak among them: an error about an
// unexpected message should name it.
var messageNames = map[MessageType]string{
	TypeHelloRequest:        "hello_request",
	TypeClientHello:         "client_hello",
	TypeServerHello:         "server_hello",
	3:                       "hello_verify_request",
	TypeNewSessionTicket:    "new_session_ticket",
	TypeEndOfEarlyData:      "end_of_early_data",
	6:                       "hello_retry_request",
	TypeEncryptedExtensions: "encrypted_extensions",
	TypeCertificate:         "certificate",
	TypeServerKeyExchange:   "server_key_exchange",
	TypeCertificateRequest:  "certificate_request",
	TypeServerHelloDone:     "server_hello_done",
	TypeCertificateVerify:   "certificate_verify",
	TypeClientKeyExchange:   "client_key_exchange",
	TypeFinished:            "finished",
	21:                      "certificate_url",
	TypeCertificateStatus:   "certificate_status",
	23:                      "supplemental_data",
	TypeKeyUpdate:           "key_update",
	25:                      "compressed_certificate",
	TypeMessageHash:         "message_hash",
}

// String returns the RFC's name, or "handshake_type(N)" for an unknown type.
func (t MessageType) String() string {
	if name, ok := messageNames[t]; ok {
		return name
	}
	return "handshake_type(" + strconv.Itoa(int(t)) + ")"
}

// HeaderLen is the length of the header of every handshake message: the type
// and a 24-bit length of the body.
const HeaderLen = 4

// AppendHeader appends the header of a message of type t whose body has
// bodyLen bytes. A bodyLen that 24 bits cannot hold appends nothing: no body
// of this package or of the engine is that long unless Append refused it.
func AppendHeader(b []byte, t MessageType, bodyLen int) []byte {
	if bodyLen < 0 || bodyLen > max24 {
		return b
	}
	return append(b, byte(t), byte(bodyLen>>16), byte(bodyLen>>8), byte(bodyLen))
}

// AppendMessageHash appends the synthetic message that stands for ClientHello1
// in the transcript after a HelloRetryRequest (RFC 8446 section 4.4.1); hash is
// the hash of ClientHello1.
func AppendMessageHash(b, hash []byte) []byte {
	return appendMessage(b, TypeMessageHash, hash)
}

// appendMessage appends a message, or nothing if its body is too long.
func appendMessage(b []byte, t MessageType, body []byte) []byte {
	if len(body) > max24 {
		return b
	}
	return append(AppendHeader(b, t, len(body)), body...)
}
