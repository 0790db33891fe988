package incident

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	noon  = time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
	addr  = netip.MustParseAddr("192.0.2.25")
	other = netip.MustParseAddr("192.0.2.26")
)

// holder is a customer with one contact.
func holder(id string) Holder {
	return Holder{ID: id, Certain: true, Prefix: "192.0.2.0/24", Contact: Contact{Addresses: []string{"noc@" + id + ".example"}}}
}

// complaint is a report by an authenticated reporter.
func complaint(at time.Time, change ...func(*Case)) Case {
	c := Case{Ours: true, Holders: []Holder{holder("c1")}, Evidence: Evidence{
		Kind: FromReport, Addr: addr, From: at, ZoneKnown: true, Received: at, Category: "messaging", Type: "spam", Step: "structure", Level: High,
		Reporter: Reporter{Address: "fbl@reporter.example", Domain: "reporter.example", Authenticated: "dkim"}}}
	for _, f := range change {
		f(&c)
	}
	return c
}

// known is what a store would give back after the decision: changes with IDs.
func known(decisions ...Decision) (k Known) {
	k.Counts = map[string]int{}
	byID := map[ID]int{}
	for _, d := range decisions {
		for _, c := range d.Changes {
			i := c.Incident
			if i.ID == 0 {
				i.ID = ID(len(k.Incidents) + 1)
			}
			if at, ok := byID[i.ID]; ok {
				k.Incidents[at] = i
				continue
			}
			byID[i.ID] = len(k.Incidents)
			k.Incidents = append(k.Incidents, i)
		}
		for _, name := range d.Counts {
			k.Counts[name]++
		}
	}
	return k
}

func states(d Decision) (s []State) {
	for _, c := range d.Changes {
		s = append(s, c.Incident.State)
	}
	return s
}

func kinds(d Decision) (s []TaskKind) {
	for _, t := range d.Tasks {
		s = append(s, t.Kind)
	}
	return s
}

func TestWhoIsToldByItself(t *testing.T) {
	unproven := func(c *Case) { c.Evidence.Reporter.Authenticated = "none" }
	strict := DefaultPolicy()
	strict.Floor = []Ground{Authenticated, OwnEvidence}
	for _, tc := range []struct {
		name   string
		policy Policy
		c      Case
		state  State
		task   []TaskKind
		why    string
	}{
		{"authenticated", strict, complaint(noon), Notified, []TaskKind{Notice}, "authenticated"},
		{"authenticated, but only guessed whom it means", strict, complaint(noon, func(c *Case) { c.Evidence.Step, c.Evidence.Level = "fallback", Low }), Held, nil, "no ground"},
		{"unproven below a strict floor", strict, complaint(noon, unproven), Held, nil, "below the confidence floor"},
		{"structured above the default floor", DefaultPolicy(), complaint(noon, unproven), Notified, []TaskKind{Notice}, "structured"},
		{"read by weighing only", DefaultPolicy(), complaint(noon, unproven, func(c *Case) { c.Evidence.Step = "fallback" }), Held, nil, "no ground"},
		{"several holders", strict, complaint(noon, func(c *Case) { c.Holders = append(c.Holders, holder("c2")) }), Held, nil, "2 holders fit"},
		{"shared address", strict, complaint(noon, func(c *Case) { c.Holders[0].Certain = false; c.Why = "a port is needed" }), Held, nil, "a port is needed"},
		{"nobody", strict, complaint(noon, func(c *Case) { c.Holders = nil }), Unassigned, []TaskKind{ToDesk}, "nobody is known"},
		{"no contact", strict, complaint(noon, func(c *Case) { c.Holders[0].Contact = Contact{} }), Unassigned, []TaskKind{ToDesk}, "no contact"},
		{"foreign", strict, complaint(noon, func(c *Case) { c.Ours = false; c.Holders = nil }), Foreign, []TaskKind{ToDesk}, "not in our networks"},
		{"no address", strict, complaint(noon, func(c *Case) { c.Evidence.Addr = netip.Addr{}; c.Evidence.Source = "http://example.org/" }), Unassigned, []TaskKind{ToDesk}, "no address"},
		{"opted out", strict, complaint(noon, func(c *Case) { c.Holders[0].Contact.OptOut = []string{"spam"} }), Held, nil, "wants no notices"},
		{"old event", strict, complaint(noon.Add(-31 * 24 * time.Hour)), Held, nil, "older than"},
		{"digest", strict, complaint(noon, func(c *Case) { c.Holders[0].Contact.Delivery = "digest" }), Open, nil, "authenticated"},
		{"contradicted", strict, complaint(noon, func(c *Case) {
			c.Testimonies = []Testimony{{Source: FromFlows, Covered: []Span{{noon.Add(-Reach), noon.Add(Reach)}}}}
		}), Held, nil, "contradict"},
		{"own evidence", strict, complaint(noon, unproven, func(c *Case) {
			c.Testimonies = []Testimony{{Source: FromFlows, Covered: []Span{{noon.Add(-Reach), noon.Add(Reach)}}, Seen: []Sighting{{Span: Span{noon.Add(-time.Hour), noon.Add(time.Hour)}, Count: 200, What: "200 connections to port 25"}}}}
		}), Notified, []TaskKind{Notice}, "evidence"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := tc.policy.Decide(Known{}, []Case{tc.c}, noon)
			if diff := cmp.Diff([]State{tc.state}, states(d)); diff != "" {
				t.Errorf("state: %s\n%v", diff, d.Changes[0].Incident.Why)
			}
			if diff := cmp.Diff(tc.task, kinds(d)); diff != "" {
				t.Errorf("tasks: %s", diff)
			}
			if got := strings.Join(d.Changes[0].Incident.Why, "; "); !strings.Contains(got, tc.why) {
				t.Errorf("why %q does not say %q", got, tc.why)
			}
		})
	}
}

