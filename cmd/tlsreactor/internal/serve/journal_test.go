package serve

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// gate is a writer that lets nobody pass until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(p)
}

func TestALogThatNobodyReadsStopsNobody(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	j := newJournal(slog.New(slog.NewTextHandler(g, nil)))
	for i := range 2 * maxJournal {
		j.post(slog.LevelWarn, "backend refused", slog.Int("number", i))
	}
	close(g.open)
	j.close()
	text := g.text.String()
	written := strings.Count(text, "backend refused")
	if written < maxJournal || written > maxJournal+1 { // one may be in the writer's hands
		t.Errorf("%d lines written of %d, want what the journal holds, %d", written, 2*maxJournal, maxJournal)
	}
	if !strings.Contains(text, "log lines dropped") {
		t.Error("the log does not say that lines were dropped")
	}
}

func TestTheJournalKeepsToTheLogsLevel(t *testing.T) {
	var text bytes.Buffer
	j := newJournal(slog.New(slog.NewTextHandler(&text, nil)))
	j.post(slog.LevelDebug, "handshake failed")
	j.post(slog.LevelInfo, "serving", slog.String("listen", "127.0.0.1:1"))
	j.close()
	if got := text.String(); strings.Contains(got, "handshake failed") || !strings.Contains(got, "msg=serving listen=127.0.0.1:1") {
		t.Errorf("log %q", got)
	}
}
