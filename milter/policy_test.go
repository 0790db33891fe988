package milter

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/trace"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

type holders map[string]string

func (h holders) Holder(a netip.Addr) (string, bool) { name, ok := h[a.String()]; return name, ok }

type blocked map[string]string

func (b blocked) Blocked(a netip.Addr) (string, bool) { why, ok := b[a.String()]; return why, ok }

type servers map[string]bool

func (s servers) MailServer(a netip.Addr) bool { return s[a.String()] }

func TestConditionsAreKnownInTheirTime(t *testing.T) {
	base := facts{
		peer:    Peer{Addr: addr("192.0.2.66")},
		lookups: Lookups{Listed: listed{"192.0.2.66": "x"}, Holders: holders{"192.0.2.66": "Example Campus"}},
	}
	stranger := func(f *facts) { f.peer.Addr = addr("203.0.113.5") }
	relay := func(f *facts) { f.peer.Addr = addr("192.0.2.1"); f.trusted = true }
	auth := func(f *facts) { f.peer.Auth = "alice" }
	tests := []struct {
		name  string
		rule  RuleConfig
		facts func(*facts)
		want  [stages]answer // connect, helo, mail, rcpt, end
	}{
		{"no condition", RuleConfig{}, nil, [stages]answer{yes, yes, yes, yes, yes}},
		{"listed", RuleConfig{Is: []string{"listed"}}, nil, [stages]answer{yes, yes, yes, yes, yes}},
		{"not listed", RuleConfig{Is: []string{"!listed"}}, nil, [stages]answer{}},
		{"listed behind a relay", RuleConfig{Is: []string{"listed"}}, relay, [stages]answer{later, later, later, later, no}},
		{"authenticated", RuleConfig{Is: []string{"authenticated"}}, auth, [stages]answer{later, later, yes, yes, yes}},
		{"listed, not authenticated", RuleConfig{Is: []string{"listed", "!authenticated"}}, auth, [stages]answer{later, later, no, no, no}},
		{"stranger, not authenticated, listed", RuleConfig{Is: []string{"listed", "!authenticated"}}, stranger, [stages]answer{}},
		{"out", RuleConfig{Direction: []Direction{DirectionOut}}, nil, [stages]answer{later, later, yes, yes, yes}},
		{"out from a stranger", RuleConfig{Direction: []Direction{DirectionOut}}, stranger, [stages]answer{}},
		{"in from a stranger", RuleConfig{Direction: []Direction{DirectionIn}}, stranger, [stages]answer{later, later, yes, yes, yes}},
		{"submission", RuleConfig{Direction: []Direction{DirectionSubmission}}, auth, [stages]answer{later, later, yes, yes, yes}},
		{"port 587", RuleConfig{Direction: []Direction{DirectionSubmission}},
			func(f *facts) { f.peer.DaemonPort = 587 }, [stages]answer{yes, yes, yes, yes, yes}},
		{"holder", RuleConfig{Holder: []string{"Example Campus"}}, nil, [stages]answer{yes, yes, yes, yes, yes}},
		{"recipients", RuleConfig{Recipients: 5}, func(f *facts) { f.env.recipients = 5 }, [stages]answer{later, later, later, yes, yes}},
		{"findings", RuleConfig{Findings: []string{"x"}},
			func(f *facts) { f.traced.Findings = []trace.Finding{{Code: "x"}} }, [stages]answer{later, later, later, later, yes}},
		{"strength", RuleConfig{Strength: "medium"},
			func(f *facts) { f.traced.Findings = []trace.Finding{{Code: "x", Strength: trace.Weak}} }, [stages]answer{later, later, later, later, no}},
		{"score", RuleConfig{Score: 4}, nil, [stages]answer{later, later, later, later, yes}},
		{"another holder", RuleConfig{Holder: []string{"Example School"}}, nil, [stages]answer{}},
		{"ours", RuleConfig{Is: []string{"ours"}}, nil, [stages]answer{yes, yes, yes, yes, yes}},
		{"own machine is ours", RuleConfig{Is: []string{"ours"}},
			func(f *facts) { f.peer.Addr = addr("127.0.0.1") }, [stages]answer{yes, yes, yes, yes, yes}},
		{"blocked", RuleConfig{Is: []string{"blocked"}},
			func(f *facts) { f.lookups.Blocked = blocked{"192.0.2.66": "order 7"} }, [stages]answer{yes, yes, yes, yes, yes}},
		{"blocked, where nobody knows", RuleConfig{Is: []string{"blocked"}}, nil, [stages]answer{}},
		{"mail server", RuleConfig{Is: []string{"mail_server"}},
			func(f *facts) { f.lookups.MailServers = servers{"192.0.2.66": true} }, [stages]answer{yes, yes, yes, yes, yes}},
		{"no mail server", RuleConfig{Is: []string{"!mail_server"}}, nil, [stages]answer{yes, yes, yes, yes, yes}},
		{"rdns", RuleConfig{Is: []string{"rdns"}}, func(f *facts) { f.peer.RDNS = "a.example.org" }, [stages]answer{yes, yes, yes, yes, yes}},
		{"body", RuleConfig{Body: []string{"Pills"}}, func(f *facts) { f.body = []byte("cheap pills") }, [stages]answer{later, later, later, later, yes}},
		{"recipients a day", RuleConfig{Count: "recipients", Per: "day", Over: 9},
			func(f *facts) {
				f.rates = func(netip.Addr) rates { return rates{countRecipients: {windowDay: 10}} }
			}, [stages]answer{later, later, later, yes, yes}},
		{"refusals a minute, as many as allowed", RuleConfig{Count: "refusals", Per: "minute", Over: 9},
			func(f *facts) {
				f.rates = func(netip.Addr) rates { return rates{countRefusals: {windowMinute: 9}} }
			}, [stages]answer{later, later, no, no, no}},
		{"messages", RuleConfig{Count: "messages", Per: "hour", Over: 2},
			func(f *facts) {
				f.rates = func(netip.Addr) rates { return rates{countMessages: {windowHour: 3}} }
			}, [stages]answer{later, later, yes, yes, yes}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPolicy(Config{Rules: []RuleConfig{tt.rule}, Score: DefaultConfig().Score})
			var got [stages]answer
			for s := range stages {
				f := base
				f.stage = s
				if tt.facts != nil {
					tt.facts(&f)
				}
				got[s], _, _ = p.rules[0].holds(&f, p.weights)
			}
			if got != tt.want {
				t.Errorf("holds: %v, want %v", got, tt.want)
			}
			if at := tt.rule.stage(); got[at] == later && !base.trusted && tt.name != "listed behind a relay" {
				t.Errorf("stage %v is said to know, and does not", at)
			}
		})
	}
}

