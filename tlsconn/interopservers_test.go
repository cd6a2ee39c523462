package tlsconn

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Programs of other stacks as servers: a client of ours connects to each.

// hosting is what a server is to do: to be example.org by certFile, and to require a certificate of
// clients if it is told who issues them.
type hosting struct {
	certFile, keyFile, chainFile string
	clientCAFile                 string
	version                      uint16 // TLS 1.3 if it is not TLS 1.2
	times, chunks                int    // how often the client comes, and with how much data
	rekeyed                      bool   // it sends KeyUpdates, if it can
}

// newHosting is one by who has cert, and trusts ca if it is to require certificates.
func newHosting(t *testing.T, ca *testCA, cert tls.Certificate, requires bool) hosting {
	t.Helper()
	caFile, certFile, keyFile := pemFiles(t, ca, cert)
	h := hosting{certFile: certFile, keyFile: keyFile, chainFile: chainFile(t, cert), times: 1, chunks: 1}
	if requires {
		h.clientCAFile = caFile
	}
	return h
}

// flags are the server's own options for clients' certificates, if it requires some.
func (h hosting) flags(options ...string) []string {
	if h.clientCAFile == "" {
		return nil
	}
	return append(options, h.clientCAFile)
}

// words are the hosting as the peers in testdata take it.
func (h hosting) words() []string {
	return append([]string{"server", "TLSv" + dotted(h.version), h.certFile, h.keyFile}, h.flags()...)
}

// hosted is a server that runs.
type hosted struct {
	addr string
	// talk has our client exchange chunks with it, to the end, with a KeyUpdate of ours among
	// them if need be. It returns what the server tells on the connection.
	talk func(conn *Conn, chunks int, rekeyed bool) (said string, err error)
	p    *program // tells more, if it is not nil, up to a line that holds last
	last string
}

// host is a server.
type host struct {
	name  string
	start func(t *testing.T, h hosting) *hosted
	// says matches what the server says of a connection of a version, full or resumed; knows
	// matches the words before the name of a client that shows a certificate.
	says  func(version uint16, resumed bool) string
	knows string
	limitations
	nobody   Alert // what it says to clients without a certificate; 0 is certificate_required
	stranger Alert // what it says to clients whose authority it does not know; 0 if it just goes
}

