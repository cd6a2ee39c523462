package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync/atomic"
)

// peerBuffer is what each direction of the crypto/tls servers reads into: a record's worth. Less
// would take that much less memory for each connection and more system calls for bulk; io.Copy's
// 32 KiB would take more memory and save nothing, since Read returns a record at most.
const peerBuffer = 16 << 10

// serverConfig is crypto/tls's share of the equal work: TLS 1.3, X25519. It prefers
// TLS_AES_128_GCM_SHA256 by itself, and sends one ticket to who asks for some; the load client
// checks both.
func serverConfig(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates:     []tls.Certificate{cert},
		MinVersion:       tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
}

// A peer is a server of crypto/tls with a goroutine for each connection: what a Go programmer
// writes who cares.
type peer struct {
	config      *tls.Config
	backend     string // the address to carry the bytes to; "" to echo them
	connections atomic.Int64
}

// serve serves until the listener fails.
func (p *peer) serve(listener net.Listener) error {
	for {
		raw, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go func() {
			p.connections.Add(1)
			defer p.connections.Add(-1)
			conn := tls.Server(raw, p.config)
			defer conn.Close() // sends close_notify
			if p.backend == "" {
				relay(conn, conn)
			} else {
				p.terminate(conn)
			}
		}()
	}
}

// terminate carries a connection's bytes to the backend and back, with a goroutine for each
// direction, and the end of each direction as it comes.
func (p *peer) terminate(conn *tls.Conn) {
	if conn.Handshake() != nil { // before the backend is troubled, as `tlsreactor serve` does
		return
	}
	raw, err := net.Dial("tcp", p.backend)
	if err != nil {
		return
	}
	backend := raw.(*net.TCPConn)
	defer backend.Close()
	go func() {
		if relay(backend, conn) == io.EOF {
			backend.CloseWrite()
		} else {
			backend.Close()
		}
	}()
	relay(conn, backend)
}

// relay carries bytes until one side fails; io.EOF is the orderly end of from.
func relay(to io.Writer, from io.Reader) error {
	buffer := make([]byte, peerBuffer)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}
