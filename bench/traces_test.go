package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

const cpuTraces = `File: bench
Type: cpu
Duration: 10s, Total samples = 10s
-----------+-------------------------------------------------------
    6000us   crypto/internal/fips140/edwards25519/field.feMul
             crypto/ecdh.x25519ScalarMult (inline)
             crypto/ecdh.(*x25519Curve).ecdh
             github.com/tlsreactor/tlsreactor/tlsconn.agree
-----------+-------------------------------------------------------
    3000us   internal/runtime/syscall/linux.Syscall6
             golang.org/x/sys/unix.Write (inline)
             github.com/tlsreactor/tlsreactor/tlsconn.(*Conn).flush
-----------+-------------------------------------------------------
    1000us   runtime.schedule[go.shape.interface { Size int }]
-----------+-------------------------------------------------------
`

func TestTracesAreReadFromPprofsText(t *testing.T) {
	got := readTraces([]byte(cpuTraces), "us")
	want := []trace{
		{6000, []string{"crypto/internal/fips140/edwards25519/field.feMul", "crypto/ecdh.x25519ScalarMult",
			"crypto/ecdh.(*x25519Curve).ecdh", "github.com/tlsreactor/tlsreactor/tlsconn.agree"}},
		{3000, []string{"internal/runtime/syscall/linux.Syscall6", "golang.org/x/sys/unix.Write", "github.com/tlsreactor/tlsreactor/tlsconn.(*Conn).flush"}},
		{1000, []string{"runtime.schedule"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAHandshakesTimeIsDividedBySteps(t *testing.T) {
	got := stepTable("x", readTraces([]byte(cpuTraces), "us"), 200)
	want := [][]string{
		{"x: what", "us per handshake", "share"},
		{"X25519, derivation", "120.0", "60 %"},
		{"write(2)", "60.0", "30 %"},
		{"the rest: scheduling", "20.0", "10 %"},
		{"**all**", "**200**", ""},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAConnectionsBytesAreDividedBySites(t *testing.T) {
	text := `Type: inuse_space
-----------+-------------------------------------------------------
     bytes:  448B
     4480B   github.com/tlsreactor/tlsreactor/tlsconn.newConn
             github.com/tlsreactor/tlsreactor/reactor.(*Loop).startTLS
-----------+-------------------------------------------------------
     bytes:  64B
    -1280B   bytes.growSlice
             crypto/tls.(*Conn).readFromUntil
-----------+-------------------------------------------------------
         0   runtime.malg
-----------+-------------------------------------------------------
       20B   hash/crc32.slicingMakeTable
-----------+-------------------------------------------------------
     bytes:  64B
     2560B   bytes.growSlice
             crypto/tls.(*Conn).readFromUntil
`
	got := siteRows(readTraces([]byte(text), "B"), 10)
	want := [][]string{
		{"tlsconn.newConn", "448"},
		{"bytes.growSlice, for crypto/tls.(*Conn).readFromUntil", "128"},
		{"elsewhere", "2"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSystemCallsAreCountedWithoutTheRuntimesOwn(t *testing.T) {
	counts := straceCounts([]byte(`    calls syscall
--------- ----------------
     1000 read
        7 mmap
--------- ----------------
     1007 total
`))
	if want := map[string]float64{"read": 1000, "mmap": 7}; !reflect.DeepEqual(counts, want) {
		t.Fatalf("%v, want %v", counts, want)
	}
	base := map[string]float64{"read": 10, "mmap": 7}
	shaken := map[string]float64{"read": 410, "write": 300, "mmap": 8, "futex": 50}
	echoed := map[string]float64{"read": 60, "write": 50, "mmap": 7}
	got := callTable("x", base, shaken, echoed, 100, 50)
	var rows []string
	for _, row := range got[1:] {
		rows = append(rows, strings.Join(row, " "))
	}
	want := []string{"read 4.0 1.0", "write 3.0 1.0", "**all** **7.0** **2.0**", "and the runtime's own 0.5 0.0"}
	if !slices.Equal(rows, want) {
		t.Errorf("%q, want %q", rows, want)
	}
}
