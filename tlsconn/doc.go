// Package tlsconn is a TLS connection that never blocks: the contract of
// SSL_do_handshake(3) on a non-blocking BIO, in Go. Each call does what it can
// with what the transport has, and returns a want (ErrWantRead, ErrWantWrite,
// ErrWantApp) when it has to be called again. It needs no goroutine and no
// thread for each connection, and works as well on transports that block.
//
//	conn := tlsconn.Server(transport, config)
//	for {
//		switch err := conn.Handshake(); err {
//		case nil: // established
//		case tlsconn.ErrWantRead: // wait until the socket is readable, then again
//		case tlsconn.ErrWantWrite: // wait until it is writable, then again
//		case tlsconn.ErrWantApp: // wait for the function given to SetWake, then again
//		default: // flush the alert, close
//		}
//	}
//
// # Wants
//
// What each verb may want, once the handshake is complete; within the handshake
// Read and Write return the wants of Handshake. Pending output never keeps Read
// from reading, and input that waits never keeps Write from writing, so the two
// directions cannot block each other.
//
//	Read        ErrWantRead: no data. It flushes on the way, and what it leaves pending
//	            (the answer to a KeyUpdate with a full transport) shows in Wants.
//	Peek        the same.
//	Write       ErrWantWrite with a short count: output is full. Never ErrWantRead.
//	ReadFrom    the same; ErrWouldBlock is the source's.
//	CloseWrite  ErrWantWrite: close_notify is queued and pending.
//	Abort       ErrWantWrite: the connection has ended, its alert is queued and pending.
//	KeyUpdate   ErrWantWrite: nothing was done.
//	Flush       ErrWantWrite: output is pending.
//
// # Errors
//
// Handshake and Read tell four kinds of end apart: the controlled one (io.EOF,
// close_notify), the peer's refusal (*PeerAlertError), ours (*LocalAlertError,
// whose alert is queued to be sent: Flush), and the transport's own error, among
// which io.ErrUnexpectedEOF is a transport that ended without close_notify.
// ErrorCode translates into SSL_get_error(3)'s codes, and Conn.ErrorCode those of
// pending operations too.
//
// # Design
//
// The protocol is a machine of explicit states (State), one switch for each role
// (server13.go, client13.go). A handler gets a whole message, completes or
// fails, and returns the next state; it appends to the outgoing flight and never
// meets a want. One driver (handshake.go) assigns the state, cuts messages out of
// records, and turns an error into the alert that it names. What somebody outside
// may take time for is a state of its own that waits for an answer: the inspection
// of the ClientHello, the choice of a certificate, a signature, a ticket, a session,
// the verification of a chain. The callback is handed a one-shot Completion
// (completion.go), and whoever has the answer, on any goroutine, stores it there and
// wakes the owner; the next call takes it. So any call may stop at any byte of input
// or of output and at any callback, and be repeated.
//
// What both roles share of TLS 1.3 is in schedule13.go, auth13.go and verify.go; each
// role's certificates are in servercert13.go and clientcert13.go, its part of resumption
// in resume13.go and clientresume13.go. A session (session.go) is what one side
// remembers: the server in a ticket, sealed by a TicketProtector (ticketkeys.go), or of
// TLS 1.2 in a SessionStore (sessionstore.go), the client in a SessionCache
// (sessioncache.go). A session is bound to the server's name, the protocol,
// SessionScope and ClientAuth, and all of that is checked when it comes back; the
// chain of the session's beginning is verified again, under the Config of now. So a
// session never gets over a trust policy, whatever was changed, cloned or shared
// meanwhile (CVE-2025-23419, CVE-2025-68121).
//
// Records come in through input.go and read.go and go out through output.go and
// write.go. Ciphertext is read many records at a time into a buffer of the
// Workspace; a record that fits the caller's slice is opened straight into it, any
// other in place. Output is sealed where it waits, many records for one write.
// After each call a buffer that holds nothing goes back to the Workspace, and what
// is left moves to the smallest size that holds it (buffer.go). Expanded keys
// live in the Workspace's bounded cache (keycache.go); a Conn keeps the secrets
// they are expanded from. Every limit stands in limits.go with its reason.
//
// The package imports neither os, syscall nor x/sys, and net only in netconn.go
// for the types of crypto/tls's callbacks. It starts no goroutine and asks no
// clock but its Config's. Primitives come from the standard library, x/crypto and CIRCL;
// the codec, the record protection and the key schedule are leaves under
// internal/.
//
// TLS 1.2 (server12.go, client12.go, schedule12.go and their kin) is spoken with ephemeral
// elliptic-curve keys and AEADs only, and has machines of its own, which begin where the
// version is settled.
//
// Not here: TLS 1.1 and before, RSA key exchange, CBC, 0-RTT, external PSKs, post-handshake
// client authentication, renegotiation, compression.
package tlsconn
