package milter

import (
	"strings"
	"testing"
	"time"
)

func TestExplainSaysWhatTheServerWouldDo(t *testing.T) {
	cfg := testConfig()
	cfg.Rules = []RuleConfig{
		{Name: "friends", Action: ActionNone, Is: []string{"authenticated"}},
		{Name: "mark", Action: ActionHeader, Header: "X-Listed: yes", Is: []string{"listed"}},
		{Name: "refuse", Action: ActionReject, Is: []string{"listed"}, Text: "5.7.1 100% spam"},
		{Name: "spam", Action: ActionQuarantine, Body: []string{"example pills"}},
	}
	s := New(cfg, Deps{Tracer: NewTracer(nil, nil, nil), Lookups: Lookups{Listed: listed{"192.0.2.66": "SMTP to 500 hosts"}}})
	text := "From: a@example.org\r\nSubject: x\r\n\r\nbuy EXAMPLE Pills\r\n"
	tests := []struct {
		name  string
		peer  Peer
		text  string
		want  string // action, rule, stage, reply
		holds string
	}{
		{"listed", Peer{Addr: addr("192.0.2.66")}, text, "reject refuse mail 550 5.7.1 100% spam", "no yes yes skipped"},
		{"logged in", Peer{Addr: addr("192.0.2.66"), Auth: "alice"}, text, "none friends end-of-message ", "yes skipped skipped skipped"},
		{"body", Peer{Addr: addr("192.0.2.7")}, text, "quarantine spam end-of-message ", "no no no yes"},
		{"nothing", Peer{Addr: addr("192.0.2.7")}, "Subject: y\n\nhello", "none  end-of-message ", "no no no no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := s.Explain(Case{Peer: tt.peer, Recipients: 1, At: time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC), Message: []byte(tt.text)})
			if got := strings.Join([]string{string(e.Action), e.Rule, e.Stage, e.Reply}, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			var holds []string
			for _, r := range e.Rules {
				holds = append(holds, r.Holds)
			}
			if got := strings.Join(holds, " "); got != tt.holds {
				t.Errorf("rules %q, want %q", got, tt.holds)
			}
			if e.Origin == nil || e.Origin.IP != tt.peer.Addr || e.Origin.RecordedBy != "mail.example.net" {
				t.Errorf("origin %+v", e.Origin)
			}
			if (e.Reply == "") != (len(e.Headers) >= 2) {
				t.Errorf("headers %q beside the reply %q", e.Headers, e.Reply)
			}
		})
	}
	if n := s.judge.rates.size(); n != 0 {
		t.Errorf("explaining counted %d hosts", n)
	}
}
