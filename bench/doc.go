// Command bench measures tlsreactor beside a server of crypto/tls with a goroutine per
// connection, on this machine, in one run.
//
//	make bench BENCHFLAGS='-rounds 7 -idle 5000'
//
// # Design
//
// Machines are noisy, so a figure counts only beside another one. Each server is a process of
// its own, the load comes from a third, and within a round the servers are measured one after
// the other, in an order that changes with every round. What is reported is the median of the
// rounds, the least and the greatest, and the median of the rounds' ratios.
//
// The work must be equal to be compared: same certificate (ECDSA P-256), same group (X25519),
// same suite (TLS_AES_128_GCM_SHA256), a full handshake, no session tickets, one echo, and
// close_notify answered by close_notify. The load client checks all of that on every
// connection and fails the run at the first one that differs.
//
// CPU is user plus system time of the server's process, from the kernel's clock of that process,
// which is exact to the nanosecond where /proc counts ticks of 10 ms. Memory is the slope of
// anonymous resident memory between a quarter of the connections and all of them, so that what
// a server needs before its first connection does not count; nobody forces a collection. The
// number of goroutines is what the server itself says on SIGUSR1.
//
// Everything is on the loopback interface, and every process is ended by its id.
package main
