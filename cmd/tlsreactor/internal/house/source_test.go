package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	maxFileLines = 700
	maxFuncLines = 80
)

// tables are the files that may pass maxFileLines because they are data, with the reason.
var tables = map[string]string{}

// socketFiles are the files of tlsconn that may import net and os, those that meet net.Conn,
// with the reason for each.
var socketFiles = map[string]string{
	"tlsconn/netconn.go": "crypto/tls's callbacks are made of net's types",
}

// shim is the folder of a program that lies in the engine's tree because it may see the
// engine's internals: it dials BoGo's runner and reads the files of its flags. Like any
// program it may import net and os, and read a clock.
const shim = "tlsconn/internal/bogoshim"

// clockFile may name time.Now, without calling it: it is the default of Config's clock.
const clockFile = "tlsconn/derive.go"

// clocks are the functions of package time that read the clock or wait for it.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// nobodysNames are file names that say nothing of a concept.
var nobodysNames = []string{"util", "utils", "helper", "helpers", "types", "common", "misc"}

// sourceViolations returns one sentence for each rule that a non-test file breaks. The name
// is the file's path from the top of the repository, with slashes.
func sourceViolations(name string, source []byte) []string {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	report := func(at token.Pos, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s:%d: ", name, files.Position(at).Line)+fmt.Sprintf(format, args...))
	}

	base := strings.TrimSuffix(path.Base(name), ".go")
	if slices.Contains(nobodysNames, strings.TrimSuffix(base, "_linux")) {
		report(file.Package, "a file named %q has no concept of its own", base)
	}
	lines := bytes.Count(source, []byte("\n"))
	if _, isTable := tables[name]; lines > maxFileLines && !isTable {
		report(file.Package, "%d lines, the limit is %d", lines, maxFileLines)
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			n := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1
			if n > maxFuncLines {
				report(f.Pos(), "func %s has %d lines, the limit is %d", f.Name.Name, n, maxFuncLines)
			}
		}
	}
	for _, i := range file.Imports {
		imported, _ := strconv.Unquote(i.Path.Value) // the parser has read it as a string
		// x/sys/cpu only reads what the processor can do: no system call.
		kernel := imported == "syscall" || within(imported, "golang.org/x/sys") && imported != "golang.org/x/sys/cpu"
		if kernel && !strings.HasSuffix(name, "_linux.go") {
			report(i.Pos(), "%s outside a _linux.go file", imported)
		}
		if !within(name, "tlsconn") {
			continue
		}
		_, isAdapter := socketFiles[name]
		isAdapter = isAdapter || within(name, shim)
		if kernel || (within(imported, "net") || within(imported, "os")) && !isAdapter {
			report(i.Pos(), "tlsconn knows nothing of sockets and must not import %s", imported)
		}
	}
	if within(name, "tlsconn") {
		reportTimeAndGoroutines(name, file, report)
	}
	return wrong
}

// reportTimeAndGoroutines reports what would make the engine do anything outside its caller's
// calls: go statements, and clocks other than its Config's.
func reportTimeAndGoroutines(name string, file *ast.File, report func(token.Pos, string, ...any)) {
	called := make(map[ast.Expr]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n.Pos(), "tlsconn must not start a goroutine")
		case *ast.CallExpr:
			called[n.Fun] = true // visited before its operand
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok || x.Name != "time" || !slices.Contains(clocks, n.Sel.Name) || within(name, shim) {
				break
			}
			if name == clockFile && n.Sel.Name == "Now" && !called[n] {
				break
			}
			report(n.Pos(), "tlsconn must not use time.%s, only its Config's clock", n.Sel.Name)
		}
		return true
	})
}

func TestSourceKeepsToTheHouse(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); base == "testdata" || base == "bin" || name != root && strings.HasPrefix(base, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		seen++
		for _, w := range sourceViolations(filepath.ToSlash(relative), source) {
			t.Error(w)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 3 {
		t.Fatalf("found %d source files; is %s the top of the repository?", seen, root)
	}
}

func TestTheSourceCheckerCanFail(t *testing.T) {
	longFunc := func(n int) string { return "package p\n\nfunc f() {" + strings.Repeat("\n", n-1) + "}\n" }
	tests := []struct {
		name   string
		file   string
		source string
		want   string // a part of the one violation, or nothing
	}{
		{"a function of 80 lines is short enough", "reactor/a.go", longFunc(80), ""},
		{"a function of 81 lines is too long", "reactor/a.go", longFunc(81), "has 81 lines"},
		{"a file of 700 lines is short enough", "reactor/a.go", "package p" + strings.Repeat("\n", 700), ""},
		{"a file of 701 lines is too long", "reactor/a.go", "package p" + strings.Repeat("\n", 701), "701 lines"},
		{"a file must be named for its concept", "reactor/utils.go", "package p", "no concept"},
		{"system calls belong to linux files", "poller/a.go", `package p; import _ "golang.org/x/sys/unix"`, "outside a _linux.go"},
		{"package syscall counts as system calls", "cmd/a.go", `package p; import _ "syscall"`, "outside a _linux.go"},
		{"a linux file may call the system", "poller/a_linux.go", `package p; import _ "syscall"`, ""},
		{"but not in the engine", "tlsconn/a_linux.go", `package p; import _ "syscall"`, "nothing of sockets"},
		{"the engine imports no net", "tlsconn/a.go", `package p; import _ "net"`, "nothing of sockets"},
		{"nor a package below net", "tlsconn/internal/wire/a.go", `package p; import _ "net/netip"`, "nothing of sockets"},
		{"nor os", "tlsconn/a.go", `package p; import _ "os"`, "nothing of sockets"},
		{"the shim, a program, may import net", shim + "/a.go", `package p; import _ "net"`, ""},
		{"but start no goroutine", shim + "/a.go", "package p; func f() { go f() }", "goroutine"},
		{"others may import net", "reactor/a.go", `package p; import _ "net"`, ""},
		{"the engine starts no goroutine", "tlsconn/a.go", "package p; func f() { go f() }", "goroutine"},
		{"others may", "reactor/a.go", "package p; func f() { go f() }", ""},
		{"the engine reads no clock", "tlsconn/a.go", `package p; import "time"; var t = time.Now()`, "time.Now"},
		{"the shim is a program, and reads one", shim + "/a.go", `package main; import "time"; var t = time.Now()`, ""},
		{"nor names one", "tlsconn/a.go", `package p; import "time"; var now = time.Now`, "time.Now"},
		{"its Config may name the default clock", clockFile, `package p; import "time"; var now = time.Now`, ""},
		{"but not call it", clockFile, `package p; import "time"; var t = time.Now()`, "time.Now"},
		{"the engine starts no timer", "tlsconn/a.go", `package p; import "time"; var t = time.NewTimer(1)`, "time.NewTimer"},
		{"a time as a value is no clock", "tlsconn/a.go", `package p; import "time"; var t time.Time`, ""},
		{"a file that does not parse is reported", "reactor/a.go", "package", "expected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sourceViolations(tt.file, []byte(tt.source))
			if tt.want == "" && len(got) != 0 {
				t.Errorf("violations %q, want none", got)
			}
			if tt.want != "" && (len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), tt.want)) {
				t.Errorf("violations %q, want one with %q", got, tt.want)
			}
		})
	}
}
