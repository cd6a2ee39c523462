package serve

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// A journal takes log records from the event loops without ever making them wait: a write to a
// slow reader of standard error would stop every connection of the loop. A goroutine of its
// own does the writing, as many lines at a time as there are; what it cannot keep up with is dropped,
// and the next line says how much.
type journal struct {
	log     *slog.Logger
	lines   *lines
	entries chan entry
	dropped atomic.Uint64 // since a line said so
	lost    atomic.Uint64 // in all
	ended   chan struct{}
}

// An entry is one line to be.
type entry struct {
	level slog.Level
	msg   string
	attrs []slog.Attr
}

// newJournal starts the goroutine; close ends it. w is written to by nobody else meanwhile.
func newJournal(o *Options, w io.Writer) *journal {
	j := &journal{lines: &lines{w: w}, entries: make(chan entry, maxJournal), ended: make(chan struct{})}
	options := &slog.HandlerOptions{Level: o.LogLevel}
	if o.LogJSON {
		j.log = slog.New(slog.NewJSONHandler(j.lines, options))
	} else {
		j.log = slog.New(slog.NewTextHandler(j.lines, options))
	}
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
		j.lost.Add(1)
	}
}

// tell logs a line later. It waits for room before it drops the line, for a while, and must not be
// called on a loop.
func (j *journal) tell(level slog.Level, msg string, attrs ...slog.Attr) {
	if !j.enabled(level) {
		return
	}
	select {
	case j.entries <- entry{level, msg, attrs}:
	case <-time.After(journalPatience):
		j.dropped.Add(1)
		j.lost.Add(1)
	}
}

// enabled reports whether a line of a level would be logged, for who would have to build it.
func (j *journal) enabled(level slog.Level) bool {
	return j.log.Enabled(context.Background(), level)
}

// close writes what is left and returns when all is written, or when nobody takes it.
func (j *journal) close() {
	close(j.entries)
	select {
	case <-j.ended:
	case <-time.After(journalPatience):
	}
}

func (j *journal) write() {
	defer close(j.ended)
	for e := range j.entries {
		j.log.LogAttrs(context.Background(), e.level, e.msg, e.attrs...)
		if n := j.dropped.Swap(0); n > 0 {
			j.log.Warn("log lines dropped: more came than could be written", "lines", n)
		}
		if len(j.entries) == 0 || len(j.lines.held) >= journalBatch {
			j.lines.flush()
		}
	}
}

// lines holds what the log writes, a line a call, until it is flushed.
type lines struct {
	w    io.Writer
	held []byte
}

func (l *lines) Write(line []byte) (int, error) {
	l.held = append(l.held, line...)
	return len(line), nil
}

// flush hands over what is held. There is nobody to tell that standard error fails.
func (l *lines) flush() {
	_, _ = l.w.Write(l.held)
	l.held = l.held[:0]
}
