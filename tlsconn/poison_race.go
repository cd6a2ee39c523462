//go:build race

package tlsconn

// poison makes released buffers unreadable where the race detector runs.
const poison = true
