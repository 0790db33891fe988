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
	dir     string
}

// SNMPDOptions say how an SNMPD differs from the plain one.
type SNMPDOptions struct {
	Config  []string // further lines of snmpd.conf
	Without string   // modules that it shall not load, separated by commas
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
	return NewSNMPDWith(t, v4, v6, SNMPDOptions{})
}

// NewSNMPDWith is NewSNMPD for one that differs from the plain one.
func NewSNMPDWith(t testing.TB, v4, v6 int, opts SNMPDOptions) *SNMPD {
	t.Helper()
	NeedAll(t, "snmpd", "snmpwalk")
	s := &SNMPD{Namespace: NewNamespace(t), dir: TempDir(t, "snmpd")}
	s.IP(t, "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	for _, dev := range []string{"up0", "up1"} {
		s.IP(t, "link", "set", dev, "up")
	}
	s.IP(t, "addr", "add", "192.0.2.1/24", "dev", "up0")
	s.IP(t, "addr", "add", "2001:db8:ffff::1/64", "dev", "up0", "nodad")
	s.Batch(t, routeBatch(v4, v6))
	s.start(t, opts)
	WaitFor(t, 60*time.Second, "snmpd to answer", func() bool { return s.shows(".1.3.6.1.2.1.1.3.0") })
	return s
}

func (s *SNMPD) start(t testing.TB, opts SNMPDOptions) {
	t.Helper()
	config := filepath.Join(s.dir, "snmpd.conf")
	var text strings.Builder
	fmt.Fprintf(&text, "agentAddress udp:127.0.0.1:%d\nrocommunity public 127.0.0.1\n", SNMPDPort)
	for _, u := range SNMPUsers() {
		fmt.Fprintf(&text, "createUser %s %s %s %s %s\nrouser %s authpriv\n", u.Name, u.Auth, u.AuthPass, u.Priv, u.PrivPass, u.Name)
	}
	for _, line := range opts.Config {
		fmt.Fprintln(&text, line)
	}
	writeFile(t, config, text.String())
	args := []string{"-f", "-Lo", "-C", "-c", config, "-p", filepath.Join(s.dir, "pid")}
	if opts.Without != "" {
		args = append(args, "-I", "-"+opts.Without)
	}
	cmd := s.Command(Need(t, "snmpd"), args...)
	cmd.Env = append(cmd.Environ(), "SNMP_PERSISTENT_DIR="+s.dir, "MIBS=")
	s.process = Start(t, cmd)
}

// shows says whether the agent has an object.
func (s *SNMPD) shows(object string) bool {
	out, err := s.Walk("snmpget", "-v2c", "-c", "public", "-t", "2", "-r", "0").Command(object).Output()
	return err == nil && !strings.Contains(string(out), "No Such")
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
