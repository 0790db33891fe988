package peers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// SNMPDPort is the UDP port on 127.0.0.1 of its namespace at which an SNMPD answers.
const SNMPDPort = 16161

// An SNMPD is a private snmpd of Net-SNMP in a network namespace with many routes. It
// answers version 2c with community "public" and version 3 for the users below.
type SNMPD struct {
	*Namespace
	process *Process
}

// A SNMPUser is a user of version 3, as snmpd.conf and snmpwalk name its protocols.
type SNMPUser struct {
	Name, Auth, AuthPass, Priv, PrivPass string
}

// SNMPUsers returns the users that every SNMPD knows.
func SNMPUsers() []SNMPUser {
	return []SNMPUser{
		{"reg1", "SHA", "authpass12345", "AES", "privpass12345"},
		{"reg2", "SHA-256", "authpass12345", "AES", "privpass12345"},
		{"reg5", "SHA-512", "authpass12345", "AES-256", "privpass12345"},
	}
}

// NewSNMPD starts an snmpd in a namespace with v4 IPv4 and v6 IPv6 routes through
// 192.0.2.0/24 and 2001:db8:ffff::/64.
func NewSNMPD(t testing.TB, v4, v6 int) *SNMPD {
	t.Helper()
	program := Need(t, "snmpd")
	Need(t, "snmpwalk")
	s := &SNMPD{Namespace: NewNamespace(t)}
	s.IP(t, "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	for _, dev := range []string{"up0", "up1"} {
		s.IP(t, "link", "set", dev, "up")
	}
	s.IP(t, "addr", "add", "192.0.2.1/24", "dev", "up0")
	s.IP(t, "addr", "add", "2001:db8:ffff::1/64", "dev", "up0", "nodad")
	s.Batch(t, routeBatch(v4, v6))
	dir := TempDir(t, "snmpd")
	config := filepath.Join(dir, "snmpd.conf")
	var text strings.Builder
	fmt.Fprintf(&text, "agentAddress udp:127.0.0.1:%d\nrocommunity public 127.0.0.1\n", SNMPDPort)
	for _, u := range SNMPUsers() {
		fmt.Fprintf(&text, "createUser %s %s %s %s %s\nrouser %s authpriv\n", u.Name, u.Auth, u.AuthPass, u.Priv, u.PrivPass, u.Name)
	}
	writeFile(t, config, text.String())
	cmd := s.Command(program, "-f", "-Lo", "-C", "-c", config, "-p", filepath.Join(dir, "pid"))
	cmd.Env = append(cmd.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	s.process = Start(t, cmd)
	WaitFor(t, 60*time.Second, "snmpd to answer", func() bool {
		return s.Walk("snmpget", "-v2c", "-c", "public", "-t", "2", "-r", "0").run(".1.3.6.1.2.1.1.3.0") == nil
	})
	return s
}

// routeBatch writes ip commands for routes with many prefix lengths and next hops.
func routeBatch(v4, v6 int) string {
	var b strings.Builder
	for i := range v4 {
		fmt.Fprintf(&b, "route add 10.%d.%d.%d/26 via 192.0.2.%d\n", i>>10, i>>2&255, i&3<<6, 2+i%200)
	}
	for i := range v6 {
		fmt.Fprintf(&b, "route add 2001:db8:%x::/48 via 2001:db8:ffff::%x\n", 1+i, 2+i%200)
	}
	return b.String()
}

// A SNMPCommand is a command line of Net-SNMP against the agent.
type SNMPCommand struct {
	s    *SNMPD
	args []string
}

// Walk prepares one of Net-SNMP's commands (snmpget, snmpbulkwalk …) with its options.
func (s *SNMPD) Walk(program string, options ...string) SNMPCommand {
	return SNMPCommand{s, append([]string{program}, options...)}
}

// Command returns the command for some objects.
func (c SNMPCommand) Command(objects ...string) *exec.Cmd {
	args := append(append([]string{}, c.args[1:]...), "-On", "-m", "", fmt.Sprintf("127.0.0.1:%d", SNMPDPort))
	return c.s.Command(c.args[0], append(args, objects...)...)
}

func (c SNMPCommand) run(objects ...string) error { return c.Command(objects...).Run() }
