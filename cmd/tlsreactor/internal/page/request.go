package page

import (
	"bytes"
	"strconv"
	"strings"
)

// maxHead bounds the request line and the header fields together, as most servers do: beyond
// it a client that never ends its head would fill the memory.
const maxHead = 8 << 10

// A request is what the page has to know of one.
type request struct {
	method string
	path   string
	close  bool // the answer is the last on this connection
}

// A status is an HTTP status code; 0 means that nothing is wrong.
type status int

// headEnd returns where the head at the start of b ends, behind its empty line, or -1. A lone
// LF ends a line too (RFC 9112 2.2), so that a person can type a request into s_client.
func headEnd(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
		switch rest := b[at:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return at + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return at + 2
		}
	}
}

// parse reads a whole head. With a status other than 0 the request is not to be answered but
// with that.
func parse(head []byte) (request, status) {
	line, fields, _ := strings.Cut(string(head), "\n")
	// request-line = method SP request-target SP HTTP-version (RFC 9112 3)
	parts := strings.Split(strings.TrimSuffix(line, "\r"), " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[1] == "" {
		return request{}, 400
	}
	r := request{method: parts[0], path: pathOf(parts[1])}
	switch version := parts[2]; {
	case version == "HTTP/1.1":
	case version == "HTTP/1.0":
		r.close = true
	case strings.HasPrefix(version, "HTTP/"):
		return request{}, 505
	default:
		return request{}, 400
	}
	hosts := 0
	for fields != "" {
		line, fields, _ = strings.Cut(fields, "\n")
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		// "No whitespace is allowed between the field name and colon" (RFC 9112 5.1), and a
		// line that begins with some is an obsolete fold (5.2): neither is a token.
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !found || !isToken(name) || strings.ContainsAny(value, "\x00\r") {
			return request{}, 400
		}
		switch strings.ToLower(name) {
		case "host":
			hosts++
		case "connection":
			r.close = r.close || hasOption(value, "close")
		case "transfer-encoding":
			r.close = true
		case "content-length":
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil {
				return request{}, 400
			}
			r.close = r.close || n != 0
		}
	}
	// "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
	// message that lacks a Host header field and to any request message that contains more
	// than one" (RFC 9112 3.2).
	if hosts > 1 || hosts == 0 && parts[2] == "HTTP/1.1" {
		return request{}, 400
	}
	return r, 0
}

// pathOf returns the path of a request target in origin-form or absolute-form (RFC 9112 3.2).
func pathOf(target string) string {
	for _, scheme := range []string{"https://", "http://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			_, path, _ := strings.Cut(target[len(scheme):], "/")
			target = "/" + path
		}
	}
	path, _, _ := strings.Cut(target, "?")
	return path
}

// hasOption reports whether a comma-separated list has an option, in any case of letters.
func hasOption(list, option string) bool {
	for o := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(o, " \t"), option) {
			return true
		}
	}
	return false
}

// isToken reports whether s is a token (RFC 9110 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
