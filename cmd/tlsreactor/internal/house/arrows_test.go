package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tlsreactor/tlsreactor"

// root is the top of the repository, seen from this package's folder, where go test runs.
const root = "../../../.."

// An arrow is the rule for the packages of one tree.
type arrow struct {
	tree string
	leaf bool     // imports no package of this module, not even of its own tree
	may  []string // trees outside its own
}

// arrows says which packages of this module each of its trees may import directly. The first
// row that fits a package is its rule, so an inner package stands before the tree around it.
// A tree may always import its own packages, unless it is a leaf.
var arrows = []arrow{
	{tree: "tlsconn/internal/wire", leaf: true},
	{tree: "tlsconn/internal/record", leaf: true},
	{tree: "tlsconn/internal/keysched", leaf: true},
	{tree: "tlsconn"},
	{tree: "poller", leaf: true},
	{tree: "reactor", may: []string{"tlsconn", "poller"}},
	// The program names tlsconn's Config and errors, but the poller is the reactor's alone: the
	// reactor is the one place where a TLS want becomes poller interest.
	{tree: "cmd", may: []string{"reactor", "tlsconn"}},
	{tree: "bench", may: []string{"reactor", "tlsconn", "poller"}},
	{tree: "deploy", leaf: true}, // it tests the built program, from outside
}

// listed is what `go list -json` tells of a package. Imports are the direct ones, of its
// non-test files.
type listed struct {
	ImportPath string
	Imports    []string
}

// within reports whether path is tree or lies below it.
func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}

// inModule returns the path of a package inside this module, or false for any other package.
func inModule(importPath string) (string, bool) {
	return strings.CutPrefix(importPath, module+"/")
}

// wrongArrows returns one sentence for each direct import that the house does not allow.
func wrongArrows(packages []listed) []string {
	var wrong []string
	for _, p := range packages {
		from, ok := inModule(p.ImportPath)
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s: the module's root is not a package", p.ImportPath))
			continue
		}
		i := slices.IndexFunc(arrows, func(a arrow) bool { return within(from, a.tree) })
		if i < 0 {
			wrong = append(wrong, fmt.Sprintf("%s: no arrow is drawn for this package", from))
			continue
		}
		rule := arrows[i]
		for _, imported := range p.Imports {
			to, ok := inModule(imported)
			if !ok {
				continue
			}
			own := !rule.leaf && within(to, rule.tree)
			if !own && !slices.ContainsFunc(rule.may, func(tree string) bool { return within(to, tree) }) {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: the arrows do not run that way", from, to))
			}
		}
	}
	return wrong
}

func TestArrowsRunOneWay(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	list.Dir = root
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 3 {
		t.Fatalf("go list found %d packages; is %s the top of the repository?", len(packages), root)
	}
	for _, w := range wrongArrows(packages) {
		t.Error(w)
	}
}

func TestTheArrowCheckerCanFail(t *testing.T) {
	tests := []struct {
		name     string
		from, to string
		wrong    bool
	}{
		{"the reactor may import the engine", "reactor", "tlsconn", false},
		{"the reactor may import the poller", "reactor", "poller", false},
		{"the engine may import its codec", "tlsconn", "tlsconn/internal/wire", false},
		{"the program may import the reactor", "cmd/tlsreactor/internal/serve", "reactor", false},
		{"the program may import its own packages", "cmd/tlsreactor", "cmd/tlsreactor/internal/serve", false},
		{"the engine must not know the poller", "tlsconn", "poller", true},
		{"the poller must not know the engine", "poller", "tlsconn", true},
		{"the engine must not know the reactor", "tlsconn", "reactor", true},
		{"the reactor must not know the program", "reactor", "cmd/tlsreactor/internal/serve", true},
		{"the program must leave the poller to the reactor", "cmd/tlsreactor", "poller", true},
		{"the codec must be a leaf", "tlsconn/internal/wire", "tlsconn/internal/record", true},
		{"the codec must not know its caller", "tlsconn/internal/wire", "tlsconn", true},
		{"the key schedule must be a leaf", "tlsconn/internal/keysched", "tlsconn/internal/wire", true},
		{"a tree's name is not a prefix of another's", "reactor", "pollerish", true},
		{"a package without an arrow is one too many", "tools", "reactor", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := wrongArrows([]listed{{module + "/" + tt.from, []string{"fmt", module + "/" + tt.to}}})
			if (len(got) == 1) != tt.wrong || len(got) > 1 {
				t.Errorf("%s -> %s: violations %q, want one: %v", tt.from, tt.to, got, tt.wrong)
			}
		})
	}
}
