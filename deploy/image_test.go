package deploy

import (
	"crypto/tls"
	"debug/elf"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// baked is the image, and binary the program in it, made once by TestMain.
var (
	baked  *image
	binary string
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		syscall.Umask(0o022) // which docker build has: the image's user is not who builds it
		dir, err := os.MkdirTemp("", "tlsreactor-deploy-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if baked, err = bake(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if len(baked.entrypoint) == 0 {
			fmt.Fprintf(os.Stderr, "%s: no ENTRYPOINT\n", dockerfile)
			return 1
		}
		binary = filepath.Join(baked.dir, baked.entrypoint[0])
		return m.Run()
	}())
}

func TestTheImageHoldsTheProgramAndNothingElse(t *testing.T) {
	if last := baked.bases[len(baked.bases)-1]; last != "scratch" {
		t.Errorf("the last stage is FROM %s, want scratch", last)
	}
	var files []string
	err := filepath.WalkDir(baked.dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(name, baked.dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := baked.entrypoint[:1]; !slices.Equal(files, want) {
		t.Errorf("the image holds %q, want %q", files, want)
	}
}

func TestTheImageIsBuiltByTheGoOfTheModule(t *testing.T) {
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	if version == nil {
		t.Fatal("go.mod names no version of Go")
	}
	if want := "golang:" + string(version[1]); baked.bases[0] != want {
		t.Errorf("the first stage is FROM %s, want %s as in go.mod", baked.bases[0], want)
	}
}

// A program with an interpreter (ld.so) or shared libraries does not start from scratch.
func TestTheProgramIsStatic(t *testing.T) {
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a %v", p.Type)
		}
	}
}

// user is the image's USER, which has to be two numbers, neither of them root's.
func user(t *testing.T) (uid, gid uint32) {
	t.Helper()
	var ids []uint32
	for id := range strings.SplitSeq(baked.user, ":") {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil || n == 0 {
			t.Fatalf("USER %s: %q is no number of an unprivileged user or group", baked.user, id)
		}
		ids = append(ids, uint32(n))
	}
	if len(ids) != 2 {
		t.Fatalf("USER %s: want UID:GID", baked.user)
	}
	return ids[0], ids[1]
}

// contained prepares the image's program to run as in a container: with its arguments, its user,
// nothing in the environment and no other file below /. Only root may chroot(2) and change the
// user; anyone else runs it as who they are, and TestTheUnitAllowsWhatTheProgramDoes has the list
// of the files that it opens.
func contained(t *testing.T, args ...string) *program {
	t.Helper()
	uid, gid := user(t)
	p := command(t, binary, append(slices.Clone(baked.entrypoint[1:]), args...)...)
	p.cmd.Dir, p.cmd.Env = baked.dir, []string{}
	if os.Geteuid() == 0 {
		p.cmd.Path, p.cmd.Dir = baked.entrypoint[0], "/"
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: baked.dir, Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	return p
}

func TestTheImageSaysItsVersion(t *testing.T) {
	p := contained(t, "version")
	p.start()
	p.await(`(?m)^tlsreactor \S+ go1\.\S+ linux/\w+$`)
	p.ends(0)
}

func TestTheImageServesAndDrains(t *testing.T) {
	// Its own arguments, with another address: the tests leave fixed ports alone.
	args := slices.Clone(baked.cmd)
	i := slices.Index(args, "--listen")
	if i < 0 || i+1 == len(args) || args[i+1] != ":"+baked.expose {
		t.Fatalf("CMD %q: want --listen with the port of EXPOSE %s", args, baked.expose)
	}
	args[i+1] = "127.0.0.1:0"
	p := contained(t, args...)
	p.start()
	address := p.await(`msg=serving .*listen=(\S+)`)[1]

	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // it makes its certificate
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the page has status %s", answer.Status)
	}
	transport.CloseIdleConnections()
	p.terminate()
	p.ends(0)
}
