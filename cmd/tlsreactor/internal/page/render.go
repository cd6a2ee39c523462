package page

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"
)

// policy lets a browser run the page's own style and script, each by its hash, and have the script ask
// this server; nothing else, whatever a mistake of ours might let into the page.
var policy = "default-src 'none'; style-src " + hashOf("style") + "; script-src " + hashOf("script") +
	"; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// hashOf returns the source expression (CSP 3, 2.3.1) of the template's one element of a name.
func hashOf(element string) string {
	_, rest, _ := strings.Cut(template, "<"+element+">")
	content, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// render fills the page's blanks. What came from the client is escaped.
func render(f *Facts) string {
	value := func(s string) string {
		if s == "" {
			return "none"
		}
		return html.EscapeString(s)
	}
	answer := map[bool]string{false: "no", true: "yes"}
	return strings.NewReplacer(
		"{{version}}", value(f.Version),
		"{{suite}}", value(f.Suite),
		"{{group}}", value(f.Group),
		"{{signature}}", value(f.Signature),
		"{{alpn}}", value(f.ALPN),
		"{{sni}}", value(f.ServerName),
		"{{retried}}", answer[f.Retried],
		"{{resumed}}", answer[f.Resumed],
		"{{handshake}}", spell(f.Handshake),
		"{{steps}}", renderSteps(f.Steps, f.Handshake),
		"{{counters}}", renderCounterList(f.Counters),
	).Replace(template)
}

// spell writes a duration as people read it: three digits, and a unit.
func spell(d time.Duration) string {
	unit, name := time.Microsecond, "µs"
	if d >= time.Millisecond {
		unit, name = time.Millisecond, "ms"
	}
	if d >= time.Second {
		unit, name = time.Second, "s"
	}
	v, digits := float64(d)/float64(unit), 2
	switch {
	case v >= 99.95:
		digits = 0
	case v >= 9.995:
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + name
}

// renderSteps makes a row of each state, with what was wanted in it, and a bar that shows when and how
// long: the program's work in one colour, its waiting in another.
func renderSteps(steps []Step, whole time.Duration) string {
	var b strings.Builder
	whole = max(whole, 1)
	percent := func(d time.Duration) string {
		return strconv.FormatFloat(100*float64(d)/float64(whole), 'f', 2, 64)
	}
	for i := 0; i < len(steps); {
		row := steps[i:]
		for n := range row {
			if n > 0 && row[n].Want == "" {
				row = row[:n]
				break
			}
		}
		i += len(row)
		fmt.Fprintf(&b, "<tr><td>%s</td><th scope=\"row\">%s</th><td>", spell(row[0].At), html.EscapeString(row[0].State))
		for _, s := range row {
			if s.Want != "" {
				fmt.Fprintf(&b, "<em>%s</em>", html.EscapeString(s.Want))
			}
		}
		b.WriteString(`</td><td><svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">`)
		for n, s := range row {
			end := whole
			if n+1 < len(row) {
				end = row[n+1].At
			} else if i < len(steps) {
				end = steps[i].At
			}
			class := "work"
			if s.Want != "" {
				class = "wait"
			}
			fmt.Fprintf(&b, `<rect class="%s" x="%s" width="%s" height="1"/>`, class, percent(s.At), percent(max(end-s.At, 0)))
		}
		b.WriteString("</svg></td></tr>\n")
	}
	return b.String()
}

// renderCounterList makes the page's list, whose values the script refreshes by their names.
func renderCounterList(counters []Counter) string {
	var b strings.Builder
	for _, c := range counters {
		fmt.Fprintf(&b, "<div><dt>%s</dt><dd id=\"%s\">%d</dd></div>\n", html.EscapeString(c.Label), html.EscapeString(c.Name), c.Value)
	}
	return b.String()
}

// renderCounters is the answer to the page's script: an object of numbers.
func renderCounters(counters []Counter) string {
	var b strings.Builder
	separator := "{"
	for _, c := range counters {
		name, _ := json.Marshal(c.Name) // a string always has a form in JSON
		fmt.Fprintf(&b, "%s%s:%d", separator, name, c.Value)
		separator = ","
	}
	if len(counters) == 0 {
		b.WriteString("{")
	}
	b.WriteString("}\n")
	return b.String()
}
