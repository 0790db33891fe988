package control

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"spoor/registry"
)

// A RegistryRoom is what the control socket asks of the registry.
type RegistryRoom interface {
	Holder(q registry.Query) registry.Answer
	Table() *registry.Table
	Poll(ctx context.Context, names ...string) ([]registry.Polled, error)
	Topology(ctx context.Context) (registry.Topology, error)
	Serving() registry.ServeConfig
	// Outside asks the sources outside about an address that is not ours.
	Outside(ctx context.Context, addr netip.Addr) (RegistryOutside, error)
}

// A RegistryImporter takes files into the registry's store.
type RegistryImporter interface {
	// Import reads one file. It takes all of it or, with an error, nothing.
	Import(ctx context.Context, i RegistryImport, file io.Reader) (RegistryImported, error)
}

// A RegistryImport says what a file is and whose.
type RegistryImport struct {
	Kind   string // routes, contacts or leases
	Name   string // of the file, for messages
	Router string // of routes; empty is the file's name
	VRF    string
	At     time.Time // of routes: when they were read; zero is now
	Leases registry.LeaseConfig
}

// RegistryImported says what an import changed.
type RegistryImported struct {
	Kind    string `json:"kind"`
	Source  string `json:"source"`
	Read    int    `json:"read"`
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
	Kept    int    `json:"kept"`
}

// Registry registers the registry's questions.
func Registry(mux *http.ServeMux, room RegistryRoom, importer RegistryImporter) {
	mux.HandleFunc("GET /registry/lookup", func(w http.ResponseWriter, r *http.Request) {
		q, err := registryQuery(r)
		if err != nil {
			Fail(w, err)
			return
		}
		answer := LookupOf(room.Holder(q))
		if r.URL.Query().Get("outside") != "" && answer.Status == string(registry.StatusForeign) {
			found, err := room.Outside(r.Context(), q.Addr)
			if err != nil {
				found.Error = err.Error()
			}
			answer.Outside = &found
		}
		Reply(w, answer, nil)
	})
	mux.HandleFunc("GET /registry/routes", func(w http.ResponseWriter, r *http.Request) {
		at, err := queryTime(r, "at")
		Stream(w, unless(err, registryRoutes(room.Table(), at)))
	})
	mux.HandleFunc("GET /registry/networks", func(w http.ResponseWriter, r *http.Request) {
		at, err := queryTime(r, "at")
		Stream(w, unless(err, registryNetworks(room.Table(), at)))
	})
	mux.HandleFunc("GET /registry/contacts", func(w http.ResponseWriter, r *http.Request) {
		Stream(w, mapped(room.Table().Contacts(), ContactOf))
	})
	mux.HandleFunc("GET /registry/sources", func(w http.ResponseWriter, r *http.Request) {
		Stream(w, mapped(room.Table().Sources(), SourceOf))
	})
	mux.HandleFunc("GET /registry/diff", func(w http.ResponseWriter, r *http.Request) {
		from, err := queryTime(r, "from")
		to, err2 := queryTime(r, "to")
		Stream(w, unless(errors.Join(err, err2), registryChanges(room.Table(), from, to)))
	})
	mux.HandleFunc("GET /registry/check", func(w http.ResponseWriter, r *http.Request) {
		Stream(w, mapped(registry.Check(room.Table()), ProblemOf))
	})
	registryExports(mux, room)
	mux.HandleFunc("GET /registry/topology", func(w http.ResponseWriter, r *http.Request) {
		t, err := room.Topology(r.Context())
		Reply(w, TopologyOf(t), err)
	})
	mux.HandleFunc("POST /registry/poll", func(w http.ResponseWriter, r *http.Request) {
		polled, _ := room.Poll(r.Context(), r.URL.Query()["router"]...) // what went wrong is told router by router
		Stream(w, mapped(polled, PolledOf))
	})
	mux.HandleFunc("POST /registry/import", func(w http.ResponseWriter, r *http.Request) {
		i, err := registryImport(r)
		if err != nil {
			Fail(w, err)
			return
		}
		done, err := importer.Import(r.Context(), i, r.Body)
		if err != nil {
			err = &Error{Status: http.StatusUnprocessableEntity, Message: err.Error()}
		}
		Reply(w, done, err)
	})
}

func badRequest(format string) error { return &Error{Status: http.StatusBadRequest, Message: format} }

func registryQuery(r *http.Request) (q registry.Query, err error) {
	v := r.URL.Query()
	if q.Addr, err = netip.ParseAddr(v.Get("ip")); err != nil {
		return q, badRequest(strconv.Quote(v.Get("ip")) + " is no IP address")
	}
	if s := v.Get("port"); s != "" {
		port, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return q, badRequest(strconv.Quote(s) + " is no port")
		}
		q.Port = uint16(port)
	}
	q.Proto = v.Get("proto")
	if s := v.Get("within"); s != "" {
		if q.Uncertainty, err = time.ParseDuration(s); err != nil || q.Uncertainty < 0 {
			return q, badRequest(strconv.Quote(s) + " is no length of time")
		}
	}
	q.Time, err = queryTime(r, "at")
	return q, err
}

func queryTime(r *http.Request, name string) (time.Time, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, badRequest(strconv.Quote(s) + " is no time; write it like 2026-10-01T08:14:00Z")
	}
	return t.UTC(), nil
}

func registryImport(r *http.Request) (i RegistryImport, err error) {
	v := r.URL.Query()
	i = RegistryImport{Kind: v.Get("kind"), Name: v.Get("name"), Router: v.Get("router"), VRF: v.Get("vrf")}
	i.Leases = registry.LeaseConfig{Format: v.Get("format"), Pattern: v.Get("pattern"), TimeFormat: v.Get("time_format"), Zone: v.Get("zone")}
	if !strings.Contains(" routes contacts leases ", " "+i.Kind+" ") {
		return i, badRequest(strconv.Quote(i.Kind) + " cannot be imported; it is routes, contacts or leases")
	}
	i.At, err = queryTime(r, "at")
	return i, err
}

// unless yields the error alone if there is one.
func unless[T any](err error, values iter.Seq2[T, error]) iter.Seq2[T, error] {
	if err == nil {
		return values
	}
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}

func mapped[A, B any](values []A, to func(A) B) iter.Seq2[B, error] {
	return func(yield func(B, error) bool) {
		for _, v := range values {
			if !yield(to(v), nil) {
				return
			}
		}
	}
}

func registryRoutes(t *registry.Table, at time.Time) iter.Seq2[RegistryRoute, error] {
	return func(yield func(RegistryRoute, error) bool) {
		for r := range t.Routes(at) {
			if !yield(RouteOf(r), nil) {
				return
			}
		}
	}
}

func registryNetworks(t *registry.Table, at time.Time) iter.Seq2[RegistryNetwork, error] {
	return func(yield func(RegistryNetwork, error) bool) {
		for n := range t.AllNetworks(at) {
			if !yield(NetworkOf(n), nil) {
				return
			}
		}
	}
}

func registryChanges(t *registry.Table, from, to time.Time) iter.Seq2[RegistryChange, error] {
	return func(yield func(RegistryChange, error) bool) {
		for c := range t.Diff(from, to) {
			if !yield(ChangeOf(c), nil) {
				return
			}
		}
	}
}
