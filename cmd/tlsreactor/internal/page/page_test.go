package page

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var (
	noon  = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	facts = &Facts{Version: "TLS 1.3", Suite: "TLS_AES_128_GCM_SHA256", Group: "X25519", ALPN: "http/1.1", ServerName: "localhost"}
)

// answers feeds all of in and returns what the session answers, one string per request.
func answers(s *Session, in string) []string {
	s.Feed([]byte(in))
	var all []string
	for {
		out, ok := s.Next(nil, facts, noon)
		if !ok {
			return all
		}
		all = append(all, string(out))
	}
}

// parsed reads an answer with the standard library's client, and checks that nothing follows it.
func parsed(t *testing.T, method, answer string) (*http.Response, string) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(answer))
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v in %q", err, answer)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(r); len(rest) != 0 {
		t.Errorf("%d bytes after the answer: %q", len(rest), rest)
	}
	return response, string(body)
}

func TestThePageStatesTheFactsOfItsConnection(t *testing.T) {
	var s Session
	all := answers(&s, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if len(all) != 1 || s.Done() {
		t.Fatalf("%d answers, done %v; want 1 and another request awaited", len(all), s.Done())
	}
	response, body := parsed(t, "GET", all[0])
	for _, want := range []string{"TLS 1.3", "TLS_AES_128_GCM_SHA256", "X25519", "http/1.1", "localhost"} {
		if !strings.Contains(body, "<dd>"+want+"</dd>") {
			t.Errorf("the page does not state %q", want)
		}
	}
	if strings.Contains(body, "{{") {
		t.Error("the page has a blank that nobody filled")
	}
	if got := response.Header.Get("Date"); got != "Mon, 04 May 2026 12:00:00 GMT" {
		t.Errorf("Date: %s", got)
	}
	if got := response.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type: %s", got)
	}
}

func TestWhatTheClientSentIsEscaped(t *testing.T) {
	page := render(&Facts{ServerName: "<script>alert(1)</script>", ALPN: `"&'`})
	if strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;script&gt;") || !strings.Contains(page, "&#34;&amp;&#39;") {
		t.Error("the page passes a server name on as markup")
	}
	if !strings.Contains(page, "<dd>none</dd>") {
		t.Error("the page leaves an absent fact blank")
	}
}

