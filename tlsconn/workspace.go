package tlsconn

import (
	"crypto"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
)

// WorkspaceConfig configures a Workspace. Its zero value is useful.
type WorkspaceConfig struct {
	// Offload, if not nil, takes slow work off the goroutine that drives the
	// connections: signatures that are not known to be fast (those of P-256 and Ed25519
	// keys of the standard library are), and the verification of a peer's chain. It has to
	// run task once, on any goroutine, and return true; or return false at once if it
	// cannot take more, which fails that handshake with internal_error. While task has
	// not ended, the connection's calls return ErrWantApp. Nil means that slow work is
	// done in place.
	Offload func(task func()) bool

	// CachedKeys bounds the expanded AEADs (about 1.3 KiB each, one per direction)
	// that are kept for the connections in use; the others keep their secrets alone
	// and expand them again, at about 1.5 us, when they next have something to say.
	// Zero means 4096.
	CachedKeys int

	// InputBudget bounds the bytes of input that connections hold between calls, over
	// all of the Workspace's connections: records and messages that have arrived in
	// part, ClientHellos and certificates that a handshake still needs, and data that was
	// not read. A connection that goes beyond it is failed. Zero means 256 MiB.
	InputBudget int

	// OutputBudget bounds the bytes of output that wait for peers which do not read,
	// in the same way. Beyond it nobody is failed, but each connection accepts no more
	// than one record at a time, once its output is drained. Zero means 256 MiB.
	OutputBudget int

	// PendingOperations bounds the operations that are pending at once, over all of
	// the Workspace's connections (Conn.Pending): each holds a handshake's memory for as
	// long as somebody else likes. A handshake whose operation is one too many fails with
	// internal_error. Zero means 16384.
	PendingOperations int
}

// Workspace holds what the connections of one goroutine (an event loop) share:
// read and write buffers, hash scratch, expanded keys, byte budgets. It and all
// of its connections must be used by one goroutine at a time.
type Workspace struct {
	offload  func(task func()) bool
	buffers  bufferPool
	keys     keyCache
	derivers [2]*keysched.Deriver // SHA-256, SHA-384
	keyLimit uint64               // if not 0, instead of the suite's UseLimit; for tests

	suspended, suspendedLimit int // operations pending, and how many may be
}

// NewWorkspace returns an empty Workspace. Memory is taken as connections need it.
func NewWorkspace(config WorkspaceConfig) *Workspace {
	ws := &Workspace{offload: config.Offload}
	ws.buffers.inputBudget, ws.buffers.outputBudget = config.InputBudget, config.OutputBudget
	if ws.buffers.inputBudget <= 0 {
		ws.buffers.inputBudget = defaultBudget
	}
	if ws.buffers.outputBudget <= 0 {
		ws.buffers.outputBudget = defaultBudget
	}
	ws.suspendedLimit = config.PendingOperations
	if ws.suspendedLimit <= 0 {
		ws.suspendedLimit = 16384
	}
	ws.keys.limit = config.CachedKeys
	if ws.keys.limit <= 0 {
		ws.keys.limit = 4096
	}
	return ws
}

// newPrivateWorkspace is for a connection that shares nothing.
func newPrivateWorkspace() *Workspace {
	ws := NewWorkspace(WorkspaceConfig{})
	ws.buffers.shared = true
	return ws
}

// Server returns a connection in the accept state (SSL_set_accept_state(3)):
// its first Handshake waits for a ClientHello on transport. An unusable config
// shows as the error of the first call.
func (ws *Workspace) Server(transport Transport, config *Config) *Conn {
	return newConn(ws, transport, config, RoleServer)
}

// Client returns a connection in the connect state (SSL_set_connect_state(3)):
// its first Handshake sends the ClientHello.
func (ws *Workspace) Client(transport Transport, config *Config) *Conn {
	return newConn(ws, transport, config, RoleClient)
}

// deriver returns the shared key schedule scratch for h, SHA-256 or SHA-384.
func (ws *Workspace) deriver(h crypto.Hash) *keysched.Deriver {
	i := 0
	if h == crypto.SHA384 {
		i = 1
	}
	if ws.derivers[i] == nil {
		ws.derivers[i] = keysched.New(h)
	}
	return ws.derivers[i]
}
