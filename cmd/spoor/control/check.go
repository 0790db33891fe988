package control

import (
	"context"
	"iter"
	"net/http"
)

// A Finding is something that `spoor check` found broken, and what mends it.
type Finding struct {
	Where   string `json:"where"`
	Problem string `json:"problem"`
	Mend    string `json:"mend"`
}

// A Checker looks through one store and calls bad for every broken invariant.
type Checker func(ctx context.Context, bad func(where, problem, mend string)) error

// Check registers the question whether the stores are sound.
func Check(mux *http.ServeMux, checkers func() []Checker) {
	mux.HandleFunc("GET /check", func(w http.ResponseWriter, r *http.Request) {
		Stream(w, findings(r.Context(), checkers()))
	})
}

func findings(ctx context.Context, checkers []Checker) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		for _, check := range checkers {
			stopped := false
			err := check(ctx, func(where, problem, mend string) {
				stopped = stopped || !yield(Finding{where, problem, mend}, nil)
			})
			if stopped || err != nil && !yield(Finding{}, err) {
				return
			}
		}
	}
}

// Errors makes a Checker of a check that names no remedy of its own.
func Errors(where, mend string, check func(ctx context.Context) []error) Checker {
	return func(ctx context.Context, bad func(where, problem, mend string)) error {
		for _, err := range check(ctx) {
			bad(where, err.Error(), mend)
		}
		return ctx.Err()
	}
}
