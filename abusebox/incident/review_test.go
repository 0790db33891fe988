package incident

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLifeOfAnIncident turns the clock by hand: notice, digest, reminder, escalation, quiet.
func TestLifeOfAnIncident(t *testing.T) {
	p := DefaultPolicy()
	d := p.Decide(Known{}, []Case{complaint(noon, func(c *Case) { c.Holders[0].Contact.Upstream = []string{"noc@upstream.example"} })}, noon)
	i := known(d).Incidents[0]
	var log []TaskKind
	var to []string
	for hour := 1; hour <= 24*12; hour++ {
		now := noon.Add(time.Duration(hour) * time.Hour)
		if hour <= 24*5 && hour%6 == 0 { // it goes on for five days
			joined := p.Decide(Known{Incidents: []Incident{i}}, []Case{complaint(now, func(c *Case) { c.Holders[0] = i.Holder })}, now)
			i = joined.Changes[0].Incident
		}
		r := p.Review([]Incident{i}, nil, nil, now)
		if len(r.Changes) > 0 {
			i = r.Changes[0].Incident
		}
		log = append(log, kinds(r)...)
		for _, task := range r.Tasks {
			to = append(to, task.Contact.Key())
		}
	}
	if diff := cmp.Diff([]TaskKind{Reminder, Escalation, Digest, Digest, Digest}, log); diff != "" {
		t.Error(diff)
	}
	if to[1] != "noc@upstream.example" || to[0] != "noc@c1.example" {
		t.Errorf("written to %v", to)
	}
	if i.State != Resolved || i.Verdict != Quiet || !strings.Contains(strings.Join(i.Why, " "), "not proof") {
		t.Errorf("state %s, verdict %s, why %v", i.State, i.Verdict, i.Why)
	}
}

// TestIntervalOfAContact: a contact that wants to hear once in a week of what goes on hears once in a week.
func TestIntervalOfAContact(t *testing.T) {
	p := DefaultPolicy()
	i := known(p.Decide(Known{}, []Case{complaint(noon, func(c *Case) { c.Holders[0].Contact.Every = 7 * 24 * time.Hour })}, noon)).Incidents[0]
	i.acknowledge(noon.Add(time.Hour))
	var days []int
	for hour := 1; hour <= 24*20; hour++ {
		now := noon.Add(time.Duration(hour) * time.Hour)
		if hour%6 == 0 {
			i = p.Decide(Known{Incidents: []Incident{i}}, []Case{complaint(now, func(c *Case) { c.Holders[0] = i.Holder })}, now).Changes[0].Incident
		}
		r := p.Review([]Incident{i}, nil, nil, now)
		if len(r.Changes) > 0 {
			i = r.Changes[0].Incident
		}
		for range r.Tasks {
			days = append(days, hour/24)
		}
	}
	if diff := cmp.Diff([]int{7, 14}, days); diff != "" {
		t.Errorf("mails on the wrong days: %s", diff)
	}
}

// TestLateReportIsToldInTime: a report that ends a quiet stretch does not wait until the quiet would have been long enough.
func TestLateReportIsToldInTime(t *testing.T) {
	p := DefaultPolicy()
	p.Window = 72 * time.Hour
	i := known(p.Decide(Known{}, []Case{complaint(noon)}, noon)).Incidents[0]
	i = p.Review([]Incident{i}, nil, nil, noon.Add(24*time.Hour)).Changes[0].Incident // nothing new by the deadline
	late := noon.Add(30 * time.Hour)
	i = p.Decide(Known{Incidents: []Incident{i}}, []Case{complaint(late, func(c *Case) { c.Holders[0] = i.Holder })}, late).Changes[0].Incident
	if diff := cmp.Diff([]TaskKind{Reminder}, kinds(p.Review([]Incident{i}, nil, nil, late.Add(time.Minute)))); diff != "" {
		t.Errorf("it went on after the deadline: %s (looked at next %s)", diff, i.Next)
	}
}

func TestNothingNewIsNotRepeated(t *testing.T) {
	p := DefaultPolicy()
	i := known(p.Decide(Known{}, []Case{complaint(noon)}, noon)).Incidents[0]
	r := p.Review([]Incident{i}, nil, nil, noon.Add(25*time.Hour))
	if len(r.Tasks) != 0 {
		t.Errorf("a second mail though nothing new happened: %v", kinds(r))
	}
	r = p.Review([]Incident{i}, map[ID]Quietness{i.ID: {Active: true, Last: noon.Add(20 * time.Hour)}}, nil, noon.Add(25*time.Hour))
	if diff := cmp.Diff([]TaskKind{Reminder}, kinds(r)); diff != "" {
		t.Errorf("our flows saw it go on: %s", diff)
	}
}

