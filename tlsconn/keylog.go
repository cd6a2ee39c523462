package tlsconn

import (
	"encoding/hex"
)

// The labels of the NSS key log format for TLS 1.3
// (draft-ietf-tls-keylogfile).
const (
	keyLogMaster            = "CLIENT_RANDOM" // of TLS 1.2
	keyLogClientHandshake   = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
	keyLogServerHandshake   = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
	keyLogClientApplication = "CLIENT_TRAFFIC_SECRET_0"
	keyLogServerApplication = "SERVER_TRAFFIC_SECRET_0"
	keyLogExporter          = "EXPORTER_SECRET"
)

// logKey writes one line of the key log, if there is one. A log that cannot be
// written fails the handshake: whoever asked for it wants to know.
func (hs *handshake) logKey(label string, clientRandom *[32]byte, secret []byte) error {
	w := hs.c.config.KeyLogWriter
	if w == nil {
		return nil
	}
	line := append([]byte(label), ' ')
	line = hex.AppendEncode(line, clientRandom[:])
	line = append(line, ' ')
	line = hex.AppendEncode(line, secret)
	line = append(line, '\n')
	if _, err := w.Write(line); err != nil {
		return abort(AlertInternalError, "key log: %w", err)
	}
	return nil
}
