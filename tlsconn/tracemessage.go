package tlsconn

import (
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// TracedMessage is what Config.TraceMessage is told of one message of the protocol. It
// does not say what is in it: a trace is read by more people, and kept for longer, than
// the connection itself, and the content of a handshake has names, certificates and
// tickets in it, which TLS 1.3 keeps from everybody on the way. What is told, somebody
// on the way can guess from the lengths of the records.
type TracedMessage struct {
	// Sent is true of a message of ours, false of the peer's.
	Sent bool
	// ContentType is 20 for change_cipher_spec, 21 for an alert and 22 for a handshake
	// message (RFC 8446 B.1).
	ContentType uint8
	// Type is the HandshakeType of a handshake message (RFC 8446 B.3), the description of
	// an alert, and the one byte of change_cipher_spec.
	Type uint8
	// Level is the level of an alert, 1 for a warning and 2 for a fatal one.
	Level uint8
	// Length is the number of bytes, those of a handshake message's header included.
	Length int
}

// String returns what a line of a log would say, such as "sent client_hello, 512 bytes".
func (m TracedMessage) String() string {
	way := "received"
	if m.Sent {
		way = "sent"
	}
	switch record.Type(m.ContentType) {
	case record.Handshake:
		return fmt.Sprintf("%s %v, %d bytes", way, wire.MessageType(m.Type), m.Length)
	case record.Alert:
		return fmt.Sprintf("%s alert %v, level %d", way, Alert(m.Type), m.Level)
	}
	return fmt.Sprintf("%s %v", way, record.Type(m.ContentType))
}

// traceMessage tells Config.TraceMessage of whole handshake messages, one behind the
// other, or of the content of one record of another type.
func (c *Conn) traceMessage(sent bool, typ record.Type, content []byte) {
	tell := c.config.TraceMessage
	if tell == nil {
		return
	}
	m := TracedMessage{Sent: sent, ContentType: uint8(typ), Length: len(content)}
	switch typ {
	case record.Handshake:
		for len(content) >= wire.HeaderLen {
			body := int(content[1])<<16 | int(content[2])<<8 | int(content[3])
			m.Type, m.Length = content[0], min(wire.HeaderLen+body, len(content))
			tell(c, m)
			content = content[m.Length:]
		}
		return
	case record.Alert:
		m.Level, m.Type = content[0], content[1]
	default:
		if len(content) > 0 {
			m.Type = content[0]
		}
	}
	tell(c, m)
}
