// Package reactor runs event loops that carry plain and TLS connections without a goroutine or a
// thread for each. It decides who runs when; what TLS says is package tlsconn's, what is ready
// package poller's. It is the one place where a TLS want becomes poller interest ([interestOf]).
//
// # Using it
//
// [New] starts the loops, [Reactor.Listen] opens a listener on each of them, and an accept function
// gives every connection its [Handler]. A handler is called on the loop of its connection, one call
// at a time, and must not block: it reads what there is, writes what is taken, and returns. Read and
// Write of a [Conn] are tlsconn's: ErrWantRead and ErrWantWrite say "not now", and the loop calls
// Received or Writable when it is worth trying again; the handler does nothing about them but return.
//
// A proxy's handler, with one of these for each side (the package's example is an echo server):
//
//	func (e *end) Received(c *reactor.Conn) {
//		switch _, err := e.other.ReadFrom(c); err {
//		case nil:
//			e.other.CloseWrite() // c's peer has ended its direction
//		case tlsconn.ErrWantWrite:
//			c.PauseRead() // until the other side has room
//		}
//	}
//	func (e *end) Writable(*reactor.Conn) { e.other.ResumeRead() }
//
// # Threads
//
// A loop is one goroutine that parks nowhere but in the poller's Wait. A connection lives its whole
// life on one loop; all its methods belong to that loop, and to calls the loop makes. Other goroutines
// reach a connection through its [Handle], which names a slot and the slot's generation, never memory
// or a descriptor: what is posted for a connection that has ended meanwhile is dropped.
//
// # A turn
//
// Wait; then, in this order: ready connections, posted work, connections that epoll does not repeat
// (decrypted bytes in the engine, a spent budget), timers, accepting, and last the handshakes, as many
// as a budget of time and number allows. Established traffic therefore waits for at most one turn's
// handshakes, however many are in progress. Handshakes in progress are watched by a second poller,
// which is itself watched by the first: those that are ready and not served yet wait in the kernel's
// list, in order, and take no place in the batch of established connections.
//
// A verb only marks its connection; the poller's interest, timers and the end of a connection are
// settled once at the end of the turn ([Loop.settle]). So a steady connection costs no epoll_ctl, and
// a handler may close any connection, its own included, from anywhere: Closed is never called from
// within another call of that connection.
//
// # Half-close, reset, truncation
//
// The directions end separately. Read returns io.EOF at the peer's close_notify (TLS) or FIN (plain),
// and writing goes on; CloseWrite ends our direction. When both have ended the connection is closed with
// [ReasonDone]. A TLS stream that ends without close_notify is io.ErrUnexpectedEOF, and ends the connection
// with [ReasonTruncated]: a proxy hands that on with Reset, which sends RST, so that the other side
// cannot mistake it for the end. close_notify is not followed by a FIN as long as input may come: some
// peers take a FIN for the end of both directions.
//
// A plain connection whose write fails is read on, as long as its handler reads: a backend that answers
// before it has heard all, and closes, has its answer carried. Who leaves a gone peer's input unread keeps
// the connection for [Config.CloseTimeout], not for the idle timeout. An idle connection ends in order,
// or with [Config.IdleResets] with RST.
//
// Close is orderly: pending output, close_notify, FIN, then input is discarded, within limits of bytes
// and time, until the peer's FIN. A socket closed with unread input answers with RST, which destroys
// data that is still under way to the peer.
//
// # Muting
//
// EPOLLHUP and EPOLLERR cannot be masked (see package poller). When either is reported while nothing is
// wanted of a connection, the fact is remembered and the descriptor is removed from the poller until
// something is wanted again. EPOLLRDHUP is asked for only while a handshake awaits an operation outside,
// where a client that leaves makes the operation pointless.
//
// # Handshakes and slow operations
//
// A handshake that awaits an operation outside (tlsconn.Completion: a key in another process, an answer to a
// callback) costs its loop nothing meanwhile. The answer may come from any goroutine at any time; it posts
// by handle, and the handshake goes on within its loop's budget for handshakes, those answered first.
// tlsconn.WorkspaceConfig.PendingOperations bounds those of one loop, and [Counters] counts them.
//
// Private-key operations that are not known to be fast (RSA, P-384, foreign signers) run on
// [Config.Workers] goroutines, each locked to a thread of its own that is niced to +15; at most that many
// run, a bounded queue waits. P-256 and Ed25519 take less than a turn's budget and stay on the loop. The
// workers need processors of their own: the program calls runtime.GOMAXPROCS(loops + workers), which a
// library should not do.
//
// # Limits
//
// Every queue is bounded; limits.go lists the limits and what each stops.
package reactor
