package tlsconn_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/poller"
	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// socket is a Transport over a non-blocking socket, as a socket BIO is.
type socket int

func (s socket) Read(p []byte) (int, error)  { return result(unix.Read(int(s), p)) }
func (s socket) Write(p []byte) (int, error) { return result(unix.Write(int(s), p)) }

func result(n int, err error) (int, error) {
	if err == unix.EAGAIN {
		return 0, tlsconn.ErrWouldBlock
	} else if n == 0 { // only read(2) says so
		return 0, io.EOF
	}
	return max(n, 0), err
}

// interest maps what the connection wants to what the poller waits for.
func interest(w tlsconn.Want) (i poller.Interest) {
	if w&tlsconn.WantRead != 0 {
		i |= poller.Readable
	}
	if w&tlsconn.WantWrite != 0 {
		i |= poller.Writable
	}
	return i
}

// The loop of the manual page SSL_do_handshake(3): "If the underlying BIO is
// non-blocking, SSL_do_handshake() will also return when the underlying BIO could
// not satisfy the needs ... The calling process then must repeat the call after
// taking appropriate action." The action is a poller.Wait where the page has
// select(). The peer is crypto/tls.
func ExampleConn_Handshake() {
	peer := httptest.NewUnstartedServer(nil)
	peer.Config.ErrorLog = log.New(io.Discard, "", 0) // we leave without a request
	peer.StartTLS()
	defer peer.Close()
	roots := peer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs

	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	check(err)
	defer unix.Close(fd)
	// EINPROGRESS: writable means connected. Any other error comes back from the first write.
	_ = unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: peer.Listener.Addr().(*net.TCPAddr).Port})

	p, err := poller.New()
	check(err)
	defer p.Close()
	check(p.Add(fd, 0, 0)) // one descriptor needs no table: slot 0, and no interest yet

	conn := tlsconn.Client(socket(fd), &tlsconn.Config{ServerName: "example.com", RootCAs: roots})
	for err = conn.Handshake(); err == tlsconn.ErrWantRead || err == tlsconn.ErrWantWrite; err = conn.Handshake() {
		check(p.Modify(fd, 0, interest(conn.Wants())))
		_, err = p.Wait(make([]poller.Event, 1), -1)
		check(err)
	}
	check(err)
	fmt.Println("the certificate is for", conn.ConnectionState().PeerCertificates[0].DNSNames)
	// Output: the certificate is for [example.com *.example.com]
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
