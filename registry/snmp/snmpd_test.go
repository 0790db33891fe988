package snmp

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"spoor/internal/peers"
	"spoor/registry"
)

// realRouter is the configuration for peers.SNMPD.
func realRouter() registry.RouterConfig {
	return registry.RouterConfig{Name: "gw", Address: "127.0.0.1", Port: peers.SNMPDPort, CommunityEnv: "COMMUNITY",
		RequestTimeout: registry.Duration(30 * time.Second)}
}

func realPoller() *Poller {
	return NewPoller(Secrets{Getenv: func(name string) (string, bool) {
		return map[string]string{"COMMUNITY": "public", "AUTH": "authpass12345", "PRIV": "privpass12345"}[name], true
	}}, nil)
}

// TestRealAgent reads 13,000 routes from Debian's snmpd by version 2c and 3 and compares
// them with what the kernel has.
func TestRealAgent(t *testing.T) {
	agent := peers.NewSNMPD(t, 10_000, 3_000)
	v2 := realRouter()
	routers := map[string]registry.RouterConfig{"version 2c": v2}
	for _, u := range peers.SNMPUsers() {
		c := v2
		c.CommunityEnv, c.User, c.Auth, c.AuthEnv, c.Priv, c.PrivEnv = "", u.Name, u.Auth, "AUTH", u.Priv, "PRIV"
		routers["version 3 "+u.Auth+" "+u.Priv] = c
	}
	c := v2
	c.Tables = []string{"ipCidrRouteTable"}
	routers["ipCidrRouteTable"] = c
	c.Tables = []string{"ipRouteTable"}
	routers["ipRouteTable"] = c
	want := kernelRoutes(t, agent)
	for name, c := range routers {
		t.Run(name, func(t *testing.T) {
			var snaps []registry.Snapshot
			var err error
			begin := time.Now()
			agent.Do(t, func() { snaps, err = realPoller().Poll(context.Background(), c) })
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d routes of %s in %v, verified by %s", len(snaps[0].Routes), snaps[0].Table, time.Since(begin).Round(time.Millisecond), snaps[0].Verified)
			compareRoutes(t, snaps[0], want, len(c.Tables) > 0)
		})
	}
	wrong := v2
	wrong.CommunityEnv, wrong.User, wrong.Auth, wrong.AuthEnv, wrong.Priv, wrong.PrivEnv = "", "reg2", "SHA-256", "PRIV", "AES", "AUTH"
	wrong.Retries, wrong.RequestTimeout = 1, registry.Duration(2*time.Second)
	agent.Do(t, func() {
		if _, err := realPoller().Poll(context.Background(), wrong); err == nil || !strings.Contains(err.Error(), "check auth") {
			t.Errorf("with a wrong passphrase: %v", err)
		}
	})
}

// kernelRoutes reads the namespace's routes with the registry's reader of ip route text.
func kernelRoutes(t *testing.T, agent *peers.SNMPD) map[netip.Prefix]netip.Addr {
	t.Helper()
	all := map[netip.Prefix]netip.Addr{}
	for _, family := range []string{"-4", "-6"} {
		out, err := agent.Command("ip", family, "route").Output()
		if err != nil {
			t.Fatal(err)
		}
		routes, err := registry.ReadRoutes("kernel", bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if !r.Prefix.Addr().IsLinkLocalUnicast() {
				all[r.Prefix] = r.NextHop
			}
		}
	}
	if len(all) < 13_000 {
		t.Fatalf("the kernel has %d routes only", len(all))
	}
	return all
}

func compareRoutes(t *testing.T, s registry.Snapshot, want map[netip.Prefix]netip.Addr, only4 bool) {
	t.Helper()
	got := map[netip.Prefix]netip.Addr{}
	for _, r := range s.Routes {
		got[r.Prefix] = r.NextHop
	}
	missing, wrong := 0, 0
	for p, hop := range want {
		if only4 && p.Addr().Is6() {
			continue
		}
		found, ok := got[p]
		switch {
		case !ok:
			missing++
		case found != hop:
			wrong++
		}
		delete(got, p)
	}
	if missing+wrong+len(got) > 0 {
		t.Errorf("%d routes of the kernel are missing, %d have another next hop, %d are not the kernel's: %v", missing, wrong, len(got), got)
	}
}

// BenchmarkWalk reads the whole routing table of a real agent, beside snmpbulkwalk doing
// the same with its own walk of the table.
func BenchmarkWalk(b *testing.B) {
	agent := peers.NewSNMPD(b, 10_000, 3_000)
	bulkwalk := func() *exec.Cmd {
		return agent.Walk("snmpbulkwalk", "-v2c", "-c", "public", "-t", "30", "-Cr40").Command(".1.3.6.1.2.1.4.24.7")
	}
	ours := func() {
		agent.Do(b, func() {
			snaps, err := realPoller().Poll(context.Background(), realRouter())
			if err != nil || len(snaps[0].Routes) < 13_000 {
				b.Errorf("%d snapshots: %v", len(snaps), err)
			}
		})
	}
	ours() // the agent fills its cache
	var mine, theirs time.Duration
	rounds := 0
	for b.Loop() {
		begin := time.Now()
		out, err := bulkwalk().Output()
		theirs += time.Since(begin)
		if err != nil || bytes.Count(out, []byte("\n")) < 13_000*9 {
			b.Fatalf("snmpbulkwalk: %v, %d lines", err, bytes.Count(out, []byte("\n")))
		}
		begin = time.Now()
		ours()
		mine += time.Since(begin)
		rounds++
	}
	b.ReportMetric(float64(mine.Milliseconds())/float64(rounds), "ms/walk")
	b.ReportMetric(float64(theirs.Milliseconds())/float64(rounds), "ms/snmpbulkwalk")
	fmt.Printf("ratio walk-vs-snmpbulkwalk %.2f\n", float64(theirs)/float64(mine))
}
