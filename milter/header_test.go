package milter

import (
	"strings"
	"testing"
	"time"

	"spoor/internal/trace"
)

func TestFieldsAreFoldedAndPlain(t *testing.T) {
	hostile := []string{
		"client.example.org", "", "a b", "x; ip=192.0.2.1", "y\r\nX-Injected: 1", "\"quoted\\", "h\xe9llo", "пример.example",
		strings.Repeat("long", 300), "\x00", "a\tb",
	}
	for _, helo := range hostile {
		v := Verdict{Traced: trace.Result{
			Status: trace.StatusTraced,
			Origin: &trace.Origin{
				IP: addr("2001:db8::7"), HELO: helo, RDNS: helo, RecordedBy: helo, Confidence: trace.ConfidenceHigh,
				Time: trace.Stamp{Time: time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)},
			},
			Findings: []trace.Finding{{Code: "helo-literal", Strength: trace.Medium, Hop: 0}},
		}}
		for _, text := range []string{originValue("mail.example.net", v), findingsValue("mail.example.net", v)} {
			checkField(t, text)
		}
	}
}

// checkField holds a value against RFC 5322 §2.1.1 and §2.2, and against
// injection: the only line ends are folds.
func checkField(t *testing.T, text string) {
	t.Helper()
	for i, line := range strings.Split(text, "\n") {
		if i > 0 && !strings.HasPrefix(line, "\t") {
			t.Errorf("line %q would be a field of its own", line)
		}
		if len(line) > 700 {
			t.Errorf("line of %d bytes", len(line))
		}
		if len(line) > 78-nameWidth && !strings.Contains(line, `=`) {
			t.Errorf("line %q is not folded", line)
		}
		for _, c := range []byte(strings.TrimPrefix(line, "\t")) {
			if c < ' ' || c >= 0x7f {
				t.Errorf("byte %#x in %q", c, line)
			}
		}
	}
	if inQuotes := strings.Count(strings.NewReplacer(`\\`, "", `\"`, "").Replace(text), `"`); inQuotes%2 != 0 {
		t.Errorf("open quotes in %q", text)
	}
}

func TestOriginField(t *testing.T) {
	v := Verdict{Traced: trace.Result{Origin: &trace.Origin{
		IP: addr("192.0.2.7"), HELO: "x; ip=203.0.113.1", RDNSState: trace.RDNSNone, RecordedBy: "mail.example.net",
		Confidence: trace.ConfidenceHigh, Time: trace.Stamp{Time: time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)},
	}}}
	want := "mail.example.net; ip=192.0.2.7; hop=0;\n\thelo=\"x; ip=203.0.113.1\"; rdns-state=none; by=mail.example.net;\n\t" +
		"time=2026-05-01T10:00:00Z; confidence=high"
	if got := originValue("mail.example.net", v); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got, want := originValue("m", Verdict{Undecided: "no judgement within 1s"}), `m; status=undecided; reason="no judgement within 1s"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFindingsField(t *testing.T) {
	v := Verdict{Score: 2.5, Parts: []Part{{Name: "listed", Weight: 2.5}}}
	for range 25 {
		v.Traced.Findings = append(v.Traced.Findings, trace.Finding{Code: "bad-ip", Strength: trace.Strong, Hop: 2})
	}
	got := strings.ReplaceAll(findingsValue("m", v), "\n\t", " ")
	if !strings.HasPrefix(got, `m; score=2.50; listed=+2.50; finding="bad-ip (strong, hop 2)"; finding=`) || !strings.HasSuffix(got, "; more=5") {
		t.Errorf("got %q", got)
	}
}

func TestRefusalText(t *testing.T) {
	tests := []struct {
		match Match
		want  string
	}{
		{Match{Action: ActionReject}, "550 5.7.1 refused by policy"},
		{Match{Action: ActionReject, Text: "5.7.26 no"}, "550 5.7.26 no"},
		{Match{Action: ActionReject, Text: "4.7.26 class of its own"}, "550 5.7.1 4.7.26 class of its own"},
		{Match{Action: ActionTempfail, Text: "call 1.2.3"}, "451 4.7.1 call 1.2.3"},
		{Match{Action: ActionRateLimit}, "451 4.7.1 too much mail, try again later"},
		{Match{Action: ActionTempfail, Text: "90% full"}, "451 4.7.1 90%% full"},
	}
	for _, tt := range tests {
		if got := refusal(tt.match).text; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestIsOurs(t *testing.T) {
	for name, want := range map[string]bool{
		"X-Spoor-Origin": true, "x-SPOOR-findings": true, "X-Spoor-Origin \t": true, "X-Spoor-Origins": false, "": false,
	} {
		if isOurs(name) != want {
			t.Errorf("isOurs(%q) = %v", name, !want)
		}
	}
}
