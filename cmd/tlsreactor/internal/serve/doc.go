// Package serve is `tlsreactor serve`: it terminates TLS and does something with the bytes.
//
// # Design
//
// Options says what; Run makes it so, and returns when the last connection has ended. What is done
// with a client's connection is a reactor.Handler, from its first byte on: tunnel carries its bytes to a
// backend and back, echo returns them, visitor answers with the built-in page. Each embeds a session,
// which counts, and logs the connection when it has ended; it is all that an idle echo connection holds of
// this package.
//
// Handlers run on event loops and must not block. So lines for the log go through a journal, which
// drops what cannot be written in time, and backends are dialed by the reactor. Counters are kept per
// loop, and added up by who asks.
//
// Memory: heap.go gives back what a burst of handshakes leaves behind, which would be as large as the idle
// connections themselves.
//
// The processors: the program runs L loops, one per processor, and W workers for slow signatures,
// which the kernel schedules behind the loops since their threads are niced. Go's scheduler has to
// let both run, hence GOMAXPROCS(L+W), a setting that belongs to the program and not to a library.
package serve
