package probe

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/tlsreactor/tlsreactor/reactor"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// explain tells why a handshake failed, in an operator's words.
func (a *attempt) explain(reason reactor.Reason, err error) (Status, string) {
	noVersion := "the server does not speak " + a.options.versions()
	first := a.conn.ConnectionState().Version == 0 // no ServerHello was taken
	if peer, ok := errors.AsType[*tlsconn.PeerAlertError](err); ok {
		switch {
		case first && peer.Alert == tlsconn.AlertProtocolVersion:
			return StatusVersion, noVersion + " (alert protocol_version)"
		case first && peer.Alert == tlsconn.AlertHandshakeFailure:
			return StatusRefused, "the server refused with the alert handshake_failure: it shares no suite, group or " +
				"signature scheme with what was offered, or does not speak " + a.options.versions()
		case a.asked && peer.Alert == tlsconn.AlertHandshakeFailure: // RFC 5246 7.4.6
			return StatusRefused, "the server refused with the alert handshake_failure" + meaning(tlsconn.AlertBadCertificate)
		}
		return StatusRefused, fmt.Sprintf("the server refused with the alert %v%s", peer.Alert, meaning(peer.Alert))
	}
	if notTLS, ok := errors.AsType[*tlsconn.NotTLSError](err); ok {
		return StatusNotTLS, "the server does not speak TLS here: " + speaks(notTLS.Start)
	}
	if local, ok := errors.AsType[*tlsconn.LocalAlertError](err); ok {
		if first && local.Alert == tlsconn.AlertProtocolVersion {
			return StatusVersion, noVersion
		}
		return StatusFailed, fmt.Sprintf("we ended the handshake with the alert %v: %v", local.Alert, local.Err)
	}
	how := fmt.Sprintf("ended the connection (%v: %v)", reason, err)
	if reason == reactor.ReasonTruncated {
		how = "closed the connection"
	} else if reason == reactor.ReasonPeerReset {
		how = "reset the connection"
	}
	return StatusLost, fmt.Sprintf("the server %s in state %v of the handshake, without an alert", how, a.state)
}

// meanings say what to look for when a server sends an alert.
var meanings = map[tlsconn.Alert]string{
	tlsconn.AlertCertificateRequired:   "it wants a client certificate, and this probe has none",
	tlsconn.AlertBadCertificate:        "it may want a client certificate, and this probe has none",
	tlsconn.AlertUnrecognizedName:      "it has nothing for this server_name; see --servername",
	tlsconn.AlertNoApplicationProtocol: "it has none of the application protocols that were offered; see --alpn",
	tlsconn.AlertInternalError:         "the trouble is on its side",
	tlsconn.AlertAccessDenied:          "it does not let us in",
	tlsconn.AlertMissingExtension:      "it may want a server_name; see --servername",
}

// meaning is the end of a sentence about an alert.
func meaning(a tlsconn.Alert) string {
	if m, ok := meanings[a]; ok {
		return ": " + m
	}
	return ""
}

// speaks names the protocol that a server greets in.
func speaks(start []byte) string {
	line, _, _ := bytes.Cut(start, []byte("\n"))
	first := fmt.Sprintf("%q", bytes.TrimRight(line, "\r"))
	for _, p := range []struct{ prefix, name string }{
		{"HTTP/", "plain HTTP"},
		{"<", "plain HTTP, of version 0.9,"},
		{"SSH-", "SSH"},
		{"* OK", "IMAP, perhaps with STARTTLS,"},
		{"+OK", "POP3, perhaps with STLS,"},
		{"220", "SMTP or FTP, perhaps with STARTTLS,"},
		{"RFB ", "VNC"},
		{"-ERR", "Redis or POP3"},
	} {
		if strings.HasPrefix(string(start), p.prefix) {
			return fmt.Sprintf("this is %s and began with %s", p.name, first)
		}
	}
	return "what came began with " + first
}
