package record

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A tracedRecord is one protected record of testdata/rfc8448.txt.
type tracedRecord struct {
	name                     string // its section and its line
	typ                      Type
	seq                      uint64
	key, iv, content, record []byte
}

func readTracedRecords(t testing.TB) []tracedRecord {
	t.Helper()
	f, err := os.Open("testdata/rfc8448.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var records []tracedRecord
	section := ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "section "):
			section = line
		case line[0] != ' ':
			words := strings.Fields(line) // sender, type, sequence number
			seq, err := strconv.ParseUint(words[2], 10, 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			r := tracedRecord{name: section + ": " + line, seq: seq}
			for _, typ := range []Type{Alert, Handshake, ApplicationData} {
				if typ.String() == words[1] {
					r.typ = typ
				}
			}
			records = append(records, r)
		default:
			field, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			b, err := hex.DecodeString(value)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			r := &records[len(records)-1]
			*map[string]*[]byte{"key": &r.key, "iv": &r.iv, "content": &r.content, "record": &r.record}[field] = b
		}
	}
	if lines.Err() != nil || len(records) < 25 {
		t.Fatalf("%d records, error %v", len(records), lines.Err())
	}
	return records
}

func TestEveryProtectedRecordOfRFC8448(t *testing.T) {
	for _, r := range readTracedRecords(t) {
		t.Run(r.name, func(t *testing.T) {
			var k Key13
			if err := k.Init(AES128GCM, r.key, r.iv); err != nil {
				t.Fatal(err)
			}
			if h := ParseHeader(r.record); h != (Header{ApplicationData, 0x0303, len(r.record) - HeaderLen}) {
				t.Errorf("header %+v", h)
			}
			content, typ, err := k.Open(nil, bytes.Clone(r.record), r.seq)
			if err != nil || typ != r.typ || !bytes.Equal(content, r.content) {
				t.Errorf("opened %v %x, error %v", typ, content, err)
			}
			sealed := make([]byte, len(r.content)+Overhead13)
			copy(sealed[HeaderLen:], r.content)
			k.Seal(sealed, len(r.content), r.typ, r.seq)
			if !bytes.Equal(sealed, r.record) {
				t.Errorf("sealed\n%x, the RFC's\n%x", sealed, r.record)
			}
		})
	}
}
