// Package rdap serves the registry over RDAP: queries as in RFC 9082, answers as in
// RFC 9083, over HTTP as in RFC 7480.
package rdap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"spoor/internal/listen"
	"spoor/registry"
)

// Deps are what a Server is made of.
type Deps struct {
	Config registry.ServeConfig
	Table  func() *registry.Table
	Log    *slog.Logger
	Count  func(result string) // told of every query; may be nil
}

// A Server answers RDAP clients.
type Server struct {
	deps    Deps
	answers registry.Answers
}

// NewServer returns a Server that does not listen yet; Handler serves it elsewhere.
func NewServer(deps Deps) *Server {
	if deps.Count == nil {
		deps.Count = func(string) {}
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{deps: deps}
}

// Serve answers on an address until ctx ends.
func (s *Server) Serve(ctx context.Context, address string) error {
	c := s.deps.Config
	l, err := listen.Open(ctx, address, listen.Options{Idle: c.Timeout.Std(), Lifetime: 20 * c.Timeout.Std(),
		Limits: listen.NewLimits(listen.Quota{Total: c.MaxClients, PerClient: c.MaxPerClient}, nil),
		Event:  func(listen.Event) { s.deps.Count("refused") }})
	if err != nil {
		return fmt.Errorf("rdap: %w", err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: c.Timeout.Std(), ReadTimeout: c.Timeout.Std(),
		WriteTimeout: c.Timeout.Std(), IdleTimeout: c.Timeout.Std(), MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.deps.Log.Handler(), slog.LevelDebug)}
	done := make(chan error, 1)
	stop, cancel := context.WithCancel(ctx)
	go func() {
		<-stop.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		done <- server.Shutdown(end)
	}()
	err = server.Serve(l)
	cancel()
	if shut := <-done; errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
		return shut
	}
	return fmt.Errorf("rdap: %w", err)
}

// Handler answers the paths of RDAP.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ip/{addr}", s.ip)
	mux.HandleFunc("GET /ip/{addr}/{bits}", s.ip)
	mux.HandleFunc("GET /help", s.help)
	for _, kind := range []string{"domain", "nameserver", "autnum", "entity"} {
		mux.HandleFunc("GET /"+kind+"/", func(w http.ResponseWriter, r *http.Request) {
			s.fail(w, http.StatusNotImplemented, "this server knows IP networks only", "ask for /ip/ADDRESS")
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			s.fail(w, http.StatusMethodNotAllowed, "only GET and HEAD are answered", "")
			return
		}
		s.fail(w, http.StatusNotFound, "there is no such path", "ask for /ip/ADDRESS, /ip/ADDRESS/LENGTH or /help")
	})
	return mux
}

func (s *Server) ip(w http.ResponseWriter, r *http.Request) {
	p, err := prefixOf(r.PathValue("addr"), r.PathValue("bits"))
	if err != nil {
		s.deps.Count("invalid")
		s.fail(w, http.StatusBadRequest, err.Error(), "ask for /ip/192.0.2.1 or /ip/192.0.2.0/24")
		return
	}
	t, base, personal := s.deps.Table(), s.base(r), s.personal(r)
	variant := base
	if personal {
		variant += " personal"
	}
	text, _ := s.answers.Get(t, p, variant, func() []byte { return s.network(t, p, base, personal) })
	if len(text) == 0 {
		s.foreign(w, p)
		return
	}
	s.deps.Count("found")
	s.writeText(w, http.StatusOK, text)
}

// network writes the most specific network that encloses a prefix; nothing where none of
// ours does.
func (s *Server) network(t *registry.Table, p netip.Prefix, base string, personal bool) []byte {
	networks := t.Networks(p, time.Time{})
	if len(networks) == 0 {
		return nil
	}
	return s.marshal(networkAnswer(networks[0], base, personal))
}

// foreign refers space that is not ours elsewhere, if there is an elsewhere.
func (s *Server) foreign(w http.ResponseWriter, p netip.Prefix) {
	to := s.deps.Config.RDAPRedirect
	if to == "" {
		s.deps.Count("none")
		s.fail(w, http.StatusNotFound, p.String()+" is not in our networks", "")
		return
	}
	s.deps.Count("referred")
	path := "/ip/" + p.String()
	if p.IsSingleIP() {
		path = "/ip/" + p.Addr().String()
	}
	w.Header().Set("Location", strings.TrimSuffix(to, "/")+path)
	s.fail(w, http.StatusFound, p.String()+" is not in our networks", "")
}

func prefixOf(addr, bits string) (netip.Prefix, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, errors.New(strconv.Quote(addr) + " is no IP address")
	}
	a = a.Unmap()
	n := a.BitLen()
	if bits != "" {
		if n, err = strconv.Atoi(bits); err != nil || n < 0 || n > a.BitLen() {
			return netip.Prefix{}, errors.New(strconv.Quote(bits) + " is no prefix length")
		}
	}
	return netip.PrefixFrom(a, n).Masked(), nil
}

func (s *Server) personal(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, n := range s.deps.Config.Personal {
		if n.Contains(from.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// base is the URL that links begin with.
func (s *Server) base(r *http.Request) string {
	if s.deps.Config.RDAPBase != "" {
		return strings.TrimSuffix(s.deps.Config.RDAPBase, "/")
	}
	return "http://" + r.Host
}

func (s *Server) help(w http.ResponseWriter, _ *http.Request) {
	s.write(w, http.StatusOK, helpAnswer{Conformance: conformance, Notices: []notice{{Title: "Queries",
		Description: []string{"/ip/ADDRESS and /ip/ADDRESS/LENGTH answer with the network and who answers for it.",
			"Telephone numbers and street addresses are left out for the public."}}}})
}

func (s *Server) fail(w http.ResponseWriter, status int, title, advice string) {
	e := errorAnswer{Conformance: conformance, Code: status, Title: title}
	if advice != "" {
		e.Description = []string{advice}
	}
	s.write(w, status, e)
}

func (s *Server) write(w http.ResponseWriter, status int, v any) {
	s.writeText(w, status, s.marshal(v))
}

func (s *Server) marshal(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil { // the types are our own, so that this is a mistake of the program
		s.deps.Log.Error("rdap answer not written", "error", err)
	}
	return body
}

func (s *Server) writeText(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}

var (
	contentType = []string{"application/rdap+json"}
	anyOrigin   = []string{"*"}
	conformance = []string{"rdap_level_0", "cidr0"}
)
