package incident

import (
	"strings"
	"testing"
	"time"
)

func TestBlocksSpeakForAndAgainst(t *testing.T) {
	at := time.Date(2026, 9, 14, 8, 0, 0, 0, time.UTC)
	hours := func(from, to int, stops bool) Restriction {
		r := Restriction{From: at.Add(time.Duration(from) * time.Hour), What: "port 25 outbound", Stops: stops}
		if to != 0 {
			r.To = at.Add(time.Duration(to) * time.Hour)
		}
		return r
	}
	tests := []struct {
		name    string
		blocks  []Restriction
		change  func(*Evidence)
		side    Side
		mention string
	}{
		{"all the time", []Restriction{hours(-2, 2, true)}, nil, Against, "was blocked at that time (port 25 outbound, from 2026-09-14 06:00:00 to 2026-09-14 10:00:00)"},
		{"and it lasts", []Restriction{hours(-2, 0, true)}, nil, Against, "since 2026-09-14 06:00:00"},
		{"of something else", []Restriction{hours(-2, 2, false)}, nil, Silent, "for something else"},
		{"from then on", []Restriction{hours(0, 2, true)}, nil, Silent, "a part of that time"},
		{"before", []Restriction{hours(-30, -20, true)}, nil, For, "for the same at another time"},
		{"before, and of something else", []Restriction{hours(-30, -20, false)}, nil, Silent, "no block"},
		{"after, because of this very complaint", []Restriction{hours(2, 4, true)}, nil, Silent, "no block"},
		{"before and then", []Restriction{hours(-30, -20, true), hours(-2, 2, true)}, nil, Against, "at that time"},
		{"no zone", []Restriction{hours(-2, 2, true)}, func(e *Evidence) { e.ZoneKnown = false }, Silent, "not certain"},
		{"no time", []Restriction{hours(-2, 2, true)}, func(e *Evidence) { e.Undated = true }, Silent, "not certain"},
		{"uncertain by hours", []Restriction{hours(-2, 2, true)}, func(e *Evidence) { e.Uncertainty = 3 * time.Hour }, Silent, "a part of that time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := Evidence{From: at, ZoneKnown: true, Received: at.Add(time.Hour)}
			if tt.change != nil {
				tt.change(&e)
			}
			f := Weigh(e, Testimony{Source: FromBlock, Restricted: tt.blocks})
			if f.Side != tt.side || !strings.Contains(f.Why, tt.mention) || f.Strong {
				t.Errorf("%s %+d: %s, want %s with %q", f.Side, f.Points, f.Why, tt.side, tt.mention)
			}
		})
	}
}

// TestWhatWasSeenOutweighsABlock: a block that does not work contradicts nobody.
func TestWhatWasSeenOutweighsABlock(t *testing.T) {
	at := time.Date(2026, 9, 14, 8, 0, 0, 0, time.UTC)
	e := Evidence{From: at, ZoneKnown: true, Received: at.Add(time.Hour), Category: "messaging", Type: "spam"}
	blocked := Testimony{Source: FromBlock, Restricted: []Restriction{{From: at.Add(-time.Hour), What: "all traffic", Stops: true}}}
	logged := Testimony{Source: FromLog, Seen: []Sighting{{Span: Span{at, at}, Count: 1, What: "a message"}}}
	if c := Assess(e, []Testimony{blocked}, nil); !c.Contradicted {
		t.Errorf("a block at that time does not contradict: %+v", c)
	}
	if c := Assess(e, []Testimony{blocked, logged}, nil); c.Contradicted {
		t.Errorf("a block outweighs the message that our log shows: %+v", c)
	}
}
