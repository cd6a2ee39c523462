package deploy

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// execStart is the unit's command with the program's path here, expanded as systemd.service(5)
// says: $NAME alone becomes its words, ${NAME} within a word becomes its value.
func execStart(t *testing.T, environment map[string]string) []string {
	t.Helper()
	words := strings.Fields(setting(t, "ExecStart"))
	words[0] = binary
	var args []string
	for _, word := range words {
		if name, ok := strings.CutPrefix(word, "$"); ok && !strings.HasPrefix(name, "{") {
			args = append(args, strings.Fields(environment[name])...)
			continue
		}
		args = append(args, os.Expand(word, func(name string) string { return environment[name] }))
	}
	return args
}

// TestTheUnitAllowsWhatTheProgramDoes runs the unit's command in front of a backend, from its start
// through a connection to its drain, under strace, and holds all that it asks of the kernel against
// what the unit allows.
func TestTheUnitAllowsWhatTheProgramDoes(t *testing.T) {
	need(t, "strace")
	credentials, pool := makeCredentials(t)
	trace := filepath.Join(t.TempDir(), "trace")
	args := execStart(t, map[string]string{
		"CREDENTIALS_DIRECTORY": credentials,
		"TLSREACTOR_FLAGS":      "--listen 127.0.0.1:0 --backend " + startBackend(t),
	})
	// -D leaves the program the place of strace's child: it gets our signals.
	p := command(t, "strace", append([]string{"-D", "-f", "-qq", "-o", trace}, args...)...)
	p.cmd.Env = []string{} // systemd gives no TZ either, for one, whose file would be opened
	p.start()
	address := p.await(`msg=serving .*listen=(\S+)`)[1]
	carry(t, address, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	p.terminate()
	p.ends(0)

	calls := readTrace(t, trace)
	if len(calls["setpriority"]) == 0 || len(calls["epoll_pwait"]) == 0 || len(calls["connect"]) == 0 {
		t.Fatalf("the trace lacks what the program is known to do; it has %d different system calls", len(calls))
	}
	allowed := filter(t)
	for name := range calls {
		if !allowed[name] {
			t.Errorf("SystemCallFilter does not allow %s", name)
		}
	}
	families := strings.Fields(setting(t, "RestrictAddressFamilies"))
	for _, call := range calls["socket"] {
		if family, _, _ := strings.Cut(call, ","); !slices.Contains(families, family) {
			t.Errorf("RestrictAddressFamilies does not allow socket(%s", call)
		}
	}
	for _, call := range slices.Concat(calls["mmap"], calls["mprotect"]) {
		if strings.Contains(call, "PROT_WRITE") && strings.Contains(call, "PROT_EXEC") {
			t.Errorf("MemoryDenyWriteExecute does not allow %s", call)
		}
	}
	for _, call := range calls["openat"] {
		if problem := fileProblem(call, credentials); problem != "" {
			t.Errorf("%s: openat(%s", problem, call)
		}
	}
}

// fileProblem says what is wrong with the program's opening of a file: ProtectSystem=strict leaves
// nothing to write to, and a scratch image has no files but the kernel's.
func fileProblem(call, credentials string) string {
	quoted := regexp.MustCompile(`"([^"]*)"`).FindStringSubmatch(call)
	if quoted == nil {
		return "cannot be read"
	}
	if strings.Contains(call, "O_WRONLY") || strings.Contains(call, "O_RDWR") || strings.Contains(call, "O_CREAT") {
		return "ProtectSystem does not allow to write"
	}
	name := quoted[1]
	for _, tree := range []string{"/proc/", "/sys/", credentials + "/"} {
		if strings.HasPrefix(name, tree) {
			return ""
		}
	}
	// The null device is the reserve against EMFILE, which every container has; without the
	// time zone, as there, the log's times are UTC.
	if name == "/dev/null" || name == "/etc/localtime" {
		return ""
	}
	return "no such file in a container"
}

// readTrace returns the system calls of strace's output by name, each with its arguments.
func readTrace(t *testing.T, file string) map[string][]string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	calls := make(map[string][]string)
	call := regexp.MustCompile(`^\d+ +(\w+)\((.*)`)
	for line := range strings.Lines(string(content)) {
		if match := call.FindStringSubmatch(line); match != nil {
			calls[match[1]] = append(calls[match[1]], match[2])
		}
	}
	return calls
}

// filter returns the system calls that the unit's filter allows.
func filter(t *testing.T) map[string]bool {
	t.Helper()
	allowed := make(map[string]bool)
	for _, value := range settings(t, "SystemCallFilter") {
		names, denies := strings.CutPrefix(value, "~")
		for name := range strings.FieldsSeq(names) {
			for _, call := range expand(t, name) {
				allowed[call] = !denies
			}
		}
	}
	return allowed
}

// expand returns the system calls of a set, or a system call itself.
func expand(t *testing.T, name string) []string {
	t.Helper()
	if !strings.HasPrefix(name, "@") {
		return []string{name}
	}
	out, err := analyze(t, "syscall-filter", "--no-pager", name)
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v\n%s", name, err, out)
	}
	var calls []string
	for line := range strings.Lines(out) {
		member := strings.TrimSpace(line)
		if member == "" || member == name || strings.HasPrefix(member, "#") {
			continue
		}
		calls = append(calls, expand(t, member)...)
	}
	return calls
}
