package control

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"spoor/abusebox/stats"
)

// maxTop bounds the lists of a report.
const maxTop = 1000

// Statistics registers the questions about the monthly tables: GET /stats?from=&to=&top= with days, and GET
// /stats/held for what the breaker holds (held may be nil). What is recorded is counted before the answer.
func Statistics(mux *http.ServeMux, store stats.Store, held func() []stats.Trip) {
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		q, err := statsQuery(r)
		if err != nil {
			Fail(w, err)
			return
		}
		report, err := readStats(r.Context(), store, q)
		Reply(w, report, err)
	})
	mux.HandleFunc("GET /stats/held", func(w http.ResponseWriter, _ *http.Request) {
		trips := []stats.Trip{}
		if held != nil {
			trips = append(trips, held()...)
		}
		Reply(w, trips, nil)
	})
}

// catchUp bounds the events that a question counts first, in batches; the daemon counts the rest.
const catchUp, batchSize = 200, 2000

func readStats(ctx context.Context, store stats.Store, q stats.Query) (stats.Report, error) {
	for range catchUp {
		n, err := store.Count(ctx, batchSize)
		if err != nil {
			return stats.Report{}, err
		}
		if n == 0 {
			break
		}
	}
	return stats.Read(ctx, store, q)
}

func statsQuery(r *http.Request) (q stats.Query, err error) {
	wrong := func(err error) error {
		return &Error{Status: http.StatusBadRequest, Message: err.Error(), Hint: "ask like from=2026-10-01&to=2026-10-31&top=20"}
	}
	form := r.URL.Query()
	if q.From, err = stats.ParsePeriod(form.Get("from")); err != nil {
		return q, wrong(err)
	}
	if q.To, err = stats.ParsePeriod(form.Get("to")); err != nil {
		return q, wrong(err)
	}
	q.From = stats.DayOf(q.From.Begin())
	if q.To.Day == 0 {
		q.To = stats.DayOf(q.To.Next().Begin().Add(-time.Second))
	}
	q.Top = 20
	if s := form.Get("top"); s != "" {
		if q.Top, err = strconv.Atoi(s); err != nil || q.Top < 1 || q.Top > maxTop {
			return q, &Error{Status: http.StatusBadRequest, Message: "top is no number from 1 to 1000", Hint: "leave it out"}
		}
	}
	return q, nil
}
