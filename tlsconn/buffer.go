package tlsconn

import (
	"sync"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// maxRecord is the longest TLS 1.3 record that we make: full plaintext, no padding.
const maxRecord = record.MaxPlaintext + record.Overhead13

// buffer holds ciphertext, and plaintext opened in place. It belongs to one
// Conn, or to the free list of its Workspace, never to both.
type buffer struct {
	data  []byte // whole capacity
	class int    // index into bufferClasses; oversize for one of no class
	used  int    // bytes of data that were written since it was taken, to be cleared
}

// bufferClasses are the sizes, in bytes, of pooled buffers. The largest serves
// reads and writes of many records; the others hold what is left of it when a
// call returns: a few bytes, a small record, a full one of any sender.
var bufferClasses = [...]int{
	256,
	2 << 10,
	record.HeaderLen + record.MaxCiphertext13 + 512,
	outputHighWater + outputReserve,
}

const (
	largest  = len(bufferClasses) - 1
	fullOne  = largest - 1        // the class that holds any single record
	oversize = len(bufferClasses) // larger than any class
)

// freeBuffers bounds the free list of each class. A loop works on one
// connection at a time, so few are ever out except for those that wait.
const freeBuffers = 16

// bufferPool is a Workspace's free lists. Not for concurrent use.
type bufferPool struct {
	free   [len(bufferClasses)][]*buffer
	shared bool // the largest class is kept by the process, not here

	// Bytes that connections hold between calls, and their limits.
	input, inputBudget   int
	output, outputBudget int
}

// sharedBuffers keeps buffers of the largest class for the Workspaces of single
// connections, each of which would hold two of its own for ever.
var sharedBuffers sync.Pool

// take returns a buffer of at least n bytes: of the smallest class that has
// them, else one of exactly n bytes that no list will keep.
func (p *bufferPool) take(n int) *buffer {
	for class, size := range bufferClasses {
		if n > size {
			continue
		}
		if p.shared && class == largest {
			if b, ok := sharedBuffers.Get().(*buffer); ok {
				return b
			}
		}
		list := p.free[class]
		if len(list) == 0 {
			return &buffer{data: make([]byte, size), class: class}
		}
		b := list[len(list)-1]
		list[len(list)-1] = nil
		p.free[class] = list[:len(list)-1]
		return b
	}
	return &buffer{data: make([]byte, n), class: oversize}
}

// release clears what b held, plaintext perhaps, and takes it back. Under the
// race detector it is overwritten, so that a use after release fails loudly.
func (p *bufferPool) release(b *buffer) {
	clear(b.data[:b.used])
	if poison {
		b.data[0] = 0xdb
		for n := 1; n < b.used; n *= 2 {
			copy(b.data[n:b.used], b.data[:n])
		}
	}
	b.used = 0
	switch {
	case b.class == oversize || len(p.free[b.class]) >= freeBuffers:
	case p.shared && b.class == largest:
		sharedBuffers.Put(b)
	default:
		p.free[b.class] = append(p.free[b.class], b)
	}
}

// move copies data, which lies in from, to a buffer with room for need bytes,
// releases from and returns the new one, which holds data at its start.
func (p *bufferPool) move(from *buffer, data []byte, need int) *buffer {
	to := p.take(need)
	to.used = copy(to.data, data)
	p.release(from)
	return to
}

// classOf returns the smallest class that holds n bytes.
func classOf(n int) int {
	for class, size := range bufferClasses {
		if n <= size {
			return class
		}
	}
	return oversize
}
