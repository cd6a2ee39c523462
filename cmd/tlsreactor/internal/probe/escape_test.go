package probe

import (
	"encoding/json"
	"testing"
)

func TestWhatATerminalWouldObeyIsEscaped(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text stays", "CN=a, O=b \"c\"", "CN=a, O=b \"c\""},
		{"so do other alphabets", "Müller 日本", "Müller 日本"},
		{"an escape sequence", "\x1b[2Jgone", `\x1b[2Jgone`},
		{"a line break", "a\r\nb", `a\r\nb`},
		{"C1 control characters", "\u009b2J", `\u009b2J`},
		{"the direction of text", "a\u202eb", `a\u202eb`},
		{"what is not UTF-8", "a\xffb", `a\xffb`},
		{"DEL", "\x7f", `\x7f`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := escaped(tt.in); got != tt.want {
				t.Errorf("escaped(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestJSONStaysTheSameForAProgram(t *testing.T) {
	const text = "\x1b[2J \u009b \u007f \u202e \U000e0001 Müller \\ \""
	encoded, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	safe := escapedJSON(encoded)
	if got := escaped(string(safe)); got != string(safe) {
		t.Errorf("%s is not safe to print", safe)
	}
	var back string
	if err := json.Unmarshal(safe, &back); err != nil || back != text {
		t.Errorf("%s reads back as %q (%v)", safe, back, err)
	}
}
