package main

import (
	"io"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// meteredTransport is a non-blocking transport over a blocking one: at most a
// quota of bytes, which starts at zero, goes each way before it would block. The
// bytes that are granted are waited for.
type meteredTransport struct {
	under               io.ReadWriter
	readable, writeable int
}

func (m *meteredTransport) Read(p []byte) (int, error) {
	if m.readable == 0 {
		return 0, tlsconn.ErrWouldBlock
	}
	n, err := m.under.Read(p[:min(len(p), m.readable)])
	m.readable -= n
	return n, err
}

func (m *meteredTransport) Write(p []byte) (int, error) {
	if m.writeable == 0 {
		return 0, tlsconn.ErrWouldBlock
	}
	n, err := m.under.Write(p[:min(len(p), m.writeable)])
	m.writeable -= n
	if err == nil && n < len(p) {
		err = tlsconn.ErrWouldBlock
	}
	return n, err
}
