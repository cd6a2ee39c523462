package tlsconn

import (
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"
)

// Resumption (RFC 8446 2.2) with programs of other stacks as clients: each connects twice to a
// server of ours, and by its own means resumes the second time.

// visit is what a client is to do: to ask for example.org, to trust caFile, and to show a
// certificate if there is one.
type visit struct {
	*serving
	caFile, certFile, keyFile string
}

// flags are the client's own options for its certificate.
func (v visit) flags(cert, key string) []string {
	if v.certFile == "" {
		return nil
	}
	return []string{cert, v.certFile, key, v.keyFile}
}

// visitor is a client.
type visitor struct {
	name string
	talk func(*Conn) error // what our server does
	// once connects and says whether all went well to the end; twice resumes the second time.
	once, twice func(t *testing.T, v visit) (output string, err error)
	resumed     string // what the client says of that
	noEd25519   bool   // it has not the algorithm
}

const request = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"

// sClientVisits runs s_client, which keeps its session in a file, for the server of a name.
func sClientVisits(t *testing.T, v visit, name string, more ...string) (string, error) {
	t.Helper()
	p := launch(t, "openssl", append(append([]string{"s_client", "-connect", v.addr, "-servername", name, "-CAfile", v.caFile,
		"-verify_return_error", "-verify_hostname", name}, v.flags("-cert", "-key")...), more...)...)
	_, _ = p.stdin.Write([]byte("round trip\n")) // whoever is refused may be gone already
	for line := range p.lines {
		p.seen = append(p.seen, line)
		// The tickets came before. What s_client tells of them is buffered, and may surround it.
		if strings.Contains(line, "round trip") {
			break
		}
	}
	return p.finish()
}

// gnutlsVisits runs gnutls-cli, which connects again when told to.
func gnutlsVisits(t *testing.T, v visit, more ...string) (string, error) {
	t.Helper()
	p := launch(t, "gnutls-cli", append(append([]string{"--port", v.port(), "--sni-hostname", "example.org", "--verify-hostname", "example.org",
		"--x509cafile", v.caFile, v.host()}, v.flags("--x509certfile", "--x509keyfile")...), more...)...)
	_, _ = p.stdin.Write([]byte("a line\n"))
	return p.finish()
}

// curlVisits runs curl, whose connections share the sessions of the process.
func curlVisits(t *testing.T, v visit, times int, more ...string) (string, error) {
	t.Helper()
	args := append([]string{"-sS", "--tlsv1.3", "--cacert", v.caFile, "--connect-to", "example.org:443:" + v.addr, "-w", "%{http_code} "},
		append(v.flags("--cert", "--key"), more...)...)
	for range times {
		args = append(args, "-o", "/dev/null", "https://example.org/")
	}
	return launch(t, "curl", args...).finish()
}

// scriptVisits runs a script of ours with its parameters.
func scriptVisits(t *testing.T, v visit, name, flag, script, times string) (string, error) {
	t.Helper()
	args := []string{flag, script, v.host(), v.port(), times, v.caFile}
	if v.certFile != "" {
		args = append(args, v.certFile, v.keyFile)
	}
	return launch(t, name, args...).finish()
}

const nodeClient = `
const [host, port, times, ...files] = process.argv.slice(1);
const [ca, cert, key] = files.map(f => require("fs").readFileSync(f));
function visit(left, session) {
    let next;
    const conn = require("tls").connect({host, port, servername: "example.org", minVersion: "TLSv1.3", ca, cert, key, session});
    conn.on("session", s => next = s);
    conn.on("secureConnect", () => {
        console.log(conn.isSessionReused() ? "resumed" : "full");
        conn.write("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    });
    conn.on("data", () => {});
    conn.on("close", () => { if (left > 1) visit(left - 1, next); });
}
visit(times);`

const pythonClient = `
import socket, ssl, sys
host, port, times, ca = sys.argv[1:5]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = ssl.TLSVersion.TLSv1_3
if sys.argv[5:]:
    context.load_cert_chain(*sys.argv[5:])
session = None
for _ in range(int(times)):
    with socket.create_connection((host, int(port))) as raw:
        with context.wrap_socket(raw, server_hostname="example.org", suppress_ragged_eofs=False, session=session) as conn:
            print("resumed" if conn.session_reused else "full")
            conn.sendall(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
            while conn.recv(65536):
                pass
            session = conn.session`

