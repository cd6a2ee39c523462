// Command bench measures tlsreactor beside servers of crypto/tls with a goroutine per connection,
// on this machine, in one run.
//
//	make bench
//	make bench BENCHFLAGS='-rounds 9 -idle 0'
//	make bench BENCHFLAGS='-profile bin/profile'
//	make bench-remote-key
//
// README.md in this folder says where the bytes and the microseconds go, and how to find out.
//
// # Design
//
// Machines are noisy, so a figure counts only beside another one. An echo server and a terminator
// of each kind are processes of their own, pinned to one core; the load client, the storm's client
// and the terminators' backend are pinned to another. Within a round the servers are measured one
// after the other, in an order that changes with every round. What is reported is the median of the
// rounds, the least and the greatest, and the same of the rounds' ratios. Each round begins with the
// time of an X25519 derivation, so that a machine that changes its clock shows, and CPU can be
// scaled to a machine on which one takes 50 us ("at50").
//
// The work must be equal to be compared: same certificate (ECDSA P-256), same group (X25519), same
// suite (TLS_AES_128_GCM_SHA256), a full handshake or a resumed one with (EC)DHE as is measured, one
// session ticket to each client that asks for some, every byte echoed, and
// close_notify answered by close_notify, and nothing logged. The load client (crew.go) checks that on every connection
// and fails the run at the first one that differs. It is one loop of package reactor, so that it
// costs little beside the server; a few connections of crypto/tls come before it, as an independent
// peer (inspector.go).
//
// What is measured:
//
//   - CPU per full handshake: user plus system time of the server's process, by the kernel's clock of
//     that process, for connections that echo one byte and end.
//   - CPU per resumed handshake: the same for connections that each show a ticket of their own, which
//     a connection before got, and get another one. What is asked for are as many tickets as are shown.
//   - Memory per idle connection: the slope of anonymous resident memory between a quarter of the
//     connections and all of them, each time 5 s after an echo of 1 KiB, so that what a server needs
//     before its first connection does not count. Nobody forces a collection.
//   - CPU per byte: 16 connections, each echoing 16 KiB again and again.
//   - Latency: 100-byte echoes on 64 established connections, 2,000 a second in all, timed from when
//     they were due (echoes.go); calm, and while another client makes handshakes, at four fifths of
//     the rate at which the slower one of the two servers could serve them with nothing else to do.
//     That client gets only the time of its core that the echoes' client leaves (SCHED_IDLE), else
//     they would wait for each other, and not for the server.
//
// With -remote-key, instead: an echo server of one loop whose private key is in another process, behind
// a Unix socket, which answers each request 50 ms after it came (keycontest.go); beside it the same
// server with a key of its own. 50 established connections echo 5,000 times a second, calm, and while
// another client makes 200 handshakes at once, again and again. Reported is the time from the first
// connect of a burst to the end of its last handshake, and the echoes' latency.
//
// Everything is on the loopback interface, and every process is ended by its id. Percentiles come
// from an HDR histogram, to a thousandth.
package main
