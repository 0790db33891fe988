package peers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A Namespace is a network namespace of its own, gone with the test.
type Namespace struct {
	name string
	ip   string
}

// NewNamespace makes a network namespace with a loopback interface that is up. It needs
// root.
func NewNamespace(t testing.TB) *Namespace {
	t.Helper()
	NeedRoot(t)
	n := &Namespace{name: fmt.Sprintf("spoor-%d-%d", os.Getpid(), namespaces(t)), ip: Need(t, "ip")}
	n.run(t, n.ip, "netns", "add", n.name)
	t.Cleanup(func() { n.run(t, n.ip, "netns", "del", n.name) })
	n.IP(t, "link", "set", "lo", "up")
	return n
}

// namespaces numbers the namespaces of this process.
func namespaces(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	next := 0
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), fmt.Sprintf("spoor-%d-%%d", os.Getpid()), &n); err == nil && n >= next {
			next = n + 1
		}
	}
	return next
}

// IP runs `ip -n NAME ARGS…`.
func (n *Namespace) IP(t testing.TB, args ...string) {
	t.Helper()
	n.run(t, n.ip, append([]string{"-n", n.name}, args...)...)
}

// Batch runs a file of ip commands.
func (n *Namespace) Batch(t testing.TB, commands string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "batch")
	writeFile(t, file, commands)
	n.run(t, n.ip, "-n", n.name, "-force", "-batch", file)
}

// Command returns a command that will run in the namespace.
func (n *Namespace) Command(program string, args ...string) *exec.Cmd {
	return exec.Command(n.ip, append([]string{"netns", "exec", n.name, program}, args...)...)
}

// Do runs fn with the calling thread in the namespace: sockets that fn itself opens are
// there, and may be used from anywhere afterwards.
func (n *Namespace) Do(t testing.TB, fn func()) {
	t.Helper()
	runtime.LockOSThread()
	home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := os.Open(filepath.Join("/run/netns", n.name))
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatalf("enter the namespace: %v", err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Errorf("leave the namespace: %v", err) // the thread stays locked and ends with its goroutine
			return
		}
		runtime.UnlockOSThread()
	}()
	fn()
}

func (n *Namespace) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}
