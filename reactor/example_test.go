package reactor_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/tlsreactor/tlsreactor/reactor"
)

// echo sends back what it receives. It keeps what its peer does not take, and receives no more until
// that has gone.
type echo struct{ rest []byte }

func (e *echo) Opened(c *reactor.Conn) {}

func (e *echo) Received(c *reactor.Conn) {
	for {
		b := c.Loop().Scratch()
		n, err := c.Read(b)
		if err == io.EOF {
			c.CloseWrite()
		}
		if err != nil {
			return // now, or for good: the loop knows
		}
		if k, err := c.Write(b[:n]); err != nil {
			e.rest = append(e.rest, b[k:n]...)
			c.PauseRead()
			return
		}
	}
}

func (e *echo) Writable(c *reactor.Conn) {
	n, err := c.Write(e.rest)
	if e.rest = e.rest[n:]; err == nil {
		e.rest = nil
		c.ResumeRead()
	}
}

func (e *echo) Closed(c *reactor.Conn, reason reactor.Reason, err error) {}

func Example() {
	r, err := reactor.New(reactor.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Shutdown(context.Background())
	// With ListenConfig.TLS the same handler serves TLS.
	ln, err := r.Listen("tcp", "127.0.0.1:0", reactor.ListenConfig{
		Accept: func(*reactor.Conn) reactor.Handler { return &echo{} },
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "hello")
	conn.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(conn)
	fmt.Printf("%s %v\n", b, err)
	// Output: hello <nil>
}
