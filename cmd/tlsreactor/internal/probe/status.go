package probe

import "fmt"

// A Status is an exit status of `tlsreactor probe`. They are documented in Usage, and do not change.
type Status int

// The exit statuses. 1 and 2 are the program's own: it failed, or was not understood.
const (
	StatusOK        Status = 0
	StatusError     Status = 1
	StatusUsage     Status = 2
	StatusResolve   Status = 3  // the name has no address
	StatusConnect   Status = 4  // no address takes a connection
	StatusTimeout   Status = 5  // --timeout has passed
	StatusRefused   Status = 6  // the server ended the handshake with an alert
	StatusFailed    Status = 7  // we ended it: the server does not obey the protocol
	StatusUntrusted Status = 8  // the handshake is complete, the certificate is not to be trusted
	StatusLost      Status = 9  // the server closed or reset the connection within the handshake
	StatusVersion   Status = 10 // the server speaks no version that was offered
	StatusNotTLS    Status = 11 // the server speaks something else
)

// statusNames are the outcomes of the result line.
var statusNames = map[Status]string{
	StatusOK:        "ok",
	StatusError:     "error",
	StatusUsage:     "usage",
	StatusResolve:   "resolve_failed",
	StatusConnect:   "connect_failed",
	StatusTimeout:   "timeout",
	StatusRefused:   "refused",
	StatusFailed:    "handshake_failed",
	StatusUntrusted: "untrusted",
	StatusLost:      "connection_lost",
	StatusVersion:   "no_common_version",
	StatusNotTLS:    "not_tls",
}

// String returns the outcome's name, such as "connect_failed".
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("Status(%d)", int(s))
}
