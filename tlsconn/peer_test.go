package tlsconn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The peer of this file is Go's crypto/tls, in both roles.

// patience turns a hang into a failure; nothing is measured by it.
const patience = time.Minute

// socketPair returns two connected stream sockets, which buffer as TCP does but
// need no port: a raw descriptor and a net.Conn.
func socketPair(t testing.TB) (fd int, peer net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], netConn(t, fds[1])
}

// netConn makes a net.Conn of a socket, which it takes over.
func netConn(t testing.TB, fd int) net.Conn {
	t.Helper()
	file := os.NewFile(uintptr(fd), "socket")
	conn, err := net.FileConn(file)
	file.Close() // FileConn has a duplicate
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// blockingSockets are two connected net.Conns.
func blockingSockets(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	fd, theirs := socketPair(t)
	return netConn(t, fd), theirs
}

// peerPair is one of our connections and its peer, which echoes on a goroutine
// until it has read the end, and then closes.
type peerPair struct {
	t      testing.TB
	conn   *Conn
	net    net.Conn // below conn
	peer   *tls.Conn
	result chan error // of the peer
}

// newPeerPair starts the peer.
func newPeerPair(t testing.TB, ours, theirs net.Conn, conn *Conn, peer *tls.Conn) *peerPair {
	p := &peerPair{t: t, conn: conn, net: ours, peer: peer, result: make(chan error, 1)}
	go func() {
		_, err := io.Copy(struct{ io.Writer }{peer}, struct{ io.Reader }{peer})
		if err == nil {
			err = peer.CloseWrite()
		} else {
			theirs.Close()
		}
		p.result <- err
	}()
	return p
}

func serverPeer(t testing.TB, config *Config, peer *tls.Config) *peerPair {
	ours, theirs := blockingSockets(t)
	return newPeerPair(t, ours, theirs, Server(ours, config), tls.Client(theirs, peer))
}

func clientPeer(t testing.TB, config *Config, peer *tls.Config) *peerPair {
	ours, theirs := blockingSockets(t)
	return newPeerPair(t, ours, theirs, Client(ours, config), tls.Server(theirs, peer))
}

// echo sends data, reads it back, and closes both ways.
func (p *peerPair) echo(data []byte) {
	p.t.Helper()
	if err := p.conn.Handshake(); err != nil {
		p.t.Fatalf("handshake: %v; the peer: %v", err, <-p.result)
	}
	if n, err := p.conn.Write(data); err != nil || n != len(data) {
		p.t.Fatalf("Write = %d, %v", n, err)
	}
	got := make([]byte, len(data))
	if _, err := io.ReadFull(p.conn, got); err != nil || !bytes.Equal(got, data) {
		p.t.Fatalf("the echo: %v", err)
	}
	if err := p.conn.CloseWrite(); err != nil {
		p.t.Fatalf("CloseWrite: %v", err)
	}
	if n, err := p.conn.Read(got); n != 0 || err != io.EOF {
		p.t.Fatalf("Read behind the peer's close_notify = %d, %v", n, err)
	}
	if err := <-p.result; err != nil {
		p.t.Fatalf("the peer: %v", err)
	}
}

// sameFacts compares what both sides say about the connection.
func (p *peerPair) sameFacts(group tls.CurveID, suite uint16, protocol string, retried bool) {
	p.t.Helper()
	ours, theirs := p.conn.ConnectionState(), p.peer.ConnectionState()
	if ours.Version != tls.VersionTLS13 || !ours.HandshakeComplete || ours.CipherSuite != suite || ours.Group != group ||
		ours.NegotiatedProtocol != protocol || ours.HelloRetryRequest != retried || ours.SignatureScheme == 0 {
		p.t.Errorf("our state is %+v", ours)
	}
	if theirs.CipherSuite != suite || theirs.CurveID != group || theirs.NegotiatedProtocol != protocol || theirs.HelloRetryRequest != retried {
		p.t.Errorf("the peer's state is %+v", theirs)
	}
	if p.conn.role == RoleServer && ours.ServerName != "example.org" || p.conn.role == RoleClient && theirs.ServerName != ours.ServerName {
		p.t.Errorf("server names %q and %q", ours.ServerName, theirs.ServerName)
	}
	if p.conn.role == RoleClient && (len(ours.PeerCertificates) != 1 || len(ours.VerifiedChains) != 1 || len(ours.VerifiedChains[0]) != 2) {
		p.t.Errorf("%d peer certificates, chains %v", len(ours.PeerCertificates), ours.VerifiedChains)
	}
	for _, context := range [][]byte{nil, {}, []byte("context")} {
		a, err := p.conn.ExportKeyingMaterial("EXPORTER-test", context, 77)
		if err != nil {
			p.t.Fatal(err)
		}
		b, err := theirs.ExportKeyingMaterial("EXPORTER-test", context, 77)
		if err != nil {
			p.t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			p.t.Errorf("exported keying material differs for context %q", context)
		}
	}
}

// testSuites and testKinds name what the matrices run through.
var (
	testSuites = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256}
	testKinds  = map[keyKind]string{keyECDSA: "P-256", keyECDSA384: "P-384", keyECDSA521: "P-521", keyRSA: "RSA-2048", keyEd25519: "Ed25519"}
)

