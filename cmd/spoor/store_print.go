package main

import (
	"fmt"
	"time"

	"spoor/cmd/spoor/control"
)

// printStore tells what lies in the store, for a person: what waits first, sizes behind.
func (a *app) printStore(s control.StoreStats) error {
	t := a.table()
	row := func(name, format string, args ...any) { t.AppendRow([]any{name, fmt.Sprintf(format, args...)}) }
	row("store", "%s, %s free, intake stops below %s", s.Dir, sized(s.Free), sized(s.MinFree))
	row("spool", "%d mails in %d segments, %s%s", s.Spool.Mails, s.Spool.Segments, sized(s.Spool.Bytes), days(s.Spool.Oldest, s.Spool.Newest))
	row("undecided", "%s", undecided(s.Spool))
	row("outbox", "%d waiting%s, %d refused for good, %d given up", s.Outbox.Waiting, told(", the next one due ", s.Outbox.Next), s.Outbox.Failed, s.Outbox.Expired)
	row("set aside", "%d unreadable, %d poison, %d of the drop folder", s.SetAside.Unreadable, s.SetAside.Poison, s.SetAside.Drop)
	for _, f := range s.Files {
		row(f.Name, "%s", sized(f.Bytes))
	}
	t.Render()
	fmt.Fprintln(a.out)
	t = a.table("index", "records", "size")
	for _, b := range s.Buckets {
		if b.Records > 0 {
			t.AppendRow([]any{b.Name, b.Records, sized(b.Bytes)})
		}
	}
	t.Render()
	fmt.Fprintln(a.out)
	t = a.table("kept for", "key", "to be erased now")
	for _, k := range s.Keep {
		t.AppendRow([]any{fmt.Sprintf("%dd", k.AgeS/int64(24*time.Hour/time.Second)), k.Key, fmt.Sprintf("%d %s", k.Due, k.What)})
	}
	t.Render()
	return nil
}

func undecided(s control.StoreSpool) string {
	text := fmt.Sprintf("%d mails%s", s.Undecided, told(", the first of ", s.UndecidedSince))
	if s.Drop > 0 {
		text += fmt.Sprintf("; %d more wait in the drop folder", s.Drop)
	}
	return text
}

// sized writes a size with the unit that suits it.
func sized(n int64) string {
	switch {
	case n < 1e6:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	case n < 10e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

func days(from, to time.Time) string {
	if from.IsZero() {
		return ""
	}
	return fmt.Sprintf(", of %s to %s", from.Format(time.DateOnly), to.Format(time.DateOnly))
}

func told(text string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return text + t.UTC().Format("2006-01-02 15:04:05Z")
}
