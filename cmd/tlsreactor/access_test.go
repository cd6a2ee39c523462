package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func TestEachConnectionIsALineOfTheLog(t *testing.T) {
	b := listenTCP(t)
	p := start(t, "--backend", b.addr(), "--alpn", "h2", "--log-format", "json")
	client := p.connectAs(&tls.Config{ServerName: "localhost", NextProtos: []string{"h2"}, CurvePreferences: []tls.CurveID{tls.X25519}})
	behind := b.accept()
	sends(t, client, "question")
	receives(t, behind, "question")
	sends(t, behind, "an answer")
	behind.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "an answer" {
		t.Fatalf("the client received %q, %v", got, err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Level, Client, Local, SNI, Version, Suite, Group, ALPN, Side, Reason string
		Received, Sent, Handshake, Duration                                  int64
		Resumed                                                              *bool
	}
	if err := json.Unmarshal([]byte(p.await(`(?m)^\{.*"msg":"access".*\}$`)[0]), &line); err != nil {
		t.Fatal(err)
	}
	state := client.ConnectionState()
	if line.Level != "INFO" || line.Client != client.LocalAddr().String() || line.Local != p.addr || line.SNI != "localhost" ||
		line.Version != "TLS 1.3" || line.Suite != tls.CipherSuiteName(state.CipherSuite) || line.Group != "X25519" || line.ALPN != "h2" || line.Resumed == nil || *line.Resumed {
		t.Errorf("the line says %+v", line)
	}
	if line.Received != int64(len("question")) || line.Sent != int64(len("an answer")) || line.Handshake <= 0 || line.Duration < line.Handshake {
		t.Errorf("the line counts %+v", line)
	}
	if line.Side != "client" || line.Reason != "done" {
		t.Errorf("the line says %s of the %s, want done", line.Reason, line.Side)
	}
}

func TestTheLogSaysHowAConnectionEnded(t *testing.T) {
	reset := func(conn *net.TCPConn) error { return errors.Join(conn.SetLinger(0), conn.Close()) }
	tests := []struct {
		name string
		end  func(client *tls.Conn, behind *net.TCPConn) error
		want string
	}{
		{"the client resets", func(c *tls.Conn, _ *net.TCPConn) error { return reset(c.NetConn().(*net.TCPConn)) },
			`side=client reason="reset by peer"`},
		{"the client ends without close_notify", func(c *tls.Conn, _ *net.TCPConn) error { return c.NetConn().Close() },
			`side=client reason=truncated`},
		{"the client sends what is no TLS", func(c *tls.Conn, _ *net.TCPConn) error {
			_, err := io.WriteString(c.NetConn(), "QUIT, please\r\n")
			return err
		}, `side=client reason="protocol error" error=`},
		{"the backend resets", func(_ *tls.Conn, b *net.TCPConn) error { return reset(b) },
			`side=backend reason="reset by peer"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, client, behind := tunnelled(t)
			joined(t, client, behind)
			if err := tt.end(client, behind); err != nil {
				t.Fatal(err)
			}
			p.await("msg=access client=" + regexp.QuoteMeta(client.LocalAddr().String()) + " .*" + tt.want)
		})
	}
}

func TestAFailedHandshakeIsALineToo(t *testing.T) {
	p := start(t)
	conn := p.dial()
	sends(t, conn, "GET / HTTP/1.1\r\n\r\n")
	p.await(`msg="handshake failed" client=` + conn.LocalAddr().String() + ` .*reason="protocol error" error=`)
	p.awaitCounters(`handshakes_failed=1 handshakes_failed_by.protocol_error=1 `)
}

func TestANameCannotForgeALine(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		p := start(t, "--echo", "--log-format", format)
		forged := "a.example\" reason=done\nmsg=forged"
		conn := tls.Client(p.dial(), &tls.Config{InsecureSkipVerify: true, ServerName: forged})
		if conn.Handshake() == nil {
			conn.Close()
		}
		p.await(`msg[=":]+(access|handshake failed)`)
		if strings.Contains(p.text(), "\nmsg=forged") {
			t.Errorf("the log in %s has a line of the client's", format)
		}
	}
}

func TestTheAccessLogMayBeOff(t *testing.T) {
	p := start(t, "--echo", "--access-log=false")
	conn := p.connect()
	echoes(t, conn, "open")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := ends(conn); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 || strings.Contains(p.text(), "msg=access") {
		t.Errorf("status %d, want 0 and no line of the connection", status)
	}
}
