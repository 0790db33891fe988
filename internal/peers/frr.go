package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A Zebra is the routing daemon of FRR in a network namespace with many routes. Its SNMP module shows them through an
// snmpd without routing tables of its own.
type Zebra struct {
	*SNMPD
	process *Process
}

// ipForwardNumber counts the routes (RFC 1354); of the routing tables only FRR's SNMP module has it.
const ipForwardNumber = ".1.3.6.1.2.1.4.24.1.0"

// NewZebra starts a zebra with the routes that a batch of n ip commands adds, through 192.0.2.0/24.
func NewZebra(t testing.TB, n int, batch string) *Zebra {
	t.Helper()
	program := Need(t, "zebra")
	dir := TempDir(t, "frr")
	socket := filepath.Join(dir, "agentx")
	z := &Zebra{SNMPD: NewSNMPDWith(t, 0, 0, SNMPDOptions{
		Config:  []string{"master agentx", "agentXSocket " + socket, "agentXPerms 777 777"},
		Without: "inetCidrRouteTable,ipCidrRouteTable,var_route",
	})}
	z.Batch(t, batch)
	writeFile(t, filepath.Join(dir, "zebra.conf"), "agentx\n")
	writeFile(t, filepath.Join(dir, "frr.conf"), "agentXSocket "+socket+"\n")
	// zebra gives up root for its own user, who must reach the folder.
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := z.Command(program, "-f", filepath.Join(dir, "zebra.conf"), "-i", filepath.Join(dir, "pid"), "-z", filepath.Join(dir, "zserv"),
		"--vty_socket", dir, "-P", "0", "-M", "snmp", "--log", "stdout")
	cmd.Env = append(cmd.Environ(), "SNMPCONFPATH="+dir, "MIBS=")
	z.process = Start(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("zebra said:\n%s", z.process.Output())
		}
	})
	WaitFor(t, 60*time.Second, "zebra to show all routes", func() bool {
		out, err := z.Walk("snmpget", "-v2c", "-c", "public", "-Oqv", "-t", "2", "-r", "0").Command(ipForwardNumber).Output()
		counted := 0
		_, _ = fmt.Sscan(string(out), &counted) // no number yet is none
		return err == nil && counted >= n
	})
	return z
}
