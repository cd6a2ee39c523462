package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	unitFile = "systemd/tlsreactor.service"
	envFile  = "systemd/serve.env"
)

// maxExposure bounds the rating of `systemd-analyze security`, in tenths of its scale: 0 is
// confined, 100 is not. It was 17 with systemd 252; newer ones may look at more.
const maxExposure = 20

// settings returns the values of a setting of the unit, in their order.
func settings(t *testing.T, name string) []string {
	t.Helper()
	all, err := lines(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, line := range all {
		if key, value, _ := strings.Cut(line, "="); key == name {
			values = append(values, value)
		}
	}
	return values
}

// setting returns the value of a setting that the unit has once.
func setting(t *testing.T, name string) string {
	t.Helper()
	values := settings(t, name)
	if len(values) != 1 {
		t.Fatalf("%s has %s %d times, want once", unitFile, name, len(values))
	}
	return values[0]
}

// analyze runs systemd-analyze and returns what it says.
func analyze(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	need(t, "systemd-analyze")
	var both bytes.Buffer
	cmd := exec.Command("systemd-analyze", args...)
	cmd.Stdout, cmd.Stderr = &both, &both
	err = cmd.Run()
	return both.String(), err
}

// need fails the test if a command is missing.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Fatalf("the %s command is missing: `make deps` installs it", tool)
	}
}

// installed returns the unit, in a folder of its own, with the program's path here: verify looks
// whether it can be executed.
func installed(t *testing.T) string {
	t.Helper()
	unit, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	program, _, _ := strings.Cut(setting(t, "ExecStart"), " ")
	unit = bytes.ReplaceAll(unit, []byte("ExecStart="+program+" "), []byte("ExecStart="+binary+" "))
	file := filepath.Join(t.TempDir(), filepath.Base(unitFile))
	if err := os.WriteFile(file, unit, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// What systemd would ignore, an unknown setting for one, is a line of output and no failure.
func TestSystemdHasNothingToSayAgainstTheUnit(t *testing.T) {
	file := installed(t)
	out, err := analyze(t, "verify", "--man=no", "--recursive-errors=no", file)
	for line := range strings.Lines(out) {
		if strings.Contains(line, filepath.Base(file)) { // others are the machine's own units
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func TestSystemdRatesTheUnitAsConfined(t *testing.T) {
	out, err := analyze(t, "security", "--offline=true", "--no-pager", fmt.Sprint("--threshold=", maxExposure), installed(t))
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// The unit kills what still drains when TimeoutStopSec has passed.
func TestTheUnitWaitsForTheDrain(t *testing.T) {
	stop, err := strconv.Atoi(setting(t, "TimeoutStopSec"))
	if err != nil {
		t.Fatal(err)
	}
	drain := regexp.MustCompile(`--drain-timeout TIME +[^(]*\(([^)]+)\)`).FindStringSubmatch(serveHelp(t))
	if drain == nil {
		t.Fatal("serve --help states no default of --drain-timeout")
	}
	limit, err := time.ParseDuration(drain[1])
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Duration(stop) * time.Second; got <= limit {
		t.Errorf("TimeoutStopSec is %v, want more than the %v of --drain-timeout", got, limit)
	}
	if signal := setting(t, "KillSignal"); signal != "SIGTERM" {
		t.Errorf("KillSignal is %s, want SIGTERM, which drains", signal)
	}
}

func TestTheUnitLetsNobodyReadTheKey(t *testing.T) {
	start := setting(t, "ExecStart")
	for _, name := range []string{"cert.pem", "key.pem"} {
		if want := name + ":/etc/tlsreactor/" + name; !slices.Contains(settings(t, "LoadCredential"), want) {
			t.Errorf("the unit has no LoadCredential=%s", want)
		}
		if want := "${CREDENTIALS_DIRECTORY}/" + name; !strings.Contains(start, want) {
			t.Errorf("ExecStart has no %s", want)
		}
	}
}