// exchangeChunks sends chunks and reads each back as turn makes it, and ends.
func exchangeChunks(conn *Conn, r io.Reader, turn func(string) string, chunks int, rekeyed bool) error {
	want := turn(chunk)
	got := make([]byte, len(want))
	for i := range chunks {
		if rekeyed && i == 1 {
			if err := conn.KeyUpdate(true); err != nil {
				return err
			}
		}
		if _, err := conn.Write([]byte(chunk)); err != nil {
			return err
		}
		if _, err := io.ReadFull(r, got); err != nil {
			return err
		}
		if string(got) != want {
			return errors.New("the echo is not what was sent")
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// echoed is the talk with who echoes.
func echoed(conn *Conn, chunks int, rekeyed bool) (string, error) {
	return "", exchangeChunks(conn, struct{ io.Reader }{conn}, strings.Clone, chunks, rekeyed)
}

// greeted is the talk with who tells first what it knows, in a line, and then echoes.
func greeted(conn *Conn, chunks int, rekeyed bool) (string, error) {
	r := bufio.NewReader(struct{ io.Reader }{conn})
	greeting, err := r.ReadString('\n')
	if err != nil {
		return greeting, err
	}
	return greeting, exchangeChunks(conn, r, strings.Clone, chunks, rekeyed)
}

// reversed is the talk with who turns each line round.
func reversed(conn *Conn, chunks int, rekeyed bool) (string, error) {
	return "", exchangeChunks(conn, struct{ io.Reader }{conn}, func(line string) string {
		b := []byte(strings.TrimSuffix(line, "\n"))
		slices.Reverse(b)
		return string(b) + "\n"
	}, chunks, rekeyed)
}

// asked is the talk with who answers a request for a page, and ends.
func asked(path string) func(conn *Conn, chunks int, rekeyed bool) (string, error) {
	return func(conn *Conn, _ int, rekeyed bool) (string, error) {
		if rekeyed { // and the page comes under the server's next key
			if err := conn.KeyUpdate(true); err != nil {
				return "", err
			}
		}
		if _, err := io.WriteString(struct{ io.Writer }{conn}, "GET "+path+" HTTP/1.0\r\n\r\n"); err != nil {
			return "", err
		}
		page, err := io.ReadAll(struct{ io.Reader }{conn})
		if err != nil {
			return string(page), err
		}
		return string(page), conn.CloseWrite()
	}
}

// get gets a page.
func get(t *testing.T, addr string, config *Config) (page string, state ConnectionState, err error) {
	t.Helper()
	conn := dial(t, addr, config)
	page, err = asked("/")(conn, 0, false)
	if err == nil {
		bye(t, conn)
	}
	return page, conn.ConnectionState(), err
}

// opensslHost runs s_server: where it echoes it does not say whether it resumed.
func opensslHost(t *testing.T, h hosting) *hosted {
	args := append([]string{"-tls" + strings.ReplaceAll(dotted(h.version), ".", "_"), "-cert", h.certFile, "-key", h.keyFile},
		h.flags("-Verify", "1", "-verify_return_error", "-CAfile")...)
	if h.chainFile != "" {
		args = append(args, "-cert_chain", h.chainFile)
	}
	switch {
	case h.rekeyed:
		addr, p := sServer(t, append(args, "-num_tickets", "0")...)
		return &hosted{addr: addr, talk: func(conn *Conn, _ int, _ bool) (string, error) { return "", sServerUpdates(p, conn) }}
	case h.times > 1:
		addr, _ := sServer(t, append(args, "-www")...)
		return &hosted{addr: addr, talk: asked("/")}
	}
	addr, p := sServer(t, append(args, "-rev")...)
	return &hosted{addr: addr, talk: reversed, p: p, last: "Protocol version"}
}

// tapped tells each time that its Read is called.
type tapped struct {
	net.Conn
	reads chan struct{}
}

func (c *tapped) Read(p []byte) (int, error) {
	c.reads <- struct{}{}
	return c.Conn.Read(p)
}

// sServerUpdates has s_server, by its commands, update its key (k), and ask us to do so too (K). It
// tells nothing of them in time: that our Read goes back to the transport shows that it had the KeyUpdate.
func sServerUpdates(p *program, conn *Conn) error {
	socket := conn.transport.(net.Conn)
	for _, command := range []string{"k", "K", "k", "K", ""} {
		says := []string{command, "1 line"}
		if command == "" {
			says = says[1:]
			if err := conn.KeyUpdate(true); err != nil {
				return err
			}
		}
		line := "1 line\n"
		if _, err := io.WriteString(struct{ io.Writer }{conn}, line); err != nil {
			return err
		}
		p.expect("1 line")
		tap := &tapped{socket, make(chan struct{}, 100)}
		conn.transport = tap
		result := make(chan error, 1)
		got := make([]byte, len(line))
		go func() {
			_, err := io.ReadFull(conn, got)
			result <- err
		}()
		for _, say := range says {
			select {
			case <-tap.reads:
			case err := <-result:
				return fmt.Errorf("read %q before %q, %w", got, say, err)
			}
			p.say(say)
		}
		if err := <-result; err != nil || string(got) != line {
			return fmt.Errorf("read %q behind a %s, %w", got, command, err)
		}
	}
	conn.transport = socket
	return conn.CloseWrite()
}

func gnutlsHost(t *testing.T, h hosting) *hosted {
	port := freePort(t)
	args := append([]string{"--echo", "--port", port, "--x509certfile", h.certFile, "--x509keyfile", h.keyFile,
		"--priority", "NORMAL:-VERS-ALL:+VERS-TLS" + dotted(h.version)}, h.flags("--require-client-cert", "--verify-client-cert", "--x509cafile")...)
	if h.clientCAFile == "" {
		args = append(args, "--disable-client-cert")
	}
	p := launch(t, "gnutls-serv", args...)
	p.match(`listening on IPv4 \S+ port \d+\.\.\.done`)
	return &hosted{addr: net.JoinHostPort("127.0.0.1", port), talk: echoed, p: p, last: "- Version: "}
}

// nssHost runs selfserv, with a database of its own. Its requests have 10 KiB at the most: only
// the file that it is asked for is larger.
func nssHost(t *testing.T, h hosting) *hosted {
	db, port := newNSSDatabase(t, h.clientCAFile), freePort(t)
	importPair(t, db, h.certFile, h.keyFile)
	version := "tls" + dotted(h.version)
	args := []string{"-d", db, "-p", port, "-n", "own", "-V", version + ":" + version, "-u", "-v"}
	if h.clientCAFile != "" {
		args = append(args, "-r", "-r")
	}
	p := launch(t, "selfserv", args...)
	p.expect("About to call accept")
	file := writeFile(t, "data", []byte(strings.Repeat(chunk, h.chunks)))
	ask := asked(file)
	return &hosted{addr: net.JoinHostPort("127.0.0.1", port), p: p, last: "ticket parse failures",
		talk: func(conn *Conn, chunks int, rekeyed bool) (string, error) {
			page, err := ask(conn, chunks, rekeyed)
			if got := strings.Count(page, chunk); err == nil && got != h.chunks {
				err = fmt.Errorf("%d lines came, want %d", got, h.chunks)
			}
			return "", err
		}}
}

// scriptHost runs one of the peers in testdata that need an interpreter.
func scriptHost(interpreter, script string) func(t *testing.T, h hosting) *hosted {
	return func(t *testing.T, h hosting) *hosted {
		p := launch(t, interpreter, append([]string{filepath.Join("testdata", "interop", script)}, h.words()...)...)
		return &hosted{addr: net.JoinHostPort("127.0.0.1", p.match(`port (\d+)\.`)[1]), talk: greeted}
	}
}

// hosts are the servers.
func hosts(t *testing.T) []host {
	return []host{
		{name: "OpenSSL", start: opensslHost, says: saying("New, TLSv%s,|Protocol version: TLSv%s", "Reused, TLSv%s,"), knows: "Subject: CN ?= ?",
			limitations: limitations{updates: 5}, stranger: AlertUnknownCA},
		{name: "GnuTLS", start: gnutlsHost, says: saying("- Version: TLS%s", `This is a resumed session[^\x00]*- Version: TLS%s`), knows: "Subject: CN=",
			limitations: limitations{updates: 1}, stranger: AlertAccessDenied},
		{name: "NSS", start: nssHost, says: nssSays, knows: "subject DN: CN=",
			limitations: limitations{updates: 1, noEd25519: true}, stranger: AlertUnknownCA},
		{name: "Go", start: goHost, says: scriptSays, knows: "CN=", limitations: limitations{updates: 1}, stranger: AlertUnknownCA},
		{name: "Node", start: scriptHost("node", "peer.js"), says: scriptSays, knows: "CN=", limitations: limitations{updates: 1}},
		{name: "Java", start: jvm(t).hosts, says: scriptSays, knows: "CN=", limitations: limitations{updates: 3}, nobody: AlertBadCertificate, stranger: AlertCertificateUnknown},
		{name: "Python", start: scriptHost("python3", "peer.py"), says: scriptSays, knows: "CN=",
			limitations: limitations{updates: 1}, stranger: AlertUnknownCA},
	}
}