func TestGrouping(t *testing.T) {
	for _, tc := range []struct {
		name   string
		second Case
		joins  bool
	}{
		{"same host an hour later", complaint(noon.Add(time.Hour)), true},
		{"same host at the window's end", complaint(noon.Add(Window)), true},
		{"late report of an earlier event", complaint(noon.Add(-Window)), true},
		{"after the window", complaint(noon.Add(Window + time.Second)), false},
		{"another address", complaint(noon, func(c *Case) { c.Evidence.Addr = other }), false},
		{"another type", complaint(noon, func(c *Case) { c.Evidence.Type = "port-scan" }), false},
		{"another account", complaint(noon, func(c *Case) { c.Evidence.Subject.Account = "web7" }), false},
		{"the address changed hands", complaint(noon, func(c *Case) { c.Holders = []Holder{holder("c2")} }), false},
		{"another title is no other subject", complaint(noon, func(c *Case) { c.Evidence.Subject.Title = "Invoice" }), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := DefaultPolicy()
			first := p.Decide(Known{}, []Case{complaint(noon)}, noon)
			second := p.Decide(known(first), []Case{tc.second}, noon.Add(time.Minute))
			got := second.Changes[0].Incident.ID == 1
			if got != tc.joins {
				t.Fatalf("joined %v, want %v", got, tc.joins)
			}
			if tc.joins && (len(second.Tasks) != 0 || second.Changes[0].Incident.Reports != 2) {
				t.Errorf("tasks %v, reports %d", kinds(second), second.Changes[0].Incident.Reports)
			}
			if !tc.joins && len(second.Changes[0].Incident.Samples) != 1 {
				t.Errorf("evidence crossed over: %d samples", len(second.Changes[0].Incident.Samples))
			}
		})
	}
}

