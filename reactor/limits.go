package reactor

import "time"

// All limits of the package that are not in Config, each with what it stops. Those in Config get
// their defaults here.
const (
	// turnReadBytes is what one connection may take from its socket in one turn, ciphertext on TLS, and
	// each call of Read counts callCost besides. A peer that sends at line rate, or in records of one byte,
	// would else hold the loop for itself.
	turnReadBytes = 256 << 10

	// turnWriteBytes is the same for output: a large answer to a fast peer.
	turnWriteBytes = 1 << 20

	// callCost is what one call costs beside its bytes: a handler reading byte by byte gets 1,024
	// calls a turn.
	callCost = 256

	// scratchSize is the size of the loop's buffers lent to handlers and relays, and so the most that a
	// plain connection holds for a peer that does not read.
	scratchSize = 64 << 10

	// keptOutputs bounds the buffers for such peers that a loop keeps for reuse.
	keptOutputs = 32

	// turnAccepts is how many connections a listener takes in one turn: a flood of connects must not
	// keep the loop from those that it has.
	turnAccepts = 64

	// drainAccepts is how many connections a listener's backlog may still yield at Shutdown.
	drainAccepts = 1 << 14

	// turnHandshakes and turnHandshakeTime bound the handshakes served in one turn; established
	// connections wait no longer than this for a storm of handshakes.
	turnHandshakes    = 64
	turnHandshakeTime = time.Millisecond

	// handshakeBatch is how many are served between two looks at the clock.
	handshakeBatch = 4

	// settlePasses is how often a turn settles connections that were touched while others were settled
	// (one side of a proxy closes the other). What is left waits for the next turn: a handler that
	// dials again whenever it is Closed must not hold the loop.
	settlePasses = 3

	// turnPosts is how much posted work is done in one turn: posts that post again must not keep
	// the loop from its connections.
	turnPosts = 1024

	// maxPosts is how many posts may wait: a goroutine that posts faster than the loop works
	// would fill the memory.
	maxPosts = 1 << 16

	// workQueue is how many slow operations may wait per worker; at about 1.3 ms for an RSA-2048
	// signature the last has waited 330 ms. Above it handshakes fail at once, which is cheaper for
	// both sides than a signature after the client has given up.
	workQueue = 256

	// acceptPause is how long a loop does not accept after running out of descriptors or reaching
	// MaxConns: epoll would report the listener at once, for ever.
	acceptPause = 50 * time.Millisecond

	// lingerTime and lingerBytes bound the discarding of input between our FIN and the peer's. A peer
	// that sends for ever, or nothing, after we closed would hold a descriptor.
	lingerTime  = time.Second
	lingerBytes = 256 << 10

	// maxLookups is how many names are looked up at a time: each costs a goroutine, and a dead
	// resolver would collect one for every dial.
	maxLookups = 256

	// minAttempt is the least time that one of several addresses gets of the connect timeout.
	minAttempt = time.Second
)

// Keep-alive finds peers that vanished without a word: after a quiet minute, nine questions 15 seconds
// apart. The first is later than the 15 seconds of package net because this package is for many idle
// connections, each of which would send a packet that often.
const (
	keepAliveIdle     = 60 // seconds, TCP_KEEPIDLE
	keepAliveInterval = 15 // seconds, TCP_KEEPINTVL
	keepAliveCount    = 9  // TCP_KEEPCNT
)

// Defaults of Config.
const (
	// defaultMaxConns bounds memory and descriptors against a flood of connects.
	defaultMaxConns = 1 << 20
	// defaultMaxHandshakes bounds, per loop, the costly beginning of a connection: about 10 KiB each.
	defaultMaxHandshakes = 10_000
	// defaultHandshakeTimeout is absolute: a byte every now and then does not extend it (slowloris).
	defaultHandshakeTimeout = 10 * time.Second
	// defaultOperationTimeout ends handshakes whose answer never comes, while there is time to say so
	// before the deadline of the handshake: whoever has the key has gone without a word.
	defaultOperationTimeout = 5 * time.Second
	// defaultIdleTimeout ends connections whose peer neither sends nor reads.
	defaultIdleTimeout = 15 * time.Minute
	// defaultConnectTimeout covers the look-up of the name and all its addresses.
	defaultConnectTimeout = 10 * time.Second
	// defaultCloseTimeout ends the wait for a peer that does not take the last output.
	defaultCloseTimeout = 5 * time.Second
)
