package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/notify"
)

// An IncidentClerk does what people ask of the desk's records; *abusebox.Clerk is one.
type IncidentClerk interface {
	Apply(ctx context.Context, id incident.ID, c incident.Command) (incident.Incident, error)
	Merge(ctx context.Context, into, from incident.ID, c incident.Command) (incident.Incident, error)
	Preview(ctx context.Context, id incident.ID) (notify.Notice, error)
	Draft(ctx context.Context, id incident.ID, c incident.Command, send bool) (notify.Notice, error)
	Verify(ctx context.Context) (abusebox.Chain, error)
	Remains(ctx context.Context, person string) (abusebox.Remains, error)
}

// IncidentRecords are what the desk keeps; abusebox.Store is one.
type IncidentRecords interface {
	abusebox.Reader
	Mail(ctx context.Context, task uint64) ([]byte, error)
	Purge(ctx context.Context, p abusebox.Purge) (abusebox.Purged, error)
}

// Incidents registers the desk's questions and commands.
func Incidents(mux *http.ServeMux, records IncidentRecords, clerk IncidentClerk) {
	mux.HandleFunc("GET /incidents", func(w http.ResponseWriter, r *http.Request) {
		f, err := incidentFilter(r.URL.Query())
		if err != nil {
			Fail(w, err)
			return
		}
		Stream(w, incidentLines(r.Context(), records, f))
	})
	mux.HandleFunc("GET /incidents/{id}", withIncident(func(w http.ResponseWriter, r *http.Request, id incident.ID) {
		full, err := incidentFull(r.Context(), records, id)
		Reply(w, full, known(err))
	}))
	mux.HandleFunc("POST /incidents/{id}/command", withIncident(func(w http.ResponseWriter, r *http.Request, id incident.ID) {
		var c incident.Command
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			Fail(w, &Error{Status: http.StatusBadRequest, Message: err.Error()})
			return
		}
		i, err := clerk.Apply(r.Context(), id, c)
		replyIncident(w, r, records, i, err)
	}))
	mux.HandleFunc("POST /incidents/{id}/merge/{from}", withIncident(func(w http.ResponseWriter, r *http.Request, id incident.ID) {
		var c incident.Command
		from, err := incident.ParseID(r.PathValue("from"))
		if err == nil {
			err = json.NewDecoder(r.Body).Decode(&c)
		}
		if err != nil {
			Fail(w, &Error{Status: http.StatusBadRequest, Message: err.Error()})
			return
		}
		i, err := clerk.Merge(r.Context(), id, from, c)
		replyIncident(w, r, records, i, err)
	}))
	mux.HandleFunc("GET /incidents/{id}/preview", withIncident(func(w http.ResponseWriter, r *http.Request, id incident.ID) {
		n, err := clerk.Preview(r.Context(), id)
		Reply(w, NoticeMail{Notice: n, Raw: string(n.Raw)}, known(err))
	}))
	mux.HandleFunc("POST /incidents/{id}/draft", withIncident(func(w http.ResponseWriter, r *http.Request, id incident.ID) {
		var c incident.Command
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			Fail(w, &Error{Status: http.StatusBadRequest, Message: err.Error()})
			return
		}
		n, err := clerk.Draft(r.Context(), id, c, r.URL.Query().Get("send") == "yes")
		Reply(w, NoticeMail{Notice: n, Raw: string(n.Raw)}, known(err))
	}))
	mux.HandleFunc("GET /export", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		Stream(w, export(r.Context(), records, q.Get("holder"), q.Get("person")))
	})
	notices(mux, records)
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, r *http.Request) {
		chain, err := clerk.Verify(r.Context())
		Reply(w, chain, err)
	})
	mux.HandleFunc("POST /purge", func(w http.ResponseWriter, r *http.Request) {
		var p abusebox.Purge
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			Fail(w, &Error{Status: http.StatusBadRequest, Message: err.Error()})
			return
		}
		out := PurgeReport{}
		var err error
		if out.Purged, err = records.Purge(r.Context(), p); err == nil && p.Person != "" {
			out.Raw = new(abusebox.Remains)
			*out.Raw, err = clerk.Remains(r.Context(), p.Person)
		}
		Reply(w, out, err)
	})
}

