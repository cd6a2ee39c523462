package serve

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
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
	j := newJournal(new(Options), g)
	for i := range 2 * maxJournal {
		j.post(slog.LevelWarn, "backend refused", slog.Int("number", i))
	}
	close(g.open)
	j.close()
	text := g.text.String()
	written, dropped := strings.Count(text, "backend refused"), 0
	for _, m := range regexp.MustCompile(`log lines dropped.* lines=(\d+)`).FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		dropped += n
	}
	if written < maxJournal || dropped == 0 || written+dropped != 2*maxJournal {
		t.Errorf("%d lines written and %d dropped of %d", written, dropped, 2*maxJournal)
	}
}

func TestLinesAreWrittenWholeAndInOrder(t *testing.T) {
	var text bytes.Buffer
	j := newJournal(new(Options), &text)
	long := strings.Repeat("x", 1000)
	const n = 3 * journalBatch / 1000
	for i := range n {
		j.tell(slog.LevelInfo, "line", slog.Int("number", i), slog.String("text", long))
	}
	j.close()
	i := 0
	for line := range strings.Lines(text.String()) {
		if want := fmt.Sprintf("msg=line number=%d text=%s\n", i, long); !strings.HasSuffix(line, want) {
			t.Fatalf("line %d is %q", i, line)
		}
		i++
	}
	if i != n {
		t.Errorf("%d lines, want %d", i, n)
	}
}

func TestTheJournalKeepsToTheLogsLevel(t *testing.T) {
	var text bytes.Buffer
	j := newJournal(new(Options), &text)
	j.post(slog.LevelDebug, "handshake failed")
	j.post(slog.LevelInfo, "serving", slog.String("listen", "127.0.0.1:1"))
	j.close()
	if got := text.String(); strings.Contains(got, "handshake failed") || !strings.Contains(got, "msg=serving listen=127.0.0.1:1") {
		t.Errorf("log %q", got)
	}
}
