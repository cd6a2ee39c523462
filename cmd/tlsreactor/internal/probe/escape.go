package probe

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escaped makes text from elsewhere safe to print: what is no printable character (control characters,
// those that change the direction of text, what is not UTF-8) is written as in Go's string literals.
func escaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != utf8.RuneError && unicode.IsPrint(r) {
			b.WriteString(s[i : i+n])
		} else {
			quoted := strconv.Quote(s[i : i+n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += n
	}
	return b.String()
}

// escapedJSON does the same for encoded JSON, where encoding/json leaves what only a terminal minds: DEL,
// the C1 control characters, the direction of text. They occur within strings only.
func escapedJSON(encoded []byte) []byte {
	var b []byte
	for _, r := range string(encoded) {
		switch {
		case unicode.IsPrint(r):
			b = append(b, string(r)...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}
