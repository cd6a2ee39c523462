package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMemoryIsReadFromTheKernelsText(t *testing.T) {
	got, err := rssAnon([]byte("VmRSS:\t  5000 kB\nRssAnon:\t    1234 kB\nRssFile:\t 1 kB\n"))
	if err != nil || got != 1234<<10 {
		t.Errorf("%d, %v; want %d", got, err, 1234<<10)
	}
	if _, err := rssAnon([]byte("VmRSS:\t  5000 kB\n")); err == nil {
		t.Error("memory from a text without any")
	}
	if got, err := anonymousMemory(os.Getpid()); err != nil || got < 1<<20 {
		t.Errorf("this process has %d bytes, %v; want at least a MiB", got, err)
	}
}

func TestCPUTimeGrowsWithWork(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after < before+10*time.Millisecond; {
		if after, err = cpuTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cpuTime(1 << 27); err == nil {
		t.Error("CPU time of a process that cannot exist")
	}
}

func TestAProcessStaysAtItsPlace(t *testing.T) {
	all, err := cores()
	if err != nil || len(all) == 0 {
		t.Fatalf("cores %v, %v", all, err)
	}
	last := all[len(all)-1]
	for _, tt := range []struct {
		name string
		at   place
		want string // in /proc/PID/status
	}{
		{"on one core", place{core: last}, fmt.Sprintf("Cpus_allowed_list:\t%d\n", last)},
		{"on one core, idle", place{last, true}, fmt.Sprintf("Cpus_allowed_list:\t%d\n", last)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("cat", "/proc/self/status", "/proc/self/sched")
			var out strings.Builder
			cmd.Stdout = &out
			if err := tt.at.start(cmd); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("the process says\n%s\nwant %q", &out, tt.want)
			}
			idle := regexp.MustCompile(`policy\s*:\s*5\n`).MatchString(out.String()) // SCHED_IDLE
			if idle != tt.at.idle {
				t.Errorf("idle: %v, want %v", idle, tt.at.idle)
			}
		})
	}
	after, err := cores()
	if err != nil || !slices.Equal(after, all) {
		t.Errorf("this process may use %v, %v after that; %v before", after, err, all)
	}
}
