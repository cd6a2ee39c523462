package deploy

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
)

// docker has the long flags of docker run that README.md names; every other one has to be ours.
var docker = []string{"--cap-drop", "--cpus", "--network", "--read-only", "--security-opt", "--stop-timeout", "--sysctl", "--ulimit"}

var longFlag = regexp.MustCompile(`--[a-z][a-z-]*[a-z]`)

// serveHelp returns what `tlsreactor serve --help` prints.
func serveHelp(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(binary, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestEveryFlagThatIsNamedExists(t *testing.T) {
	ours := append(longFlag.FindAllString(serveHelp(t), -1), "--help")
	for _, file := range []string{unitFile, envFile, "README.md"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named := longFlag.FindAllString(string(content), -1)
		if len(named) == 0 {
			t.Errorf("%s names no flag; is it the right file?", file)
		}
		for _, flag := range named {
			known := slices.Contains(ours, flag) || file == "README.md" && slices.Contains(docker, flag)
			if !known {
				t.Errorf("%s names %s, which tlsreactor serve does not have", file, flag)
			}
		}
	}
}

// The flags of serve.env are those that the unit passes, so they have to be understood as they are.
func TestTheUnitsFlagsAreUnderstood(t *testing.T) {
	environment, err := lines(envFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(environment) != 1 {
		t.Fatalf("%s has %d variables, want one", envFile, len(environment))
	}
	flags := regexp.MustCompile(`^TLSREACTOR_FLAGS=(.+)$`).FindStringSubmatch(environment[0])
	if flags == nil {
		t.Fatalf("%s: %q sets no TLSREACTOR_FLAGS", envFile, environment[0])
	}
	if want := setting(t, "EnvironmentFile"); want != "/etc/tlsreactor/serve.env" {
		t.Errorf("EnvironmentFile is %s, want the place where README.md installs serve.env", want)
	}
	// A certificate that does not exist ends it after the flags were read, before it listens.
	args := execStart(t, map[string]string{"CREDENTIALS_DIRECTORY": "/nonexistent", "TLSREACTOR_FLAGS": flags[1]})
	p := command(t, args[0], args[1:]...)
	p.start()
	p.await(`--cert /nonexistent/cert\.pem: no such file`)
	p.ends(1)
}
