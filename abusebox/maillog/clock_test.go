package maillog

import (
	"math/rand/v2"
	"testing"
	"time"
)

func when(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestYears reads times without a year, in the order of a log.
func TestYears(t *testing.T) {
	for _, test := range []struct {
		name     string
		modified string
		year     int
		lines    []string
		want     []string
	}{
		{"this year", "2026-03-01T00:00:00Z", 0, []string{"Feb 28 23:59:59"}, []string{"2026-02-28T23:59:59Z"}},
		{"last year", "2026-03-01T00:00:00Z", 0, []string{"Mar 20 12:00:00"}, []string{"2025-03-20T12:00:00Z"}},
		{"over the new year", "2026-01-02T12:00:00Z", 0,
			[]string{"Dec 30 23:00:00", "Dec 31 23:59:59", "Jan  1 00:00:00", "Dec 31 23:59:58", "Jan  2 11:00:00"},
			[]string{"2025-12-30T23:00:00Z", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2025-12-31T23:59:58Z", "2026-01-02T11:00:00Z"}},
		{"set", "2026-03-01T00:00:00Z", 2003, []string{"Nov  3 20:25:58", "Jan  1 00:00:00"}, []string{"2003-11-03T20:25:58Z", "2004-01-01T00:00:00Z"}},
		{"leap day", "2024-03-01T00:00:00Z", 0, []string{"Feb 29 12:00:00"}, []string{"2024-02-29T12:00:00Z"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClock(time.UTC, time.UTC, test.year, when(t, test.modified))
			for i, line := range test.lines {
				s, _, ok := parseStamp([]byte(line + " mx1 x"))
				if got := unix(c.utc(s)); !ok || !got.Equal(when(t, test.want[i])) {
					t.Errorf("%s is read as %s, want %s", line, got, test.want[i])
				}
			}
		})
	}
}

func TestDaysBefore(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		d := time.Date(1970+rng.IntN(200), time.Month(1+rng.IntN(12)), 1+rng.IntN(28), 0, 0, 0, 0, time.UTC)
		if got := daysBefore(d.Year(), d.Month(), d.Day()) * 86400; got != d.Unix() {
			t.Fatalf("%s: %d, want %d", d, got, d.Unix())
		}
	}
}

func TestQueueTimes(t *testing.T) {
	for id, want := range map[string]string{
		"hA3CPot1007645": "2003-11-03T12:25:50Z", // the seeds' own: its message id says 200311031225
		"h9Q0ON2a013433": "2003-10-26T00:24:23Z",
		"4F1B2C0A3D":     "", // Postfix's short ids tell microseconds only
		"hD3CPot1007645": "", // D is the fourteenth month
		"zzzzzzzzzzz":    "",
	} {
		got := queueTime([]byte(id))
		if want == "" && got != 0 || want != "" && got != when(t, want).Unix() {
			t.Errorf("%s tells %s, want %q", id, unix(got), want)
		}
	}
}

// postfixID makes a long queue id of Postfix.
func postfixID(at time.Time) string {
	digits, n := []byte{}, at.Unix()
	for range 6 {
		digits = append([]byte{postfixDigits[n%52]}, digits...)
		n /= 52
	}
	return string(digits) + "0000z1Bc"
}

// TestZoneFromQueueIDs: the zone of a log is what its queue ids show, by quarters of an hour, and changes only
// when several agree, as in a night in which summer time ends.
func TestZoneFromQueueIDs(t *testing.T) {
	for _, offset := range []int{0, 8 * 3600, -5 * 3600, 5*3600 + 2700, -3*3600 - 1800, 14 * 3600, -12 * 3600} {
		c := newClock(nil, time.UTC, 0, when(t, "2026-11-01T00:00:00Z"))
		for _, age := range []int64{0, 3, 300} {
			made := when(t, "2026-10-25T10:00:07Z")
			id := postfixID(made)
			if got := queueTime([]byte(id)); got != made.Unix() {
				t.Fatalf("%s tells %s, want %s", id, unix(got), made)
			}
			local := made.Unix() + age + int64(offset)
			s, _, _ := parseStamp([]byte(unix(local).Format("Jan _2 15:04:05") + " mx1 x"))
			c.learn(s, queueTime([]byte(id)))
			if got := c.utc(s); got != made.Unix()+age {
				t.Errorf("offset %d, %d s after: %s, want %s", offset, age, unix(got), unix(made.Unix()+age))
			}
		}
	}
}

func TestZoneChangesOnlyOnAgreement(t *testing.T) {
	c := newClock(nil, time.UTC, 0, when(t, "2026-11-01T00:00:00Z"))
	say := func(offset int64) {
		made := when(t, "2026-10-25T00:30:00Z").Unix()
		s, _, _ := parseStamp([]byte(unix(made+offset).Format("Jan _2 15:04:05") + " mx1 x"))
		c.learn(s, made)
	}
	say(7200)
	for range changeAfter - 1 {
		say(3600)
	}
	if c.offset != 7200 {
		t.Errorf("offset %d after fewer than %d ids, want 7200", c.offset, changeAfter)
	}
	say(3600)
	if c.offset != 3600 {
		t.Errorf("offset %d, want 3600", c.offset)
	}
}

// TestAGuessedZoneIsSaid: no queue id, no zone: the machine's own is used, and the report says so.
func TestAGuessedZoneIsSaid(t *testing.T) {
	total := tallyText(t, Options{}, "Oct  1 08:14:00 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no\n").Total
	if total.ZoneWhy != "guessed" {
		t.Errorf("zone %q by %q, want guessed", total.Zone, total.ZoneWhy)
	}
	total = tallyText(t, Options{}, "2026-10-01T08:14:00Z mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no\n").Total
	if total.ZoneWhy != "log" || total.Zone != "UTC" {
		t.Errorf("zone %q by %q, want UTC by log", total.Zone, total.ZoneWhy)
	}
}
