package tlsconn

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// chromiumPage asks, one after the other, how the connections are made that are asked on.
const chromiumPage = `<!doctype html><title>Resumption</title><p id="facts">none</p><script>
(async () => {
    const facts = [];
    for (let i = 0; i < 8; i++)
        facts.push(await (await fetch("/fact?" + i)).text());
    document.getElementById("facts").textContent = facts.join(" ") + ".";
})();
</script>`

// telling answers one request, with the page or with how the connection was made.
func telling(conn *Conn) error {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return fmt.Errorf("the request: %w", err)
	}
	kind, body := "text/plain", "full"
	switch {
	case request.URL.Path == "/":
		kind, body = "text/html", chromiumPage
	case conn.ConnectionState().DidResume:
		body = "resumed"
	}
	_, err = fmt.Fprintf(struct{ io.Writer }{conn}, "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		kind, len(body), body)
	if err != nil {
		return err
	}
	return conn.CloseWrite()
}

// BoringSSL as browsers have it. Some connections may have been opened in advance, without a
// ticket; the last of many is not one of those.
func TestChromiumResumesWithUs(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	s := serve(t, always(&Config{Certificates: serverFor(ca.certify(t, keyECDSA, "example.org")).Certificates}), telling)
	dom, err := launch(t, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
		"--host-resolver-rules=MAP example.org "+s.addr, "--user-data-dir="+t.TempDir(), "--virtual-time-budget=60000", "--dump-dom",
		"https://example.org/").finish()
	if err != nil || !strings.Contains(dom, " resumed.</p>") {
		t.Fatalf("%v, the last connection is not resumed:\n%s", err, dom)
	}
}