func TestManyReportsOfOneMailShareTheirNotice(t *testing.T) {
	p := DefaultPolicy()
	var cases []Case
	for n := range 40 {
		cases = append(cases, complaint(noon, func(c *Case) { c.Evidence.Addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(n / 2)}) }))
	}
	d := p.Decide(Known{}, cases, noon)
	if len(d.Changes) != 20 || len(d.Tasks) != 1 || len(d.Tasks[0].Of) != 20 {
		t.Fatalf("%d incidents, %d tasks", len(d.Changes), len(d.Tasks))
	}
	p.MaxReports = 10
	d = p.Decide(Known{}, cases, noon)
	if len(d.Changes) != 5 || !strings.Contains(d.Why, "40 reports") || d.Tasks[0].Kind != ToDesk {
		t.Errorf("%d incidents, why %q, tasks %v", len(d.Changes), d.Why, kinds(d))
	}
}

func TestOneReporterCausesOnlySoManyNotices(t *testing.T) {
	p := DefaultPolicy()
	p.PerReporter, p.MaxNotices = 3, 100
	var cases []Case
	for n := range 5 {
		cases = append(cases, complaint(noon, func(c *Case) { c.Evidence.Addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }))
	}
	d := p.Decide(Known{}, cases, noon)
	if diff := cmp.Diff([]State{Notified, Notified, Notified, Held, Held}, states(d)); diff != "" {
		t.Error(diff)
	}
	later := p.Decide(known(d), []Case{complaint(noon.Add(48*time.Hour), func(c *Case) { c.Evidence.Addr = other })}, noon.Add(48*time.Hour))
	if later.Changes[0].Incident.State != Notified {
		t.Errorf("the next day it may again: %v", later.Changes[0].Incident.Why)
	}
}

func TestReopen(t *testing.T) {
	p := DefaultPolicy()
	first := p.Decide(Known{}, []Case{complaint(noon)}, noon)
	k := known(first)
	closed, err := p.Apply(Command{Do: "close", Who: "ann", Verdict: Confirmed, At: noon.Add(2 * time.Hour)}, k.Incidents[0])
	if err != nil {
		t.Fatal(err)
	}
	k = known(first, closed)
	late := p.Decide(k, []Case{complaint(noon.Add(time.Hour))}, noon.Add(3*time.Hour))
	if late.Changes[0].Incident.State != Resolved || len(late.Tasks) != 0 {
		t.Errorf("a late report of an old event reopened it: %s", late.Changes[0].Incident.State)
	}
	again := p.Decide(k, []Case{complaint(noon.Add(4 * time.Hour))}, noon.Add(5*time.Hour))
	i := again.Changes[0].Incident
	if i.State != Notified || i.Reopens != 1 || i.ID != 1 || len(again.Tasks) != 1 {
		t.Errorf("state %s, reopened %d times, tasks %v", i.State, i.Reopens, kinds(again))
	}
}

func TestMerge(t *testing.T) {
	p := DefaultPolicy()
	spam := p.Decide(Known{}, []Case{complaint(noon)}, noon)
	bulk := p.Decide(known(spam), []Case{complaint(noon, func(c *Case) { c.Evidence.Type = "bulk-messaging" })}, noon)
	elsewhere := p.Decide(known(spam, bulk), []Case{complaint(noon, func(c *Case) { c.Evidence.Addr = other })}, noon)
	k := known(spam, bulk, elsewhere)
	by := Command{Who: "ann", Why: "the same mails", At: noon}
	if _, err := p.Merge(by, k.Incidents[0], k.Incidents[2]); err == nil {
		t.Error("evidence crossed an address")
	}
	d, err := p.Merge(by, k.Incidents[0], k.Incidents[1])
	if err != nil {
		t.Fatal(err)
	}
	if d.Changes[0].Incident.Reports != 2 || d.Changes[1].Incident.State != Merged || d.Changes[1].Incident.Into != 1 {
		t.Errorf("%+v", d.Changes)
	}
	next := p.Decide(known(spam, bulk, elsewhere, d), []Case{complaint(noon.Add(time.Minute), func(c *Case) { c.Evidence.Type = "bulk-messaging" })}, noon)
	if len(next.Changes) != 1 || next.Changes[0].Incident.ID != 1 {
		t.Errorf("a later report did not follow the merge: %+v", next.Changes[0].Incident.ID)
	}
}

