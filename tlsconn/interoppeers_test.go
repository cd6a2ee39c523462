package tlsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// The peers of the matrix that need more than their arguments: crypto/tls, which is in this
// process; Java, of which one machine is for all; Chromium, which needs a profile.

// goConfig is what both roles of crypto/tls have of a chain and a CA, either of which may be missing.
func goConfig(version uint16, certFile, keyFile, caFile string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: version, MaxVersion: version, ServerName: "example.org", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	if certFile != "" {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{cert}
	}
	if caFile != "" {
		ca, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(ca)
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, config.RootCAs
	}
	return config, nil
}

// goSays tells of a connection in the words of the peers in testdata.
func goSays(state tls.ConnectionState) string {
	says := strings.ReplaceAll(tls.VersionName(state.Version), "TLS ", "TLSv") + " full"
	if state.DidResume {
		says = strings.ReplaceAll(says, "full", "resumed")
	}
	for _, cert := range state.PeerCertificates[:min(1, len(state.PeerCertificates))] {
		says += " CN=" + cert.Subject.CommonName
	}
	return says + "\n"
}

func goVisits(t *testing.T, v visit) (output string, err error) {
	config, err := goConfig(v.version, v.certFile, v.keyFile, v.caFile)
	if err != nil {
		t.Fatal(err)
	}
	for range v.times {
		socket, err := net.Dial("tcp", v.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(withDeadline(t, socket), config)
		said, err := goVisit(conn, v.chunks)
		conn.Close()
		if output += said; err != nil {
			return output + err.Error(), err
		}
	}
	return output, nil
}

// goVisit has chunks echoed, and ends.
func goVisit(conn *tls.Conn, chunks int) (said string, err error) {
	if err := conn.Handshake(); err != nil {
		return "", err
	}
	said = goSays(conn.ConnectionState())
	got := make([]byte, len(chunk))
	for range chunks {
		if _, err := io.WriteString(conn, chunk); err != nil {
			return said, err
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			return said, err
		}
		if string(got) != chunk {
			return said, errors.New("the echo is not what was sent")
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return said, err
	}
	_, err = io.Copy(io.Discard, conn)
	return said, err
}

// goHost greets and echoes.
func goHost(t *testing.T, h hosting) *hosted {
	config, err := goConfig(h.version, h.certFile, h.keyFile, h.clientCAFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			socket, err := l.Accept()
			if err != nil {
				return
			}
			conn := socket.(*tls.Conn)
			if conn.Handshake() == nil { // a failure is for the client to tell
				_, _ = io.WriteString(conn, goSays(conn.ConnectionState()))
				_, _ = io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn})
			}
			conn.Close()
		}
	}()
	return &hosted{addr: l.Addr().String(), talk: greeted}
}

// java is a virtual machine that takes commands, one at a time.
type java func() *program

// jvm is one for the time of a test, started when it is needed.
func jvm(t *testing.T) java {
	return sync.OnceValue(func() *program {
		return launchFor(t, 10*patience, "java", filepath.Join("testdata", "interop", "Peer.java"))
	})
}

// tell gives it a command for the time of a test, and returns it to read the answer from.
func (j java) tell(t *testing.T, words ...string) *program {
	t.Helper()
	p := j()
	p.t, p.seen = t, nil
	p.say(strings.Join(words, "\t"))
	return p
}

func (j java) visits(t *testing.T, v visit) (string, error) {
	p := j.tell(t, v.words()...)
	if line := p.match("^(done|failed: .*)$")[0]; line != "done" {
		return strings.Join(p.seen, "\n"), errors.New(line)
	}
	return strings.Join(p.seen, "\n"), nil
}

func (j java) hosts(t *testing.T, h hosting) *hosted {
	p := j.tell(t, h.words()...)
	return &hosted{addr: net.JoinHostPort("127.0.0.1", p.match(`port (\d+)\.`)[1]), talk: greeted}
}

// chromiumPage posts data, first on connections that end, and resume, then on one that goes on.
const chromiumPage = `<!doctype html><title>Interoperation</title><p id="facts">nothing</p><script>
(async () => {
    let echoes = 0;
    for (const path of ["once", "once", "once", "once", "once", "once", "again", "again", "again", "again"]) {
        const data = path.repeat(path == "once" ? 1 : 64000);
        echoes += await (await fetch("/" + path, {method: "POST", body: data})).text() == data;
    }
    document.getElementById("facts").textContent = echoes + " echoes.";
})();
</script>`

// chromiumConnected is what Chromium's log of the network says of a connection.
var chromiumConnected = regexp.MustCompile(`\{[^{}]*"is_resumed":[^{}]*\}`)

// chromiumVisits runs it with a profile of its own, and with a home whose database of NSS has the client's certificate.
func chromiumVisits(t *testing.T, v visit) (string, error) {
	t.Helper()
	home, profile := t.TempDir(), t.TempDir()
	if v.certFile != "" {
		// The setting that an administrator's policy AutoSelectCertificateForUrls makes: to show any that fits.
		writeUnder(t, profile, "Default/Preferences", `{"profile": {"content_settings": {"exceptions": {"auto_select_certificate":
			{"https://example.org:443,*": {"setting": {"filters": [{}]}}}}}}}`)
		db := filepath.Join(home, ".pki", "nssdb")
		if err := os.MkdirAll(db, 0o700); err != nil {
			t.Fatal(err)
		}
		launch(t, "certutil", "-N", "-d", "sql:"+db, "--empty-password").end()
		importPair(t, "sql:"+db, v.certFile, v.keyFile)
	}
	t.Setenv("HOME", home)
	log, version := filepath.Join(profile, "log"), "tls"+dotted(v.version)
	output, err := launch(t, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
		"--ssl-version-min="+version, "--ssl-version-max="+version, "--log-net-log="+log, "--user-data-dir="+profile,
		"--host-resolver-rules=MAP example.org "+v.addr, "--virtual-time-budget=60000", "--dump-dom", "https://example.org/page").finish()
	said, _ := os.ReadFile(log)
	output += "\n" + strings.Join(chromiumConnected.FindAllString(string(said), -1), "\n")
	if err == nil && !strings.Contains(output, "10 echoes.</p>") {
		err = errors.New("an echo is not what was sent")
	}
	return output, err
}

// writeUnder makes a file in a folder.
func writeUnder(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
