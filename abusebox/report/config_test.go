package report

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigValidate(t *testing.T) {
	var keys []string
	bad := func(key, problem, write string) {
		if problem == "" || write == "" {
			t.Errorf("%s: problem %q, write %q", key, problem, write)
		}
		keys = append(keys, key)
	}
	DefaultConfig().Validate(bad)
	if len(keys) > 0 {
		t.Errorf("the defaults are refused: %v", keys)
	}
	Config{TimeZones: []string{"a.example=Europe/Berlin", "b.example", "c.example=Mars/Olympus", "d.example="}, AuthservIDs: []string{"a b"}}.Validate(bad)
	want := []string{"formats", "time_zones[1]", "time_zones[2]", "time_zones[3]", "authserv_ids[0]", "drift_after", "max_unpacked"}
	if d := cmp.Diff(want, keys); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestHabits(t *testing.T) {
	h := Config{TimeZones: []string{"A.example = Europe/Berlin", "nonsense"}}.Habits()
	if len(h) != 1 || h["a.example"] == nil {
		t.Errorf("habits %v", h)
	}
}

func TestParseFormatErrors(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"no match":    {"[labels]\nip=['x']", "match"},
		"no address":  {"[match]\nfrom=['x']", "labels.ip"},
		"unknown key": {"colour='red'\n[match]\nfrom=['x']\n[labels]\nip=['x']", "colour"},
		"bad zone":    {"zone='Mars'\n[match]\nfrom=['x']\n[labels]\nip=['x']", "zone"},
		"no TOML":     {"[[[", "bad format"},
	} {
		_, err := ParseFormat([]byte(tc.in))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadFormats(t *testing.T) {
	dir := t.TempDir()
	if f, err := LoadFormats(filepath.Join(dir, "absent")); err != nil || len(f) != 0 {
		t.Errorf("an absent folder: %v %v", f, err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("b.toml", "[match]\nsubject=['odd']\n[columns]\nip=['culprit']\ntime=['moment']\n")
	write("a.toml", "category='connection'\ntype='port-scan'\nzone='Europe/Berlin'\n[match]\nfrom=['@odd.example']\n[labels]\nip=['Blame']\ntime=['Moment']\nport=['Door']\n")
	write("c.toml", "nonsense")
	write("d.toml", "[match]\n")
	formats, err := LoadFormats(dir)
	if err == nil || !strings.Contains(err.Error(), "c.toml") || !strings.Contains(err.Error(), "d.toml") {
		t.Errorf("errors come not together: %v", err)
	}
	if len(formats) != 2 || formats[0].Name != "a" || formats[1].Name != "b" {
		t.Fatalf("%d formats", len(formats))
	}
	res := parse([]byte("From: s@odd.example\nDate: Thu, 01 Oct 2026 12:00:00 +0000\nSubject: x\n\nBlame: 203.0.113.7\nMoment: 2026-10-01 08:14:00\nDoor: 22\nBlame: 203.0.113.8\nMoment: 2026-10-01 09:14:00\n"), Options{Formats: formats})
	if d := cmp.Diff([]string{"203.0.113.7", "203.0.113.8"}, ips(res)); d != "" || res.Format != "a" {
		t.Fatalf("format %s (-want +got):\n%s", res.Format, d)
	}
	r := res.Reports[0]
	if r.Time.Hour() != 6 || r.Port != 22 || r.Type != "port-scan" || r.Step != Known || len(r.Evidence) != 3 {
		t.Errorf("%+v", r)
	}
	res = parse([]byte("From: s@other.example\nDate: Thu, 01 Oct 2026 12:00:00 +0000\nSubject: odd\n\nmoment;victim;culprit\n2026-10-01T08:14:00Z;198.51.100.7;203.0.113.7\n"), Options{Formats: formats})
	if d := cmp.Diff([]string{"203.0.113.7"}, ips(res)); d != "" || res.Format != "b" {
		t.Errorf("format %s (-want +got):\n%s", res.Format, d)
	}
}

func TestSitesAreLookedUpOnlyIfConfigured(t *testing.T) {
	raw := mailOf("Phishing site", "The following site is a phishing page: http://login.bad.example/x\n")
	if res := parse(raw, Options{}); len(res.Reports) != 1 || res.Reports[0].IP.IsValid() {
		t.Errorf("%+v", res.Reports)
	}
	asked := 0
	sites := func(_ context.Context, host string) ([]netip.Addr, error) {
		asked++
		if host != "login.bad.example" {
			t.Errorf("asked for %s", host)
		}
		return []netip.Addr{netip.MustParseAddr("203.0.113.7")}, nil
	}
	res := parse(raw, Options{Sites: sites})
	if asked != 1 || len(res.Reports) != 1 || res.Reports[0].IP.String() != "203.0.113.7" || !strings.Contains(res.Reports[0].Why, "DNS") || res.Reports[0].Confidence != Low {
		t.Errorf("%d questions, %+v", asked, res.Reports)
	}
	failing := func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no answer") }
	if res := parse(raw, Options{Sites: failing}); len(res.Reports) != 1 || res.Reports[0].Source == "" {
		t.Errorf("a failed look-up lost the report: %+v", res.Reports)
	}
}

func TestHTMLText(t *testing.T) {
	for in, want := range map[string]string{
		"<p>a</p><p>b</p>": "a\nb\n",
		"a<br>b":           "a\nb",
		"<table><tr><td>a</td><td>b</td></tr></table>":    "a\tb\n",
		"<div style='display: none'>x<b>y</b></div>z":     "z",
		"<script>x</script><style>y</style>z":             "z",
		"a&nbsp;&amp;&#58; b":                             "a &: b",
		"<pre>a\n  b</pre>":                               "\na\n  b\n",
		"<span hidden>x</span><img src=x>y":               "y",
		"<head><title>x</title></head><body>y</body>":     "y",
		"203.0.<b>113</b>.7":                              "203.0.113.7",
		"<p style='font-size:0'>hidden<br>still</p>shown": "shown",
	} {
		if got := htmlText(in, 1<<16); got != want {
			t.Errorf("htmlText(%q) = %q, want %q", in, got, want)
		}
	}
}

// Every field that the command prints stands in the manual.
func TestJSONIsDocumented(t *testing.T) {
	manual, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(manual), "\n## spoor parse\n")
	if !ok {
		t.Fatal("docs/json.md has no section spoor parse")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, typ := range []reflect.Type{reflect.TypeFor[Result](), reflect.TypeFor[Report](), reflect.TypeFor[Reporter](), reflect.TypeFor[Subject](), reflect.TypeFor[Candidate]()} {
		for i := range typ.NumField() {
			name := typ.Field(i).Tag.Get("json")
			if !strings.Contains(section, `"`+name+`"`) {
				t.Errorf("docs/json.md does not tell %s.%s", typ.Name(), name)
			}
		}
	}
}

// Every key and format stands in the manual.
func TestManual(t *testing.T) {
	keys, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	typ := reflect.TypeFor[Config]()
	for i := range typ.NumField() {
		if name := typ.Field(i).Tag.Get("toml"); !strings.Contains(string(keys), "| `"+name+"` |") {
			t.Errorf("docs/config.md does not tell %s", name)
		}
	}
	manual, err := os.ReadFile("../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(forms(), lateForms()...) {
		if !strings.Contains(string(manual), "`"+f.name+"`") {
			t.Errorf("docs/reports.md does not tell the format %s", f.name)
		}
	}
}
