package control

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"spoor/milter"
)

// maxExplained bounds a message to be explained.
const maxExplained = 64 << 20

// A MilterRoom is what the control socket asks of the milter.
type MilterRoom interface {
	Explain(c milter.Case) milter.Explanation
}

// Milter registers the milter's questions.
func Milter(mux *http.ServeMux, room MilterRoom) {
	mux.HandleFunc("POST /milter/explain", func(w http.ResponseWriter, r *http.Request) {
		c, err := milterCase(r)
		if err != nil {
			Fail(w, err)
			return
		}
		Reply(w, room.Explain(c), nil)
	})
}

// MilterQuery writes the session of a case, whose message is the request's body.
func MilterQuery(c milter.Case) url.Values {
	q := url.Values{
		"client": {c.Peer.Addr.String()}, "helo": {c.Peer.HELO}, "name": {c.Peer.RDNS}, "tls": {c.Peer.TLS}, "auth": {c.Peer.Auth},
		"port": {strconv.Itoa(int(c.Peer.DaemonPort))}, "by": {c.By}, "from": {c.From}, "recipients": {strconv.Itoa(c.Recipients)},
	}
	if !c.At.IsZero() {
		q.Set("at", c.At.UTC().Format(time.RFC3339))
	}
	return q
}

// maxSightings bounds what a milter in a process of its own hands over at a time: an interval of some 500,000 hosts.
const maxSightings = 64 << 20

// MilterSightings is one interval of a milter in a process of its own.
type MilterSightings struct {
	Start time.Time         `json:"start"`
	End   time.Time         `json:"end"`
	Hosts []milter.Sighting `json:"hosts"`
}

// MilterDesk registers what milters in processes of their own hand to the daemon's desk.
func MilterDesk(mux *http.ServeMux, desk milter.Desk) {
	mux.HandleFunc("POST /milter/sightings", func(w http.ResponseWriter, r *http.Request) {
		var s MilterSightings
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSightings)).Decode(&s)
		if err != nil {
			Fail(w, badRequest(err.Error()))
			return
		}
		Reply(w, struct{}{}, desk.Sightings(r.Context(), s.Start, s.End, s.Hosts))
	})
	mux.HandleFunc("POST /milter/report", func(w http.ResponseWriter, r *http.Request) {
		var report milter.Report
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSightings)).Decode(&report)
		if err != nil {
			Fail(w, badRequest(err.Error()))
			return
		}
		Reply(w, struct{}{}, desk.Report(r.Context(), report))
	})
}

func milterCase(r *http.Request) (milter.Case, error) {
	q := r.URL.Query()
	addr, err := netip.ParseAddr(q.Get("client"))
	if err != nil {
		return milter.Case{}, badRequest("client is no IP address")
	}
	c := milter.Case{
		Peer: milter.Peer{Addr: addr.Unmap(), HELO: q.Get("helo"), RDNS: q.Get("name"), TLS: q.Get("tls"), Auth: q.Get("auth")},
		By:   q.Get("by"), From: q.Get("from"),
	}
	port, err := strconv.ParseUint(q.Get("port"), 10, 16)
	if err != nil {
		return c, badRequest("port is no port")
	}
	c.Peer.DaemonPort = uint16(port)
	if c.Recipients, err = strconv.Atoi(q.Get("recipients")); err != nil || c.Recipients < 0 {
		return c, badRequest("recipients is no number")
	}
	if c.At, err = queryTime(r, "at"); err != nil {
		return c, err
	}
	if c.At.IsZero() {
		c.At = time.Now().UTC()
	}
	c.Message, err = io.ReadAll(io.LimitReader(r.Body, maxExplained))
	return c, err
}
