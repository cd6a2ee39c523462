package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the user and system time that a process has used. The clock's id is that of
// clock_getcpuclockid(3): the process's id, inverted, above three bits that say "scheduler's
// time, of the whole process".
func cpuTime(pid int) (time.Duration, error) {
	const schedulerTime = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerTime), &ts); err != nil {
		return 0, fmt.Errorf("the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// anonymousMemory returns the resident bytes of a process that are not backed by a file.
func anonymousMemory(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return rssAnon(status)
}

// rssAnon finds RssAnon in the text of /proc/PID/status (proc_pid_status(5)).
func rssAnon(status []byte) (int, error) {
	for line := range bytes.Lines(status) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "RssAnon:" {
			kib, err := strconv.Atoi(string(fields[1]))
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("the kernel tells no RssAnon")
}
