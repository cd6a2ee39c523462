package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

func TestMeteredTransportMovesItsQuotaAndNoMore(t *testing.T) {
	var under bytes.Buffer
	m := &meteredTransport{under: &under}
	if n, err := m.Write([]byte("abc")); n != 0 || err != tlsconn.ErrWouldBlock {
		t.Fatalf("write without a quota: %d, %v", n, err)
	}
	m.writeable = 2
	if n, err := m.Write([]byte("abc")); n != 2 || err != tlsconn.ErrWouldBlock {
		t.Fatalf("write of 3 with a quota of 2: %d, %v", n, err)
	}
	m.writeable = 1
	if n, err := m.Write([]byte("c")); n != 1 || err != nil {
		t.Fatalf("write of 1 with a quota of 1: %d, %v", n, err)
	}
	buf := make([]byte, 10)
	if n, err := m.Read(buf); n != 0 || err != tlsconn.ErrWouldBlock {
		t.Fatalf("read without a quota: %d, %v", n, err)
	}
	m.readable = 4
	if n, err := m.Read(buf); string(buf[:n]) != "abc" || err != nil {
		t.Fatalf("read with a quota of 4: %q, %v", buf[:n], err)
	}
	if n, err := m.Read(buf); n != 0 || err != io.EOF {
		t.Fatalf("read at the end: %d, %v", n, err)
	}
}
