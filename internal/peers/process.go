package peers

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// FreePort returns a TCP port that is free on 127.0.0.1 and on ::1. It lies below the range from which the kernel gives
// ports to others, who would take it before its user does, and no other test gets it before this one ends.
func FreePort(t testing.TB) uint16 {
	t.Helper()
	for range 50 {
		port := uint16(10000 + rand.IntN(20000))
		if !reserve(t, port) {
			continue
		}
		l4, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l6, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", port))
		l4.Close()
		if err == nil {
			l6.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return port // also where the machine has no IPv6
		}
	}
	t.Fatal("find a free port: none in 50 attempts")
	return 0
}

// reserve keeps a port from all other tests of this machine until this one ends, though nobody listens on it yet: an
// abstract Unix socket exists once in a network namespace, like a port, and ends with its process.
func reserve(t testing.TB, port uint16) bool {
	l, err := net.Listen("unix", fmt.Sprintf("@spoor-test-port-%d", port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { l.Close() })
	return true
}

// startLimit is how long a peer may take until it answers, on a machine that is busy with other tests.
const startLimit = 3 * time.Minute

// Loopback returns 127.0.0.1 with port.
func Loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// WaitFor asks ok until it says yes, and fails the test with what after the
// limit: for what another process does in its own time.
func WaitFor(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// Answers says whether something accepts TCP connections at addr.
func Answers(addr netip.AddrPort) bool {
	conn, err := net.DialTimeout("tcp", addr.String(), time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// TempDir returns a folder that other users may enter, unlike t.TempDir: many
// daemons give up root. It goes away with the test.
func TempDir(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spoor-"+name+"-")
	if err != nil {
		t.Fatalf("make a folder for %s: %v", name, err)
	}
	t.Cleanup(func() { remove(t, dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// remove removes a peer's folder, again where one of the peer's processes that have just been killed still wrote into it.
func remove(t testing.TB, dir string) {
	var err error
	for range 100 {
		if err = os.RemoveAll(dir); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("remove a peer's folder: %v", err)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A Process is a running peer, in a process group of its own, so that its
// children end with it. It also ends when the test binary is killed.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	output lockedBuffer
}

// Start runs a program in the foreground and ends it with the test.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is of no interest: Output tells a failed test why
	}()
	t.Cleanup(p.Stop)
	return p
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Running says whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Output returns what it wrote to its standard streams so far.
func (p *Process) Output() string { return p.output.String() }

// Stop asks the process to end, and after five seconds makes it. What is left
// of its group goes as well.
func (p *Process) Stop() {
	if p.Running() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
		select {
		case <-p.exited:
		case <-time.After(5 * time.Second):
		}
	}
	p.Kill()
}

// Kill ends the process and its group at once.
func (p *Process) Kill() {
	// The group outlives its leader and keeps the id reserved while it has members.
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.exited
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