func notices(mux *http.ServeMux, records IncidentRecords) {
	mux.HandleFunc("GET /notices", func(w http.ResponseWriter, r *http.Request) {
		id := incident.ID(0)
		if s := r.URL.Query().Get("incident"); s != "" {
			var err error
			if id, err = incident.ParseID(s); err != nil {
				Fail(w, &Error{Status: http.StatusBadRequest, Message: err.Error()})
				return
			}
		}
		Stream(w, records.Tasks(r.Context(), id))
	})
	mux.HandleFunc("GET /notices/{task}/mail", func(w http.ResponseWriter, r *http.Request) {
		task, err := strconv.ParseUint(r.PathValue("task"), 10, 64)
		if err != nil {
			Fail(w, &Error{Status: http.StatusBadRequest, Message: strconv.Quote(r.PathValue("task")) + " is no number of a notice", Hint: "see spoor notice list"})
			return
		}
		raw, err := records.Mail(r.Context(), task)
		if errors.Is(err, abusebox.ErrNotFound) {
			err = &Error{Status: http.StatusNotFound, Message: fmt.Sprintf("notice %d is not written yet, was erased, or never was", task), Hint: "see spoor notice list"}
		}
		Reply(w, NoticeMail{Notice: notify.Notice{Task: task}, Raw: string(raw)}, err)
	})
}

// A PurgeReport says what was erased and, of a person, what cannot be yet.
type PurgeReport struct {
	abusebox.Purged
	Raw *abusebox.Remains `json:"raw,omitempty"`
}

// A NoticeMail is a notice with the whole mail.
type NoticeMail struct {
	notify.Notice
	Raw string `json:"raw"`
}

func withIncident(do func(http.ResponseWriter, *http.Request, incident.ID)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := incident.ParseID(r.PathValue("id"))
		if err != nil {
			Fail(w, &Error{Status: http.StatusBadRequest, Message: err.Error()})
			return
		}
		do(w, r, id)
	}
}

// known turns the desk's sentinels into answers with a status and a hint.
func known(err error) error {
	switch {
	case errors.Is(err, abusebox.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Message: err.Error(), Hint: "see spoor incidents list"}
	case errors.Is(err, incident.ErrState), errors.Is(err, incident.ErrInput):
		return &Error{Status: http.StatusConflict, Message: err.Error()}
	}
	return err
}

func replyIncident(w http.ResponseWriter, r *http.Request, records IncidentRecords, i incident.Incident, err error) {
	if err != nil {
		Fail(w, known(err))
		return
	}
	Reply(w, incidentLine(r.Context(), records, i), nil)
}

// incidentFilter reads state, net, holder, type, since, until, before and limit.
func incidentFilter(q url.Values) (f abusebox.Filter, err error) {
	bad := func(key, write string) error {
		return &Error{Status: http.StatusBadRequest, Message: strconv.Quote(q.Get(key)) + " is no " + key, Hint: "write " + write}
	}
	for _, s := range q["state"] {
		if !slices.Contains(incident.States(), incident.State(s)) {
			return f, &Error{Status: http.StatusBadRequest, Message: strconv.Quote(s) + " is no state", Hint: "one of " + stateNames()}
		}
		f.States = append(f.States, incident.State(s))
	}
	if s := q.Get("net"); s != "" {
		if addr, err := netip.ParseAddr(s); err == nil {
			f.Net = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		} else if f.Net, err = netip.ParsePrefix(s); err != nil {
			return f, bad("net", "192.0.2.25 or 192.0.2.0/24")
		}
	}
	f.Holder, f.Type = q.Get("holder"), q.Get("type")
	for key, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if s := q.Get(key); s != "" {
			if *at, err = time.Parse(time.RFC3339, s); err != nil {
				return f, bad(key, "2026-10-01T08:14:00Z")
			}
		}
	}
	if s := q.Get("before"); s != "" {
		if f.Before, err = incident.ParseID(s); err != nil {
			return f, bad("before", "S-1042")
		}
	}
	if s := q.Get("limit"); s != "" {
		if f.Limit, err = strconv.Atoi(s); err != nil || f.Limit < 0 {
			return f, bad("limit", "100")
		}
	}
	return f, nil
}

func stateNames() string {
	var names []string
	for _, s := range incident.States() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func incidentLines(ctx context.Context, records IncidentRecords, f abusebox.Filter) iter.Seq2[IncidentLine, error] {
	return func(yield func(IncidentLine, error) bool) {
		for i, err := range records.Incidents(ctx, f) {
			if !yield(incidentLine(ctx, records, i), err) {
				return
			}
		}
	}
}
