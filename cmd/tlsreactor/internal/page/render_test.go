package page

import (
	"encoding/json"
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var traced = &Facts{
	Version:   "TLS 1.3",
	Handshake: 10 * time.Millisecond,
	Steps: []Step{
		{0, "expectClientHello", ""}, {0, "expectClientHello", "read"},
		{4 * time.Millisecond, "awaitSignature", ""}, {5 * time.Millisecond, "awaitSignature", "app"},
		{9 * time.Millisecond, "connected", ""},
	},
	Counters: []Counter{{"connections", "Connections open", 3}, {"sent", "Bytes sent", 1 << 40}},
}

func TestEachStateIsARowWithItsWantAndItsTime(t *testing.T) {
	type bar struct {
		Class string  `xml:"class,attr"`
		X     float64 `xml:"x,attr"`
		Width float64 `xml:"width,attr"`
	}
	rows := strings.Split(strings.TrimSpace(renderSteps(traced.Steps, traced.Handshake)), "\n")
	want := []struct {
		after, state, wanted string
		bars                 []bar
	}{
		{"0.00 µs", "expectClientHello", "read", []bar{{"work", 0, 0}, {"wait", 0, 40}}},
		{"4.00 ms", "awaitSignature", "app", []bar{{"work", 40, 10}, {"wait", 50, 40}}},
		{"9.00 ms", "connected", "", []bar{{"work", 90, 10}}},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows:\n%s", len(rows), strings.Join(rows, "\n"))
	}
	for i, w := range want {
		var row struct {
			Cells []struct {
				Text  string `xml:",chardata"`
				Wants string `xml:"em"`
				SVG   struct {
					Bars []bar `xml:"rect"`
				} `xml:"svg"`
			} `xml:"td"`
			State string `xml:"th"`
		}
		if err := xml.Unmarshal([]byte(rows[i]), &row); err != nil {
			t.Fatalf("%v in %s", err, rows[i])
		}
		if row.Cells[0].Text != w.after || row.State != w.state || row.Cells[1].Wants != w.wanted {
			t.Errorf("row %d is %s", i, rows[i])
		}
		if bars := row.Cells[2].SVG.Bars; !slices.Equal(bars, w.bars) {
			t.Errorf("row %d has the bars %v, want %v", i, bars, w.bars)
		}
	}
}

func TestDurationsAreSpelledAsPeopleReadThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.00 µs", 1500: "1.50 µs", 999_940: "1000 µs", 1_234_567: "1.23 ms", 98_760_000: "98.8 ms", 12_345 * time.Millisecond: "12.3 s",
	} {
		if got := spell(d); got != want {
			t.Errorf("%d ns is %q, want %q", d, got, want)
		}
	}
}

func TestTheScriptGetsTheCountersThatThePageHasPlacesFor(t *testing.T) {
	var s Session
	s.Feed([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /counters.json?now HTTP/1.1\r\nHost: x\r\n\r\n"))
	first, _ := s.Next(nil, traced, noon)
	second, _ := s.Next(nil, traced, noon)
	_, body := parsed(t, "GET", string(first))
	response, object := parsed(t, "GET", string(second))
	if got := response.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type: %s", got)
	}
	var counters map[string]uint64
	if err := json.Unmarshal([]byte(object), &counters); err != nil || len(counters) != 2 || counters["sent"] != 1<<40 {
		t.Fatalf("counters %s, %v", object, err)
	}
	for name := range counters {
		if !strings.Contains(body, `id="`+name+`"`) {
			t.Errorf("the page has no place for %s", name)
		}
	}
	if renderCounters(nil) != "{}\n" {
		t.Errorf("no counters are %q", renderCounters(nil))
	}
}

func TestThePolicyAllowsNothingInline(t *testing.T) {
	if n := len(regexp.MustCompile(`'sha256-[A-Za-z0-9+/]{43}='`).FindAllString(policy, -1)); n != 2 || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	if found := regexp.MustCompile(`(?i)\s(style|on[a-z]+)=`).FindString(render(traced)); found != "" {
		t.Errorf("the page has %q, which the policy forbids", found)
	}
}