func TestCommandsNeedWhoAndVerdict(t *testing.T) {
	p := DefaultPolicy()
	held := Incident{ID: 1, State: Held, Rivals: []Holder{holder("c1"), holder("c2")}}
	for _, tc := range []struct {
		c    Command
		i    Incident
		want string
	}{
		{Command{Do: "close"}, held, "who"},
		{Command{Do: "close", Who: "ann"}, held, "verdict"},
		{Command{Do: "close", Who: "ann", Verdict: "guilty"}, held, "verdict"},
		{Command{Do: "release", Who: "ann"}, held, "no contact"},
		{Command{Do: "release", Who: "ann", To: "c9"}, held, "none of the holders"},
		{Command{Do: "release", Who: "ann"}, Incident{ID: 1, State: Resolved}, "only what is held"},
		{Command{Do: "comment", Who: "ann"}, held, "the comment"},
		{Command{Do: "dance", Who: "ann"}, held, "no command"},
		{Command{Do: "reopen", Who: "ann"}, held, "not closed"},
	} {
		if _, err := p.Apply(tc.c, tc.i); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: error %v does not say %q", tc.c, err, tc.want)
		}
	}
	d, err := p.Apply(Command{Do: "release", Who: "ann", To: "c2", At: noon}, held)
	if err != nil || d.Changes[0].Incident.Key.Holder != "c2" || d.Tasks[0].Contact.Key() != "noc@c2.example" {
		t.Errorf("release to one of two: %+v, %v", d, err)
	}
}

