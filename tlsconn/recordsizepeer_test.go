package tlsconn

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// The record_size_limit (RFC 8449) of GnuTLS, which is the one among the peers that can ask for a
// small one.

// measuring is a socket that remembers the longest record written to it.
type measuring struct {
	net.Conn
	t       *testing.T
	rest    []byte // of a record that is not whole yet
	longest int    // without its header
}

func (m *measuring) Write(p []byte) (int, error) {
	m.rest = append(m.rest, p...)
	for len(m.rest) >= 5 {
		n := int(m.rest[3])<<8 | int(m.rest[4])
		if len(m.rest) < 5+n {
			break
		}
		m.longest = max(m.longest, n)
		m.rest = m.rest[5+n:]
	}
	return m.Conn.Write(p)
}

// measure has what conn writes from now on measured.
func measure(t *testing.T, conn *Conn) *measuring {
	m := &measuring{Conn: conn.transport.(net.Conn), t: t}
	conn.transport = m
	return m
}

// check wants the longest record to hold so many bytes of content. GnuTLS's option counts those
// alone; its record_size_limit is one more, for the content type (RFC 8449 4). Beside it a
// record holds the AEAD's tag.
func (m *measuring) check(content int) {
	m.t.Helper()
	if want := content + 1 + 16; m.longest != want {
		m.t.Errorf("the longest record has %d bytes, want %d", m.longest, want)
	}
}

func TestGnuTLSClientLimitsRecords(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	// More than fits into one record of any size.
	text := strings.Repeat(strings.Repeat("x", 99)+"\n", 500)
	for _, limit := range []int{512, 1024, 4096} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			done := make(chan *measuring, 1)
			config := &Config{Certificates: []tls.Certificate{ca.certify(t, keyECDSA, "example.org")}}
			s := serve(t, always(config), func(conn *Conn) error {
				m := measure(t, conn)
				defer func() { done <- m }()
				if _, err := io.ReadFull(struct{ io.Reader }{conn}, make([]byte, len("a line\n"))); err != nil {
					return err
				}
				if _, err := io.WriteString(struct{ io.Writer }{conn}, text); err != nil {
					return err
				}
				return echoing(conn)
			})
			v := newVisit(t, s, ca)
			p := launch(t, "gnutls-cli", "--port", v.port(), "--sni-hostname", "example.org", "--verify-hostname", "example.org",
				"--x509cafile", v.caFile, "--recordsize", fmt.Sprint(limit), v.host())
			p.say("a line")
			for range 500 {
				p.expect(strings.Repeat("x", 99))
			}
			p.say("another line")
			p.expect("another line")
			p.end()
			if c := s.next(); c.err != nil || c.limit != limit+1 {
				t.Errorf("the client's record_size_limit is %d, %v", c.limit, c.err)
			}
			(<-done).check(limit)
		})
	}
}

func TestGnuTLSServerLimitsRecords(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	_, certFile, keyFile := pemFiles(t, ca, ca.certify(t, keyECDSA, "example.org"))
	for _, limit := range []int{512, 1024, 16384} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			port := freePort(t)
			launch(t, "gnutls-serv", "--echo", "--port", port, "--x509certfile", certFile, "--x509keyfile", keyFile, "--disable-client-cert",
				"--recordsize", fmt.Sprint(limit)).match(`listening on IPv4 \S+ port \d+\.\.\.done`)
			conn := dial(t, net.JoinHostPort("127.0.0.1", port), &Config{RootCAs: ca.pool, ServerName: "example.org"})
			if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			m := measure(t, conn)
			text := strings.Repeat("x", record.MaxPlaintext+1000) + "\n"
			wantWrite(t, conn, text)
			wantRead(t, conn, text)
			m.check(limit)
		})
	}
}
