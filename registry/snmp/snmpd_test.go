package snmp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoor/internal/peers"
	"spoor/registry"
)

// realRouter is the configuration for peers.SNMPD, with time for a busy machine.
func realRouter() registry.RouterConfig {
	return registry.RouterConfig{Name: "gw", Address: "127.0.0.1", Port: peers.SNMPDPort, CommunityEnv: "COMMUNITY",
		RequestTimeout: registry.Duration(30 * time.Second), TimeBudget: registry.Duration(15 * time.Minute)}
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
	want := kernelRoutes(t, agent.Namespace, 13_000)
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
	wrong.Retries = 1
	agent.Do(t, func() {
		_, err := realPoller().Poll(context.Background(), wrong)
		if err == nil || !strings.Contains(err.Error(), "check auth") {
			t.Errorf("with a wrong passphrase: %v", err)
		}
		if text := fmt.Sprintf("%+v", err); strings.Contains(text, "authpass") || strings.Contains(text, "privpass") {
			t.Errorf("the error tells a passphrase: %s", text)
		}
	})
}

// TestFRR reads the routes of FRR's zebra, whose SNMP module fills the oldest of the tables only. FRR 8.4 loses its place
// among networks that differ in the last octet and then ends the table early: that table is refused, for its count.
func TestFRR(t *testing.T) {
	const routes = 300
	for _, tt := range []struct {
		name, batch string
		whole       bool
	}{
		{"networks of 24 bits", "route add 10.%d.%d.0/24 via 192.0.2.%d\n", true},
		{"networks of 26 bits", "route add 10.%d.%d.64/26 via 192.0.2.%d\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var batch strings.Builder
			for i := range routes {
				fmt.Fprintf(&batch, tt.batch, i>>8, i&255, 2+i%200)
			}
			zebra := peers.NewZebra(t, routes, batch.String())
			var snaps []registry.Snapshot
			var err error
			zebra.Do(t, func() { snaps, err = realPoller().Poll(context.Background(), realRouter()) })
			if !tt.whole {
				if !errors.Is(err, ErrIncomplete) {
					t.Errorf("a short table was taken: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := snaps[0]; s.Table != "ipForwardTable" || s.Verified != registry.VerifiedByCount {
				t.Errorf("read from %s, verified by %s", s.Table, s.Verified)
			}
			compareRoutes(t, snaps[0], kernelRoutes(t, zebra.Namespace, routes), true)
		})
	}
}

// TestContexts reads two VRFs of one router, each in an SNMP context of its own, by version 2c and 3.
func TestContexts(t *testing.T) {
	socket := filepath.Join(peers.TempDir(t, "vrf"), "agent")
	behind := peers.NewSNMPDWith(t, 50, 10, peers.SNMPDOptions{Config: append(allow("com2secunix", "default public", `""`), "agentAddress unix:"+socket)})
	user := peers.SNMPUsers()[1]
	front := peers.NewSNMPDWith(t, 20, 0, peers.SNMPDOptions{Config: append(allow("com2sec -Cn red", "127.0.0.1 public@red", "red"),
		"rouser "+user.Name+" authpriv -V all red",
		"proxy -Cn red -v 2c -c public unix:"+socket+" .1.3.6.1.2.1")})
	v2 := realRouter()
	v2.Contexts = []string{"", "red"}
	v3 := v2
	v3.CommunityEnv, v3.User, v3.Auth, v3.AuthEnv, v3.Priv, v3.PrivEnv = "", user.Name, user.Auth, "AUTH", user.Priv, "PRIV"
	for name, c := range map[string]registry.RouterConfig{"version 2c": v2, "version 3": v3} {
		t.Run(name, func(t *testing.T) {
			var snaps []registry.Snapshot
			var err error
			front.Do(t, func() { snaps, err = realPoller().Poll(context.Background(), c) })
			if err != nil || len(snaps) != 2 {
				t.Fatalf("%d snapshots: %v", len(snaps), err)
			}
			compareRoutes(t, snaps[0], kernelRoutes(t, front.Namespace, 20), false)
			compareRoutes(t, snaps[1], kernelRoutes(t, behind.Namespace, 60), false)
			if snaps[1].VRF != "red" {
				t.Errorf("the second is of VRF %q", snaps[1].VRF)
			}
		})
	}
}

// allow returns the lines of snmpd.conf that let a community read everything in a context.
func allow(com2sec, from, context string) []string {
	name, source, _ := strings.Cut(com2sec, " ")
	return []string{strings.TrimSpace(name + " " + source + " reader " + from), "group readers v2c reader", "view all included .1",
		"access readers " + context + " any noauth exact all none none"}
}

// kernelRoutes reads the namespace's routes with the registry's reader of ip route text.
func kernelRoutes(t *testing.T, ns *peers.Namespace, atLeast int) map[netip.Prefix]netip.Addr {
	t.Helper()
	all := map[netip.Prefix]netip.Addr{}
	for _, family := range []string{"-4", "-6"} {
		out, err := ns.Command("ip", family, "route").Output()
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
	if len(all) < atLeast {
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
