package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	root       = ".." // the top of the repository, which is the context of docker build
	dockerfile = "docker/Dockerfile"
)

// An image is what the Dockerfile makes.
type image struct {
	bases      []string // of FROM, in their order
	dir        string   // the root directory of the last stage
	user       string
	expose     string
	entrypoint []string
	cmd        []string
}

// A stage is one FROM and what follows it.
type stage struct {
	name, dir, workdir string
}

// at is where a path inside the stage lies.
func (s *stage) at(inside string) string {
	if !path.IsAbs(inside) {
		inside = path.Join(s.workdir, inside)
	}
	return filepath.Join(s.dir, inside)
}

// bake carries out the Dockerfile below dir, which is empty. It knows the instructions that
// the file has, in the forms in which it has them, and refuses others. A RUN uses the machine's
// commands in place of the base image's.
func bake(dir string) (*image, error) {
	instructions, err := lines(dockerfile)
	if err != nil {
		return nil, err
	}
	ignored, err := lines(dockerfile + ".dockerignore")
	if err != nil {
		return nil, err
	}
	var made image
	var stages []*stage
	for _, instruction := range instructions {
		verb, rest, _ := strings.Cut(instruction, " ")
		if verb == "FROM" {
			s := &stage{dir: filepath.Join(dir, fmt.Sprint("stage", len(stages))), workdir: "/"}
			base, name, _ := strings.Cut(rest, " AS ")
			s.name = name
			stages, made.bases, made.dir = append(stages, s), append(made.bases, base), s.dir
			err = os.Mkdir(s.dir, 0o755)
		} else if len(stages) == 0 {
			err = errors.New("before the first FROM")
		} else {
			err = made.carryOut(verb, rest, stages, ignored)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", dockerfile, instruction, err)
		}
	}
	return &made, nil
}

// carryOut does one instruction within the last of the stages.
func (made *image) carryOut(verb, rest string, stages []*stage, ignored []string) error {
	s := stages[len(stages)-1]
	switch verb {
	case "WORKDIR":
		s.workdir = rest
		return os.MkdirAll(s.at("."), 0o755)
	case "COPY":
		return copyInto(s, strings.Fields(rest), stages, ignored)
	case "RUN":
		run := exec.Command("sh", "-c", rest)
		run.Dir = s.at(".")
		if out, err := run.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	case "USER":
		made.user = rest
		return nil
	case "EXPOSE":
		made.expose = rest
		return nil
	case "ENTRYPOINT": // in the form without a shell, which a scratch image does not have
		return json.Unmarshal([]byte(rest), &made.entrypoint)
	case "CMD":
		return json.Unmarshal([]byte(rest), &made.cmd)
	}
	return errors.New("the test does not know this instruction; teach it")
}

// copyInto does a COPY, from the context or from another stage.
func copyInto(s *stage, args []string, stages []*stage, ignored []string) error {
	from := func(name string) string { return filepath.Join(root, name) }
	skip := func(name string) bool { return ignores(ignored, name) }
	if name, ok := strings.CutPrefix(args[0], "--from="); ok {
		i := slices.IndexFunc(stages, func(s *stage) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("there is no stage %q", name)
		}
		from, args = stages[i].at, args[1:]
		skip = func(string) bool { return false }
	}
	to := args[len(args)-1]
	for _, name := range args[:len(args)-1] {
		target := s.at(to)
		if strings.HasSuffix(to, "/") {
			target = filepath.Join(target, path.Base(name))
		}
		if err := copyTree(target, from(name), skip); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies a file, or what is in a folder, with the permissions, without what is skipped.
func copyTree(to, from string, skip func(name string) bool) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case relative != "." && skip(relative) && d.IsDir():
			return fs.SkipDir
		case relative != "." && skip(relative):
			return nil
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, info.Mode())
	})
}

// ignores reports whether a path of the context is left out: a pattern is anchored at the top,
// unless it begins with **/. The history is always left out here: no test asks for the commit, and
// it may be large, or change meanwhile.
func ignores(patterns []string, name string) bool {
	return name == ".git" || slices.ContainsFunc(patterns, func(pattern string) bool {
		anywhere, ok := strings.CutPrefix(pattern, "**/")
		if ok {
			name = path.Base(name)
		}
		matched, _ := path.Match(anywhere, name)
		return matched
	})
}

// lines returns a file's lines without comments and empty ones.
func lines(file string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var kept []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	return kept, nil
}
