package rdap

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	openrdap "github.com/openrdap/rdap"
	"go.uber.org/goleak"

	"spoor/internal/peers"
	"spoor/registry"
	"spoor/registry/registrytest"
)

var update = flag.Bool("update", false, "write the golden answers anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func table(t testing.TB) *registry.Table {
	t.Helper()
	return registrytest.Table(t, "prefix,next_hop,router\n0.0.0.0/0,192.0.2.254,r1\n"+
		"198.51.0.0/16,192.0.2.1,r1\n198.51.100.0/24,192.0.2.2,r1\n203.0.113.0/24,192.0.2.3,r1\n2001:db8::/32,192.0.2.1,r1\n",
		registrytest.First+`Language = "zh-TW"
Created = "2003-07-01"
`+registrytest.Physics+`Admin-Contact = "boss@physics.example.edu"
Assignment = "dynamic"
`)
}

func server(t testing.TB, change func(*registry.ServeConfig)) *Server {
	t.Helper()
	c := registry.DefaultConfig().Serve
	c.RDAPBase = "https://rdap.example.net"
	if change != nil {
		change(&c)
	}
	built := table(t)
	return NewServer(Deps{Config: c, Table: func() *registry.Table { return built }})
}

func ask(s *Server, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = "192.0.2.77:4000"
	s.Handler().ServeHTTP(w, r)
	return w
}

// TestGolden compares answers with recorded ones, and every answer that is no error must
// be read by a real client's decoder.
func TestGolden(t *testing.T) {
	tests := []struct{ name, path string }{
		{"address", "/ip/198.51.7.1"}, {"dynamic", "/ip/198.51.100.7"}, {"prefix", "/ip/198.51.100.0/25"}, {"ipv6", "/ip/2001:db8::1"},
		{"no-contact", "/ip/203.0.113.1"}, {"personal", "/ip/198.51.7.1"}, {"help", "/help"},
		{"foreign", "/ip/8.8.8.8"}, {"no-address", "/ip/example.com"}, {"no-length", "/ip/198.51.100.0/33"}, {"domain", "/domain/example.com"},
		{"no-path", "/nets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, func(c *registry.ServeConfig) {
				if tt.name == "personal" {
					c.Personal = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
				}
			})
			w := ask(s, "GET", tt.path)
			var got bytes.Buffer
			if err := json.Indent(&got, w.Body.Bytes(), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteString("\n")
			file := filepath.Join("testdata", tt.name+".json")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Error(diff)
			}
			if w.Header().Get("Content-Type") != "application/rdap+json" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("headers %v", w.Header())
			}
			decode(t, tt.name, w.Body.Bytes())
		})
	}
}

func decode(t *testing.T, name string, body []byte) {
	t.Helper()
	object, err := openrdap.NewDecoder(body).Decode()
	if err != nil {
		t.Fatalf("the client does not read it: %v", err)
	}
	n, isNetwork := object.(*openrdap.IPNetwork)
	if !isNetwork {
		return
	}
	if len(n.Entities) == 0 {
		if name != "no-contact" {
			t.Error("the client sees no entity")
		}
		return
	}
	holder := n.Entities[0]
	if holder.VCard == nil || holder.VCard.Name() == "" {
		t.Fatalf("the client sees no holder: %+v", holder)
	}
	abuse := ""
	for _, e := range holder.Entities {
		if strings.Contains(strings.Join(e.Roles, " "), "abuse") && e.VCard != nil {
			abuse = e.VCard.Email()
		}
	}
	want := map[bool]string{true: "boss@physics.example.edu", false: "abuse@first.example.edu"}[holder.VCard.Name() == "Physics"]
	if abuse != want {
		t.Errorf("the client sees %q as the abuse contact, want %q", abuse, want)
	}
	if tel := holder.VCard.Tel(); (tel != "") != (name == "personal") {
		t.Errorf("the client sees telephone %q", tel)
	}
}

func TestStatus(t *testing.T) {
	redirect := server(t, func(c *registry.ServeConfig) { c.RDAPRedirect = "https://rdap.example.org/" })
	tests := []struct {
		s            *Server
		method, path string
		status       int
		location     string
	}{
		{server(t, nil), "GET", "/ip/198.51.7.1", 200, ""},
		{server(t, nil), "HEAD", "/ip/198.51.7.1", 200, ""},
		{server(t, nil), "GET", "/ip/8.8.8.8", 404, ""},
		{server(t, nil), "HEAD", "/ip/8.8.8.8", 404, ""},
		{server(t, nil), "POST", "/ip/198.51.7.1", 405, ""},
		{server(t, nil), "GET", "/ip/fe80::1%25eth0", 400, ""},
		{server(t, nil), "GET", "/entity/x", 501, ""},
		{redirect, "GET", "/ip/8.8.8.8", 302, "https://rdap.example.org/ip/8.8.8.8"},
		{redirect, "GET", "/ip/8.8.8.0/24", 302, "https://rdap.example.org/ip/8.8.8.0/24"},
		{redirect, "GET", "/ip/198.51.7.1", 200, ""},
	}
	for _, tt := range tests {
		w := ask(tt.s, tt.method, tt.path)
		if w.Code != tt.status || w.Header().Get("Location") != tt.location {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, w.Code, w.Header().Get("Location"), tt.status, tt.location)
		}
	}
}

// TestServe runs the real server: limits, HEAD without a body, the end.
func TestServe(t *testing.T) {
	addr := peers.Loopback(peers.FreePort(t)).String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server(t, nil).Serve(ctx, addr) }()
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	var resp *http.Response
	var err error
	peers.WaitFor(t, time.Minute, "the server to listen", func() bool {
		resp, err = client.Head("http://" + addr + "/ip/198.51.7.1")
		return err == nil
	})
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || len(body) != 0 || resp.StatusCode != 200 || resp.ContentLength < 100 {
		t.Errorf("HEAD: %d, %d bytes of %d, %v", resp.StatusCode, len(body), resp.ContentLength, err)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
