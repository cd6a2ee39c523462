package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync/atomic"
)

// echoBuffer is what each connection of the crypto/tls server reads into. io.Copy would take
// 32 KiB; a server written with care for memory takes less, and it is that one we compare with.
const echoBuffer = 4 << 10

// serverConfig is crypto/tls's share of the equal work: TLS 1.3, X25519, no tickets. It
// prefers TLS_AES_128_GCM_SHA256 by itself, which the load client checks.
func serverConfig(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{cert},
		MinVersion:             tls.VersionTLS13,
		CurvePreferences:       []tls.CurveID{tls.X25519},
		SessionTicketsDisabled: true,
	}
}

// runCryptoTLS is the peer: an echo server with a goroutine per connection, which logs what
// `tlsreactor serve` logs, as far as the harness reads it.
func runCryptoTLS(certFile, keyFile string) error {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	log.Info("serving", "listen", listener.Addr().String())

	var connections atomic.Int64
	asked := countersAsked()
	go func() {
		for range asked {
			log.Info("counters", "connections", connections.Load(), "goroutines", runtime.NumGoroutine())
		}
	}()
	return echo(tls.NewListener(listener, serverConfig(cert)), &connections)
}

// echo serves until the listener fails.
func echo(listener net.Listener, connections *atomic.Int64) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go func() {
			connections.Add(1)
			defer connections.Add(-1)
			defer conn.Close() // sends close_notify
			buffer := make([]byte, echoBuffer)
			for {
				n, err := conn.Read(buffer)
				if n > 0 {
					if _, err := conn.Write(buffer[:n]); err != nil {
						return
					}
				}
				if err != nil { // the client has ended, or says itself what it missed
					return
				}
			}
		}()
	}
}
