package main

import (
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"

	"spoor/internal/trace"
)

// verdict says in one line where the mail came from, and below it what that is
// worth, why, and who had which part.
func (v *ladderView) verdict() {
	r := v.r
	if r.Origin == nil {
		v.line("VERDICT  "+statusText(r.Status), strings.ToUpper(strings.ReplaceAll(string(r.Status), "_", " ")))
		v.item("next", v.nextStep())
		for _, a := range r.Alternatives {
			v.item("either", fmt.Sprintf("%s (line %d): %s", a.IP, a.Hop, a.Why))
		}
		v.whose()
		return
	}
	o := r.Origin
	text := "VERDICT  " + o.IP.String()
	if o.Time.Known() {
		text += "  " + o.Time.Format("15:04:05Z")
	}
	name := o.RDNS
	if name == "" {
		name = "no name in the DNS"
		if o.RDNSState == trace.RDNSUnknown {
			name = "name not recorded"
		}
	}
	if org := r.Hops[o.Hop].Organisation; org != "" {
		name = org
	}
	v.line(text+"  "+safeText(name), proofWord(r))
	v.item("means", v.meaning())
	v.item("why", o.Why)
	if r.Boundary != nil {
		v.item("trust", r.Boundary.Rule)
	}
	for _, s := range r.Sources {
		v.item("role", roleText(s))
	}
	for _, a := range r.Alternatives {
		v.item("or", fmt.Sprintf("%s (line %d): %s", a.IP, a.Hop, a.Why))
	}
	v.whose()
}

// meaning says what the verdict is worth.
func (v *ladderView) meaning() string {
	o := v.r.Origin
	by := o.RecordedBy
	if by == "" {
		by = "the host of line " + fmt.Sprint(o.Hop)
	}
	switch o.Confidence {
	case trace.ConfidenceHigh:
		return by + " is trusted and wrote this address down as it took the mail in: that is a fact"
	case trace.ConfidenceMedium:
		return by + " wrote this address down as it took the mail in: as true as that host is honest" + yours(o.RecordedBy)
	}
	return "the best that could be had; too weak to accuse anybody"
}

// yours says how to name a host as one's own.
func yours(host string) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(host))
	if err != nil || strings.IndexByte(host, ':') >= 0 {
		return ""
	}
	return " (if " + domain + " is yours, add --trust-host " + domain + ")"
}

// nextStep says what a person can do where there is no origin.
func (v *ladderView) nextStep() string {
	r := v.r
	switch r.Status {
	case trace.StatusNoIPRecorded:
		h := &r.Hops[r.Boundary.Hop]
		if h.ID != "" {
			return "the log of " + h.By + " has the address, under the id " + h.ID
		}
		return "the log of " + h.By + " may have the address"
	case trace.StatusAmbiguous:
		return "ask whoever keeps the logs of these hosts"
	case trace.StatusAllTrusted:
		return "the mail was written on one of these hosts, or lines were removed: their logs know"
	}
	return "this is a draft, a sent copy, or a part of a mail: save the whole mail with its full header"
}

// whose names who answers for the peers, each once, where the registry knows.
func (v *ladderView) whose() {
	seen := map[string]bool{}
	for i := range v.r.Hops {
		h := &v.r.Hops[i]
		text := h.IP.String() + " is of " + h.Organisation
		if h.Organisation != "" && !seen[text] {
			seen[text] = true
			v.item("whose", text)
		}
	}
}

func statusText(s trace.Status) string {
	switch s {
	case trace.StatusAllTrusted:
		return "every line is of trusted hosts; none saw an outside peer"
	case trace.StatusNoIPRecorded:
		return "the host that took it in did not record the address"
	case trace.StatusAmbiguous:
		return "the lines do not decide"
	}
	return "no Received line to trace"
}

func proofWord(r *trace.Result) string {
	switch r.Origin.Confidence {
	case trace.ConfidenceHigh:
		return "PROVEN"
	case trace.ConfidenceMedium:
		return "BY THE RECEIVER'S WORD"
	}
	return "WEAK"
}

// roleMeaning says in a few words what a source did.
func roleMeaning(r trace.SourceRole) string {
	switch r {
	case trace.SourceRelay:
		return "a mail server that passed it on; its owner knows for whom"
	case trace.SourceForwarder:
		return "passed on what was addressed to a mailbox there, and is not the sender"
	case trace.SourceList:
		return "a mailing list, and not the sender"
	case trace.SourceSender:
		return "gave it to the host above"
	}
	return "handed the mail in and, as far as can be seen, made it"
}

func roleText(s trace.Source) string {
	text := fmt.Sprintf("%s is the %s", s.IP, s.Role)
	if s.Ours {
		text += ", ours"
	}
	text += ": " + roleMeaning(s.Role)
	if !s.Proven {
		text += "; a claim of the lines below the boundary"
	}
	return text
}