// TestCryptoTLSMatrix talks to crypto/tls with every group, suite and kind of
// certificate, in both roles.
func TestCryptoTLSMatrix(t *testing.T) {
	ca := newTestCA(t)
	for kind, kindName := range testKinds {
		cert := ca.issue(t, kind, "example.org")
		for _, group := range defaultGroups {
			for _, suite := range testSuites {
				// crypto/tls does not choose TLS 1.3 suites by configuration: we restrict them.
				name := fmt.Sprintf("%v, %s, %s", group, tls.CipherSuiteName(suite), kindName)
				server, client := serverFor(cert), clientFor(ca)
				for _, c := range []*Config{server, client} {
					c.CipherSuites = []uint16{suite}
					c.CurvePreferences = []tls.CurveID{group}
				}
				peer := &tls.Config{
					RootCAs: ca.pool, ServerName: "example.org", Time: testClock, Certificates: []tls.Certificate{cert},
					NextProtos: []string{"http/1.1"}, CurvePreferences: []tls.CurveID{group},
				}
				t.Run("server, "+name, func(t *testing.T) {
					p := serverPeer(t, server, peer)
					p.echo([]byte("over " + name))
					p.sameFacts(group, suite, "http/1.1", false)
				})
				t.Run("client, "+name, func(t *testing.T) {
					p := clientPeer(t, client, peer)
					p.echo([]byte("over " + name))
					p.sameFacts(group, suite, "http/1.1", false)
				})
			}
		}
	}
}

func TestCryptoTLSHelloRetryRequest(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	for _, group := range []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521} {
		t.Run(fmt.Sprintf("we ask for %v", group), func(t *testing.T) {
			server := serverFor(cert)
			server.CurvePreferences = []tls.CurveID{group}
			p := serverPeer(t, server, &tls.Config{
				RootCAs: ca.pool, ServerName: "example.org", Time: testClock,
				CurvePreferences: []tls.CurveID{tls.X25519, group},
			})
			p.echo([]byte("after a retry"))
			p.sameFacts(group, p.conn.ConnectionState().CipherSuite, "", true)
		})
	}
	for _, group := range []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384} {
		t.Run(fmt.Sprintf("we are asked for %v", group), func(t *testing.T) {
			client := clientFor(ca)
			client.CurvePreferences = []tls.CurveID{tls.CurveP521, group}
			p := clientPeer(t, client, &tls.Config{Certificates: []tls.Certificate{cert}, CurvePreferences: []tls.CurveID{group}})
			p.echo([]byte("after a retry"))
			p.sameFacts(group, p.conn.ConnectionState().CipherSuite, "", true)
		})
	}
}

// failure drives our side and returns how both ended.
func (p *peerPair) failure() (ours, theirs error) {
	p.t.Helper()
	ours = p.conn.Handshake()
	if ours == nil {
		_, ours = p.conn.Read(make([]byte, 1))
	}
	_ = p.conn.Flush()
	p.net.Close()
	return ours, <-p.result
}

// wantTheirs checks that crypto/tls got an alert of ours.
func wantTheirs(t *testing.T, err error, alert Alert) {
	t.Helper()
	var theirs tls.AlertError
	var op *net.OpError
	switch {
	case errors.As(err, &theirs):
		if uint8(theirs) == uint8(alert) {
			return
		}
	case errors.As(err, &op) && op.Op == "remote error":
		if op.Err.Error() == tls.AlertError(alert).Error() {
			return
		}
	}
	t.Errorf("the peer ended with %v, not with our alert %v", err, alert)
}

