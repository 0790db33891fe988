package peers

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// EximOptions say how a private Exim differs from the plain one, which listens on loopback alone and has no way
// to deliver anything.
type EximOptions struct {
	Routers, Transports string // what stands behind "begin routers" and "begin transports"
}

// An Exim is a private instance for example.net that ends with the test. It runs as nobody, its deliveries too. It needs
// root, for a mount namespace in which the user exists that Debian's Exim wants to find.
type Exim struct {
	Addr netip.AddrPort
	dir  string
	proc *Process
}

// eximConfig has the folder, the program, the port, the routers and the transports.
const eximConfig = `primary_hostname = mail.example.net
exim_path = %[2]s
keep_environment = LD_LIBRARY_PATH
exim_user = nobody
exim_group = nogroup
never_users =
deliver_drop_privilege = true
spool_directory = %[1]s/spool
log_file_path = %[1]s/log/%%slog
pid_file_path = %[1]s/spool/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[3]d
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
queue_only_load = 10000
domainlist local_domains = example.net
acl_smtp_rcpt = take
begin acl
take:
  accept
begin routers
%[4]s
begin transports
%[5]s
begin retry
* * F,1h,1s
`

// aloneExim gives Exim its user in namespaces of its own, and gives up root for good.
const aloneExim = `mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
exec setpriv --reuid nobody --regid nogroup --clear-groups "$2" -C "$1/exim.conf" -bdf -q1s`

// NewExim starts an Exim, or skips the test where there is none. Its queue is run every second.
func NewExim(t testing.TB, opts EximOptions) *Exim {
	t.Helper()
	paths := NeedAll(t, "exim4", "unshare")
	NeedRoot(t)
	e := &Exim{Addr: Loopback(FreePort(t)), dir: TempDir(t, "exim")}
	e.copyProgram(t, paths[0])
	writeFile(t, e.file("exim.conf"), fmt.Sprintf(eximConfig, e.dir, e.file("exim"), e.Addr.Port(), opts.Routers, opts.Transports))
	for name, line := range map[string]string{"passwd": "Debian-exim:x:65533:65533::/:/bin/false\n", "group": "Debian-exim:x:65533:\n"} {
		text, err := os.ReadFile("/etc/" + name)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, e.file(name), string(text)+line)
	}
	for _, dir := range []string{"spool", "log"} {
		if err := os.Mkdir(e.file(dir), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(e.file(dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("unshare", "--mount", "sh", "-c", aloneExim, "sh", e.dir, e.file("exim"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+e.dir)
	e.proc = Start(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Exim's output and log:\n%s%s", e.proc.Output(), tail(e.Log(), 4000))
		}
	})
	WaitFor(t, startLimit, "Exim to answer", func() bool {
		if !e.proc.Running() {
			t.Fatalf("Exim ended at once:\n%s", e.proc.Output())
		}
		return Answers(e.Addr)
	})
	return e
}

// copyProgram puts Exim and its library where nobody may read them: the folder of unpacked peers can be root's own.
func (e *Exim) copyProgram(t testing.TB, program string) {
	t.Helper()
	libraries, err := filepath.Glob(filepath.Join(filepath.Dir(program), "../lib/*/libidn.so*"))
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{program: "exim", append(libraries, "")[0]: "libidn.so.12"} {
		if from == "" { // the system has the library
			continue
		}
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(e.file(to), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// Log returns what Exim has logged so far.
func (e *Exim) Log() string {
	text, err := os.ReadFile(e.file("log/mainlog"))
	if err != nil {
		return ""
	}
	return string(text)
}

// Queue returns how many messages wait.
func (e *Exim) Queue(t testing.TB) int {
	t.Helper()
	files, err := filepath.Glob(e.file("spool/input/*-H"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func (e *Exim) file(name string) string { return filepath.Join(e.dir, name) }
