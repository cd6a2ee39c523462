package main

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
)

// The servers beside tlsreactor run in processes of this program. They log what `tlsreactor serve`
// logs, as far as the harness reads it.

func serverLog() *slog.Logger { return slog.New(slog.NewJSONHandler(os.Stderr, nil)) }

// endWithHarness ends the process when the harness has gone without a word: it holds the other end of
// the standard input.
func endWithHarness(input io.Reader) {
	_, _ = io.Copy(io.Discard, input) // however it ends
	os.Exit(1)
}

// runPeer is a server of crypto/tls; backend is "" for an echo server.
func runPeer(certFile, keyFile, backend string) error {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p := &peer{config: serverConfig(cert), backend: backend}
	log := serverLog()
	asked := countersAsked()
	go func() {
		for range asked {
			log.Info("counters", "connections", p.connections.Load(), "goroutines", runtime.NumGoroutine())
		}
	}()
	log.Info("serving", "listen", listener.Addr().String())
	return p.serve(listener)
}

// runBackend is the plain echo server behind the terminators.
func runBackend() error {
	engine, addr, err := startReactorEcho(nil)
	if err != nil {
		return err
	}
	serverLog().Info("serving", "listen", addr)
	<-engine.Failed()
	return engine.Err()
}
