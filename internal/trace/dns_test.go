package trace

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/peers"
)

const zoneForward = `$ORIGIN example.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
mail.good A 192.0.2.10
good MX 10 mail.good
good TXT "v=spf1 mx -all"
self A 192.0.2.10
cover TXT "v=spf1 ip4:192.0.2.0/24 -all"
cover MX 10 elsewhere.good
elsewhere.good A 198.51.100.1
deny TXT "v=spf1 ip4:198.51.100.0/24 -all"
deny MX 10 elsewhere.good
null MX 0 .
liar A 198.51.100.9
`

const zoneReverse = `$ORIGIN 2.0.192.in-addr.arpa.
$TTL 60
@ SOA ns.example. hostmaster.example. 1 3600 600 86400 60
@ NS ns.example.
10 PTR mail.good.example.
11 PTR liar.example.
`

// nameServer runs nsd on loopback and returns its address; its zone example
// holds the given records as well.
func nameServer(t *testing.T, records ...string) string {
	t.Helper()
	return peers.NewNSD(t, map[string]string{
		"example":              zoneForward + strings.Join(records, "\n") + "\n",
		"2.0.192.in-addr.arpa": zoneReverse,
	}).String()
}

func TestResolver(t *testing.T) {
	server := nameServer(t)
	v := &Resolver{DNS: NewCache(NewLookup(server), 100, time.Minute, nil), Timeout: time.Minute, Holder: func(_ context.Context, ip netip.Addr) (string, error) {
		switch ip.String() {
		case "192.0.2.10":
			return "Example Customer", nil
		case "192.0.2.11":
			return "", errors.New("registry out of reach")
		}
		return "", nil
	}}
	for _, tc := range []struct {
		name, ip, helo, from, mid string
		want                      []string
	}{
		{"everything agrees", "192.0.2.10", "mail.good.example", "a@good.example", "<1@good.example>", []string{
			"dns-helo note: the HELO name mail.good.example leads to 192.0.2.10",
			"dns-reverse note: 192.0.2.10 is called mail.good.example, and that leads back to it",
			"dns-domain note: From's domain good.example exists and takes mail",
			"dns-sender note: 192.0.2.10 is a mail host of good.example",
			"dns-holder note: 192.0.2.10 is of Example Customer",
		}},
		{"nothing agrees", "192.0.2.11", "mail.good.example", "a@nowhere.example", "<1@gone.example>", []string{
			"dns-helo note: the HELO name mail.good.example leads elsewhere than to 192.0.2.11",
			"dns-reverse note: 192.0.2.11 is called liar.example, but that does not lead back to it",
			"dns-domain weak: Message-ID's domain gone.example has neither MX nor address: it does not exist or takes no mail",
			"dns-domain medium: From's domain nowhere.example has neither MX nor address: it does not exist or takes no mail",
			"dns-sender note: neither A, MX nor SPF of nowhere.example cover 192.0.2.11",
			"dns-holder note: whose 192.0.2.11 is could not be found out",
		}},
		{"SPF covers", "192.0.2.77", "absent.example", "a@cover.example", "", []string{
			"dns-helo note: the HELO name absent.example does not exist",
			"dns-reverse note: 192.0.2.77 has no name in the DNS",
			"dns-domain note: From's domain cover.example exists and takes mail",
			"dns-sender note: the SPF record of cover.example covers 192.0.2.77",
			"dns-holder note: nobody is known to answer for 192.0.2.77",
		}},
		{"SPF excludes", "192.0.2.77", "friend", "a@deny.example", "", []string{
			"dns-reverse note: 192.0.2.77 has no name in the DNS",
			"dns-domain note: From's domain deny.example exists and takes mail",
			"dns-sender weak: the SPF record of deny.example excludes 192.0.2.77",
			"dns-holder note: nobody is known to answer for 192.0.2.77",
		}},
		{"null MX and A", "192.0.2.10", "x", "a@self.example", "<1@null.example>", []string{
			"dns-reverse note: 192.0.2.10 is called mail.good.example, and that leads back to it",
			"dns-domain weak: Message-ID's domain null.example says that it takes no mail (RFC 7505)",
			"dns-domain note: From's domain self.example exists and takes mail at its own address",
			"dns-sender note: 192.0.2.10 is self.example itself",
			"dns-holder note: 192.0.2.10 is of Example Customer",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := "Received: from " + tc.helo + " (unknown [" + tc.ip + "]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200\nFrom: " + tc.from + "\nTo: u@example.net\nDate: Mon, 5 Oct 2026 10:11:12 +0200\n"
			if tc.mid != "" {
				text += "Message-ID: " + tc.mid + "\n"
			}
			h := header(t, text)
			r := NewTracer(Options{Hosts: []string{"example.net"}}).Trace(h)
			before := *r.Origin
			v.Check(t.Context(), &r, h)
			var got []string
			for _, f := range r.Findings {
				if strings.HasPrefix(f.Code, "dns-") {
					if f.Quote == "" {
						t.Errorf("%s says not what was asked and answered", f.Code)
					}
					got = append(got, f.Code+" "+string(f.Strength)+": "+f.Explain)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if *r.Origin != before {
				t.Error("the DNS changed the origin")
			}
		})
	}
}

// A resolver that never answers costs its time limit and says so.
func TestResolverTimeout(t *testing.T) {
	v := &Resolver{DNS: NewLookup("127.0.0.1:1"), Timeout: 50 * time.Millisecond}
	h := header(t, "Received: from mail.good.example (unknown [192.0.2.10]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200\nFrom: a@good.example\n")
	r := NewTracer(Options{}).Trace(h)
	v.Check(t.Context(), &r, h)
	if f := finding(t, &r, "dns-helo"); !strings.Contains(f.Explain, "could not be found out") {
		t.Error(f.Explain)
	}
}

func TestCache(t *testing.T) {
	server := nameServer(t)
	now := time.Unix(1000, 0)
	c := NewCache(NewLookup(server), 2, time.Minute, func() time.Time { return now })
	offline := NewCache(nil, 2, time.Minute, nil)
	offline.Offline = true
	if _, err := offline.LookupMX(t.Context(), "good.example."); !errors.Is(err, ErrNotCached) {
		t.Errorf("offline cache answered %v", err)
	}
	if _, err := c.LookupIPAddr(t.Context(), "absent.example."); !absent(err) {
		t.Fatal(err)
	}
	if _, err := c.LookupMX(t.Context(), "good.example."); err != nil {
		t.Fatal(err)
	}
	c.Offline = true
	if _, err := c.LookupIPAddr(t.Context(), "absent.example."); !absent(err) {
		t.Errorf("the absence was not remembered: %v", err)
	}
	if mx, err := c.LookupMX(t.Context(), "good.example."); err != nil || len(mx) != 1 {
		t.Errorf("%v %v", mx, err)
	}
	c.Offline = false
	if _, err := c.LookupTXT(t.Context(), "good.example."); err != nil {
		t.Fatal(err)
	}
	if len(c.answers) > 2 {
		t.Errorf("%d answers are kept", len(c.answers))
	}
	now = now.Add(2 * time.Minute)
	c.Offline = true
	if _, err := c.LookupTXT(t.Context(), "good.example."); !errors.Is(err, ErrNotCached) {
		t.Errorf("an expired answer was given: %v", err)
	}
}
