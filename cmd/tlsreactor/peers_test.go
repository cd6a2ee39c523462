package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const pythonPeer = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[3])
context.set_alpn_protocols(["http/1.1"])
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as raw:
    with context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as conn:
        conn.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while data := conn.recv(65536):
            sys.stdout.buffer.write(data)
`

const nodePeer = `
const [host, port, ca] = process.argv.slice(1);
const conn = require("tls").connect({ host, port, servername: "localhost", ALPNProtocols: ["http/1.1"],
                                      ca: require("fs").readFileSync(ca) });
conn.on("secureConnect", () => conn.write("GET / HTTP/1.0\r\n\r\n"));
conn.pipe(process.stdout);
`

// Stacks that share no code with ours, nor with each other, get the page over a chain that they verify.
func TestPeersGetThePage(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		t.Run("TLS "+version, func(t *testing.T) { peersGetThePage(t, version) })
	}
}

func peersGetThePage(t *testing.T, version string) {
	certFile, keyFile := certificateFiles(t, nil)
	p := start(t, "--cert", certFile, "--key", keyFile, "--tls-min", version, "--tls-max", version)
	host, port, _ := strings.Cut(p.addr, ":")
	nss := nssDatabase(t, certFile)
	const request = "GET / HTTP/1.0\r\n\r\n"
	for _, tt := range []struct {
		name, input string
		command     []string
	}{
		{"OpenSSL", request, []string{"openssl", "s_client", "-connect", p.addr, "-quiet", "-servername", "localhost", "-CAfile", certFile, "-verify_return_error"}},
		{"GnuTLS", request, []string{"gnutls-cli", "--port", port, "--sni-hostname", "localhost", "--verify-hostname", "localhost", "--x509cafile", certFile, host}},
		{"NSS", "", []string{"tstclnt", "-A", writeFile(t, "request", []byte(request)), "-h", host, "-p", port, "-a", "localhost", "-d", nss, "-V", "tls1.2:tls1.3"}},
		{"Python", "", []string{"python3", "-c", pythonPeer, host, port, certFile}},
		{"curl", "", []string{"curl", "-sS", "-k", "--resolve", "localhost:" + port + ":" + host, "https://localhost:" + port + "/"}},
		{"Node", "", []string{"node", "-e", nodePeer, host, port, certFile}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := tool(t, tt.input, tt.command[0], tt.command[1:]...)
			for _, fact := range []string{"TLS " + version, "localhost"} {
				if !strings.Contains(page, "<dd>"+fact+"</dd>") {
					t.Errorf("the page does not state %s:\n%s", fact, page)
				}
			}
			if !strings.Contains(page, "</html>") {
				t.Errorf("the page is not whole:\n%s", page)
			}
		})
	}
}

// Whoever keeps a session resumes it, on whichever loop of the program the next connection comes to be.
func TestPeersResumeWithTheProgram(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil)
	p := start(t, "--cert", certFile, "--key", keyFile)
	host, port, _ := strings.Cut(p.addr, ":")
	const request = "GET / HTTP/1.0\r\n\r\n"
	sessionFile := filepath.Join(t.TempDir(), "session")
	sClient := func(t *testing.T, option string) string {
		return tool(t, request, "openssl", "s_client", "-connect", p.addr, "-quiet", "-servername", "localhost", "-CAfile", certFile,
			"-verify_return_error", option, sessionFile)
	}
	for _, tt := range []struct {
		name  string
		pages func(t *testing.T) string
		want  string // what they say, in turn
	}{
		{"OpenSSL", func(t *testing.T) string { return sClient(t, "-sess_out") + sClient(t, "-sess_in") }, "no yes"},
		{"GnuTLS", func(t *testing.T) string { // it says its request on the second connection alone
			return tool(t, request, "gnutls-cli", "--resume", "--waitresumption", "--port", port,
				"--sni-hostname", "localhost", "--verify-hostname", "localhost", "--x509cafile", certFile, host)
		}, "yes"},
		{"curl", func(t *testing.T) string { // without a server_name, as the host is an address
			url := "https://" + p.addr + "/"
			return tool(t, "", "curl", "-sS", "-k", "--http1.0", "--no-alpn", url, url, url)
		}, "no yes yes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pages := tt.pages(t)
			var said []string
			for _, fact := range regexp.MustCompile("<dt>Resumed</dt><dd>(yes|no)</dd>").FindAllStringSubmatch(pages, -1) {
				said = append(said, fact[1])
			}
			if got := strings.Join(said, " "); got != tt.want {
				t.Errorf("the pages say of being resumed %q, want %q:\n%s", got, tt.want, pages)
			}
		})
	}
}

// nssDatabase makes a database in which NSS trusts a certificate, and returns its name.
func nssDatabase(t *testing.T, certFile string) string {
	t.Helper()
	name := "sql:" + t.TempDir()
	tool(t, "", "certutil", "-N", "-d", name, "--empty-password")
	tool(t, "", "certutil", "-A", "-d", name, "-n", "server", "-t", "CP,,", "-a", "-i", certFile)
	return name
}

func TestChromiumShowsThePage(t *testing.T) {
	p := start(t)
	dir := t.TempDir()
	shot := filepath.Join(dir, "page.png")
	chromium := func(more ...string) string {
		flags := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
			"--virtual-time-budget=3000", "--window-size=1100,1100", "--user-data-dir=" + filepath.Join(dir, more[0])}
		return tool(t, "", "chromium", append(flags, append(more[1:], "https://"+strings.Replace(p.addr, "127.0.0.1", "localhost", 1)+"/")...)...)
	}
	dom := chromium("dom", "--dump-dom")
	for _, want := range []string{
		`<dd>TLS 1\.3</dd>`, `<dd>TLS_AES_\w+</dd>`, `<dd>X25519MLKEM768</dd>`, `<dd>http/1\.1</dd>`, `<dd>localhost</dd>`,
		`expectClientHello</th><td><em>read</em>`, `connected</th>`,
		`<span id="live">, live</span>`, `<dd id="handshakes">[1-9]`, // by the script
	} {
		if !regexp.MustCompile(want).MatchString(dom) {
			t.Errorf("the page does not show %s:\n%s", want, dom)
		}
	}
	chromium("shot", "--screenshot="+shot)
	if picture, err := os.ReadFile(shot); err != nil || !strings.HasPrefix(string(picture), "\x89PNG") || len(picture) < 10<<10 {
		t.Errorf("the screenshot has %d bytes, %v", len(picture), err)
	}
}
