package snmp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"
	"go.uber.org/goleak"

	"spoor/registry"
	"spoor/registry/snmp/snmptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inetRecords makes a walk of inetCidrRouteTable with IPv4 and IPv6 rows and a count.
func inetRecords(t testing.TB, v4, v6 int) []snmptest.Record {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "1.3.6.1.2.1.1.3.0|67|1000\n1.3.6.1.2.1.4.24.6.0|66|%d\n1.3.6.1.2.1.31.1.1.1.1.1|4|eth 1\n1.3.6.1.2.1.31.1.1.1.1.2|4|eth2\n", v4+v6)
	var index []string
	for i := range v4 {
		index = append(index, fmt.Sprintf("1.4.10.%d.%d.0.26.3.0.0.7.1.4.192.0.2.%d", i>>8, i&255, 1+i%200))
	}
	for i := range v6 {
		index = append(index, fmt.Sprintf("2.16.32.1.13.184.0.1.%d.%d.0.0.0.0.0.0.0.0.64.2.0.0.2.16.254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1", i>>8, i&255))
	}
	for _, x := range index {
		fmt.Fprintf(&b, "1.3.6.1.2.1.4.24.7.1.7.%s|2|2\n1.3.6.1.2.1.4.24.7.1.8.%s|2|4\n1.3.6.1.2.1.4.24.7.1.9.%s|2|13\n", x, x, x)
	}
	fmt.Fprintf(&b, "1.3.6.1.2.1.5.1.0|65|7\n") // the view goes on behind the table
	records, err := snmptest.ReadRecords(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return records
}

const inetTable = "1.3.6.1.2.1.4.24.7.1"

