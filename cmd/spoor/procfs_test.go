package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// threads are the folders in /proc of the threads that a process has now.
func threads(t testing.TB, pid int) []string {
	t.Helper()
	folders, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(folders) == 0 {
		t.Fatalf("process %d has %d threads: %v", pid, len(folders), err)
	}
	return folders
}

// tracedBy says whether a tracer has all of the threads, but for those that ended.
func tracedBy(t testing.TB, threads []string, tracer int) bool {
	t.Helper()
	for _, folder := range threads {
		status, err := os.ReadFile(filepath.Join(folder, "status"))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
		case err != nil:
			t.Fatal(err)
		case !strings.Contains(string(status), fmt.Sprintf("\nTracerPid:\t%d\n", tracer)):
			return false
		}
	}
	return true
}

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
