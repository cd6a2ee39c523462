package tlsconn

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// serving is a server of ours for programs, which connect to it as often as they like.
type serving struct {
	t     *testing.T
	addr  string
	conns chan served // those that have ended, in the order in which they began

	mu      sync.Mutex
	sockets []net.Conn // of connections, to be closed at the end
	closed  bool
}

// served is a connection that has ended.
type served struct {
	state   ConnectionState
	offered int    // number of tickets in the ClientHello
	limit   int    // its record_size_limit
	updates [2]int // KeyUpdates that came, and that we sent
	err     error
}

// serve listens on loopback, and has talk speak with whoever shakes hands. config tells the
// Config for a server_name, and is asked for each connection: what it answers with may change.
func serve(t *testing.T, config func(name string) *Config, talk func(*Conn) error) *serving {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &serving{t: t, addr: l.Addr().String(), conns: make(chan served, 100)}
	var running sync.WaitGroup
	running.Go(func() {
		before := make(chan struct{})
		close(before)
		for {
			socket, err := l.Accept()
			if err != nil {
				return
			}
			if !s.keep(socket) {
				return
			}
			told, tell := before, make(chan struct{})
			before = tell
			running.Go(func() {
				result, ok := attend(socket, config, talk)
				<-told
				if ok {
					s.conns <- result
				}
				close(tell)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		s.closed = true
		for _, socket := range s.sockets {
			socket.Close()
		}
		s.mu.Unlock()
		running.Wait()
	})
	return s
}

// keep remembers a socket to be closed at the end, unless that is past.
func (s *serving) keep(socket net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		socket.Close()
		return false
	}
	s.sockets = append(s.sockets, socket)
	return true
}

// attend serves one connection. One without a ClientHello is none (ok is false): browsers
// open some in advance.
func attend(socket net.Conn, config func(name string) *Config, talk func(*Conn) error) (result served, ok bool) {
	defer socket.Close()
	if result.err = socket.SetDeadline(time.Now().Add(patience)); result.err != nil {
		return result, true
	}
	conn := Server(socket, &Config{InspectClientHello: func(hello *ClientHello, answer *Completion[*Config]) {
		var m wire.ClientHello
		if err := m.Unmarshal(hello.Raw[wire.HeaderLen:]); err != nil {
			answer.Fail(err)
			return
		}
		result.offered, result.limit, ok = len(m.PSKIdentities), int(m.RecordSizeLimit), true
		answer.Complete(config(hello.ServerName))
	}})
	if result.err = conn.Handshake(); result.err == nil {
		secrets := conn.trafficSecrets()
		result.err = talk(conn)
		result.updates = conn.updatedSince(secrets)
	}
	result.state = conn.ConnectionState()
	_ = conn.Flush() // an alert; whether the peer takes it is the peer's affair
	_, _ = io.Copy(io.Discard, socket)
	return result, ok
}

// always is a server whose Config does not depend on the client.
func always(config *Config) func(string) *Config {
	return func(string) *Config { return config }
}

// next waits for the end of a connection.
func (s *serving) next() served {
	s.t.Helper()
	select {
	case c := <-s.conns:
		return c
	case <-time.After(patience):
		s.t.Fatal("no connection came to its end")
		return served{}
	}
}

// find waits for the end of a connection that is wanted, past others.
func (s *serving) find(wanted func(served) bool) served {
	s.t.Helper()
	for {
		if c := s.next(); wanted(c) {
			return c
		}
	}
}

// want waits for the end of a connection that went well, full or resumed.
func (s *serving) want(resumed bool) ConnectionState {
	s.t.Helper()
	c := s.next()
	if c.err != nil {
		s.t.Fatalf("a connection failed: %v", c.err)
	}
	if c.state.DidResume != resumed {
		s.t.Fatalf("resumed is %t, of %d tickets that the client offered; want %t", c.state.DidResume, c.offered, resumed)
	}
	return c.state
}

// host and port are the two parts of the address.
func (s *serving) host() string { host, _, _ := net.SplitHostPort(s.addr); return host }
func (s *serving) port() string { _, port, _ := net.SplitHostPort(s.addr); return port }

// echoing sends back what it reads, up to the end, and ends then too.
func echoing(conn *Conn) error {
	if _, err := io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}); err != nil {
		return err
	}
	return conn.CloseWrite()
}

// echoes is echoing, with a KeyUpdate before the first echo that asks for another.
func echoes(rekeyed bool) func(*Conn) error {
	return func(conn *Conn) error {
		if rekeyed {
			first := make([]byte, 1000)
			n, err := conn.Read(first)
			if err != nil {
				return err
			}
			if err := conn.KeyUpdate(true); err != nil {
				return err
			}
			if _, err := conn.Write(first[:n]); err != nil {
				return err
			}
		}
		return echoing(conn)
	}
}

// posts answers requests of HTTP with what they post, or with a page that posts, until one says that
// it is the last or asks for /once. If rekeyed, a KeyUpdate before the first answer asks for another.
func posts(rekeyed bool) func(*Conn) error {
	return func(conn *Conn) error {
		r, w := bufio.NewReader(struct{ io.Reader }{conn}), struct{ io.Writer }{conn}
		for first := true; ; first = false {
			request, err := http.ReadRequest(r)
			if err == io.EOF {
				return conn.CloseWrite()
			} else if err != nil {
				return fmt.Errorf("the request: %w", err)
			}
			body, err := io.ReadAll(request.Body)
			if err != nil {
				return fmt.Errorf("the request: %w", err)
			}
			if request.URL.Path == "/page" {
				body = []byte(chromiumPage)
			}
			connection := "keep-alive"
			if request.Close || request.URL.Path == "/once" {
				connection = "close"
			}
			if rekeyed && first {
				if err := conn.KeyUpdate(true); err != nil {
					return err
				}
			}
			if _, err := fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nConnection: %s\r\nCache-Control: no-store\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s",
				connection, len(body), body); err != nil {
				return err
			}
			if connection == "close" {
				return conn.CloseWrite()
			}
		}
	}
}

// newPeerCA makes a CA of the present, for peers that go by the machine's clock. All have the same
// name: peers choose a certificate by that of its issuer, which only the key tells from another.
func newPeerCA(t *testing.T, kind keyKind) *testCA {
	t.Helper()
	ca := &testCA{key: testKeys()[kind], pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: "peer root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.pool.AddCert(ca.cert)
	return ca
}

// certify issues a certificate of the present for names.
func (ca *testCA) certify(t *testing.T, kind keyKind, names ...string) tls.Certificate {
	t.Helper()
	key := testKeys()[kind]
	der := ca.issueWith(t, key.Public(), func(c *x509.Certificate) {
		c.SerialNumber, c.Subject.CommonName = newSerial(), "peer "+testKinds[kind]
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		c.DNSNames = names
		if kind == keyRSA {
			c.KeyUsage |= x509.KeyUsageKeyEncipherment // without which NSS takes no RSA key for a server's
		}
	})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: crypto.Signer(key)}
}

// newSerial makes a serial number, by which and the issuer NSS takes certificates for the same.
func newSerial() *big.Int {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return new(big.Int).SetBytes(b[:])
}
