package intake

import (
	"testing"
	"time"
)

func TestDelivered(t *testing.T) {
	mailbox := time.Date(2026, 10, 1, 8, 14, 0, 0, time.UTC)
	for message, want := range map[string]string{
		"": "2026-10-01T08:14:00Z", "Subject: x\n\nReceived: from a; Thu, 1 Jan 2026 00:00:00 +0000\n": "2026-10-01T08:14:00Z",
		"Return-Path: <a@example.org>\r\nReceived: from a\r\n\tby b with SMTP id 1;\r\n\tThu, 10 Sep 2026 10:00:00 +0200 (CEST)\r\nReceived: x; y\r\n\r\n": "2026-09-10T08:00:00Z",
		"received: by b id ; 1;\n 10 Sep 2026 10:00:00 GMT\n\n":            "2026-09-10T10:00:00Z",
		"Received: by b\nReceived: x; Thu, 10 Sep 2026 10:00:00 +0200\n\n": "2026-10-01T08:14:00Z", // the topmost is another server's
		"Received: by b; Sat, 1 Jan 0000 00:00:00 +0100\n\n":               "0001-01-01T00:00:00Z", // nobody's time, and JSON has no place for it
		"no field\nReceived: x; Thu, 10 Sep 2026 10:00:00 +0200\n\n":       "2026-10-01T08:14:00Z",
		"Received: by b;\n": "2026-10-01T08:14:00Z",
	} {
		if got := delivered([]byte(message), mailbox).Format(time.RFC3339); got != want {
			t.Errorf("%q: %s, want %s", message, got, want)
		}
	}
	if got := delivered(nil, time.Time{}); !got.IsZero() {
		t.Errorf("where nobody says it is %s", got)
	}
	e := Envelope{Arrived: mailbox, Delivered: mailbox.AddDate(-1, 0, 0)}
	if e.Came() != e.Delivered {
		t.Errorf("an old mail came at %s", e.Came())
	}
	e.Delivered = mailbox.AddDate(1, 0, 0) // a clock was wrong
	if e.Came() != e.Arrived {
		t.Errorf("a mail came at %s, after it arrived", e.Came())
	}
}

// FuzzDelivered: whatever stands in a header, the spool can write its time.
func FuzzDelivered(f *testing.F) {
	f.Add([]byte("Received: from a by b; Thu, 10 Sep 2026 10:00:00 +0200\r\n\r\n"))
	f.Add([]byte("Received: by b; Sat, 1 Jan 0000 00:00:00 +0100\n\n"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if _, err := delivered(message, time.Time{}).MarshalJSON(); err != nil {
			t.Error(err)
		}
	})
}
