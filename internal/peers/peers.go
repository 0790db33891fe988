// Package peers lets tests run against the real programs that spoor works
// beside: MTAs, flow probes, SNMP agents, other filters. It finds them, says
// how to install the absent ones, and starts private instances of them that
// end with the test.
package peers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	// EnvMode names the variable that, set to "require", makes an absent peer fail its test.
	EnvMode = "SPOOR_PEERS"
	// EnvLog names the variable that holds the file to which skipped tests are appended,
	// one a line: test, program and installing command, separated by tabs.
	EnvLog = "SPOOR_PEERS_LOG"
	// EnvDir names the variable that overrides the folder for unpacked peers.
	EnvDir = "SPOOR_PEERS_DIR"
)

// Need returns the path of the program called name, one of Programs. Where it
// is absent the test is skipped, or fails if SPOOR_PEERS=require.
func Need(t testing.TB, name string) string {
	t.Helper()
	return NeedAll(t, name)[0]
}

// NeedAll is Need for several programs; the paths come in the order of names.
func NeedAll(t testing.TB, names ...string) []string {
	t.Helper()
	paths := make([]string, len(names))
	for i, name := range names {
		path, err := Lookup(name)
		if errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
		if err != nil {
			absent(t, name)
		}
		paths[i] = path
	}
	return paths
}

func absent(t testing.TB, name string) {
	t.Helper()
	command := InstallCommand(name)
	if os.Getenv(EnvMode) == "require" {
		t.Fatalf("peer %s is not installed: %s", name, command)
	}
	if err := record(os.Getenv(EnvLog), t.Name(), name, command); err != nil {
		t.Errorf("record the skipped test: %v", err)
	}
	t.Skipf("needs %s; to install it: %s", name, command)
}

// record appends one line in a single write, so that test binaries running at once do not mix theirs.
func record(path, test, program, command string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s\t%s\t%s\n", test, program, command)
	return errors.Join(err, f.Close())
}

// ErrUnknown means that a name is not in Programs.
var ErrUnknown = errors.New("peers: unknown program")

// Lookup returns the path of a program of the table. Beside PATH it looks into
// the folders of system programs, which an ordinary user's PATH leaves out.
// The error is fs.ErrNotExist where it is absent and ErrUnknown where it is not in the table.
func Lookup(name string) (string, error) {
	program, ok := find(name)
	if !ok {
		return "", fmt.Errorf("%w %q", ErrUnknown, name)
	}
	if program.Unpacked != "" {
		return executable(filepath.Join(Dir(), program.Name, program.Unpacked))
	}
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/frr"} {
		if path, err := executable(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("peer %s: %w", name, fs.ErrNotExist)
}

func executable(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return "", fmt.Errorf("peer %s: %w", path, err)
	}
	return path, nil
}

// Dir is the folder below which peers that cannot be installed beside others
// are unpacked, each in a folder of its own name.
func Dir() string {
	if dir := os.Getenv(EnvDir); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/var/cache" // no home: a container's init or a bare CI job
	}
	return filepath.Join(cache, "spoor", "peers")
}
