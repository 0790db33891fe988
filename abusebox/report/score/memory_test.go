//go:build linux && !race

package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain is the tool itself where the memory of a whole run is measured.
func TestMain(m *testing.M) {
	if os.Getenv("SCORE_AS_TOOL") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A table of a million rows, each expected, takes no more than 200 MB of the
// machine, all counted.
func TestMemoryOfMillionRows(t *testing.T) {
	if testing.Short() {
		t.Skip("a million rows take some seconds")
	}
	dir := t.TempDir()
	const rows = 1_000_000
	write(t, filepath.Join(dir, "long.eml"), func(w io.Writer) { longMail(w, rows) })
	write(t, filepath.Join(dir, "long.expect"), func(w io.Writer) {
		for i := range rows {
			fmt.Fprintln(w, rowAddress(i))
		}
	})
	tool := exec.Command(os.Args[0], dir)
	tool.Env = append(os.Environ(), "SCORE_AS_TOOL=1")
	out, err := tool.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "100.0 % exact") {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	peak := tool.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	t.Logf("%d MB at most", peak)
	if peak > 200 {
		t.Errorf("%d MB at most, want 200", peak)
	}
}

func rowAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// longMail writes a complaint with a table attached.
func longMail(w io.Writer, rows int) {
	io.WriteString(w, "From: CERT <cert@example.org>\nSubject: infected hosts\nDate: Fri, 02 Oct 2026 10:00:00 +0000\n"+
		"MIME-Version: 1.0\nContent-Type: text/csv; name=\"events.csv\"\nContent-Transfer-Encoding: base64\n\n")
	enc := base64.NewEncoder(base64.StdEncoding, &lineWriter{w: w})
	defer enc.Close()
	fmt.Fprintln(enc, "ip,timestamp,port,protocol,type")
	for i := range rows {
		fmt.Fprintf(enc, "%s,2026-10-01 08:14:%02d,%d,tcp,scan\n", rowAddress(i), i%60, 1024+i%60000)
	}
}

// A lineWriter breaks base64 into lines.
type lineWriter struct {
	w  io.Writer
	at int
}

func (l *lineWriter) Write(p []byte) (int, error) {
	for i := 0; i < len(p); {
		n := min(76-l.at, len(p)-i)
		if _, err := l.w.Write(p[i : i+n]); err != nil {
			return i, err
		}
		i += n
		if l.at += n; l.at == 76 {
			io.WriteString(l.w, "\n")
			l.at = 0
		}
	}
	return len(p), nil
}

func write(t *testing.T, name string, fill func(io.Writer)) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	b := bufio.NewWriter(f)
	fill(b)
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
