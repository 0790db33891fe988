package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"spoor/abusebox/intake"
)

// inFlight is how many mails of the largest size may be in memory at a time; the others wait.
const inFlight = 4

// IntakeKept is the answer to a mail that is on disk.
type IntakeKept struct {
	ID string `json:"id"`
}

// Intake registers the way in for `spoor file` and `spoor import`: a mail as the body, its envelope in the query.
func Intake(mux *http.ServeMux, spool intake.Keeper, maxSize int64) {
	room := semaphore.NewWeighted(inFlight * maxSize)
	mux.HandleFunc("POST /intake/mail", func(w http.ResponseWriter, r *http.Request) {
		size := maxSize
		if r.ContentLength >= 0 {
			size = min(size, r.ContentLength)
		}
		if err := room.Acquire(r.Context(), size); err != nil {
			return // the client has left
		}
		defer room.Release(size)
		raw, err := readMail(r, maxSize)
		if err != nil {
			Fail(w, err)
			return
		}
		q := r.URL.Query()
		env := intake.Envelope{Source: intake.SourceFile, From: q.Get("from"), Recipients: q["rcpt"]}
		if q.Get("source") == string(intake.SourceImport) {
			env.Source, env.Mailbox = intake.SourceImport, q.Get("mailbox")
			env.Delivered, _ = time.Parse(time.RFC3339, q.Get("delivered")) // zero if nobody knows
		}
		id, err := spool.Put(r.Context(), intake.Mail{Envelope: env, Raw: raw})
		if err != nil {
			Fail(w, intakeError(err))
			return
		}
		Reply(w, IntakeKept{ID: id.String()}, nil)
	})
}

func readMail(r *http.Request, maxSize int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxSize+1))
	if err != nil {
		return nil, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("the mail was cut off: %v", err)}
	}
	if int64(len(raw)) > maxSize {
		return nil, &Error{
			Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the mail is larger than %d bytes", maxSize),
			Hint: "raise abusebox.max_size",
		}
	}
	return raw, nil
}

func intakeError(err error) error {
	e := &Error{Status: http.StatusServiceUnavailable, Message: err.Error()}
	if intake.IsFull(err) {
		e.Status, e.Hint = http.StatusInsufficientStorage, "free some disk space: less than store.min_free is left"
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return e
}
