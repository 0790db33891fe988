package registry

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzRoutes: routes that are read from text are networks, and the listing of what was
// read is read back as the same prefixes.
func FuzzRoutes(f *testing.F) {
	for _, name := range []string{"listing.txt", "walk.txt", "iproute.txt"} {
		f.Add(sampleFile(f, name))
	}
	f.Add(sampleRoutes)
	f.Fuzz(func(t *testing.T, text string) {
		routes, _ := ReadRoutes("routes", strings.NewReader(text))
		var v4 []Route
		for _, r := range routes {
			if !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() || r.Router == "" {
				t.Fatalf("%q gives %+v", text, r)
			}
			if r.Prefix.Addr().Is4() && r.NextHop.Is4() {
				v4 = append(v4, r)
			}
		}
		var b bytes.Buffer
		if err := WriteListing(&b, v4); err != nil {
			t.Fatal(err)
		}
		again, err := ReadRoutes("routes", &b)
		if err != nil || len(again) != len(v4) {
			t.Fatalf("%d routes are read back of %d: %v", len(again), len(v4), err)
		}
		if _, err := Build(Input{Routes: RoutesOf(routes)}); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// FuzzContacts: records that are read are written so that they are read back.
func FuzzContacts(f *testing.F) {
	f.Add("c.toml", sampleContacts)
	f.Add("c.toml", brokenContacts)
	f.Add("c.csv", "IP-Network,Org-Name,Admin-Contact,Updated\n140.115.0.0/16,First,\"a@example.org, B <b@example.org>\",2003-11-03\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		contacts, _ := ReadContacts(name, strings.NewReader(text))
		for write, form := range map[string]func(*bytes.Buffer) error{
			"x.toml": func(b *bytes.Buffer) error { return WriteContactsTOML(b, contacts) },
			"x.csv":  func(b *bytes.Buffer) error { return WriteContactsCSV(b, contacts) },
		} {
			var b bytes.Buffer
			if err := form(&b); err != nil {
				t.Fatal(err)
			}
			out := b.String()
			again, err := ReadContacts(write, &b)
			opts := cmp.Options{cmpopts.EquateComparable(Key{}), cmpopts.IgnoreFields(Contact{}, "Source"), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(contacts, again, opts); diff != "" || err != nil {
				t.Fatalf("%q\nis written as %q\n%v\n%s", text, out, err, diff)
			}
		}
	})
}

// FuzzLeases: leases that are read have a prefix, an order of ports and of times.
func FuzzLeases(f *testing.F) {
	f.Add("csv", "ip,port_low,port_high,protocol,from,to,who\n192.0.2.1,1024,2047,TCP,2026-10-01 08:00:00,2026-10-01 09:00:00,alice\n")
	f.Add("radius", "Thu Oct  1 08:00:00 2026\n\tAcct-Status-Type = Start\n\tUser-Name = \"a\"\n\tFramed-IP-Address = 192.0.2.1\n\n")
	f.Add("syslog", "2026-10-01T08:00:00Z 192.0.2.1 bob start\n")
	f.Fuzz(func(t *testing.T, format, text string) {
		c := LeaseConfig{Format: format, Pattern: `(?P<time>\S+) (?P<ip>\S+) (?P<who>\S+) (?P<event>\S+)`}
		leases, _ := ReadLeases(c, "log", strings.NewReader(text), time.Unix(1_800_000_000, 0))
		for _, l := range leases {
			if !l.Prefix.IsValid() || l.PortLow > l.PortHigh || l.Subscriber == "" || !l.To.IsZero() && l.To.Before(l.From) {
				t.Fatalf("%q gives %+v", text, l)
			}
		}
	})
}
