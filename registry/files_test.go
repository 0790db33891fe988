package registry

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sampleFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "registry", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestReadRoutes(t *testing.T) {
	tests := map[string][]string{
		"listing.txt": {
			"140.115.0.0/16 203.72.244.226", "140.132.0.0/16 203.71.2.5", "192.192.40.0/22 203.71.2.209",
		},
		"walk.txt": {
			"192.192.40.0/22 203.71.2.72", "192.192.44.0/24 192.83.175.111", "192.192.45.0/24 192.83.175.116", "192.192.46.0/24 192.83.175.111",
		},
		"iproute.txt": {
			"0.0.0.0/0 192.0.2.254", "192.0.2.0/24 direct on up0", "198.51.100.0/25 192.0.2.10",
			"198.51.100.128/25 192.0.2.11", "198.51.100.128/25 192.0.2.12", "203.0.113.0/24 blackhole", "10.0.0.0/8 reject",
			"203.0.113.9/32 fe80::1", "2001:db8:1::/48 fe80::2", "::/0 fe80::1", "2001:db8:ffff::/64 direct on eth1",
		},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range mustRoutes(t, sampleFile(t, name)) {
				got = append(got, r.Prefix.String()+" "+r.Via())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestListing(t *testing.T) {
	table := mustBuild(t, Input{Routes: RoutesOf(mustRoutes(t, sampleFile(t, "listing.txt")))})
	var out bytes.Buffer
	if err := WriteListing(&out, SortByNextHop(table.Routes(time.Time{}))); err != nil {
		t.Fatal(err)
	}
	want := "203.71.2.5, 140.132.0.0, 255.255.0.0, 256\n203.71.2.209, 192.192.40.0, 255.255.252.0, 4\n203.72.244.226, 140.115.0.0, 255.255.0.0, 256\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	again := mustRoutes(t, out.String())
	if len(again) != 3 || Segments(again[0].Prefix) != 256 {
		t.Errorf("the listing is not read back: %v", again)
	}
}

func lineErrors(err error) []string {
	var all []string
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{fmt.Sprint(err)}
	}
	for _, e := range joined.Unwrap() {
		var le LineError
		if errors.As(e, &le) {
			all = append(all, fmt.Sprintf("%d %s", le.Line, le.Field))
		} else {
			all = append(all, e.Error())
		}
	}
	return all
}

func TestRouteMistakes(t *testing.T) {
	tests := []struct {
		name, text string
		routes     int
		want       []string
	}{
		{"csv", "prefix,next_hop,colour\n10.0.0.0/8,192.0.2.1,\nten,192.0.2.1,\n10.1.0.0/16,nobody,\n10.2.0.0/40,,\n\"x\"y,,\n10.3.0.0/16,192.0.2.3,\n", 2,
			[]string{"1 colour", "3 prefix", "4 next_hop", "5 prefix", "6 "}},
		{"masks", "destination,netmask\n10.0.0.0,255.0.255.0\n10.0.0.0,255.0.0.0\n", 1, []string{"2 netmask"}},
		{"ip route", "10.0.0.0/8 via\n10.0.0.0/8 via 192.0.2.1 dev\n10.1.0.0/16 via 192.0.2.1 dev e0\nten via 192.0.2.1\n", 1, []string{"1 via", "2 dev", "4 "}},
		{"walk", "ipRouteMask.10.0.0.0 = IpAddress: 255.0.0.0\nipRouteMask.10.1.0.0 = IpAddress: 255.255.0.0\nipRouteNextHop.10.1.0.0 = IpAddress: 192.0.2.1\nipRouteNextHop.10.2.0.0 = IpAddress: 192.0.2.1\nipRouteMask.1.2 = IpAddress: 255.0.0.0\n",
			1, []string{"5 ipRouteMask", "1 ipRouteMask", "4 ipRouteNextHop"}},
		{"no prefix", "router,next_hop\nr1,192.0.2.1\n", 0, []string{"1 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			routes, err := ReadRoutes("routes", strings.NewReader(tt.text))
			if err == nil {
				t.Fatal("no mistake is reported")
			}
			if diff := cmp.Diff(tt.want, lineErrors(err)); diff != "" {
				t.Errorf("%s\n%v", diff, err)
			}
			if len(routes) != tt.routes {
				t.Errorf("%d routes, want %d", len(routes), tt.routes)
			}
		})
	}
}

const brokenContacts = `
colour = "red"
[[contact]]
IP-Network = "192.0.2.0/33"
Abuse-Contact = "abuse@example.org"
[[contact]]
IP-Network = "192.0.2.1/24"
Abuse-Contact = "abuse@example.org"
[[contact]]
Next-Hop = "router"
Abuse-Contact = "nobody"
Colour = "red"
[[contact]]
Abuse-Contact = "abuse@example.org"
[[contact]]
IP-Network = "192.0.2.0/24"
Abuse-Contact = "a@b@c"
Updated = "yesterday"
Country-Code = "Taiwan"
Assignment = "sometimes"
Digest = "perhaps"
Language = "中文"
Time-Zone = "Local"
Digest-Every = "5m"
[[contact]]
IP-Network = "198.51.100.0/24"
Abuse-Contact = "abuse@localhost"
[[contact]]
IP-Network = "198.51.100.0/24"
Abuse-Contact = "abuse@example.org"
[[contact
IP-Network = "203.0.113.0/24"
[[contact]]
IP-Network = "203.0.113.0/24
[[contact]]
IP-Network = 7.5
[[kontact]]
IP-Network = "203.0.113.0/24"
[[contact]]
IP-Network = "2001:db8::/32"
Abuse-Contact = ["abuse@example.net", "Desk <desk@example.net>"]
`

func TestContactMistakes(t *testing.T) {
	contacts, err := ReadContacts("contacts.toml", strings.NewReader(brokenContacts))
	want := []string{"2 colour", "2 colour", "4 IP-Network", "7 IP-Network", "12 Colour", "10 Next-Hop", "11 Abuse-Contact", "13 ",
		"17 Abuse-Contact", "18 Updated", "19 Country-Code", "20 Assignment", "21 Digest", "22 Language", "23 Time-Zone", "24 Digest-Every",
		"27 Abuse-Contact", "28 ", "31 ", "34 ", "36 IP-Network", "37 [kontact]"}
	got := lineErrors(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
	if len(contacts) != 1 || len(contacts[0].Mails()) != 2 || contacts[0].Abuse[1].Name != "Desk" {
		t.Errorf("the good record is lost: %+v", contacts)
	}
}

func TestContactsCSV(t *testing.T) {
	text := "IP-Network,Org-Name,Admin-Contact,Address,Tel,Updated-By,Updated,Nonsense\n" +
		"140.115.0.0/16,First University,admin@first.example.edu,\"1, Main Street\",+886 3 000,house,2003-11-03,\n" +
		"140.132.0.0/16 140.135.0.0/16,Second,Ann Lee,,,,2003-11-04,\n" +
		"140.138.0.0/16,Third,x,y,z,u,2003-11-04,,too many\n" +
		",,a@example.org,,,,,\n"
	contacts, err := ReadContacts("customers.csv", strings.NewReader(text))
	if diff := cmp.Diff([]string{"1 Nonsense", "4 ", "5 "}, lineErrors(err)); diff != "" {
		t.Error(diff)
	}
	if len(contacts) != 3 || contacts[0].Address != "1, Main Street" || contacts[1].Admin[0].Name != "Ann Lee" || contacts[2].Key.Prefix != pfx("140.135.0.0/16") {
		t.Errorf("%+v", contacts)
	}
}

func TestContactsRoundTrip(t *testing.T) {
	contacts := mustContacts(t, sampleContacts+`
[[contact]]
IP-Network = ["2001:db8::/32", "203.0.113.0/24"]
Org-Name = 'Quote " and \ slash'
Abuse-Contact = '"Lee, Ann" <ann@example.org>, desk@example.org'
Tech-Contact = "NOC"
City = "台北"
Country-Code = "tw"
Time-Zone = "Asia/Taipei"
Digest = true
Digest-Every = "7d"
XARF = false
Opt-Out = ["copyright", "spam"]
Created = 2003-07-01
Updated-By = "house"
Updated = "2003-11-30"
Since = "2003-07-01"
Until = "2026-01-01"
`)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"c.toml": func(b *bytes.Buffer) error { return WriteContactsTOML(b, contacts) },
		"c.csv":  func(b *bytes.Buffer) error { return WriteContactsCSV(b, contacts) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := ReadContacts(name, &b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		opts := cmp.Options{cmpopts.EquateComparable(Key{}), cmpopts.IgnoreFields(Contact{}, "Source")}
		if diff := cmp.Diff(contacts, again, opts); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestReadLeases(t *testing.T) {
	now := time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		config LeaseConfig
		text   string
		want   []string
		bad    []string
	}{
		{"csv", LeaseConfig{Format: "csv"}, "ip,port_low,port_high,protocol,from,to,who\n192.0.2.1,1024,2047,TCP,2026-10-01 08:00:00,2026-10-01 09:00:00,alice\n" +
			"192.0.2.1,2047,1024,tcp,2026-10-01 08:00:00,,bob\n192.0.2.2,,,,2026-10-01T08:00:00Z,,carol\nx,,,,y,,\n",
			[]string{"192.0.2.1/32 1024-2047 tcp 08:00-09:00 alice", "192.0.2.2/32 0-65535  08:00-open carol"}, []string{"3 port", "5 ip", "5 who", "5 from"}},
		{"syslog", LeaseConfig{Format: "syslog", Zone: "Asia/Taipei", Pattern: `^(?P<time>\w+ +\d+ [\d:]+) \S+ dhcpd: (?P<event>DHCP\w+) (on|of) (?P<ip>[\d.]+) to (?P<who>\S+)`},
			"Oct  1 16:00:00 h dhcpd: DHCPACK on 192.0.2.1 to 00:11\nOct  1 16:30:00 h dhcpd: DHCPACK on 192.0.2.1 to 00:11\nOct  1 16:40:00 h other\nOct  1 17:00:00 h dhcpd: DHCPRELEASE of 192.0.2.1 to 00:11\nOct  1 17:05:00 h dhcpd: DHCPACK on 192.0.2.1 to 00:22\n",
			[]string{"192.0.2.1/32 0-65535  08:00-09:00 00:11", "192.0.2.1/32 0-65535  09:05-open 00:22"}, nil},
		{"radius", LeaseConfig{Format: "radius"}, `Thu Oct  1 08:00:00 2026
	Acct-Status-Type = Start
	User-Name = "alice"
	NAS-IP-Address = 192.0.2.250
	Framed-IP-Address = 192.0.2.1
	Delegated-IPv6-Prefix = 2001:db8:1::/48
	Acct-Session-Id = "1"

Thu Oct  1 08:20:00 2026
	Acct-Status-Type = Interim-Update
	User-Name = "bob"
	NAS-IP-Address = 192.0.2.250
	Framed-IP-Address = 192.0.2.2
	Acct-Session-Time = 1200
	Acct-Session-Id = "2"

Thu Oct  1 08:30:00 2026
	Acct-Status-Type = Stop
	User-Name = "alice"
	NAS-IP-Address = 192.0.2.250
	Framed-IP-Address = 192.0.2.1
	Delegated-IPv6-Prefix = 2001:db8:1::/48
	Acct-Session-Id = "1"

Thu Oct  1 09:00:00 2026
	Acct-Status-Type = Accounting-Off
	NAS-IP-Address = 192.0.2.250
`, []string{"192.0.2.1/32 0-65535  08:00-08:30 alice", "192.0.2.2/32 0-65535  08:00-09:00 bob", "2001:db8:1::/48 0-65535  08:00-08:30 alice"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			leases, err := ReadLeases(tt.config, "log", strings.NewReader(tt.text), now)
			if (err != nil) != (tt.bad != nil) || err != nil && !cmp.Equal(lineErrors(err), tt.bad) {
				t.Errorf("mistakes %v, want %v", err, tt.bad)
			}
			var got []string
			for _, l := range leases {
				to := "open"
				if !l.To.IsZero() {
					to = l.To.Format("15:04")
				}
				got = append(got, fmt.Sprintf("%s %d-%d %s %s-%s %s", l.Prefix, l.PortLow, l.PortHigh, l.Protocol, l.From.Format("15:04"), to, l.Subscriber))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
