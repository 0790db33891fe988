package control

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"spoor/flowwatch"
	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/netflow"
)

// A FlowRoom is what the control socket asks of the flow history, and of the collector where one runs.
type FlowRoom interface {
	Top(ctx context.Context, q flowwatch.Ranking) (flowwatch.Top, error)
	Live(q flowwatch.Ranking) (flowwatch.Top, error)
	Hist(ctx context.Context, q flowwatch.Scope, by string) (flowwatch.Hist, error)
	Anomalies(from, to time.Time, profile string) ([]anomaly.Anomaly, error)
	Show(ctx context.Context, host netip.Prefix, q flowwatch.Scope) (flowwatch.Show, error)
	Exporters() ([]netflow.Exporter, error)
	KnownServers() ([]anomaly.MailServer, error)
	Refused() (total uint64, named []netflow.Refusal)
	Evidence(ctx context.Context, addr netip.Addr, from, to time.Time) (flowwatch.Evidence, error)
}

// Flows registers the questions about flows.
func Flows(mux *http.ServeMux, room FlowRoom) {
	mux.HandleFunc("GET /flows/top", func(w http.ResponseWriter, r *http.Request) {
		q, err := flowRanking(r)
		var top flowwatch.Top
		if err == nil {
			top, err = room.Top(r.Context(), q)
		}
		Reply(w, top, flowError(err))
	})
	mux.HandleFunc("GET /flows/live", func(w http.ResponseWriter, r *http.Request) {
		q, err := flowRanking(r)
		var top flowwatch.Top
		if err == nil {
			top, err = room.Live(q)
		}
		Reply(w, top, flowError(err))
	})
	mux.HandleFunc("GET /flows/hist", func(w http.ResponseWriter, r *http.Request) {
		q, err := flowScope(r)
		var hist flowwatch.Hist
		if err == nil {
			hist, err = room.Hist(r.Context(), q, r.URL.Query().Get("by"))
		}
		Reply(w, hist, flowError(err))
	})
	mux.HandleFunc("GET /flows/anomalies", func(w http.ResponseWriter, r *http.Request) {
		q, err := flowScope(r)
		var list []anomaly.Anomaly
		if err == nil {
			list, err = room.Anomalies(q.From, q.To, r.URL.Query().Get("profile"))
		}
		Stream(w, unless(flowError(err), mapped(list, func(a anomaly.Anomaly) anomaly.Anomaly { return a })))
	})
	flowHosts(mux, room)
}

// flowHosts registers the questions about one host, and about exporters.
func flowHosts(mux *http.ServeMux, room FlowRoom) {
	mux.HandleFunc("GET /flows/show", func(w http.ResponseWriter, r *http.Request) {
		q, err := flowScope(r)
		host, err2 := FlowHost(r.URL.Query().Get("host"))
		err = errors.Join(err, err2)
		var show flowwatch.Show
		if err == nil {
			show, err = room.Show(r.Context(), host, q)
		}
		Reply(w, show, flowError(err))
	})
	mux.HandleFunc("GET /flows/evidence", func(w http.ResponseWriter, r *http.Request) {
		q, err := flowScope(r)
		addr, err2 := netip.ParseAddr(r.URL.Query().Get("address"))
		if err2 != nil {
			err = errors.Join(err, badRequest(strconv.Quote(r.URL.Query().Get("address"))+" is no address"))
		}
		var evidence flowwatch.Evidence
		if err == nil {
			evidence, err = room.Evidence(r.Context(), addr, q.From, q.To)
		}
		Reply(w, evidence, flowError(err))
	})
	mux.HandleFunc("GET /flows/exporters", func(w http.ResponseWriter, r *http.Request) {
		list, err := room.Exporters()
		Stream(w, unless(flowError(err), mapped(list, func(e netflow.Exporter) netflow.Exporter { return e })))
	})
	mux.HandleFunc("GET /flows/servers", func(w http.ResponseWriter, r *http.Request) {
		list, err := room.KnownServers()
		Stream(w, unless(flowError(err), mapped(list, func(m anomaly.MailServer) anomaly.MailServer { return m })))
	})
	mux.HandleFunc("GET /flows/refused", func(w http.ResponseWriter, r *http.Request) {
		_, named := room.Refused()
		Stream(w, mapped(named, func(x netflow.Refusal) netflow.Refusal { return x }))
	})
}

// FlowHost reads an address or a delegated IPv6 prefix.
func FlowHost(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, badRequest(strconv.Quote(s) + " is neither address nor prefix; write it like 192.0.2.7 or 2001:db8::/64")
	}
	return p.Masked(), nil
}

// flowScope reads profile, from and to; without them the question is about SMTP in the last day.
func flowScope(r *http.Request) (q flowwatch.Scope, err error) {
	q.Profile = r.URL.Query().Get("profile")
	if q.Profile == "" {
		q.Profile = "smtp"
	}
	var err2 error
	q.From, err = queryTime(r, "from")
	q.To, err2 = queryTime(r, "to")
	if q.To.IsZero() {
		q.To = time.Now().UTC()
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-24 * time.Hour)
	}
	return q, errors.Join(err, err2)
}

func flowRanking(r *http.Request) (q flowwatch.Ranking, err error) {
	v := r.URL.Query()
	if q.Scope, err = flowScope(r); err != nil {
		return q, err
	}
	q.By, q.Prefixes = v.Get("by"), v.Get("prefixes") != ""
	if q.By == "" {
		q.By = "flows"
	}
	if q.Limit, err = strconv.Atoi(v.Get("limit")); err != nil || q.Limit < 1 || q.Limit > 100_000 {
		q.Limit = 20
	}
	q.Direction, err = FlowDirection(v.Get("direction"))
	return q, err
}

// FlowDirection reads the name of a direction; none is out.
func FlowDirection(s string) (activity.Direction, error) {
	if s == "" {
		return activity.Out, nil
	}
	for d := range activity.Directions {
		if d.String() == s {
			return d, nil
		}
	}
	return 0, badRequest(strconv.Quote(s) + " is no direction; it is out, replies, in or answers")
}

// flowError gives the errors that a caller can mend their status and hint.
func flowError(err error) error {
	switch {
	case errors.Is(err, flowwatch.ErrNoProfile), errors.Is(err, flowwatch.ErrNotCounted):
		return badRequest(strings.TrimPrefix(err.Error(), "flowwatch: "))
	case errors.Is(err, flowwatch.ErrNotRunning):
		return &Error{Status: http.StatusServiceUnavailable, Message: "no collector runs", Hint: "start spoor serve with a section [flowwatch]"}
	case errors.Is(err, flowwatch.ErrNoHistory):
		return &Error{Status: http.StatusServiceUnavailable, Message: "no flow history is kept", Hint: "give spoor serve a section [flowwatch], or read files with spoor flows read"}
	}
	return err
}