func TestQuietIsProvenByFlowsOnly(t *testing.T) {
	p := DefaultPolicy()
	i := known(p.Decide(Known{}, []Case{complaint(noon)}, noon)).Incidents[0]
	late := noon.Add(73 * time.Hour)
	active := p.Review([]Incident{i}, map[ID]Quietness{i.ID: {Active: true, Last: late}}, nil, late)
	if active.Changes[0].Incident.State == Resolved {
		t.Error("closed though our flows still see it")
	}
	proven := p.Review([]Incident{i}, map[ID]Quietness{i.ID: {Covered: true}}, nil, late)
	if got := proven.Changes[0].Incident; got.State != Resolved || !strings.Contains(strings.Join(got.Why, " "), "our flows show nothing") {
		t.Errorf("%s %v", got.State, got.Why)
	}
}

func TestHeldStaysHeld(t *testing.T) {
	p := DefaultPolicy()
	i := known(p.Decide(Known{}, []Case{complaint(noon, func(c *Case) { c.Holders[0].Certain = false })}, noon)).Incidents[0]
	r := p.Review([]Incident{i}, nil, nil, noon.Add(100*time.Hour))
	if r.Changes[0].Incident.State != Held || len(r.Tasks) != 0 {
		t.Errorf("state %s, tasks %v", r.Changes[0].Incident.State, kinds(r))
	}
}

func TestDigestsOfOneContactShareAMail(t *testing.T) {
	p := DefaultPolicy()
	var all []Incident
	for n := range 3 {
		i := known(p.Decide(Known{}, []Case{complaint(noon)}, noon)).Incidents[0]
		i.ID, i.Unsent, i.Answered = ID(n+1), 2, noon
		all = append(all, i)
	}
	r := p.Review(all, nil, nil, noon.Add(24*time.Hour))
	if len(r.Tasks) != 1 || len(r.Tasks[0].Of) != 3 || r.Tasks[0].Kind != Digest {
		t.Errorf("%+v", r.Tasks)
	}
	broken := p.Review(all, nil, map[string]ContactState{"noc@c1.example": {Broken: true}}, noon.Add(24*time.Hour))
	if len(broken.Tasks) != 0 || broken.Changes[0].Incident.State != Held {
		t.Errorf("wrote to a broken contact: %v", kinds(broken))
	}
}

func TestProactiveThenComplained(t *testing.T) {
	p := DefaultPolicy()
	for _, tc := range []struct{ profile, category, typ string }{
		{"spam", "messaging", "spam"}, {"syn-flood", "connection", "ddos"}, {"scan", "connection", "port-scan"}, {"icmp-storm", "connection", "ddos"},
	} {
		l := Listing{Addr: addr, Profile: tc.profile, Since: noon, Until: noon.Add(10 * time.Minute), Reasons: []string{"900 hosts in 10 min"}, Sure: true}
		c := Case{Evidence: l.Evidence(noon.Add(10 * time.Minute)), Ours: true, Holders: []Holder{holder("c1")}}
		d := p.Proact(Known{}, c, l.Profile, l.Sure, noon.Add(10*time.Minute))
		i := known(d).Incidents[0]
		if i.State != Notified || !i.Proactive || len(d.Tasks) != 1 || i.Key.Type != tc.typ {
			t.Fatalf("%s: %s, proactive %v, tasks %v", tc.profile, i.State, i.Proactive, kinds(d))
		}
		later := noon.Add(3 * time.Hour)
		joined := p.Decide(known(d), []Case{complaint(later, func(c *Case) { c.Evidence.Type, c.Evidence.Category = tc.typ, tc.category })}, later)
		got := joined.Changes[0].Incident
		if got.ID != 1 || len(joined.Tasks) != 0 || !got.Lead.Listed || got.Lead.By != 3*time.Hour {
			t.Errorf("%s: the complaint joined %v, tasks %v, lead %+v", tc.profile, got.ID, kinds(joined), got.Lead)
		}
		if again := p.Proact(known(d), c, "spam", true, later); len(again.Changes) != 0 {
			t.Errorf("%s: the same listing was told twice", tc.profile)
		}
	}
	unsure := Listing{Addr: addr, Profile: "spam", Since: noon, Until: noon}
	d := p.Proact(Known{}, Case{Evidence: unsure.Evidence(noon), Ours: true, Holders: []Holder{holder("c1")}}, "spam", false, noon)
	if d.Changes[0].Incident.State != Held {
		t.Errorf("an unsure listing accuses by itself: %s", d.Changes[0].Incident.State)
	}
}

