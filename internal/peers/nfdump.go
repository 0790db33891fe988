package peers

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An Nfcapd is a running nfcapd, the collector that others are measured by.
type Nfcapd struct {
	Addr    netip.AddrPort // where it receives, over UDP
	process *Process
	dir     string
}

// StartNfcapd runs nfcapd in a folder of its own, with the receive buffer that is asked for (0 is its default).
func StartNfcapd(t testing.TB, buffer int) *Nfcapd {
	t.Helper()
	n := &Nfcapd{Addr: Loopback(FreePort(t)), dir: TempDir(t, "nfcapd")}
	args := []string{"-b", "127.0.0.1", "-p", fmt.Sprint(n.Addr.Port()), "-w", n.dir, "-t", "3600"}
	if buffer > 0 {
		args = append(args, "-B", fmt.Sprint(buffer))
	}
	n.process = Start(t, exec.Command(Need(t, "nfcapd"), args...))
	WaitFor(t, 10*time.Second, "nfcapd", func() bool { return strings.Contains(n.process.Output(), "Startup") })
	return n
}

// Process is the running program.
func (n *Nfcapd) Process() *Process { return n.process }

// Stop ends nfcapd, which then writes its file, and returns the file's name.
func (n *Nfcapd) Stop(t testing.TB) string {
	t.Helper()
	n.process.Stop()
	files, err := filepath.Glob(filepath.Join(n.dir, "nfcapd.2*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("nfcapd left %d files, error %v; it said:\n%s", len(files), err, n.process.Output())
	}
	return files[0]
}

// Nfdump prints the flows of a file that nfcapd wrote, one a line, in nfdump's format language.
func Nfdump(t testing.TB, file, format string) []string {
	t.Helper()
	cmd := exec.Command(Need(t, "nfdump"), "-r", file, "-q", "-N", "-6", "-o", "fmt:"+format)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("nfdump: %v", err)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

// Nfreplay sends the flows of a file that nfcapd wrote as NetFlow of a version, 5 or 9.
func Nfreplay(t testing.TB, file string, version int, to netip.AddrPort) {
	t.Helper()
	mustEnd(t, exec.Command(Need(t, "nfreplay"), "-r", file, "-v", fmt.Sprint(version), "-H", to.Addr().String(), "-p", fmt.Sprint(to.Port())))
}

// Softflowd exports the flows of a capture as NetFlow of a version: 5, 9, or 10 for IPFIX.
func Softflowd(t testing.TB, capture string, version int, to netip.AddrPort) {
	t.Helper()
	mustEnd(t, exec.Command(Need(t, "softflowd"), "-r", capture, "-n", to.String(), "-v", fmt.Sprint(version), "-d", "-c", "none", "-p", "none"))
}

// Pmacctd exports the packets of a capture by one of pmacctd's probes, such as "nfprobe" or "sfprobe", with the
// plugin's settings.
func Pmacctd(t testing.TB, capture, plugin string, settings ...string) {
	t.Helper()
	config := filepath.Join(TempDir(t, "pmacctd"), "pmacctd.conf")
	lines := append([]string{"daemonize: false", "pcap_savefile: " + capture, "plugins: " + plugin + "[probe]",
		"aggregate: src_host, dst_host, src_port, dst_port, proto, tcpflags"}, settings...)
	writeFile(t, config, strings.Join(lines, "\n")+"\n")
	output, err := runToEnd(t, exec.Command(Need(t, "pmacctd"), "-f", config))
	// At the end of a capture the core and its probe end each other, and the core may call that an error.
	if err != nil && !strings.Contains(output, "Shutting down on user request") && !strings.Contains(output, "no more plugins active") {
		t.Fatalf("pmacctd: %v\n%s", err, output)
	}
}

// mustEnd runs a program that ends by itself, and well.
func mustEnd(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if output, err := runToEnd(t, cmd); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, output)
	}
}

// runToEnd runs a program that ends by itself, and ends it after a minute otherwise.
func runToEnd(t testing.TB, cmd *exec.Cmd) (output string, err error) {
	t.Helper()
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &b, &b, append(os.Environ(), "TZ=UTC")
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err = cmd.Wait()
	return b.String(), err
}
