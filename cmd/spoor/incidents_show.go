package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"spoor/abusebox/incident"
	"spoor/cmd/spoor/control"
)

// maxLinesShown bounds the lines of one piece of evidence on the screen; --json has them all.
const maxLinesShown = 12

// printIncident shows the case in a line, then why, the evidence for and against, the mails and the history.
func printIncident(out io.Writer, i control.IncidentFull) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "%s  %s  %s  %s  %s\n", i.ID, strings.ToUpper(i.State), dash(i.IP), i.Type, i.Subject)
	fmt.Fprintf(w, "  first %s   last %s UTC   reports %d, events %d, reporters %d\n", utcStamp(i.First), utcStamp(i.Last), i.Reports, i.Events, i.Reporters)
	fmt.Fprintf(w, "  customer %s %s   contact %s\n", dash(i.Holder), i.HolderName, dash(words(i.Contact)))
	for _, step := range i.Chain {
		fmt.Fprintf(w, "    because %s\n", step)
	}
	for _, rival := range i.Rivals {
		fmt.Fprintf(w, "    fits as well: %s\n", rival)
	}
	printStanding(w, i)
	printEvidence(w, i)
	if len(i.Tasks) > 0 {
		fmt.Fprintln(w, "  mails and tasks")
	}
	for _, t := range i.Tasks {
		fmt.Fprintf(w, "    %d  %-11s %-9s to %s  %s  %s\n", t.ID, t.Kind, t.State, dash(words(t.Contact.Addresses)), utcStamp(t.Created), t.Last)
	}
	fmt.Fprintln(w, "  history")
	for _, h := range i.History {
		if h.Erased {
			fmt.Fprintf(w, "    %d  erased\n", h.Seq)
			continue
		}
		fmt.Fprintf(w, "    %s  %s %s  %s\n", utcStamp(h.At), h.Who, h.Action, h.Why)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func printStanding(w io.Writer, i control.IncidentFull) {
	fmt.Fprintf(w, "  confidence %s (%d of 100), proof: %s\n", i.Confidence, i.Score, i.Proof)
	for _, p := range i.Parts {
		fmt.Fprintf(w, "    %-9s %-7s %+4d  %s\n", p.Name, p.Side, p.Points, p.Why)
	}
	for _, why := range i.Why {
		fmt.Fprintf(w, "  why        %s\n", why)
	}
	if i.Lead.Listed {
		list := "our lists"
		if i.Lead.List != "" {
			list = "our list " + i.Lead.List
		}
		fmt.Fprintf(w, "  %s named it %s before the first complaint; chance alone would have hit %.1f %%\n", list, i.Lead.By, i.Lead.Chance*100)
	}
	if !i.Deadline.IsZero() {
		fmt.Fprintf(w, "  answer asked by %s, answered %s\n", utcStamp(i.Deadline), utcStamp(i.Answered))
	}
}

func printEvidence(w io.Writer, i control.IncidentFull) {
	fmt.Fprintln(w, "  evidence")
	for _, e := range i.Evidence {
		from := e.Reporter.Address
		if e.Reporter.Domain != "" && e.Reporter.Authenticated != "none" {
			from += " (" + e.Reporter.Domain + ", " + e.Reporter.Authenticated + ")"
		}
		zone := ""
		if e.Kind == incident.FromReport && !e.ZoneKnown {
			zone = " (zone not stated)"
		}
		fmt.Fprintf(w, "    %s %s  %s%s  %s  mail %s\n", e.Kind, e.Side, utcStamp(e.When()), zone, from, e.Mail)
		if e.Why != "" {
			fmt.Fprintf(w, "      %s\n", e.Why)
		}
		for n, line := range e.Lines {
			if n == maxLinesShown {
				fmt.Fprintf(w, "      … %d more lines\n", len(e.Lines)-n)
				break
			}
			fmt.Fprintf(w, "      | %s\n", printable(line))
		}
	}
}

// printable keeps a hostile line from driving the terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return '·'
		}
		return c
	}, s)
}