func TestCryptoTLSRefusals(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	peerClient := func() *tls.Config { return &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock} }
	peerServer := func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }
	t.Run("server: no application protocol in common", func(t *testing.T) {
		peer := peerClient()
		peer.NextProtos = []string{"mqtt"}
		ours, theirs := serverPeer(t, serverFor(cert), peer).failure()
		wantAlert(t, "server", ours, AlertNoApplicationProtocol)
		wantTheirs(t, theirs, AlertNoApplicationProtocol)
	})
	t.Run("client: no application protocol in common", func(t *testing.T) {
		peer := peerServer()
		peer.NextProtos = []string{"mqtt"}
		ours, _ := clientPeer(t, clientFor(ca), peer).failure()
		wantPeerAlert(t, "client", ours, AlertNoApplicationProtocol)
	})
	t.Run("server: the client does not trust us", func(t *testing.T) {
		peer := peerClient()
		peer.RootCAs = x509.NewCertPool()
		ours, _ := serverPeer(t, serverFor(cert), peer).failure()
		var alert *PeerAlertError
		if !errors.As(ours, &alert) || alert.Alert != AlertBadCertificate && alert.Alert != AlertUnknownCA {
			t.Error(ours)
		}
	})
	t.Run("client: we do not trust the server", func(t *testing.T) {
		client := clientFor(ca)
		client.ServerName = "example.net"
		ours, theirs := clientPeer(t, client, peerServer()).failure()
		wantAlert(t, "client", ours, AlertBadCertificate)
		wantTheirs(t, theirs, AlertBadCertificate)
	})
	t.Run("server: the client has TLS 1.2 alone, and we TLS 1.3", func(t *testing.T) {
		peer := peerClient()
		peer.MaxVersion = tls.VersionTLS12
		server := serverFor(cert)
		server.MinVersion = tls.VersionTLS13
		ours, theirs := serverPeer(t, server, peer).failure()
		wantAlert(t, "server", ours, AlertProtocolVersion)
		wantTheirs(t, theirs, AlertProtocolVersion)
		if !strings.Contains(ours.Error(), "TLS 1.3") {
			t.Errorf("%q does not say what is missing", ours)
		}
	})
	t.Run("client: the server has TLS 1.2 alone, and we TLS 1.3", func(t *testing.T) {
		peer := peerServer()
		peer.MaxVersion = tls.VersionTLS12
		client := clientFor(ca)
		client.MinVersion = tls.VersionTLS13
		ours, _ := clientPeer(t, client, peer).failure()
		wantPeerAlert(t, "client", ours, AlertProtocolVersion)
	})
	t.Run("client: the server requires a client certificate", func(t *testing.T) {
		peer := peerServer()
		peer.ClientAuth = tls.RequireAnyClientCert
		ours, _ := clientPeer(t, clientFor(ca), peer).failure()
		wantPeerAlert(t, "client", ours, AlertCertificateRequired)
	})
}

// RFC 8446 4.4.2: a client that has no suitable certificate sends an empty
// Certificate message, and the server may go on.
func TestCryptoTLSServerThatAsksForAClientCertificate(t *testing.T) {
	ca := newTestCA(t)
	p := clientPeer(t, clientFor(ca), &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org")}, ClientAuth: tls.RequestClientCert,
	})
	p.echo([]byte("without one"))
	if certs := p.peer.ConnectionState().PeerCertificates; len(certs) != 0 {
		t.Errorf("the server saw %d certificates", len(certs))
	}
}

// crypto/tls keeps its session tickets from a client that says nothing of
// psk_key_exchange_modes (RFC 8446 4.2.9); those of a server that does not are
// dropped, and are not the application's data.
func TestCryptoTLSSessionTickets(t *testing.T) {
	ca := newTestCA(t)
	server := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org")}}
	server.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		t.Error("crypto/tls makes a ticket for a client that cannot resume")
		return server.EncryptTicket(cs, ss)
	}
	clientPeer(t, clientFor(ca), server).echo([]byte("no ticket"))

	p := connected(t)
	for i := range 3 {
		ticket := wire.NewSessionTicket{Lifetime: 7200, AgeAdd: 1, Nonce: []byte{byte(i)}, Ticket: pattern(200)}
		p.server.say(record.Handshake, ticket.Append(nil))
		p.send(p.server, []byte("data behind a ticket"))
	}
}

