package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"spoor/abusebox/maillog"
)

// print shows a report as tables, as JSON, or one table as CSV.
func (m *maillogCmd) print(r maillog.Report) error {
	switch {
	case m.csv != "":
		return m.printCSV(r)
	case m.app.json:
		return m.printJSON(r)
	}
	m.printTotal(r.Total)
	m.printRelays(r.Relays)
	m.printAccounts(r.Accounts)
	m.printBursts(r.Bursts)
	m.printViruses(r.Viruses)
	return nil
}

// printJSON prints each row as an object that says what it is.
func (m *maillogCmd) printJSON(r maillog.Report) error {
	err := m.emitAs("total", r.Total)
	for _, row := range r.Relays {
		err = errors.Join(err, m.emitAs("relay", row))
	}
	for _, row := range r.Accounts {
		err = errors.Join(err, m.emitAs("account", row))
	}
	for _, row := range r.Bursts {
		err = errors.Join(err, m.emitAs("burst", row))
	}
	for _, row := range r.Viruses {
		err = errors.Join(err, m.emitAs("virus", row))
	}
	return err
}

// emitAs prints v as one line of JSON whose first name is its kind.
func (m *maillogCmd) emitAs(kind string, v any) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := fmt.Fprintf(m.app.out, "{\"kind\":%q,%s", kind, line.Bytes()[1:])
	return err
}

func (m *maillogCmd) printTotal(t maillog.Total) {
	w := m.app.out
	fmt.Fprintf(w, "%s: %s to %s, %d refused, %d deferred, %d bounced, %s, %s\n", counted(t.Lines, "line"), counted(t.Messages, "message"),
		counted(t.Recipients, "recipient"), t.Rejected+t.Tempfailed, t.Deferred, t.Bounced, counted(t.BadLogins, "failed login"), countedAs(t.Viruses, "virus", "viruses"))
	if !t.First.IsZero() {
		fmt.Fprintf(w, "%s to %s UTC%s\n", t.First.Format(time.DateTime), t.Last.Format(time.DateTime), zoneNote(t))
	}
	for _, left := range []struct {
		n    int64
		what string
	}{
		{t.Malformed, "lines were no log lines"}, {t.Overlong, "lines were too long to read"},
		{t.Join.Unjoined, "lines spoke of messages whose begin is not in these logs"},
		{t.Join.Scanned, "viruses were found in messages whose relay is not in these logs"},
		{t.Join.Forgotten, "messages were let go unfinished, too many being open at once"},
		{t.DroppedRelays, "of the less suspicious relays were not kept (estimated)"},
		{t.DroppedNames, "of the less suspicious accounts were not kept (estimated)"},
		{t.DroppedRuns, "small groups of messages were let go, too many being open at once"},
	} {
		if left.n > 0 {
			fmt.Fprintf(w, "note: %d %s\n", left.n, left.what)
		}
	}
}

// counted is a number with its noun.
func counted(n int64, noun string) string { return countedAs(n, noun, noun+"s") }

func countedAs(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// zoneNote says how times without a zone were read; a guess is called one.
func zoneNote(t maillog.Total) string {
	switch t.ZoneWhy {
	case "guessed":
		return "; the log tells no zone, " + t.Zone + " is a guess: set --zone"
	case "queue ids":
		return "; the log's times are " + t.Zone + ", as its queue ids show"
	case "set":
		return "; the log's times are taken as " + t.Zone
	}
	return ""
}

func (m *maillogCmd) printRelays(rows []maillog.Relay) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(m.app.out)
	t := m.app.table("RELAY", "NAME", "MESSAGES", "RCPTS", "REFUSED", "DEFERRED", "BOUNCED", "LOGINS FAILED", "VIRUSES", "BYTES", "LAST (UTC)")
	for _, r := range rows {
		name := strings.Join(r.Names[:min(len(r.Names), 1)], "")
		if r.Forged {
			name = strings.TrimSpace(name + " (may be forged)")
		}
		t.AppendRow(append([]any{r.Addr, name}, countCells(r.Counts, r.Last)...))
	}
	t.Render()
	for _, r := range rows {
		m.printEvidence(r.Addr.String(), r.Evidence)
	}
}

func countCells(c maillog.Counts, last time.Time) []any {
	return []any{c.Messages, c.Recipients, c.Rejected + c.Tempfailed, c.Deferred, c.Bounced, c.BadLogins, c.Viruses, c.Bytes, last.Format(time.DateTime)}
}

func (m *maillogCmd) printAccounts(rows []maillog.Account) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(m.app.out)
	t := m.app.table("ACCOUNT", "FROM", "MESSAGES", "RCPTS", "REFUSED", "DEFERRED", "BOUNCED", "LOGINS FAILED", "VIRUSES", "BYTES", "LAST (UTC)")
	for _, r := range rows {
		from := strings.Join(r.Relays[:min(len(r.Relays), 1)], "")
		if r.More {
			from += fmt.Sprintf(" and more than %d others", len(r.Relays)-1)
		} else if len(r.Relays) > 1 {
			from += fmt.Sprintf(" and %d others", len(r.Relays)-1)
		}
		t.AppendRow(append([]any{r.Name, from}, countCells(r.Counts, r.Last)...))
	}
	t.Render()
	for _, r := range rows {
		m.printEvidence(r.Name, r.Evidence)
	}
}