func TestAnswers(t *testing.T) {
	const host = "Host: localhost\r\n"
	long := strings.Repeat("x", maxHead)
	tests := []struct {
		name    string
		request string
		status  int
		done    bool
	}{
		{"a query does not change the page", "GET /?a=b HTTP/1.1\r\n" + host + "\r\n", 200, false},
		{"the absolute form of the target is understood", "GET https://localhost/ HTTP/1.1\r\n" + host + "\r\n", 200, false},
		{"the absolute form may lack its path", "GET HTTP://localhost HTTP/1.1\r\n" + host + "\r\n", 200, false},
		{"lines may end in LF", "GET / HTTP/1.1\nHost: x\n\n", 200, false},
		{"an empty line before the request is ignored", "\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 200, false},
		{"another path is not found", "GET /favicon.ico HTTP/1.1\r\n" + host + "\r\n", 404, false},
		{"another method is not allowed", "DELETE / HTTP/1.1\r\n" + host + "\r\n", 405, false},
		{"a server-wide OPTIONS is not allowed", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 405, false},
		{"a body ends the connection", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 405, true},
		{"an empty body does not", "GET / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", 200, false},
		{"a chunked body ends the connection", "GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, true},
		{"a length that is none is refused", "GET / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400, true},
		{"the client may ask to close", "GET / HTTP/1.1\r\n" + host + "Connection: x, Close\r\n\r\n", 200, true},
		{"HTTP/1.0 closes, and needs no Host", "GET / HTTP/1.0\r\n\r\n", 200, true},
		{"HTTP/1.1 without a Host is refused", "GET / HTTP/1.1\r\n\r\n", 400, true},
		{"two Hosts are refused", "GET / HTTP/1.1\r\n" + host + host + "\r\n", 400, true},
		{"HTTP/2's preface is refused", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, true},
		{"another protocol is refused", "EHLO localhost\r\n\r\n", 400, true},
		{"two spaces in the request line are refused", "GET  / HTTP/1.1\r\n" + host + "\r\n", 400, true},
		{"a method that is no token is refused", "G@T / HTTP/1.1\r\n" + host + "\r\n", 400, true},
		{"a folded field is refused", "GET / HTTP/1.1\r\n" + host + " more\r\n\r\n", 400, true},
		{"a space before the colon is refused", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, true},
		{"a field without a colon is refused", "GET / HTTP/1.1\r\n" + host + "x\r\n\r\n", 400, true},
		{"a lone CR within a field is refused", "GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", 400, true},
		{"a head that ends too late is too large", "GET / HTTP/1.1\r\n" + host + "X: " + long + "\r\n\r\n", 431, true},
		{"a head that does not end is too large", "GET /" + long, 431, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var whole Session
			all := answers(&whole, tt.request)
			if len(all) != 1 {
				t.Fatalf("%d answers, want 1", len(all))
			}
			response, _ := parsed(t, "GET", all[0])
			if response.StatusCode != tt.status || whole.Done() != tt.done || response.Close != tt.done {
				t.Errorf("status %d, done %v, Connection: close %v; want %d, %v", response.StatusCode, whole.Done(), response.Close, tt.status, tt.done)
			}

			var bytewise Session
			var got []string
			for i := range len(tt.request) {
				got = append(got, answers(&bytewise, tt.request[i:i+1])...)
			}
			if len(got) != 1 || got[0] != all[0] {
				t.Errorf("byte by byte the answers are %q, want the same as at once", got)
			}
			if bytewise.fed != nil {
				t.Errorf("the session keeps %d bytes after its answer", len(bytewise.fed))
			}
		})
	}
}

func TestHeadHasTheHeaderOfGetAndNoBody(t *testing.T) {
	var s Session
	all := answers(&s, "GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
	if len(all) != 2 {
		t.Fatalf("%d answers, want 2", len(all))
	}
	header, body, _ := strings.Cut(all[0], "\r\n\r\n")
	if all[1] != header+"\r\n\r\n" {
		t.Errorf("HEAD: %q\nGET: %q", all[1], header)
	}
	if want := fmt.Sprintf("Content-Length: %d\r\n", len(body)); !strings.Contains(header, want) {
		t.Errorf("the header lacks %q", want)
	}
}

func TestPipelinedRequestsAreAnsweredOneByOne(t *testing.T) {
	var s Session
	s.Feed([]byte(strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 3) + "GET /next"))
	for i := range 3 {
		if _, ok := s.Next(nil, facts, noon); !ok {
			t.Fatalf("no answer to request %d", i+1)
		}
	}
	if _, ok := s.Next(nil, facts, noon); ok {
		t.Error("an answer to a request that is incomplete")
	}
	if string(s.fed) != "GET /next" {
		t.Errorf("kept %q", s.fed)
	}
}

func TestNothingIsAnsweredAfterTheLastAnswer(t *testing.T) {
	var s Session
	in := "GET / HTTP/1.0\r\n\r\n"
	if n := len(answers(&s, in+in)); n != 1 {
		t.Errorf("%d answers, want 1", n)
	}
	if n := len(answers(&s, in)); n != 0 || s.fed != nil {
		t.Errorf("%d answers after the end, %d bytes kept; want none", n, len(s.fed))
	}
}

func FuzzSession(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /a HTTP/1.1\nHost: x\n\n"), 7)
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), 40)
	f.Add([]byte("\r\n\r\nG / HTTP/3\r\n\r\n"), 1)
	f.Fuzz(func(t *testing.T, in []byte, split int) {
		var whole, parts Session
		want := strings.Join(answers(&whole, string(in)), "")
		at := 0
		if len(in) > 0 {
			at = int(uint(split) % uint(len(in)))
		}
		got := strings.Join(answers(&parts, string(in[:at])), "")
		got += strings.Join(answers(&parts, string(in[at:])), "")
		// A head is too large once 8 KiB of it are there, which a split can only make later.
		if got != want && len(in) <= maxHead {
			t.Errorf("split at %d:\n%q\nwhole:\n%q", at, got, want)
		}
		if !bytes.Equal(whole.fed, parts.fed) && len(in) <= maxHead {
			t.Errorf("split at %d keeps %q, whole keeps %q", at, parts.fed, whole.fed)
		}
		if len(whole.fed) > maxHead {
			t.Errorf("an unanswered head of %d bytes is kept", len(whole.fed))
		}
	})
}
