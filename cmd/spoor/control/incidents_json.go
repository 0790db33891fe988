package control

import (
	"context"
	"strings"
	"time"

	"spoor/abusebox/incident"
)

// An IncidentLine is one incident as `spoor incidents list --json` prints it; docs/json.md documents it.
type IncidentLine struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Holder     string    `json:"holder"`
	HolderName string    `json:"holder_name"`
	IP         string    `json:"ip"`
	Category   string    `json:"category"`
	Type       string    `json:"type"`
	Subject    string    `json:"subject"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Opened     time.Time `json:"opened"`
	Reports    int       `json:"reports"`
	Events     int       `json:"events"`
	Reporters  int       `json:"reporters"`
	Confidence string    `json:"confidence"`
	Score      int       `json:"score"`
	Proof      string    `json:"proof"`
	Notice     string    `json:"notice"`
	Notices    int       `json:"notices"`
	Proactive  bool      `json:"proactive"`
	LeadS      int64     `json:"lead_s"`
	Assignee   string    `json:"assignee"`
	Verdict    string    `json:"verdict"`
	Into       string    `json:"into"`
	Why        []string  `json:"why"`
}

// An IncidentFull is one incident with everything known, as `spoor incidents show --json` prints it.
type IncidentFull struct {
	IncidentLine
	Contact  []string            `json:"contact"`
	Chain    []string            `json:"chain"`
	Rivals   []string            `json:"rivals"`
	Parts    []incident.Part     `json:"confidence_parts"`
	Lead     incident.Lead       `json:"lead"`
	Deadline time.Time           `json:"deadline,omitzero"`
	Next     time.Time           `json:"next,omitzero"`
	Answered time.Time           `json:"answered,omitzero"`
	Evidence []incident.Evidence `json:"evidence"`
	Tasks    []incident.Task     `json:"tasks"`
	History  []HistoryLine       `json:"history"`
}

// A HistoryLine is one entry of the history.
type HistoryLine struct {
	Seq    uint64    `json:"seq"`
	At     time.Time `json:"at,omitzero"`
	Who    string    `json:"who"`
	Action string    `json:"action"`
	Why    string    `json:"why"`
	Erased bool      `json:"erased,omitempty"`
}

func incidentLine(ctx context.Context, records IncidentRecords, i incident.Incident) IncidentLine {
	l := IncidentLine{
		ID: i.ID.String(), State: string(i.State), Holder: i.Key.Holder, HolderName: i.Holder.Name, Category: i.Category, Type: i.Key.Type,
		Subject: i.Key.Subject, First: i.First, Last: i.Last, Opened: i.Opened, Reports: i.Reports, Events: i.Events, Reporters: len(i.Reporters),
		Confidence: string(i.Confidence.Level), Score: i.Confidence.Score, Proof: proof(i.Confidence), Notice: noticeState(ctx, records, i),
		Notices: i.Notices, Proactive: i.Proactive, LeadS: int64(i.Lead.By / time.Second), Assignee: i.Assignee, Verdict: string(i.Verdict), Why: i.Why,
	}
	if i.Key.Net.IsValid() {
		l.IP = i.Key.Net.String()
		if i.Key.Net.IsSingleIP() {
			l.IP = i.Key.Net.Addr().String()
		}
	}
	if i.Into != 0 {
		l.Into = i.Into.String()
	}
	if l.Why == nil {
		l.Why = []string{}
	}
	return l
}

// proof says in one word on what an incident stands.
func proof(c incident.Confidence) string {
	switch {
	case c.Contradicted:
		return "contradicted"
	case c.Has([]incident.Ground{incident.OwnEvidence}):
		return "proven"
	case c.Has([]incident.Ground{incident.Authenticated}):
		return "authenticated"
	case c.Has([]incident.Ground{incident.Structured}):
		return "structured"
	}
	return "none"
}

// noticeState says how the latest mail to the contact stands; "outbox" is a dry run.
func noticeState(ctx context.Context, records IncidentRecords, i incident.Incident) string {
	state := "none"
	for task, err := range records.Tasks(ctx, i.ID) {
		if err != nil {
			return "unknown"
		}
		if !task.IsMail() || task.Kind == incident.ToDesk || task.Kind == incident.Acknowledge || task.State == incident.Cancelled {
			continue
		}
		state = string(task.State)
		if task.State == incident.Dry {
			state = "outbox"
		}
	}
	if state == "none" && i.State == incident.Held {
		return "held"
	}
	return state
}

// maxEvidenceShown bounds the evidence of one answer; the incident tells how much there is.
const maxEvidenceShown = 200

func incidentFull(ctx context.Context, records IncidentRecords, id incident.ID) (IncidentFull, error) {
	i, err := records.Incident(ctx, id)
	if err != nil {
		return IncidentFull{}, err
	}
	f := IncidentFull{IncidentLine: incidentLine(ctx, records, i), Contact: i.Holder.Contact.Addresses, Chain: i.Holder.Chain, Parts: i.Confidence.Parts,
		Lead: i.Lead, Deadline: i.Deadline, Next: i.Next, Answered: i.Answered, Evidence: []incident.Evidence{}, Tasks: []incident.Task{}, History: []HistoryLine{}, Rivals: []string{}}
	for _, h := range i.Rivals {
		f.Rivals = append(f.Rivals, strings.TrimSpace(h.ID+" "+h.Name))
	}
	for e, err := range records.Evidence(ctx, id) {
		if err != nil {
			return f, err
		}
		if f.Evidence = append(f.Evidence, e); len(f.Evidence) == maxEvidenceShown {
			break
		}
	}
	for t, err := range records.Tasks(ctx, id) {
		if err != nil {
			return f, err
		}
		f.Tasks = append(f.Tasks, t)
	}
	for s, err := range records.History(ctx, id) {
		if err != nil {
			return f, err
		}
		e, ok := s.Entry()
		f.History = append(f.History, HistoryLine{Seq: s.Seq, At: e.At, Who: e.Who, Action: e.Action, Why: e.Why, Erased: !ok})
	}
	return f, nil
}