func start(t testing.TB, o snmptest.Options) *snmptest.Agent {
	t.Helper()
	if o.Community == "" {
		o.Community = "secret"
	}
	a, err := snmptest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func testPoller() *Poller {
	return NewPoller(Secrets{Getenv: func(name string) (string, bool) { return "secret", name == "COMMUNITY" }}, nil)
}

func router(a *snmptest.Agent) registry.RouterConfig {
	return registry.RouterConfig{Name: "r1", Address: "127.0.0.1", Port: a.Port(), CommunityEnv: "COMMUNITY",
		RequestTimeout: registry.Duration(5 * time.Second), Retries: 2, TimeBudget: registry.Duration(time.Minute)}
}

func TestWholeTable(t *testing.T) {
	a := start(t, snmptest.Options{Records: inetRecords(t, 300, 100)})
	snaps, err := testPoller().Poll(context.Background(), router(a))
	if err != nil || len(snaps) != 1 || len(snaps[0].Routes) != 400 {
		t.Fatalf("%d snapshots, error %v", len(snaps), err)
	}
	s := snaps[0]
	want := registry.Route{Prefix: netip.MustParsePrefix("10.0.0.0/26"), NextHop: netip.MustParseAddr("192.0.2.1"), Router: "r1",
		Interface: "eth2", Protocol: "ospf", Type: registry.TypeRemote}
	if s.Routes[0] != want || s.Verified != registry.VerifiedByCount || s.Table != "inetCidrRouteTable" {
		t.Errorf("first route %+v, verified %q, table %s", s.Routes[0], s.Verified, s.Table)
	}
	if a.Asked(gosnmp.SetRequest) != 0 {
		t.Error("something was set")
	}
}

// TestFaults: whatever an agent does, the table is whole or there is an error, and the
// routes that were known before stay.
func TestFaults(t *testing.T) {
	type faulty struct {
		fault snmptest.Fault
		whole bool
	}
	for _, f := range []faulty{
		{snmptest.GenErr, false}, {snmptest.GenErrOnce, true}, {snmptest.TooBig, true}, {snmptest.AlwaysBig, false},
		{snmptest.Empty, false}, {snmptest.EarlyEnd, false}, {snmptest.EarlyOnce, false}, {snmptest.NextTable, false},
		{snmptest.Swapped, false}, {snmptest.Looping, false}, {snmptest.Silent, false}, {snmptest.WrongType, false},
		{snmptest.NoInstance, false}, {snmptest.ShortColumn, false}, {snmptest.Garbage, false}, {snmptest.Endless, false},
	} {
		for _, after := range []int{1, 60, 150} {
			t.Run(fmt.Sprintf("%s after %d", f.fault, after), func(t *testing.T) {
				good := start(t, snmptest.Options{Records: inetRecords(t, 200, 0)})
				bad := start(t, snmptest.Options{Records: inetRecords(t, 200, 0), Fault: f.fault, After: after, Under: inetTable})
				reg := newRegistry(t, good, 250)
				if _, err := reg.Poll(context.Background()); err != nil {
					t.Fatal(err)
				}
				reg.move(bad)
				if f.fault == snmptest.Silent || f.fault == snmptest.Garbage { // these are waited for in vain
					reg.poller.patience = registry.Duration(100 * time.Millisecond)
				}
				_, err := reg.Poll(context.Background())
				if f.whole != (err == nil) {
					t.Errorf("error %v", err)
				}
				n := 0
				for range reg.Table().Routes(time.Time{}) {
					n++
				}
				if n != 200 {
					t.Errorf("%d routes are left of 200", n)
				}
				if source := reg.Table().Sources()[0]; source.Stale == f.whole {
					t.Errorf("source %+v after error %v", source, err)
				}
			})
		}
	}
}

// switchedRegistry is a registry whose one router can be exchanged.
type switchedRegistry struct {
	*registry.Registry
	poller *switchedPoller
}

type switchedPoller struct {
	inner    *Poller
	port     uint16
	step     int
	patience registry.Duration
}

func (p *switchedPoller) Poll(ctx context.Context, c registry.RouterConfig) ([]registry.Snapshot, error) {
	c.Port = p.port
	if p.patience != 0 {
		c.RequestTimeout, c.Retries = p.patience, 1
	}
	p.step++
	base := time.Date(2026, 10, 1, 0, p.step, 0, 0, time.UTC)
	p.inner.now = func() time.Time { return base }
	return p.inner.Poll(ctx, c)
}

func (r switchedRegistry) move(a *snmptest.Agent) { r.poller.port = a.Port() }

func newRegistry(t *testing.T, a *snmptest.Agent, maxRows int) switchedRegistry {
	t.Helper()
	c := registry.DefaultConfig()
	rc := router(a)
	rc.MaxRows = maxRows
	c.Routers = []registry.RouterConfig{rc}
	p := &switchedPoller{inner: testPoller(), port: a.Port()}
	reg, err := registry.New(context.Background(), registry.Deps{Config: c, Poller: p})
	if err != nil {
		t.Fatal(err)
	}
	return switchedRegistry{reg, p}
}

// TestShrinkingWithoutCount: where no count vouches for a table, a sudden loss of most
// routes is believed only when it is seen twice.
func TestShrinkingWithoutCount(t *testing.T) {
	noCount := func(n int) []snmptest.Record {
		return slices.DeleteFunc(inetRecords(t, n, 0), func(r snmptest.Record) bool { return slices.Equal(r.OID[6:8], []uint32{4, 24}) && len(r.OID) == 10 })
	}
	full := start(t, snmptest.Options{Records: noCount(200)})
	short := start(t, snmptest.Options{Records: noCount(20)})
	reg := newRegistry(t, full, 250)
	if _, err := reg.Poll(context.Background()); err != nil {
		t.Fatal(err)
	}
	reg.move(short)
	if _, err := reg.Poll(context.Background()); err == nil {
		t.Error("a table of a tenth is believed at once")
	}
	if _, err := reg.Poll(context.Background()); err != nil {
		t.Errorf("a table of a tenth is not believed when seen twice: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	records := inetRecords(t, 200, 0)
	tests := []struct {
		name   string
		change func(*registry.RouterConfig)
		mangle func([]snmptest.Record) []snmptest.Record
		is     error
		text   string
	}{
		{"full table", func(c *registry.RouterConfig) { c.MaxRows = 100 }, nil, ErrTooLarge, "full BGP table"},
		{"count lies low", func(c *registry.RouterConfig) { c.MaxRows = 100 }, count(5), ErrTooLarge, "max_rows"},
		{"count says more", nil, count(671), ErrIncomplete, "ignore_count"},
		{"wrong community", func(c *registry.RouterConfig) { c.CommunityEnv = "OTHER" }, nil, nil, "OTHER is not set"},
		{"no table", func(c *registry.RouterConfig) { c.Tables = []string{"ipRouteTable"} }, nil, ErrNoTable, "SNMP views"},
		{"filtered away", func(c *registry.RouterConfig) { c.Protocols = []string{"static"} }, nil, ErrNoTable, "filters"},
		{"no time", func(c *registry.RouterConfig) {
			c.TimeBudget, c.Pause = registry.Duration(50*time.Millisecond), registry.Duration(20*time.Millisecond)
		}, nil, ErrIncomplete, "deadline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, snmptest.Options{Records: records, Mangle: tt.mangle})
			c := router(a)
			if tt.change != nil {
				tt.change(&c)
			}
			snaps, err := testPoller().Poll(context.Background(), c)
			if err == nil || len(snaps) != 0 || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%d snapshots, error %v", len(snaps), err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Error("the error tells the community")
			}
		})
	}
}

func count(n int) func([]snmptest.Record) []snmptest.Record {
	return func(all []snmptest.Record) []snmptest.Record {
		for i := range all {
			if all[i].Type == gosnmp.Gauge32 {
				all[i].Value = uint32(n)
			}
		}
		return all
	}
}

func TestIgnoredCount(t *testing.T) {
	for name, n := range map[string]int{"too high": 671, "too low": 5} {
		a := start(t, snmptest.Options{Records: inetRecords(t, 20, 0), Mangle: count(n)})
		c := router(a)
		c.IgnoreCount = n > 20
		snaps, err := testPoller().Poll(context.Background(), c)
		if err != nil || len(snaps[0].Routes) != 20 || snaps[0].Verified == registry.VerifiedByCount {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHollowTable: a table that is counted but has no row is replaced by one that is as long and counted itself, by none else.
func TestHollowTable(t *testing.T) {
	const rows = 20
	forward := func(counted int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "1.3.6.1.2.1.1.3.0|67|1000\n1.3.6.1.2.1.4.24.1.0|66|%d\n", rows)
		for _, column := range []string{"2|64|255.255.255.0", "4|64|192.0.2.1", "5|2|2", "6|2|4", "7|2|13"} {
			number, value, _ := strings.Cut(column, "|")
			for i := range rows {
				fmt.Fprintf(&b, "1.3.6.1.2.1.4.24.2.1.%s.10.0.%d.0.13.0.192.0.2.1|%s\n", number, i, value)
			}
		}
		fmt.Fprintf(&b, "1.3.6.1.2.1.4.24.3.0|66|%d\n1.3.6.1.2.1.5.1.0|65|7\n", counted)
		return b.String()
	}
	for counted, whole := range map[int]bool{rows - 1: true, rows: true, rows + 1: false} {
		records, err := snmptest.ReadRecords(strings.NewReader(forward(counted)))
		if err != nil {
			t.Fatal(err)
		}
		snaps, err := testPoller().Poll(context.Background(), router(start(t, snmptest.Options{Records: records})))
		if whole && (err != nil || len(snaps[0].Routes) != rows || snaps[0].Table != "ipForwardTable") || !whole && !errors.Is(err, ErrIncomplete) {
			t.Errorf("%d rows beside an empty table of %d: %d snapshots, error %v", rows, counted, len(snaps), err)
		}
	}
}

func TestFilters(t *testing.T) {
	a := start(t, snmptest.Options{Records: inetRecords(t, 20, 10)})
	for name, change := range map[string]func(*registry.RouterConfig){
		"protocol":  func(c *registry.RouterConfig) { c.Protocols = []string{"OSPF"} },
		"type":      func(c *registry.RouterConfig) { c.Types = []string{"remote"} },
		"interface": func(c *registry.RouterConfig) { c.Interfaces = []string{"eth2"} },
		"not":       func(c *registry.RouterConfig) { c.NotProtocols, c.NotInterfaces = []string{"bgp"}, []string{"eth_1"} },
	} {
		c := router(a)
		change(&c)
		snaps, err := testPoller().Poll(context.Background(), c)
		if err != nil || len(snaps[0].Routes) != 30 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRecordedWalks replays three routers' walks; every row that the record holds must
// be read, and an interrupted replay must be an error.
func TestRecordedWalks(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "corpus", "snmp")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the recorded walks are not here: ", err)
	}
	for _, tt := range []struct {
		file, table string
		rows        int
		change      func(*registry.RouterConfig)
	}{
		{"cumulus_bgp.snmprec", "inetCidrRouteTable", 196, nil},
		{"cumulus_bgp.snmprec", "ipRouteTable", 116, func(c *registry.RouterConfig) { c.Tables = []string{"ipRouteTable"} }},
		{"flexbng.snmprec", "ipCidrRouteTable", 1159, nil},
		{"flexbng.snmprec", "ipRouteTable", 1159, func(c *registry.RouterConfig) { c.Tables = []string{"ipRouteTable"} }},
		{"vrp_route.snmprec", "inetCidrRouteTable", 13, nil},
	} {
		t.Run(tt.file+" "+tt.table, func(t *testing.T) {
			file, err := os.Open(filepath.Join(dir, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			records, err := snmptest.ReadRecords(file)
			if err != nil {
				t.Fatal(err)
			}
			a := start(t, snmptest.Options{Records: records})
			c := router(a).WithDefaults()
			if tt.change != nil {
				tt.change(&c)
			}
			g, err := testPoller().dial(context.Background(), c, "")
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			table, rows, verified, err := readFirst(context.Background(), g, c)
			if err != nil || table.name != tt.table || len(rows) != tt.rows {
				t.Fatalf("%s with %d rows (%s), want %s with %d: %v", table.name, len(rows), verified, tt.table, tt.rows, err)
			}
			snaps, err := testPoller().Poll(context.Background(), c)
			if err != nil || len(snaps[0].Routes) == 0 {
				t.Fatalf("snapshot: %v", err)
			}
			t.Logf("%d rows, %d routes, %d own addresses, verified by %s", len(rows), len(snaps[0].Routes), len(snaps[0].Addresses), verified)
		})
	}
}

func TestIndexes(t *testing.T) {
	tests := []struct {
		index string
		read  func(oid) (key, error)
		want  string
		fails bool
	}{
		{"1.4.10.0.0.0.8.2.0.0.1.4.192.0.2.1", inetKey, "10.0.0.0/8 192.0.2.1", false},
		{"1.4.10.1.2.3.8.0.1.4.0.0.0.0", inetKey, "10.0.0.0/8 invalid IP", false},
		{"1.4.10.1.2.3.8.0.0.0", inetKey, "10.0.0.0/8 invalid IP", false},
		{"2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.0.32.2.0.0.4.20.254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.7", inetKey, "2001:db8::/32 fe80::1", false},
		{"3.8.10.0.0.0.0.0.0.5.8.0.1.4.192.0.2.1", inetKey, "10.0.0.0/8 192.0.2.1", false},
		{"16.3.97.98.99.8.0.1.4.192.0.2.1", inetKey, "", true},
		{"1.4.10.0.0.0.33.0.0.0", inetKey, "", true},
		{"1.4.10.0.0.256.8.0.0.0", inetKey, "", true},
		{"1.5.10.0.0.0.0.8.0.0.0", inetKey, "", true},
		{"1.4.10.0.0.0.8.4294967295.0.0", inetKey, "", true},
		{"1.4294967295.10", inetKey, "", true},
		{"1.4.10.0.0.0.8.0.0.0.9", inetKey, "", true},
		{"1.4.10.0.0.0.8", inetKey, "", true},
		{"10.0.0.0.255.0.0.0.0.192.0.2.1", cidrKey, "10.0.0.0/8 192.0.2.1", false},
		{"10.0.0.0.255.0.255.0.0.192.0.2.1", cidrKey, "", true},
		{"10.0.0.0.255.0.0.0.0.192.0.2", cidrKey, "", true},
		{"10.0.0.0.13.0.192.0.2.1", forwardKey, "10.0.0.0/32 192.0.2.1", false},
		{"10.0.0.0.2.0.0.0.0.0", forwardKey, "10.0.0.0/32 invalid IP", false},
		{"10.0.0.0.13.0.192.0.2.256", forwardKey, "", true},
		{"10.0.0.0.13.0.192.0.2", forwardKey, "", true},
		{"10.0.0.0", routeKey, "10.0.0.0/32 invalid IP", false},
		{"10.0.0.0.0", routeKey, "", true},
	}
	for _, tt := range tests {
		k, err := tt.read(mustOID(tt.index))
		got := ""
		if err == nil {
			got = k.prefix.String() + " " + k.nextHop.String()
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || tt.fails != (err != nil) {
			t.Errorf("%s: %s error %v", tt.index, diff, err)
		}
	}
}

// FuzzIndex: what the index parser accepts is a prefix in its masked form.
func FuzzIndex(f *testing.F) {
	for _, s := range []string{"1.4.10.0.0.0.8.2.0.0.1.4.192.0.2.1", "10.0.0.0.255.0.0.0.0.192.0.2.1", "2.16.1", "1.4294967295.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := parseOID(s)
		if err != nil {
			return
		}
		for _, read := range []func(oid) (key, error){inetKey, cidrKey, forwardKey, routeKey} {
			if k, err := read(o); err == nil && (!k.prefix.IsValid() || k.prefix != k.prefix.Masked() || k.nextHop.IsValid() && k.nextHop.IsUnspecified()) {
				t.Errorf("%s: %v via %v", s, k.prefix, k.nextHop)
			}
		}
	})
}