func TestRulesInTheirOrder(t *testing.T) {
	rules := []RuleConfig{
		{Name: "mark", Action: ActionHeader, Is: []string{"listed"}},
		{Name: "friends", Action: ActionNone, Is: []string{"authenticated"}},
		{Name: "refuse", Action: ActionReject, Is: []string{"listed"}},
		{Name: "never", Action: ActionTempfail},
	}
	p := newPolicy(Config{Rules: rules})
	f := facts{peer: Peer{Addr: addr("192.0.2.66"), Auth: "alice"}, lookups: Lookups{Listed: listed{"192.0.2.66": "x"}}}

	d := p.decide(&f, false)
	if d.decided || d.final != nil || len(d.along) != 1 {
		t.Errorf("at connect, before it is known who logs in: %+v", d)
	}
	f.stage = stageEnd
	if d = p.decide(&f, true); !d.decided || d.final == nil || d.final.Rule != "friends" {
		t.Errorf("a person who logged in: %+v", d)
	}
	var holds []string
	for _, s := range d.steps {
		holds = append(holds, s.Holds)
	}
	if diff := cmp.Diff([]string{"yes", "yes", "skipped", "skipped"}, holds); diff != "" {
		t.Error(diff)
	}
	f.peer.Auth = ""
	if d = p.decide(&f, false); d.final == nil || d.final.Rule != "refuse" || !strings.Contains(d.final.Why[0], "192.0.2.66 is listed: x") {
		t.Errorf("a stranger: %+v", d.final)
	}
	if got, want := p.judges(), ([stages]bool{stageConnect: true, stageMail: true, stageEnd: true}); got != want {
		t.Errorf("judges at %v, want %v", got, want)
	}
}

