package control

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"strings"

	"spoor/abusebox"
	"spoor/abusebox/incident"
)

// An Exported record is one thing that the desk keeps about a holder or a person.
type Exported struct {
	Kind     string `json:"kind"` // incident, evidence, task, history or mail
	Incident string `json:"incident,omitempty"`
	Record   any    `json:"record"`
}

// export yields everything about a holder, or everything that names a person.
func export(ctx context.Context, records IncidentRecords, holder, person string) iter.Seq2[Exported, error] {
	e := exporter{records: records, person: []byte(strings.ToLower(person)), whole: holder != ""}
	return func(yield func(Exported, error) bool) {
		e.yield = yield
		for i, err := range records.Incidents(ctx, abusebox.Filter{Holder: holder}) {
			if err != nil {
				yield(Exported{}, err)
				return
			}
			if !e.one(ctx, i) {
				return
			}
		}
		if person == "" {
			return
		}
		for m, err := range records.Mails(ctx, 0) {
			if !e.give("mail", 0, m, err) {
				return
			}
		}
	}
}

// An exporter walks the records and yields those that are wanted.
type exporter struct {
	records IncidentRecords
	person  []byte // lower case
	whole   bool   // everything of the incidents, whomever it names
	yield   func(Exported, error) bool
}

// one yields an incident with all that hangs on it; false ends the walk.
func (e *exporter) one(ctx context.Context, i incident.Incident) bool {
	if !e.give("incident", i.ID, i, nil) {
		return false
	}
	for v, err := range e.records.Evidence(ctx, i.ID) {
		if !e.give("evidence", i.ID, v, err) {
			return false
		}
	}
	for v, err := range e.records.Tasks(ctx, i.ID) {
		if !e.give("task", i.ID, v, err) {
			return false
		}
	}
	for v, err := range e.records.History(ctx, i.ID) {
		if !e.give("history", i.ID, v, err) {
			return false
		}
	}
	return true
}

func (e *exporter) give(kind string, id incident.ID, record any, err error) bool {
	if err != nil {
		e.yield(Exported{}, err)
		return false
	}
	if !e.whole {
		data, err := json.Marshal(record)
		if err == nil && !bytes.Contains(bytes.ToLower(data), e.person) {
			return true
		}
	}
	out := Exported{Kind: kind, Record: record}
	if id != 0 {
		out.Incident = id.String()
	}
	return e.yield(out, nil)
}