func TestRules(t *testing.T) {
	for _, tc := range []struct {
		name string
		rule Rule
		want []TaskKind
		st   State
	}{
		{"hold by type", Rule{Name: "r", Types: []string{"spam"}, Do: DoHold}, nil, Held},
		{"by category", Rule{Name: "r", Types: []string{"messaging"}, Do: DoHold}, nil, Held},
		{"other type", Rule{Name: "r", Types: []string{"copyright"}, Do: DoHold}, []TaskKind{Notice}, Notified},
		{"holder pattern", Rule{Name: "r", Holders: []string{"c*"}, Do: DoIgnore}, nil, Ignored},
		{"hook", Rule{Name: "r", Do: DoHook, Hook: "/bin/true"}, []TaskKind{Notice, Hook}, Notified},
		{"block", Rule{Name: "r", Do: DoBlock, Confidence: High}, []TaskKind{Notice, Block, ToDesk}, Notified},
		{"escalate", Rule{Name: "r", Do: DoEscalate}, []TaskKind{Notice, Escalation}, Notified},
		{"count not reached", Rule{Name: "r", Do: DoHook, Hook: "/bin/true", MinReports: 2}, []TaskKind{Notice}, Notified},
		{"within hours", Rule{Name: "r", Do: DoHold, Hours: "11:00-13:00"}, nil, Held},
		{"outside hours", Rule{Name: "r", Do: DoHold, Hours: "13:00-11:00"}, []TaskKind{Notice}, Notified},
		{"past midnight", Rule{Name: "r", Do: DoHold, Hours: "22:00-13:00"}, nil, Held},
		{"reporter", Rule{Name: "r", Do: DoHold, Reporters: []string{"*.example"}}, nil, Held},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := DefaultPolicy()
			p.Rules = []Rule{tc.rule}
			d := p.Decide(Known{}, []Case{complaint(noon)}, noon)
			if diff := cmp.Diff(tc.want, kinds(d)); diff != "" || d.Changes[0].Incident.State != tc.st {
				t.Errorf("state %s %s", d.Changes[0].Incident.State, diff)
			}
		})
	}
	p := DefaultPolicy()
	p.Rules = []Rule{{Name: "r", Do: DoEscalate}}
	if d := p.Decide(Known{}, []Case{complaint(noon)}, noon); len(d.Tasks) != 2 || d.Tasks[1].Contact.Key() != "" {
		t.Errorf("the escalation of a rule goes to %+v, who was not asked before, and not to the desk", d.Tasks[len(d.Tasks)-1].Contact)
	}
	p.Floor = nil
	p.Rules = []Rule{{Name: "r", Do: DoHook, Hook: "/bin/true"}}
	if d := p.Decide(Known{}, []Case{complaint(noon)}, noon); len(d.Tasks) != 0 {
		t.Errorf("a rule acted below the confidence floor: %v", kinds(d))
	}
}

func TestHistoryChain(t *testing.T) {
	var chain []Sealed
	var prev *Sealed
	for n := range 5 {
		s, err := Seal(prev, Entry{Incident: 1, At: noon, Who: "ann", Action: "comment", Why: strings.Repeat("x", n)}, []byte("0123456789abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, s)
		prev = &chain[len(chain)-1]
	}
	verify := func(c []Sealed) error {
		var prev *Sealed
		for n := range c {
			if err := c[n].Follows(prev); err != nil {
				return err
			}
			prev = &c[n]
		}
		return nil
	}
	if err := verify(chain); err != nil {
		t.Fatal(err)
	}
	erased := append([]Sealed(nil), chain...)
	erased[2] = erased[2].Erase()
	if err := verify(erased); err != nil {
		t.Errorf("erasing a payload broke the chain: %v", err)
	}
	if _, ok := erased[2].Entry(); ok {
		t.Error("an erased entry still speaks")
	}
	for name, change := range map[string]func([]Sealed) []Sealed{
		"a word changed": func(c []Sealed) []Sealed {
			c[1].Payload = []byte(strings.Replace(string(c[1].Payload), "ann", "bob", 1))
			return c
		},
		"an entry gone":   func(c []Sealed) []Sealed { return append(c[:1], c[2:]...) },
		"two exchanged":   func(c []Sealed) []Sealed { c[1], c[2] = c[2], c[1]; return c },
		"a digest forged": func(c []Sealed) []Sealed { c[4].Digest = make([]byte, 32); return c },
	} {
		if err := verify(change(append([]Sealed(nil), chain...))); err == nil {
			t.Errorf("%s, and nobody noticed", name)
		}
	}
}
