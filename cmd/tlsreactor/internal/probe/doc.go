// Package probe is `tlsreactor probe`: it makes one TLS connection, shows the handshake while it
// happens, and tells what is known about the connection, and what is wrong with it.
//
// # Design
//
// Run starts a reactor of one loop. All that happens, happens on that loop, so nothing here is locked:
// a prober is the state of the whole (probe.go), a race says which address is to be tried next
// (race.go), an attempt is the Handler of one connection (attempt.go). Look-ups run on goroutines
// and post their answers; timers post as well.
//
// Each line of output is a line (line.go), stamped on the loop and sent to Run's goroutine, which alone
// writes: a slow terminal does not delay the handshake that is being measured. The same lines are
// printed as text or as JSON; their fields are documented in Usage.
//
// The engine verifies nothing but the server's proof that it holds its key (InsecureSkipVerify).
// Whether the certificate is to be trusted is found out in the place of the engine's own verification,
// on a worker, but never ends the handshake: inspect.go looks for everything that is wrong, not for the
// first thing, and the exit status tells of it in the end.
//
// What comes from the server, from certificates and from resolvers is escaped before it is shown
// (escape.go): a terminal obeys what it is sent.
package probe