func TestCryptoTLSServerName(t *testing.T) {
	ca := newTestCA(t)
	a, b := ca.issue(t, keyECDSA, "a.example"), ca.issue(t, keyEd25519, "b.example")
	server := &Config{GetCertificate: func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
		for _, cert := range []*tls.Certificate{&a, &b} {
			if info.SupportsCertificate(cert) == nil {
				return cert, nil
			}
		}
		return nil, nil
	}}
	for _, name := range []string{"a.example", "b.example"} {
		p := serverPeer(t, server, &tls.Config{RootCAs: ca.pool, ServerName: name, Time: testClock})
		p.echo([]byte(name))
		if got := p.peer.ConnectionState().PeerCertificates[0].DNSNames; !slices.Equal(got, []string{name}) {
			t.Errorf("asked for %s, got a certificate for %v", name, got)
		}
	}
	ours, theirs := serverPeer(t, server, &tls.Config{RootCAs: ca.pool, ServerName: "c.example", Time: testClock}).failure()
	wantAlert(t, "server", ours, AlertUnrecognizedName)
	wantTheirs(t, theirs, AlertUnrecognizedName)

	// An address as the client's name: no server_name, and the certificate is
	// checked for the address.
	asked := "not asked"
	address := ca.issueWith(t, testKeys()[keyECDSA].Public(), func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	client := clientFor(ca)
	client.ServerName = "127.0.0.1"
	p := clientPeer(t, client, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{address}, PrivateKey: testKeys()[keyECDSA]}},
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			asked = info.ServerName
			return nil, nil
		},
	})
	p.echo([]byte("by address"))
	if asked != "" {
		t.Errorf("the server was asked for %q", asked)
	}
}

// rawSocket is a non-blocking Transport: read(2) and write(2) on a socket.
type rawSocket int

func (s rawSocket) Read(p []byte) (int, error) {
	n, err := unix.Read(int(s), p)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, ErrWouldBlock
	case err != nil:
		return 0, err
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (s rawSocket) Write(p []byte) (int, error) {
	n, err := unix.Write(int(s), p)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, ErrWouldBlock
	case err != nil:
		return 0, err
	case n < len(p):
		return n, ErrWouldBlock
	}
	return n, nil
}

// wait polls the socket for what the connection wants, as select() would.
func (s rawSocket) wait(w Want) error {
	fds := []unix.PollFd{{Fd: int32(s)}}
	if w&WantRead != 0 {
		fds[0].Events |= unix.POLLIN
	}
	if w&WantWrite != 0 {
		fds[0].Events |= unix.POLLOUT
	}
	if n, err := unix.Poll(fds, int(patience/time.Millisecond)); n != 1 && err != unix.EINTR {
		return fmt.Errorf("poll for %v: %d, %v", w, n, err)
	}
	return nil
}

// nonBlocking returns a socket with small buffers, so that both directions fill
// up often, and its peer.
func nonBlocking(t testing.TB) (rawSocket, net.Conn) {
	t.Helper()
	fd, peer := socketPair(t)
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for _, option := range []int{unix.SO_SNDBUF, unix.SO_RCVBUF} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 20000); err != nil {
			t.Fatal(err)
		}
	}
	return rawSocket(fd), peer
}

// transfer writes data and reads until the end, as readiness allows: the loop of
// an application that does both.
func transfer(conn *Conn, socket rawSocket, data []byte) (got []byte, err error) {
	buf := make([]byte, 10_000)
	rest, closed, ended := data, false, false
	for !closed || !ended {
		progress := false
		if len(rest) > 0 {
			n, err := conn.Write(rest)
			rest, progress = rest[n:], n > 0
			if err != nil && !isWant(err) {
				return got, fmt.Errorf("write: %w", err)
			}
		} else if !closed {
			switch err := conn.CloseWrite(); {
			case err == nil:
				closed, progress = true, true
			case err != ErrWantWrite:
				return got, fmt.Errorf("close: %w", err)
			}
		}
		if !ended {
			n, err := conn.Read(buf)
			got = append(got, buf[:n]...)
			progress = progress || n > 0
			switch {
			case err == io.EOF:
				ended, progress = true, true
			case err != nil && !isWant(err):
				return got, fmt.Errorf("read: %w", err)
			}
		}
		if !progress {
			if err := socket.wait(conn.Wants()); err != nil {
				return got, err
			}
		}
	}
	return got, nil
}

