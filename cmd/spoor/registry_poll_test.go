package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spoor/registry/snmp/snmptest"
)

// TestRegistryPollCommand polls an agent that later lies, and draws the topology.
func TestRegistryPollCommand(t *testing.T) {
	var walk strings.Builder
	fmt.Fprint(&walk, "1.3.6.1.2.1.1.3.0|67|1000\n1.3.6.1.2.1.1.5.0|4|core\n1.3.6.1.2.1.4.24.3.0|66|30\n1.3.6.1.2.1.31.1.1.1.1.2|4|ge-0\n")
	for i := range 30 {
		index := fmt.Sprintf("10.%d.0.0.255.255.0.0.0.192.0.2.7", i)
		fmt.Fprintf(&walk, "1.3.6.1.2.1.4.24.4.1.5.%s|2|2\n1.3.6.1.2.1.4.24.4.1.6.%s|2|4\n1.3.6.1.2.1.4.24.4.1.7.%s|2|13\n", index, index, index)
	}
	records, err := snmptest.ReadRecords(strings.NewReader(walk.String()))
	if err != nil {
		t.Fatal(err)
	}
	agent, err := snmptest.Start(snmptest.Options{Records: records, Community: "hidden-word"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "spoor.toml")
	write := func(port uint16) {
		text := fmt.Sprintf("[store]\ndir = %q\n[[registry.router]]\nname = \"gw1\"\naddress = \"127.0.0.1\"\nport = %d\ncommunity_file = \"community\"\n", filepath.Join(dir, "store"), port)
		for name, text := range map[string]string{conf: text, filepath.Join(dir, "community"): "hidden-word\n"} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	spoor := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := run(context.Background(), append(args, "-c", conf), strings.NewReader(""), &out, &out)
		if strings.Contains(out.String(), "hidden-word") {
			t.Errorf("the community is shown: %s", out.String())
		}
		return code, out.String()
	}
	write(agent.Port())
	if code, out := spoor("registry", "poll"); code != exitDone || !strings.Contains(out, "ipCidrRouteTable") || !strings.Contains(out, "ok, by row count") {
		t.Errorf("poll: %d\n%s", code, out)
	}
	if code, out := spoor("registry", "topology"); code != exitDone || !strings.Contains(out, "gw1 (core)  30 routes") || !strings.Contains(out, "-> 192.0.2.7  30 prefixes") {
		t.Errorf("topology: %d\n%s", code, out)
	}
	if code, out := spoor("registry", "topology", "--dot"); code != exitDone || !strings.Contains(out, `"gw1" -> "192.0.2.7"`) {
		t.Errorf("topology --dot: %d\n%s", code, out)
	}
	if err := agent.Close(); err != nil {
		t.Fatal(err)
	}
	liar, err := snmptest.Start(snmptest.Options{Records: records, Community: "hidden-word", Fault: snmptest.EarlyEnd, After: 10, Under: "1.3.6.1.2.1.4.24.4.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer liar.Close()
	write(liar.Port())
	if code, out := spoor("registry", "poll"); code != exitFailed || !strings.Contains(out, "the router counts 30") {
		t.Errorf("poll of a liar: %d\n%s", code, out)
	}
	if code, out := spoor("lookup", "10.29.0.1"); code != exitDone || !strings.Contains(out, "routed to next hop 192.0.2.7 on ge-0") {
		t.Errorf("after the lie: %d\n%s", code, out)
	}
}
