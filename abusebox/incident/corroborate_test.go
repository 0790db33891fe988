package incident

import (
	"strings"
	"testing"
	"time"
)

func span(from, to int) Span {
	return Span{noon.Add(time.Duration(from) * time.Hour), noon.Add(time.Duration(to) * time.Hour)}
}

func seen(from, to int) []Sighting {
	return []Sighting{{Span: span(from, to), Count: 214, What: "214 connections to port 25 at 180 hosts"}}
}

func TestWeigh(t *testing.T) {
	all := []Span{span(-15, 15)}
	for _, tc := range []struct {
		name   string
		zone   bool
		t      Testimony
		side   Side
		strong bool
		says   string
	}{
		{"no coverage is silence", true, Testimony{Source: FromFlows}, Silent, false, "not visible to us"},
		{"coverage elsewhere is silence", true, Testimony{Source: FromFlows, Covered: []Span{span(-15, -2)}, Seen: seen(-9, -8)}, Silent, false, "not visible to us"},
		{"a gap at the event is silence", true, Testimony{Source: FromFlows, Covered: []Span{span(-15, 0), {noon.Add(2 * time.Minute), noon.Add(15 * time.Hour)}}}, Silent, false, "not visible"},
		{"intervals that touch are coverage", true, Testimony{Source: FromFlows, Covered: []Span{span(-15, 0), {noon.Add(time.Second), noon.Add(15 * time.Hour)}}}, Against, false, "nothing of the kind"},
		{"seen at that time", true, Testimony{Source: FromFlows, Covered: all, Seen: seen(-1, 1)}, For, true, "214 connections"},
		{"always active proves little", true, Testimony{Source: FromFlows, Covered: all, Seen: seen(-15, 15)}, For, false, "proves little"},
		{"seen without coverage proves nothing alone", true, Testimony{Source: FromFlows, Seen: seen(-1, 1)}, For, false, "214"},
		{"a log names the mail", true, Testimony{Source: FromLog, Seen: seen(-15, 15)}, For, true, "214"},
		{"nothing seen", true, Testimony{Source: FromFlows, Covered: all}, Against, false, "wrong zone, spoofed, forged or behind NAT"},
		{"another zone fits", true, Testimony{Source: FromFlows, Covered: all, Seen: seen(-8, -7)}, Against, false, "it fits if the reporter's times are +0700 or +0800"},
		{"west of Greenwich", true, Testimony{Source: FromFlows, Covered: all, Seen: []Sighting{{Span: Span{noon.Add(5*time.Hour - time.Minute), noon.Add(5*time.Hour + time.Minute)}}}}, Against, false, "-0500"},
		{"a zone was never stated", false, Testimony{Source: FromFlows, Covered: all, Seen: seen(-8, -7)}, Silent, false, "+0800"},
		{"nearest", true, Testimony{Source: FromFlows, Covered: all, Seen: []Sighting{{Span: Span{noon.Add(-23 * time.Minute), noon.Add(-20 * time.Minute)}}}}, Against, false, "20m0s earlier"},
		{"listed then", true, Testimony{Source: FromAnomaly, Covered: all, Listed: []Span{span(-3, 3)}}, For, true, "on our list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := Evidence{Addr: addr, From: noon, ZoneKnown: tc.zone, Received: noon}
			f := Weigh(e, tc.t)
			if f.Side != tc.side || f.Strong != tc.strong || !strings.Contains(f.Why, tc.says) {
				t.Errorf("side %s strong %v why %q; want %s %v %q", f.Side, f.Strong, f.Why, tc.side, tc.strong, tc.says)
			}
		})
	}
}

func TestUncertaintyWidensTheEvent(t *testing.T) {
	covered := Testimony{Source: FromFlows, Covered: []Span{span(-15, 15)}, Seen: []Sighting{{Span: span(2, 2)}}}
	e := Evidence{Addr: addr, From: noon, ZoneKnown: true}
	if f := Weigh(e, covered); f.Side != Against {
		t.Errorf("two hours off fits a time that is exact: %s", f.Why)
	}
	e.Uncertainty = 2 * time.Hour
	if f := Weigh(e, covered); f.Side != For {
		t.Errorf("two hours off does not fit a time that is uncertain by two hours: %s", f.Why)
	}
}

func TestOneSightingOutweighsOneSilence(t *testing.T) {
	c := Assess(complaint(noon).Evidence, []Testimony{
		{Source: FromFlows, Covered: []Span{span(-15, 15)}},
		{Source: FromLog, Covered: []Span{span(-15, 15)}, Seen: seen(0, 0)},
	}, nil)
	if c.Contradicted || !c.Has([]Ground{OwnEvidence}) {
		t.Errorf("%+v", c)
	}
}

func TestLead(t *testing.T) {
	e := Evidence{Addr: addr, From: noon, Received: noon.Add(2 * time.Hour)}
	for _, tc := range []struct {
		name   string
		listed []Span
		by     time.Duration
	}{
		{"before the event", []Span{span(-3, 1)}, 5 * time.Hour},
		{"between event and complaint", []Span{span(1, 3)}, time.Hour},
		{"after the complaint", []Span{span(3, 4)}, 0},
		{"long ago", []Span{span(-100, -99)}, 0},
		{"the earliest counts", []Span{span(-1, 1), span(-3, -2)}, 5 * time.Hour},
	} {
		lead := LeadOf(e, []Testimony{{Listed: tc.listed, Share: 0.02}})
		if lead.By != tc.by || lead.Listed != (tc.by != 0) || lead.Chance != 0.02 {
			t.Errorf("%s: %+v, want %s", tc.name, lead, tc.by)
		}
	}
	hits, total, chance := HitRate([]Incident{{Reports: 1, Lead: Lead{Listed: true, By: time.Hour, Chance: 0.1}}, {Reports: 2, Lead: Lead{Chance: 0.3}}, {Proactive: true}})
	if hits != 1 || total != 2 || chance != 0.2 {
		t.Errorf("hit rate %d of %d, chance %v", hits, total, chance)
	}
}

// TestLeadNamesItsList takes the list that was first, and keeps what each of them said.
func TestLeadNamesItsList(t *testing.T) {
	e := Evidence{From: noon.Add(-time.Hour), Received: noon, ZoneKnown: true}
	standings := []Standing{{List: "smtp", Listed: true, Since: noon.Add(-2 * time.Hour), Share: 0.01}, {List: "syn", Listed: true, Since: noon.Add(-5 * time.Hour), Share: 0.03},
		{List: "icmp", Listed: true, Since: noon.Add(time.Hour)}}
	got := LeadOf(e, []Testimony{{Standings: standings}})
	if !got.Listed || got.List != "syn" || got.By != 5*time.Hour || got.Chance != 0.03 || len(got.Lists) != 3 {
		t.Errorf("%+v", got)
	}
	if got := LeadOf(e, []Testimony{{Standings: standings[2:]}}); got.Listed || got.List != "" {
		t.Errorf("listed after the complaint: %+v", got)
	}
}