func (m *maillogCmd) printBursts(rows []maillog.Burst) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(m.app.out)
	t := m.app.table("BURST FROM", "SENDER'S DOMAIN", "BEGAN (UTC)", "WHY")
	for _, b := range rows {
		t.AppendRow([]any{b.Net, b.Domain, b.First.Format(time.DateTime), strings.Join(b.Why, "; ")})
	}
	t.Render()
	for _, b := range rows {
		m.printEvidence(b.Net.String()+" "+b.Domain, b.Evidence)
	}
}

func (m *maillogCmd) printViruses(rows []maillog.Virus) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(m.app.out)
	t := m.app.table("VIRUS", "MESSAGES")
	for _, v := range rows {
		t.AppendRow([]any{v.Name, v.Messages})
	}
	t.Render()
}

func (m *maillogCmd) printEvidence(of string, lines []string) {
	if !m.evidence || len(lines) == 0 {
		return
	}
	fmt.Fprintf(m.app.out, "\n%s\n", of)
	for _, line := range lines {
		fmt.Fprintf(m.app.out, "  %s\n", line)
	}
}

// alert tells of a burst or a virus in a log that is being followed.
func (m *maillogCmd) alert(a maillog.Alert) error {
	if m.app.json {
		return m.app.emit(struct {
			Kind  string         `json:"kind"`
			Time  time.Time      `json:"time"`
			Burst *maillog.Burst `json:"burst,omitempty"`
			Virus string         `json:"virus,omitempty"`
			Addr  string         `json:"ip,omitempty"`
			Line  string         `json:"line,omitempty"`
		}{"alert", a.Time, a.Burst, a.Virus, addrText(a), a.Line})
	}
	at := a.Time.Format(time.DateTime)
	if a.Burst != nil {
		_, err := fmt.Fprintf(m.app.out, "%s  burst of %s from %s: %s\n", at, a.Burst.Domain, a.Burst.Net, strings.Join(a.Burst.Why, "; "))
		return err
	}
	_, err := fmt.Fprintf(m.app.out, "%s  virus %s in a message from %s\n", at, a.Virus, addrText(a))
	return err
}

func addrText(a maillog.Alert) string {
	if a.Addr.IsValid() {
		return a.Addr.String()
	}
	return ""
}

// printCSV prints one table with its headings.
func (m *maillogCmd) printCSV(r maillog.Report) error {
	w := csv.NewWriter(m.app.out)
	counts := []string{"messages", "recipients", "rejected", "tempfailed", "deferred", "bounced", "bad_logins", "viruses", "bytes", "max_size", "first", "last"}
	switch m.csv {
	case "relays":
		_ = w.Write(append([]string{"ip", "name", "forged"}, counts...))
		for _, row := range r.Relays {
			_ = w.Write(append([]string{row.Addr.String(), csvCell(strings.Join(row.Names, " ")), strconv.FormatBool(row.Forged)}, countText(row.Summary)...))
		}
	case "accounts":
		_ = w.Write(append([]string{"account", "relays"}, counts...))
		for _, row := range r.Accounts {
			_ = w.Write(append([]string{csvCell(row.Name), strings.Join(row.Relays, " ")}, countText(row.Summary)...))
		}
	case "bursts":
		_ = w.Write([]string{"net", "domain", "messages", "recipients", "relays", "senders", "forged", "min_size", "max_size", "first", "last", "score"})
		for _, b := range r.Bursts {
			_ = w.Write([]string{b.Net.String(), csvCell(b.Domain), csvNumber(b.Messages), csvNumber(b.Recipients), strconv.Itoa(len(b.Relays)), strconv.Itoa(b.Senders),
				csvNumber(b.Forged), csvNumber(b.MinSize), csvNumber(b.MaxSize), b.First.Format(time.RFC3339), b.Last.Format(time.RFC3339), strconv.FormatFloat(b.Score, 'f', 2, 64)})
		}
	case "viruses":
		_ = w.Write([]string{"name", "messages"})
		for _, v := range r.Viruses {
			_ = w.Write([]string{csvCell(v.Name), csvNumber(v.Messages)})
		}
	}
	w.Flush()
	return w.Error()
}

func countText(s maillog.Summary) (cells []string) {
	for _, n := range []int64{s.Messages, s.Recipients, s.Rejected, s.Tempfailed, s.Deferred, s.Bounced, s.BadLogins, s.Viruses, s.Bytes, s.MaxSize} {
		cells = append(cells, csvNumber(n))
	}
	return append(cells, s.First.Format(time.RFC3339), s.Last.Format(time.RFC3339))
}

func csvNumber(n int64) string { return strconv.FormatInt(n, 10) }

// csvCell keeps a text that strangers chose from being taken for a formula by a spreadsheet.
func csvCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}
