package control

import (
	"context"
	"net/http"
	"time"
)

// A Status says what a daemon is and where it listens.
type Status struct {
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Config   string    `json:"config"`
	Services []string  `json:"services"`
	SMTP     []string  `json:"smtp,omitempty"` // addresses of the listeners of [abusebox], SMTP first, then LMTP
	Waiting  int       `json:"waiting"`        // tasks of the desk that are not done
}

// Daemon registers the question after the daemon itself.
func Daemon(mux *http.ServeMux, status func(context.Context) (Status, error)) {
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		s, err := status(r.Context())
		Reply(w, s, err)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		Fail(w, &Error{Status: http.StatusNotFound, Message: "the daemon that runs does not have the service that answers " + r.URL.Path,
			Hint: "turn its section on in the configuration, and restart the daemon"})
	})
}