// nssVisits runs tstclnt, with a database of its own.
func nssVisits(t *testing.T, v visit, more ...string) (string, error) {
	t.Helper()
	db := "sql:" + t.TempDir()
	run := func(name string, args ...string) { launch(t, name, args...).end() }
	run("certutil", "-N", "-d", db, "--empty-password")
	run("certutil", "-A", "-d", db, "-n", "ca", "-t", "CT,,", "-a", "-i", v.caFile)
	args := []string{"-A", writeFile(t, "request", []byte(request)), "-h", v.host(), "-p", v.port(), "-a", "example.org", "-d", db,
		"-V", "tls1.3:tls1.3", "-u"}
	if v.certFile != "" {
		p12 := filepath.Join(t.TempDir(), "key.p12")
		run("openssl", "pkcs12", "-export", "-in", v.certFile, "-inkey", v.keyFile, "-name", "own", "-out", p12, "-passout", "pass:")
		run("pk12util", "-i", p12, "-d", db, "-W", "", "-K", "")
		args = append(args, "-n", "own")
	}
	return launch(t, "tstclnt", append(args, more...)...).finish()
}

var visitors = []visitor{
	{
		name: "OpenSSL", talk: echoing, resumed: "Reused, TLSv1.3",
		once: func(t *testing.T, v visit) (string, error) { return sClientVisits(t, v, "example.org") },
		twice: func(t *testing.T, v visit) (string, error) {
			file := filepath.Join(t.TempDir(), "session")
			if output, err := sClientVisits(t, v, "example.org", "-sess_out", file); err != nil || !strings.Contains(output, "New, TLSv1.3") {
				return output, err
			}
			return sClientVisits(t, v, "example.org", "-sess_in", file)
		},
	},
	{
		name: "GnuTLS", talk: echoing, resumed: "*** This is a resumed session",
		once:  func(t *testing.T, v visit) (string, error) { return gnutlsVisits(t, v) },
		twice: func(t *testing.T, v visit) (string, error) { return gnutlsVisits(t, v, "--resume", "--waitresumption") },
	},
	{
		name: "curl", talk: answering, resumed: "200 200 ",
		once:  func(t *testing.T, v visit) (string, error) { return curlVisits(t, v, 1) },
		twice: func(t *testing.T, v visit) (string, error) { return curlVisits(t, v, 2) },
	},
	{
		name: "Node", talk: answering, resumed: "full\nresumed",
		once:  func(t *testing.T, v visit) (string, error) { return scriptVisits(t, v, "node", "-e", nodeClient, "1") },
		twice: func(t *testing.T, v visit) (string, error) { return scriptVisits(t, v, "node", "-e", nodeClient, "2") },
	},
	{
		name: "Python", talk: answering, resumed: "full\nresumed",
		once: func(t *testing.T, v visit) (string, error) {
			return scriptVisits(t, v, "python3", "-c", pythonClient, "1")
		},
		twice: func(t *testing.T, v visit) (string, error) {
			return scriptVisits(t, v, "python3", "-c", pythonClient, "2")
		},
	},
	{
		name: "NSS", talk: answering, resumed: "the page of /", noEd25519: true,
		once:  func(t *testing.T, v visit) (string, error) { return nssVisits(t, v) },
		twice: func(t *testing.T, v visit) (string, error) { return nssVisits(t, v, "-L", "2") },
	},
}

func (v visit) caOnly(t *testing.T, ca *testCA) visit {
	v.caFile = writeFile(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
	return v
}

func TestPeersResumeWithUs(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	for _, peer := range visitors {
		t.Run(peer.name, func(t *testing.T) {
			config := &Config{Certificates: serverFor(ca.certify(t, keyECDSA, "example.org")).Certificates}
			s := serve(t, always(config), peer.talk)
			output, err := peer.twice(t, visit{serving: s}.caOnly(t, ca))
			if err != nil || !strings.Contains(output, peer.resumed) {
				t.Fatalf("%v, no %q in its output:\n%s", err, peer.resumed, output)
			}
			s.want(false)
			s.want(true)
		})
	}
}
