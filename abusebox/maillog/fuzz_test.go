package maillog

import (
	"os"
	"strings"
	"testing"
	"time"
)

// FuzzLine reads any bytes as a log. Whatever they are: no crash, counts that add up, and no event whose parts are
// not parts of its line.
func FuzzLine(f *testing.F) {
	seed, err := os.ReadFile("testdata/seed.log")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(seed)) {
		f.Add([]byte(line))
	}
	for _, line := range []string{
		"Oct  1 08:14:00 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 x; from=<a@example.org>\nlast message repeated 3 times\n",
		`<22>1 2026-10-01T08:14:00Z mx1 postfix/smtpd 1 ID7 [a@1 x="1 ] \" 2"] 4F1B2C0A3D: client=x[2001:db8::1], sasl_username=b`,
		"Oct  1 08:14:00 mx1 amavis[1]: (1-1) Blocked INFECTED (X) {D}, [192.0.2.7]:2525 [192.0.2.7] <a> -> <b>, Queue-ID: 4F1B2C0A3D, x",
		"Oct  1 08:14:00 mx1 clamav-milter[1]: Message x9L8E1aB000007 infected by X",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e event
		if parse(data, &e) && e.kind != noEvent {
			for name, part := range map[string][]byte{"id": e.id, "name": e.name, "account": e.account, "sender": e.sender, "detail": e.detail, "host": e.host} {
				if !strings.Contains(string(data), string(part)) {
					t.Errorf("%s %q is no part of the line", name, part)
				}
			}
			if e.addr.IsValid() && (e.addr.Zone() != "" || e.addr.Is4In6()) {
				t.Errorf("address %s is not plain", e.addr)
			}
			if e.count < 0 || e.size < 0 {
				t.Errorf("count %d, size %d", e.count, e.size)
			}
		}
		report := tallyText(t, Options{Zone: time.UTC, Now: func() time.Time { return testDay }}, "x"+string(data))
		total := report.Total
		if total.Understood+total.Malformed > total.Lines || total.LogBytes != int64(len(data)+1) {
			t.Errorf("of %d lines %d are understood and %d malformed; %d of %d bytes read", total.Lines, total.Understood, total.Malformed, total.LogBytes, len(data)+1)
		}
	})
}
