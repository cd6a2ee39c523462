package tlsconn

import (
	"io"
	"net"
	"path/filepath"
	"regexp"
	"testing"
)

// Resumption with programs of other stacks as servers: our client gets a page of theirs twice, with
// one cache of sessions, and where they can they tell in the page whether they resumed.

// hosting is what a server is to do: to be example.org by certFile, and to require a certificate of
// clients if it is told who issues them.
type hosting struct {
	certFile, keyFile string
	clientCAFile      string
}

// flags are the server's own options for clients' certificates, if it requires some.
func (h hosting) flags(options ...string) []string {
	if h.clientCAFile == "" {
		return nil
	}
	return append(options, h.clientCAFile)
}

// host is a server.
type host struct {
	name  string
	start func(t *testing.T, h hosting) (addr string)
	// full and resumed match what the page says of a connection; empty if it says nothing.
	full, resumed string
	// knows matches what the page says of a client by its certificate, before the second
	// word of its name.
	knows     string
	noEd25519 bool  // it has not the algorithm
	stranger  Alert // what it says to clients whose authority it does not know; 0 if it just goes
}

const nodeServer = `
const [cert, key, ca] = process.argv.slice(1).map(f => require("fs").readFileSync(f));
const server = require("tls").createServer({cert, key, ca, requestCert: !!ca, minVersion: "TLSv1.3"}, conn => {
    conn.on("error", () => {});
    conn.once("data", () => conn.end((conn.isSessionReused() ? "resumed" : "full") + ", CN=" + conn.getPeerCertificate()?.subject?.CN));
});
server.listen(0, "127.0.0.1", () => console.log("port " + server.address().port + "."));`

const pythonServer = `
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain(sys.argv[1], sys.argv[2])
if sys.argv[3:]:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(sys.argv[3])
with socket.create_server(("127.0.0.1", 0)) as s:
    print("port %d." % s.getsockname()[1], flush=True)
    while True:
        c, _ = s.accept()
        try:
            with context.wrap_socket(c, server_side=True) as conn:
                conn.recv(65536)
                conn.sendall(("%s, %s" % ("resumed" if conn.session_reused else "full", conn.getpeercert())).encode())
                conn.unwrap()
        except OSError:
            pass`

// nssHost runs selfserv, with a database of its own, which takes the key from a PKCS #12 file alone.
func nssHost(t *testing.T, h hosting) string {
	db, p12 := "sql:"+t.TempDir(), filepath.Join(t.TempDir(), "key.p12")
	launch(t, "openssl", "pkcs12", "-export", "-in", h.certFile, "-inkey", h.keyFile, "-name", "own", "-out", p12, "-passout", "pass:").end()
	launch(t, "certutil", "-N", "-d", db, "--empty-password").end()
	launch(t, "pk12util", "-i", p12, "-d", db, "-W", "", "-K", "").end()
	port := freePort(t)
	args := []string{"-d", db, "-p", port, "-n", "own", "-V", "tls1.3:tls1.3", "-u", "-v"}
	if h.clientCAFile != "" {
		launch(t, "certutil", "-A", "-d", db, "-n", "clients", "-t", "CT,,", "-a", "-i", h.clientCAFile).end()
		args = append(args, "-r", "-r")
	}
	launch(t, "selfserv", args...).expect("About to call accept")
	return net.JoinHostPort("127.0.0.1", port)
}

// scriptHost runs a script of ours, which prints its port.
func scriptHost(t *testing.T, h hosting, name, flag, script string) string {
	args := append([]string{flag, script, h.certFile, h.keyFile}, h.flags()...)
	return net.JoinHostPort("127.0.0.1", launch(t, name, args...).match(`port (\d+)\.`)[1])
}

var hosts = []host{
	{
		name: "OpenSSL", full: "New, TLSv1.3", resumed: "Reused, TLSv1.3", knows: "Subject: CN ?= ?peer ", stranger: AlertUnknownCA,
		start: func(t *testing.T, h hosting) string {
			addr, _ := sServer(t, append([]string{"-tls1_3", "-www", "-cert", h.certFile, "-key", h.keyFile},
				h.flags("-Verify", "1", "-verify_return_error", "-CAfile")...)...)
			return addr
		},
	},
	{
		name: "GnuTLS", stranger: AlertAccessDenied,
		start: func(t *testing.T, h hosting) string {
			port := freePort(t)
			args := append([]string{"--http", "--port", port, "--x509certfile", h.certFile, "--x509keyfile", h.keyFile,
				"--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3"}, h.flags("--require-client-cert", "--verify-client-cert", "--x509cafile")...)
			if h.clientCAFile == "" {
				args = append(args, "--disable-client-cert")
			}
			launch(t, "gnutls-serv", args...).match(`listening on IPv4 \S+ port \d+\.\.\.done`)
			return net.JoinHostPort("127.0.0.1", port)
		},
	},
	{name: "NSS", start: nssHost, noEd25519: true, stranger: AlertUnknownCA},
	{
		name: "Node", full: "full, ", resumed: "resumed, ", knows: "CN=peer ",
		start: func(t *testing.T, h hosting) string { return scriptHost(t, h, "node", "-e", nodeServer) },
	},
	{
		name: "Python", full: "full, ", resumed: "resumed, ", knows: "'commonName', 'peer ", stranger: AlertUnknownCA,
		start: func(t *testing.T, h hosting) string { return scriptHost(t, h, "python3", "-c", pythonServer) },
	},
}

// get makes one connection and reads the page.
func get(t *testing.T, addr string, config *Config) (page string, state ConnectionState, err error) {
	t.Helper()
	conn := dial(t, addr, config)
	if _, err := io.WriteString(struct{ io.Writer }{conn}, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return "", conn.ConnectionState(), err
	}
	b, err := io.ReadAll(struct{ io.Reader }{conn})
	if err == nil {
		bye(t, conn)
	}
	return string(b), conn.ConnectionState(), err
}

// getTwice gets the page on a connection and on one that resumes its session, and checks what
// each side says of that.
func (h host) getTwice(t *testing.T, addr string, config *Config) (pages [2]string) {
	t.Helper()
	for i, says := range []string{h.full, h.resumed} {
		page, state, err := get(t, addr, config)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if state.DidResume != (i == 1) {
			t.Errorf("connection %d: resumed is %t", i, state.DidResume)
		}
		if !regexp.MustCompile(says).MatchString(page) {
			t.Errorf("connection %d: the page does not say %q:\n%s", i, says, page)
		}
		if certs := state.PeerCertificates; len(certs) == 0 || len(state.VerifiedChains) != 1 {
			t.Errorf("connection %d: the server is known by %d certificates, %d chains", i, len(certs), len(state.VerifiedChains))
		}
		pages[i] = page
	}
	return pages
}

func TestWeResumeWithPeers(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	_, certFile, keyFile := pemFiles(t, ca, ca.certify(t, keyECDSA, "example.org"))
	for _, peer := range hosts {
		t.Run(peer.name, func(t *testing.T) {
			addr := peer.start(t, hosting{certFile: certFile, keyFile: keyFile})
			peer.getTwice(t, addr, &Config{RootCAs: ca.pool, ServerName: "example.org", Sessions: NewSessionCache(0)})
		})
	}
}