// TestCryptoTLSLargeTransfers moves megabytes both ways at the same time over a
// non-blocking socket whose buffers are small.
func TestCryptoTLSLargeTransfers(t *testing.T) {
	ca := newTestCA(t)
	data := pattern(4 << 20)
	for _, kind := range []keyKind{keyECDSA, keyRSA} {
		cert := ca.issue(t, kind, "example.org")
		for _, role := range []Role{RoleServer, RoleClient} {
			t.Run(fmt.Sprintf("%v, %s", role, testKinds[kind]), func(t *testing.T) {
				socket, theirs := nonBlocking(t)
				var conn *Conn
				var peer *tls.Conn
				if role == RoleServer {
					conn = Server(socket, serverFor(cert))
					peer = tls.Client(theirs, &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock})
				} else {
					conn = Client(socket, clientFor(ca))
					peer = tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}})
				}
				// Not an echo: each side sends all of its data whatever the other does.
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := peer.Write(data); err != nil {
						t.Errorf("the peer: write: %v", err)
					}
					if err := peer.CloseWrite(); err != nil {
						t.Errorf("the peer: close: %v", err)
					}
				})
				wg.Go(func() {
					if got, err := io.ReadAll(peer); err != nil || !bytes.Equal(got, data) {
						t.Errorf("the peer: read %d bytes of %d, %v", len(got), len(data), err)
					}
				})
				got, err := transfer(conn, socket, data)
				if err != nil || !bytes.Equal(got, data) {
					theirs.Close()
					t.Errorf("read %d bytes of %d, %v", len(got), len(data), err)
				}
				wg.Wait()
			})
		}
	}
}

// lines collects a key log; each Write has to be a line.
type lines struct {
	mu sync.Mutex
	t  testing.TB
	m  map[string]string // label and client random -> secret
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, ok := strings.CutSuffix(string(p), "\n")
	fields := strings.Split(line, " ")
	if !ok || len(fields) != 3 || len(fields[1]) != 64 || len(fields[2]) != 64 && len(fields[2]) != 96 {
		l.t.Errorf("key log: %q is not a line of the format", p)
		return len(p), nil
	}
	for _, hexadecimal := range fields[1:] {
		if strings.Trim(hexadecimal, "0123456789abcdef") != "" {
			l.t.Errorf("key log: %q is not in hexadecimal", hexadecimal)
		}
	}
	if l.m == nil {
		l.m = make(map[string]string)
	}
	l.m[fields[0]+" "+fields[1]] = fields[2]
	return len(p), nil
}

// TestCryptoTLSKeyLog compares our key log with the one that crypto/tls writes
// about the same connections.
func TestCryptoTLSKeyLog(t *testing.T) {
	ca := newTestCA(t)
	cert := ca.issue(t, keyECDSA, "example.org")
	for _, suite := range testSuites {
		ours, theirs := &lines{t: t}, &lines{t: t}
		server, client := serverFor(cert), clientFor(ca)
		for _, c := range []*Config{server, client} {
			c.CipherSuites, c.KeyLogWriter = []uint16{suite}, ours
		}
		peer := &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock, Certificates: []tls.Certificate{cert}, KeyLogWriter: theirs}
		serverPeer(t, server, peer).echo([]byte("logged"))
		clientPeer(t, client, peer).echo([]byte("logged"))
		if len(theirs.m) != 8 {
			t.Errorf("the peer's log has %d lines for two connections", len(theirs.m))
		}
		for name, secret := range theirs.m {
			if ours.m[name] != secret {
				t.Errorf("%s: we have %q, the peer %q", name, ours.m[name], secret)
			}
		}
		for name := range ours.m {
			if label, _, _ := strings.Cut(name, " "); theirs.m[name] == "" && label != keyLogExporter {
				t.Errorf("%s: only we have it", name)
			}
		}
	}
}

// What the key log says opens what was on the wire.
func TestKeyLogOpensTheWire(t *testing.T) {
	ca := newTestCA(t)
	server := serverFor(ca.issue(t, keyECDSA, "example.org"))
	log := &lines{t: t}
	server.KeyLogWriter = log
	p := newPair(t, clientFor(ca), server)
	p.handshake()
	mark := len(p.server.tr.out.bytes)
	p.send(p.server, []byte("for whoever has the log"))
	suite := p.server.conn.facts.suite
	for name, hexadecimal := range log.m {
		if !strings.HasPrefix(name, keyLogServerApplication) {
			continue
		}
		logged, err := hex.DecodeString(hexadecimal)
		if err != nil {
			t.Fatal(err)
		}
		var secret keysched.Secret
		copy(secret[:], logged)
		keyBytes, iv := make([]byte, suite.aead.KeyLen()), make([]byte, 12)
		keysched.New(suite.hash).TrafficKey(keyBytes, iv, &secret)
		var key record.Key13
		if err := key.Init(suite.aead, keyBytes, iv); err != nil {
			t.Fatal(err)
		}
		content, typ, err := key.Open(nil, bytes.Clone(p.server.tr.out.bytes[mark:]), 0)
		if err != nil || typ != record.ApplicationData || string(content) != "for whoever has the log" {
			t.Errorf("opened %q of type %v, %v", content, typ, err)
		}
		return
	}
	t.Errorf("no %s in %v", keyLogServerApplication, log.m)
}
