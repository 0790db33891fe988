package peers

import (
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// NewNSD runs an NSD on loopback that answers for the zones, by name, whose
// texts are master files (RFC 1035 §5) and tells where it listens.
func NewNSD(t testing.TB, zones map[string]string) netip.AddrPort {
	t.Helper()
	program := Need(t, "nsd")
	dir := TempDir(t, "nsd")
	addr := Loopback(FreePort(t))
	file := func(name string) string { return filepath.Join(dir, name) }
	var conf strings.Builder
	say := func(key, value string) { conf.WriteString("  " + key + ": " + value + "\n") }
	conf.WriteString("server:\n")
	say("ip-address", addr.Addr().String())
	say("port", strconv.Itoa(int(addr.Port())))
	say("username", `""`)
	say("chroot", `""`)
	say("server-count", "1")
	say("database", `""`)
	say("pidfile", file("pid"))
	say("xfrdfile", file("xfrd.state"))
	say("zonelistfile", file("zone.list"))
	say("logfile", file("log"))
	conf.WriteString("remote-control:\n")
	say("control-enable", "no")
	for _, name := range slices.Sorted(maps.Keys(zones)) {
		writeFile(t, file(name+".zone"), zones[name])
		conf.WriteString("zone:\n")
		say("name", name)
		say("zonefile", file(name+".zone"))
	}
	writeFile(t, file("nsd.conf"), conf.String())
	Start(t, exec.Command(program, "-d", "-c", file("nsd.conf")))
	WaitFor(t, time.Minute, "nsd", func() bool { return Answers(addr) })
	return addr
}
