package house

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// topLevel is what may lie on the top level, besides dotfiles and what is built there.
var topLevel = []string{
	"go.mod", "go.sum", "Makefile", "README.md", "LICENSE",
	"poller", "tlsconn", "reactor", "cmd", "bench", "deploy",
}

// built is what the make targets and the go tool leave there; .gitignore names the same.
var built = []string{"bin", "dist"}

// strangers returns the names that have no place on the top level.
func strangers(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) || slices.Contains(built, name) ||
			strings.HasSuffix(name, ".test") || strings.HasSuffix(name, ".prof")
	})
}

func TestTopLevelIsClosed(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Contains(names, "go.mod") {
		t.Fatalf("%s is not the top of the repository", root)
	}
	for _, s := range strangers(names) {
		t.Errorf("%s: the top level has no room for it", s)
	}
}

func TestTheTopLevelCheckerCanFail(t *testing.T) {
	got := strangers([]string{"go.mod", ".ci", "bin", "pkg", "poller", "CONTRIBUTING.md"})
	if want := []string{"pkg", "CONTRIBUTING.md"}; !slices.Equal(got, want) {
		t.Errorf("strangers %q, want %q", got, want)
	}
}
