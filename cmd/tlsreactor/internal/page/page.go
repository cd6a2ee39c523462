package page

import (
	_ "embed"
	"fmt"
	"strconv"
	"time"
)

//go:embed page.html
var template string

// Facts are what the page tells of its connection, and of the server. An empty string is shown as "none".
type Facts struct {
	Version    string // of TLS
	Suite      string
	Group      string
	Signature  string // the scheme that the server signed with; a resumption has none
	ALPN       string
	ServerName string // as the client sent it: the page escapes it
	Retried    bool   // there was a HelloRetryRequest
	Resumed    bool   // the connection continues a session
	Handshake  time.Duration
	Steps      []Step    // of the handshake, in order
	Counters   []Counter // of the server
}

// A Step is a state that the handshake entered or, with a Want, something that it waited for there.
type Step struct {
	At          time.Duration // since the connection was accepted
	State, Want string
}

// A Counter is one of the server's.
type Counter struct {
	Name  string // in JSON
	Label string // on the page
	Value uint64
}

// Session answers the requests of one connection. Its zero value is ready for use; it belongs
// to one goroutine at a time.
type Session struct {
	fed  []byte // requests not answered yet; nil while there are none
	done bool
}

// Feed takes a copy of what the client sent. To keep a session's memory bounded, feed it
// only when Next has nothing left to answer.
func (s *Session) Feed(p []byte) {
	if !s.done {
		s.fed = append(s.fed, p...)
	}
}

// Next appends the answer to the next request to dst, or reports false if no request is
// complete.
func (s *Session) Next(dst []byte, facts *Facts, now time.Time) ([]byte, bool) {
	if s.done {
		return dst, false
	}
	// "A server that is expecting to receive and parse a request-line SHOULD ignore at least
	// one empty line (CRLF) received prior to the request-line" (RFC 9112 2.2).
	for len(s.fed) > 0 && (s.fed[0] == '\r' || s.fed[0] == '\n') {
		s.fed = s.fed[1:]
	}
	end := headEnd(s.fed)
	if end < 0 && len(s.fed) <= maxHead {
		if len(s.fed) == 0 {
			s.fed = nil
		}
		return dst, false
	}
	r, wrong := request{close: true}, status(431)
	if 0 <= end && end <= maxHead {
		r, wrong = parse(s.fed[:end])
		s.fed = s.fed[end:]
	}
	if wrong != 0 {
		r.close = true
	}
	if r.close {
		s.done = true
	}
	if s.done || len(s.fed) == 0 {
		s.fed = nil
	}
	return respond(dst, r, wrong, facts, now), true
}

// Done reports whether the last answer was the last on this connection, which is to be closed
// once the client has it all.
func (s *Session) Done() bool { return s.done }

// countersPath is where the page's script asks for the counters.
const countersPath = "/counters.json"

// reasons are the statuses that the page answers with.
var reasons = map[status]string{
	200: "OK",
	400: "Bad Request",
	404: "Not Found",
	405: "Method Not Allowed",
	431: "Request Header Fields Too Large",
	505: "HTTP Version Not Supported",
}

// respond appends the answer to one request, or to one that is wrong.
func respond(dst []byte, r request, wrong status, facts *Facts, now time.Time) []byte {
	code := wrong
	switch {
	case code != 0:
	case r.method != "GET" && r.method != "HEAD":
		code = 405
	case r.path != "/" && r.path != countersPath:
		code = 404
	default:
		code = 200
	}
	kind, body := "text/plain; charset=utf-8", fmt.Sprintf("%d %s\n", code, reasons[code])
	switch {
	case code == 200 && r.path == countersPath:
		kind, body = "application/json", renderCounters(facts.Counters)
	case code == 200:
		kind, body = "text/html; charset=utf-8", render(facts)
	}

	dst = fmt.Appendf(dst, "HTTP/1.1 %d %s\r\n", code, reasons[code])
	field := func(name, value string) {
		dst = append(dst, name+": "+value+"\r\n"...)
	}
	field("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")) // RFC 9110 5.6.7
	field("Server", "tlsreactor")
	field("Content-Type", kind)
	field("Content-Length", strconv.Itoa(len(body)))
	field("Cache-Control", "no-store") // the next connection has other facts
	field("Content-Security-Policy", policy)
	field("X-Content-Type-Options", "nosniff")
	if code == 405 {
		field("Allow", "GET, HEAD")
	}
	if r.close {
		field("Connection", "close")
	}
	dst = append(dst, "\r\n"...)
	if r.method != "HEAD" {
		dst = append(dst, body...)
	}
	return dst
}
