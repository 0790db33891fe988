package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// tracerOf is the process that traces pid, 0 for none.
func tracerOf(t testing.TB, pid int) int { return statusField(t, pid, "TracerPid:") }

// anonymousKB is the anonymous memory of a process, in KiB.
func anonymousKB(t testing.TB, pid int) int { return statusField(t, pid, "RssAnon:") }

// statusField reads a number from /proc/PID/status.
func statusField(t testing.TB, pid int, name string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("/proc/%d/status has no %s", pid, name)
	return 0
}
