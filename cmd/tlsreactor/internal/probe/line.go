package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// A line is something to be told: String is what a person reads, its JSON what a program does. Lines are
// made on the loop and written by Run's goroutine.
type line interface{ String() string }

// A stamp is what all lines begin with in JSON.
type stamp struct {
	Event string       `json:"event"`
	At    milliseconds `json:"ms"`
}

// text is a line of the part that is printed while things happen.
func (s stamp) text(format string, args ...any) string {
	return fmt.Sprintf("%9.1f ms  %-11s", float64(s.At), s.Event) + fmt.Sprintf(format, args...)
}

// milliseconds is a time, to the microsecond.
type milliseconds float64

func millisecondsOf(d time.Duration) milliseconds { return milliseconds(d.Microseconds()) / 1000 }

// String returns, for example, "12.3 ms".
func (m milliseconds) String() string { return fmt.Sprintf("%.1f ms", float64(m)) }

// resolved is the answer to one look-up.
type resolved struct {
	stamp
	Family    string   `json:"family"`
	Addresses []string `json:"addresses,omitempty"`
	Error     string   `json:"error,omitempty"`
}

func (l resolved) String() string {
	return l.text("%s: %s", l.Family, escaped(strings.Join(l.Addresses, " ")+l.Error))
}

// attempted is what becomes of an address: connecting, connected, failed or abandoned.
type attempted struct {
	stamp
	Address string `json:"address"`
	Error   string `json:"error,omitempty"`
}

func (l attempted) String() string {
	if l.Error != "" {
		return l.text("%s: %s", l.Address, escaped(l.Error))
	}
	return l.text("%s", l.Address)
}

// entered is a state of the handshake.
type entered struct {
	stamp
	State string `json:"state"`
}

func (l entered) String() string { return l.text("%s", l.State) }

// wanted is a want of the handshake. Repeated counts those alike before it that were not told.
type wanted struct {
	stamp
	Want     string `json:"want"`
	Repeated int    `json:"repeated,omitempty"`
}

func (l wanted) String() string {
	if l.Repeated > 0 {
		return l.text("%s (after %d more of these)", l.Want, l.Repeated)
	}
	return l.text("%s", l.Want)
}

// facts are what is known of the connection.
type facts struct {
	stamp
	Address           string `json:"address"`
	Version           string `json:"version,omitempty"`
	Suite             string `json:"suite,omitempty"`
	Group             string `json:"group,omitempty"`
	SignatureScheme   string `json:"signature_scheme,omitempty"`
	ALPN              string `json:"alpn,omitempty"`
	ServerName        string `json:"server_name,omitempty"`
	HelloRetryRequest bool   `json:"hello_retry_request"`
	ClientCertificate bool   `json:"client_certificate_requested"`
}

func (l facts) String() string {
	asked := map[bool]string{false: "no", true: "yes"}
	return "\n" + block("", "none",
		"address", l.Address,
		"version", l.Version,
		"suite", l.Suite,
		"group", l.Group,
		"signature", l.SignatureScheme,
		"ALPN", l.ALPN,
		"server_name", l.ServerName,
		"HelloRetryRequest", asked[l.HelloRetryRequest],
		"client certificate", map[bool]string{false: "not asked for", true: "asked for"}[l.ClientCertificate])
}

// certificate is one of the server's.
type certificate struct {
	stamp
	Index              int       `json:"index"`
	Subject            string    `json:"subject"`
	Names              []string  `json:"names,omitempty"`
	Issuer             string    `json:"issuer"`
	Serial             string    `json:"serial"`
	NotBefore          time.Time `json:"not_before"`
	NotAfter           time.Time `json:"not_after"`
	Key                string    `json:"key"`
	SignatureAlgorithm string    `json:"signature_algorithm"`
	SHA256             string    `json:"sha256"`
	Unused             bool      `json:"unused,omitempty"`
	Wrong              []string  `json:"wrong"`

	left time.Duration // of its validity
}

func (l certificate) String() string {
	title := fmt.Sprintf("\ncertificate %d", l.Index)
	if l.Unused {
		title += ", not needed"
	}
	valid := fmt.Sprintf("%s to %s", dateOf(l.NotBefore), dateOf(l.NotAfter))
	if l.left > 0 {
		valid += fmt.Sprintf(" (%s left)", daysOf(l.left))
	}
	rows := []string{
		"subject", l.Subject,
		"names", strings.Join(l.Names, ", "),
		"issuer", l.Issuer,
		"serial", l.Serial,
		"valid", valid,
		"key", l.Key,
		"signed with", l.SignatureAlgorithm,
		"SHA-256", l.SHA256,
	}
	for _, wrong := range l.Wrong {
		rows = append(rows, "WRONG", wrong)
	}
	return title + "\n" + block("  ", "none", rows...)
}

// times says where the time went. What did not happen is 0, and left out.
type times struct {
	stamp
	Resolve     milliseconds `json:"resolve_ms,omitzero"`
	Connect     milliseconds `json:"connect_ms,omitzero"`
	Handshake   milliseconds `json:"handshake_ms,omitzero"`
	ServerHello milliseconds `json:"server_hello_ms,omitzero"`
	Verify      milliseconds `json:"verify_ms,omitzero"`
	Total       milliseconds `json:"total_ms"`
}

func (l times) String() string {
	rows := []string{}
	for _, phase := range []struct {
		name string
		took milliseconds
	}{
		{"resolve", l.Resolve}, {"connect", l.Connect}, {"handshake", l.Handshake},
		{"  hello to hello", l.ServerHello}, {"  verify", l.Verify}, {"total", l.Total},
	} {
		if phase.took > 0 {
			rows = append(rows, phase.name, fmt.Sprintf("%9s", phase.took))
		}
	}
	return "\ntime\n" + block("  ", "", rows...)
}

// result is the last line.
type result struct {
	stamp
	Outcome string   `json:"outcome"`
	Status  Status   `json:"status"`
	Message string   `json:"message"`
	Wrong   []string `json:"wrong,omitempty"`
}

func (l result) String() string {
	return fmt.Sprintf("\n%s: %s", strings.ReplaceAll(l.Outcome, "_", " "), escaped(l.Message))
}

// block sets names and values, which alternate in rows, in two columns; an empty value is shown as none.
func block(indent, none string, rows ...string) string {
	var b strings.Builder
	for i := 0; i < len(rows); i += 2 {
		value := rows[i+1]
		if value == "" {
			value = none
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s%-20s%s", indent, rows[i], escaped(value))
	}
	return b.String()
}

// write writes one line as text or as JSON.
func write(w io.Writer, l line, asJSON bool) error {
	text := []byte(l.String())
	if asJSON {
		var encoded bytes.Buffer
		e := json.NewEncoder(&encoded)
		e.SetEscapeHTML(false)
		if err := e.Encode(l); err != nil {
			return err
		}
		text = escapedJSON(bytes.TrimSuffix(encoded.Bytes(), []byte("\n")))
	}
	_, err := w.Write(append(text, '\n'))
	return err
}
