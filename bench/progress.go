package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows on standard error how far the measurements are: as a bar on a terminal, else as
// a line for each thing that begins.
type progress struct {
	bar *progressbar.ProgressBar // nil without a terminal
}

// newProgress expects done to be told of as much as length, in the end.
func newProgress(length time.Duration) *progress {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		fmt.Fprintf(os.Stderr, "about %v\n", length.Round(time.Second))
		return &progress{}
	}
	return &progress{progressbar.NewOptions64(length.Milliseconds(),
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish(),
	)}
}

// now says what begins.
func (p *progress) now(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if p.bar == nil {
		fmt.Fprintln(os.Stderr, text)
		return
	}
	p.bar.Describe(text)
}

// done says that something has ended which was to take as long.
func (p *progress) done(expected time.Duration) {
	if p.bar != nil {
		_ = p.bar.Add64(expected.Milliseconds()) // a terminal that is gone is no reason to stop
	}
}

// end leaves the line to the report.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // as above
	}
}
