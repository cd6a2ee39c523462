package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"strconv"
	"testing"
	"time"
)

func TestASideThatDoesNotReadHoldsTheOtherBack(t *testing.T) {
	tests := []struct {
		name string
		pick func(client, behind net.Conn) (writer, reader net.Conn)
	}{
		{"a client that does not read", func(client, behind net.Conn) (net.Conn, net.Conn) { return behind, client }},
		{"a backend that does not read", func(client, behind net.Conn) (net.Conn, net.Conn) { return client, behind }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, client, behind := tunnelled(t)
			writer, reader := tt.pick(client, behind)
			const size = 96 << 20
			sent := sha256.New()
			done := make(chan error, 1)
			go func() {
				block := make([]byte, 1<<20)
				for range size / len(block) {
					rand.Read(block)
					sent.Write(block)
					if _, err := writer.Write(block); err != nil {
						done <- err
						return
					}
				}
				done <- writer.(interface{ CloseWrite() error }).CloseWrite()
			}()
			// While nobody reads, the program is to come to rest; then it has taken all that it will.
			p.awaitRest()
			received := sha256.New()
			n, err := io.Copy(received, reader)
			if err != nil || n != size {
				t.Fatalf("received %d bytes of %d, %v", n, size, err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(received.Sum(nil), sent.Sum(nil)) {
				t.Error("what was received is not what was sent")
			}
			if peak := peakMemory(t, p.cmd.Process.Pid); !underRace() && peak > 64<<20 {
				t.Errorf("the program took %d KiB, want at most 64 MiB", peak>>10)
			}
		})
	}
}

// awaitRest waits until the loops take only the turns that asking for the counters costs.
func (p *program) awaitRest() {
	p.t.Helper()
	turns := func() int {
		n, err := strconv.Atoi(p.awaitCounters(`turns=(\d+)`)[1])
		if err != nil {
			p.t.Fatal(err)
		}
		return n
	}
	last, same := turns(), 0
	for deadline := time.Now().Add(patience); same < 20; {
		now := turns()
		if same++; now != last {
			last, same = now, 0
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the loops do not come to rest within %v: turn %d", patience, now)
		}
	}
}