func TestReleaseToAnAddress(t *testing.T) {
	unassigned := Incident{ID: 1, State: Unassigned}
	d, err := DefaultPolicy().Apply(Command{Do: "release", Who: "ann", To: "noc@found.example", At: noon}, unassigned)
	if err != nil || d.Tasks[0].Contact.Key() != "noc@found.example" || d.Changes[0].Incident.State != Notified {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestBetterGroundLiftsWhatIsHeld: the second reporter is proven, so the contact is told, once.
func TestBetterGroundLiftsWhatIsHeld(t *testing.T) {
	p := DefaultPolicy()
	first := p.Decide(Known{}, []Case{complaint(noon, func(c *Case) { c.Evidence.Step, c.Evidence.Level = "fallback", Low })}, noon)
	if diff := cmp.Diff([]State{Held}, states(first)); diff != "" {
		t.Fatal(diff)
	}
	second := p.Decide(known(first), []Case{complaint(noon.Add(time.Hour))}, noon.Add(time.Hour))
	if diff := cmp.Diff([]State{Notified}, states(second)); diff != "" || len(second.Tasks) != 1 {
		t.Errorf("%s %v", diff, kinds(second))
	}
	third := p.Decide(known(first, second), []Case{complaint(noon.Add(2 * time.Hour))}, noon.Add(2*time.Hour))
	if len(third.Tasks) != 0 {
		t.Errorf("told twice: %v", kinds(third))
	}
}

func TestFutureTimesAreNotBelieved(t *testing.T) {
	d := DefaultPolicy().Decide(Known{}, []Case{complaint(noon, func(c *Case) { c.Evidence.From = noon.AddDate(10, 0, 0) })}, noon)
	i := d.Changes[0].Incident
	if !i.Last.Equal(noon) || !strings.Contains(strings.Join(i.Why, " "), "future") {
		t.Errorf("last %s, why %v", i.Last, i.Why)
	}
}

func TestNetOf(t *testing.T) {
	for _, tc := range []struct {
		addr string
		bits int
		want string
	}{
		{"192.0.2.1", 64, "192.0.2.1/32"}, {"2001:db8::1", 128, "2001:db8::1/128"}, {"2001:db8::1:2:3:4", 64, "2001:db8::/64"},
		{"::ffff:192.0.2.1", 64, "192.0.2.1/32"},
	} {
		if got := NetOf(netip.MustParseAddr(tc.addr), tc.bits).String(); got != tc.want {
			t.Errorf("NetOf(%s, %d) = %s, want %s", tc.addr, tc.bits, got, tc.want)
		}
	}
}

func TestParseID(t *testing.T) {
	for in, want := range map[string]ID{"S-1042": 1042, "s-7": 7, "12": 12} {
		if got, err := ParseID(in); err != nil || got != want {
			t.Errorf("ParseID(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "S-", "S-0", "X-1", "-1", "1.5"} {
		if _, err := ParseID(in); err == nil {
			t.Errorf("ParseID(%q) is taken", in)
		}
	}
}

func TestIncidentStaysBounded(t *testing.T) {
	p := DefaultPolicy()
	p.PerReporter = 1 << 30
	d := p.Decide(Known{}, []Case{complaint(noon)}, noon)
	for n := range 500 {
		c := complaint(noon.Add(time.Duration(n)*time.Second), func(c *Case) {
			c.Evidence.Reporter = Reporter{Address: strings.Repeat("x", n) + "@r.example"}
			c.Evidence.Lines = []string{strings.Repeat("y", 10_000)}
			c.Evidence.Header = strings.Repeat("Received: z\r\n", 5000)
		})
		d = p.Decide(known(d), []Case{c}, noon)
	}
	i := d.Changes[0].Incident
	if i.Reports != 501 || len(i.Samples) > maxSamples || len(i.Reporters) > maxReporters || len(i.Why) > maxWhy {
		t.Errorf("reports %d, samples %d, reporters %d, why %d", i.Reports, len(i.Samples), len(i.Reporters), len(i.Why))
	}
	for _, s := range i.Samples {
		if len(s.Header) > sampleHeader || len(s.Lines) > 0 && len(s.Lines[0]) > sampleLineLength+4 {
			t.Errorf("a sample of %d and %d bytes", len(s.Header), len(s.Lines[0]))
		}
	}
}

func TestHostileSizes(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	c := complaint(noon, func(c *Case) {
		c.Evidence.Count = 1 << 62
		c.Evidence.Subject.Account, c.Evidence.Type, c.Evidence.Reporter.Address, c.Evidence.Source = long, long, long, long
		c.Evidence.Redact = []string{long}
	})
	d := DefaultPolicy().Decide(Known{}, []Case{c, c, c}, noon)
	i := d.Changes[0].Incident
	if len(d.Changes) != 1 || i.Events < 0 || len(i.Key.String()) > 1000 {
		t.Errorf("%d incidents, %d events, a key of %d bytes", len(d.Changes), i.Events, len(i.Key.String()))
	}
	data, err := json.Marshal(i)
	if err != nil || len(data) > 64<<10 {
		t.Errorf("an incident of %d bytes, %v", len(data), err)
	}
	other := complaint(noon, func(c *Case) { c.Evidence.Subject.Account = long + "y" })
	if KeyOf(c, 128).Subject == KeyOf(other, 128).Subject {
		t.Error("two long names became one")
	}
}

// TestCapsCountRegisteredDomains lets one who owns a domain gain nothing by making up names below it.
func TestCapsCountRegisteredDomains(t *testing.T) {
	now := time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
	name := func(domain, authenticated string) string {
		return Counter(Reporter{Address: "x@" + domain, Domain: domain, Authenticated: authenticated}, now)
	}
	for _, domain := range []string{"a1.reporter.example", "b.c.Reporter.Example.", "reporter.example"} {
		if got, want := name(domain, "dkim"), "notices/20260914/reporter.example"; got != want {
			t.Errorf("%s is counted as %s, want %s", domain, got, want)
		}
	}
	if a, b := name("one.co.uk", "spf"), name("two.co.uk", "spf"); a == b {
		t.Errorf("two owners share the counter %s", a)
	}
	if a, b := name("a.example", "none"), name("b.example", ""); a != b {
		t.Errorf("unproven names are counted apart: %s and %s", a, b)
	}
}
