package serve

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// A journal takes log records from the event loops without ever making them wait: a write to a
// slow reader of standard error would stop every connection of the loop. A goroutine of its
// own does the writing; what it cannot keep up with is dropped, and the next line says how much.
type journal struct {
	log     *slog.Logger
	entries chan entry
	dropped atomic.Uint64
	ended   chan struct{}
}

// An entry is one line to be.
type entry struct {
	level slog.Level
	msg   string
	attrs []slog.Attr
}

// newJournal starts the goroutine; close ends it.
func newJournal(log *slog.Logger) *journal {
	j := &journal{log: log, entries: make(chan entry, maxJournal), ended: make(chan struct{})}
	go j.write()
	return j
}

// post logs a line later, or drops it. It may be called from any goroutine, until close.
func (j *journal) post(level slog.Level, msg string, attrs ...slog.Attr) {
	if !j.enabled(level) {
		return
	}
	select {
	case j.entries <- entry{level, msg, attrs}:
	default:
		j.dropped.Add(1)
	}
}

// enabled reports whether a line of a level would be logged, for who would have to build it.
func (j *journal) enabled(level slog.Level) bool {
	return j.log.Enabled(context.Background(), level)
}

// close writes what is left and returns when all is written.
func (j *journal) close() {
	close(j.entries)
	<-j.ended
}

func (j *journal) write() {
	defer close(j.ended)
	for e := range j.entries {
		j.log.LogAttrs(context.Background(), e.level, e.msg, e.attrs...)
		if n := j.dropped.Swap(0); n > 0 {
			j.log.Warn("log lines dropped: more came than could be written", "lines", n)
		}
	}
}
