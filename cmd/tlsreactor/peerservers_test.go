package main

import (
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// freePort returns a port that was free a moment ago, for servers that cannot choose one. It is none of
// those that the kernel gives away from 32768 on (ip(7), ip_local_port_range), or else whoever connects
// or listens meanwhile might get it.
func freePort(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		var ln net.Listener
		if ln, err = net.Listen("tcp", ":"+port); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal(err)
	return ""
}

const nodeServer = `
const [cert, key] = process.argv.slice(1).map(f => require('fs').readFileSync(f));
const s = require('tls').createServer({cert, key}, c => c.on('error', () => {}).end('hello'));
s.listen(0, '127.0.0.1', () => console.log('port ' + s.address().port + '.'));`

const pythonServer = `
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_2
context.load_cert_chain(sys.argv[1], sys.argv[2])
with socket.create_server(("127.0.0.1", 0)) as s:
    print("port %d." % s.getsockname()[1], flush=True)
    while True:
        c, _ = s.accept()
        try:
            with context.wrap_socket(c, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            pass`

// nssServer gives NSS's selfserv a database with the key, which it takes from a PKCS #12 file alone.
func nssServer(t *testing.T, certFile, keyFile, port string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	p12 := filepath.Join(dir, "key.p12")
	tool(t, "", "openssl", "pkcs12", "-export", "-in", certFile, "-inkey", keyFile, "-name", "localhost", "-out", p12, "-passout", "pass:")
	tool(t, "", "certutil", "-N", "-d", "sql:"+dir, "--empty-password")
	tool(t, "", "pk12util", "-i", p12, "-d", "sql:"+dir, "-W", "", "-K", "")
	return exec.Command("selfserv", "-d", "sql:"+dir, "-p", port, "-n", "localhost", "-V", "tls1.2:tls1.3", "-v")
}

// TestPeersServe has our client shake hands with the servers of the stacks whose clients get the page in
// TestPeersGetThePage, and trust their certificate.
func TestPeersServe(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil)
	for _, tt := range []struct {
		name  string
		start func(port string) *exec.Cmd
		ready string // what it prints once it listens; a group is the port that it chose
	}{
		{"gnutls-serv", func(port string) *exec.Cmd {
			return exec.Command("gnutls-serv", "--port", port, "--x509certfile", certFile, "--x509keyfile", keyFile)
		}, `listening on IPv4 \S+ port \d+\.\.\.done`},
		{"NSS selfserv", func(port string) *exec.Cmd { return nssServer(t, certFile, keyFile, port) }, `About to call accept`},
		{"node", func(string) *exec.Cmd { return exec.Command("node", "-e", nodeServer, certFile, keyFile) }, `port (\d+)\.`},
		{"python3", func(string) *exec.Cmd { return exec.Command("python3", "-c", pythonServer, certFile, keyFile) }, `port (\d+)\.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port := freePort(t)
			server := launchCommand(t, tt.start(port))
			if m := server.await(tt.ready); len(m) > 1 {
				port = m[1]
			}
			for _, version := range []string{"1.3", "1.2"} {
				p := probeJSON(t, "--ca", certFile, "--4", "--tls-min", version, "--tls-max", version, "localhost:"+port)
				p.want(t, 0, "ok", "TLS "+version+" with ")
			}
		})
	}
}
