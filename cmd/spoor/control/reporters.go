package control

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"spoor/abusebox/report"
)

// A Reporter is what is remembered of one who complains and is who it says.
type Reporter struct {
	Domain       string     `json:"domain"`
	Format       string     `json:"format"`
	Understood   int        `json:"understood"`
	Unread       int        `json:"unread"`
	Row          int        `json:"unread_row"`
	Corroborated int        `json:"corroborated"`
	Unconfirmed  int        `json:"unconfirmed"`
	Drifted      bool       `json:"drifted"`
	Alarm        *time.Time `json:"alarm"`
	Last         *time.Time `json:"last"`
}

// Reporters registers GET /reporters: who complains, those first who changed their form, then by how much they send.
func Reporters(mux *http.ServeMux, list func() map[string]report.DriftState) {
	mux.HandleFunc("GET /reporters", func(w http.ResponseWriter, _ *http.Request) {
		out := []Reporter{}
		for domain, s := range list() {
			out = append(out, Reporter{Domain: domain, Format: s.Format, Understood: s.Good, Unread: s.Lost, Row: s.Empty,
				Corroborated: s.Corroborated, Unconfirmed: s.Unconfirmed, Drifted: s.Raised, Alarm: stamped(s.RaisedAt), Last: stamped(s.Last)})
		}
		slices.SortFunc(out, func(a, b Reporter) int {
			if a.Drifted != b.Drifted {
				return map[bool]int{true: -1, false: 1}[a.Drifted]
			}
			return cmp.Or(cmp.Compare(b.Understood, a.Understood), cmp.Compare(a.Domain, b.Domain))
		})
		Reply(w, out, nil)
	})
}

func stamped(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