func TestRates(t *testing.T) {
	table := newRateTable(100, func() {})
	t0 := time.Unix(86400*20000, 0) // all windows begin here
	host := addr("192.0.2.7")
	for i := range 60 {
		table.add(host, countMessages, 1, t0.Add(time.Duration(i)*time.Second))
	}
	want := func(at time.Duration, minute, hour, day int) {
		t.Helper()
		got := table.get(host, t0.Add(at))[countMessages]
		if got != [windows]int{minute, hour, day} {
			t.Errorf("after %v: %v, want %v", at, got, [windows]int{minute, hour, day})
		}
	}
	want(59*time.Second, 60, 60, 60)
	want(60*time.Second, 60, 60, 60)
	want(90*time.Second, 30, 60, 60) // half of the last minute is over
	want(3*time.Minute, 0, 60, 60)
	want(90*time.Minute, 0, 30, 60)
	want(36*time.Hour, 0, 0, 30)
	want(time.Minute, 0, 0, 30) // a clock that goes back
	if got := table.get(addr("192.0.2.8"), t0); got != (rates{}) {
		t.Errorf("a stranger has %v", got)
	}
}

func TestRatesOfOneIPv6Customer(t *testing.T) {
	table := newRateTable(100, func() {})
	now := time.Unix(86400*20000, 0)
	table.add(addr("2001:db8:1:2::1"), countMessages, 1, now)
	table.add(addr("2001:db8:1:2:ffff::9"), countMessages, 1, now)
	table.add(addr("2001:db8:1:3::1"), countMessages, 1, now)
	if got := table.get(addr("2001:db8:1:2::77"), now).get(countMessages, windowMinute); got != 2 {
		t.Errorf("counted %d, want 2", got)
	}
}

func TestRatesAreBounded(t *testing.T) {
	evicted := 0
	table := newRateTable(160, func() { evicted++ })
	now := time.Unix(86400*20000, 0)
	table.add(addr("192.0.2.7"), countMessages, 5, now)
	for i := range 5000 {
		a := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		table.add(a, countMessages, 1, now.Add(time.Duration(i)*time.Millisecond))
		table.add(addr("192.0.2.7"), countMessages, 1, now.Add(time.Duration(i)*time.Millisecond))
	}
	if n := table.size(); n > 160 {
		t.Errorf("%d hosts kept, of 160", n)
	}
	if evicted < 4000 {
		t.Errorf("%d evictions counted", evicted)
	}
	if got := table.get(addr("192.0.2.7"), now.Add(5*time.Second)).get(countMessages, windowDay); got != 5005 {
		t.Errorf("the busiest host was forgotten in the flood: %d", got)
	}
}

func TestScoreExplainsItself(t *testing.T) {
	f := facts{
		stage: stageEnd, peer: Peer{Addr: addr("192.0.2.66")},
		lookups: Lookups{Listed: listed{"192.0.2.66": "SMTP to 500 hosts"}},
		traced:  trace.Result{Findings: []trace.Finding{{Code: "bad-ip", Strength: trace.Strong, Hop: 2, Explain: "impossible"}}},
	}
	w := Weights{Listed: 4, Strong: 2, NoRDNS: 0.5}
	total, parts := f.score(w, false)
	want := []Part{
		{"listed", 4, "192.0.2.66: SMTP to 500 hosts"},
		{"no_rdns", 0.5, "192.0.2.66 has no name that leads back to it"},
		{"bad-ip", 2, "impossible"},
	}
	if diff := cmp.Diff(want, parts); diff != "" || total != 6.5 {
		t.Errorf("score %v\n%s", total, diff)
	}
	if total, _ := f.score(w, true); total != 4.5 {
		t.Errorf("proven score %v, want 4.5", total)
	}
}
