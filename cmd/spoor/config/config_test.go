package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultsAreValid(t *testing.T) {
	cfg, err := Parse("spoor.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Has("site") || cfg.Store.Dir != Default().Store.Dir {
		t.Errorf("an empty file gives %+v", cfg)
	}
}

func TestTheFirstConfiguration(t *testing.T) {
	cfg, err := Parse("spoor.toml", []byte(`
[site]
name     = "Example Regional Network"
hosts    = ["example.net"]
networks = ["192.0.2.0/24", "2001:db8::/32"]
desk     = "abuse-desk@example.net"
[store]
dir = "/var/lib/spoor"
min_free = "2GB"
[metrics]
listen = "127.0.0.1:9108"
`))
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.Has("metrics") || cfg.Has("milter") || cfg.Store.MinFree != 2<<30 || len(cfg.Site.Networks) != 2 {
		t.Errorf("read as %+v", cfg)
	}
}

// TestEveryMistakeIsReported gives ten mistakes of all kinds in one file: each must be told, with its line and key.
func TestEveryMistakeIsReported(t *testing.T) {
	_, err := Parse("spoor.toml", []byte(`[site]
name = 5
hosts = ["example.net", ".bad"]
networks = ["192.0.2.0/33"]
desk = "nobody"
colour = 1
[stoer]
dir = "x"
[store]
dir = "relative"
min_free = "lots"
control = "here"
[metrics]
listen = "9108"
`))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		if p.What == "" || p.Write == "" {
			t.Errorf("no advice in %q", p.Error())
		}
		got = append(got, strings.SplitN(p.Error(), ": ", 3)[0]+" "+p.Key)
	}
	want := []string{
		"spoor.toml:2 site.name", "spoor.toml:3 site.hosts[1]", "spoor.toml:4 site.networks[0]", "spoor.toml:5 site.desk",
		"spoor.toml:6 site.colour", "spoor.toml:7 stoer", "spoor.toml:10 store.dir", "spoor.toml:11 store.min_free",
		"spoor.toml:12 store.control", "spoor.toml:14 metrics.listen",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDuplicatesAreReported names the second of each key and section, on its own line, and what else is wrong there.
func TestDuplicatesAreReported(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"key": {"[site]\nname = \"a\"\nname = \"b\"\n", []string{
			"spoor.toml:3: site.name: it stands in line 2 already; write keep one of the two"}},
		"key after comments": {"# one\n\n[site]\n# two\n\nname = \"a\"\n\n# three\nname = \"b\"\n", []string{
			"spoor.toml:9: site.name: it stands in line 6 already; write keep one of the two"}},
		"section": {"[site]\nname = \"a\"\n\n[store]\ndir = \"/x\"\n\n# again\n[site]\ndesk = \"desk@example.net\"\n", []string{
			"spoor.toml:8: site: the section [site] begins in line 1 already; write put its keys under the first [site]"}},
		"section with a key that stands in both": {"[site]\nname = \"a\"\n[site]\nname = \"b\"\n", []string{
			"spoor.toml:3: site: the section [site] begins in line 1 already; write put its keys under the first [site]",
			"spoor.toml:4: site.name: it stands in line 2 already; write keep one of the two"}},
		"with another mistake below": {"[site]\nname = \"a\"\n[site]\ndesk = \"nobody\"\n", []string{
			"spoor.toml:3: site: the section [site] begins in line 1 already; write put its keys under the first [site]",
			"spoor.toml:4: site.desk: \"nobody\" is no mail address; write a plain address, such as \"abuse-desk@example.net\""}},
		"the rest is judged as one section": {"[abusebox]\nsmtp = [\"[::]:25\"]\n[abusebox]\nrecipients = [\"abuse@example.net\"]\n", []string{
			"spoor.toml:3: abusebox: the section [abusebox] begins in line 1 already; write put its keys under the first [abusebox]"}},
		"section by dotted keys": {"# one\n\n[registry]\n\nserve.rwhois = \"127.0.0.1:43\"\n\n[registry.serve]\n", []string{
			"spoor.toml:7: registry.serve: "}},
		"repeated tables are none": {"[[registry.serve.delegated]]\nnetwork = \"192.0.2.0/25\"\nserver = \"rwhois://a.example.net:4321\"\n" +
			"[[registry.serve.delegated]]\nnetwork = \"192.0.2.128/25\"\nserver = \"rwhois://b.example.net:4321\"\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := told(t, test.text)
			for i := range min(len(got), len(test.want)) {
				if strings.HasSuffix(test.want[i], ": ") && strings.HasPrefix(got[i], test.want[i]) {
					got[i] = test.want[i] // the rest is the TOML library's sentence
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestBrokenEntriesAreReported gives lists of which some entries cannot be decoded: the others are judged all the same.
func TestBrokenEntriesAreReported(t *testing.T) {
	want := []string{"spoor.toml:3 site.networks[0]", "spoor.toml:4 site.networks[2]", "spoor.toml:5 site.networks[3]", "spoor.toml:7 site.hosts[0]",
		"spoor.toml:7 site.hosts[2]"}
	_, err := Parse("spoor.toml", []byte(`[site]
networks = [
  "192.0.2.0/33", # too long
  "198.51.100.0/24", "10.0.0.1/8",
  5,
]
hosts = [5, "example.net", ".bad"]
`))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		if p.What == "" || p.Write == "" || strings.Contains(p.Write, "brackets") {
			t.Errorf("wrong advice in %q", p.Error())
		}
		got = append(got, strings.SplitN(p.Error(), ": ", 3)[0]+" "+p.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// told is what Parse complains of, one sentence each.
func told(t *testing.T, text string) (sentences []string) {
	t.Helper()
	_, err := Parse("spoor.toml", []byte(text))
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		t.Fatal(err)
	}
	for _, p := range problems {
		sentences = append(sentences, p.Error())
	}
	return sentences
}

func TestBrokenTOMLBehindDuplicates(t *testing.T) {
	got := told(t, "[site]\nname = \"a\"\nname = \"b\"\n\nhosts = [\"a\"\n[store]\n")
	for i, want := range []string{"spoor.toml:3: site.name: it stands in line 2", "spoor.toml:6: "} {
		if len(got) != 2 || !strings.HasPrefix(got[i], want) {
			t.Errorf("%q does not hold %q", got, want)
		}
	}
}

func TestBrokenTOML(t *testing.T) {
	_, err := Parse("spoor.toml", []byte("[site]\nname = \"x\"\nhosts = [\"a\"\n[store]\n"))
	if err == nil || !strings.Contains(err.Error(), "spoor.toml:") || !strings.Contains(err.Error(), "no TOML") {
		t.Errorf("error %v", err)
	}
}

func TestUnknownKeysAreSpelled(t *testing.T) {
	_, err := Parse("spoor.toml", []byte("[store]\ndri = \"/x\"\n"))
	if err == nil || !strings.Contains(err.Error(), `"store.dir"`) {
		t.Errorf("error %v does not name the key that was meant", err)
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.toml"))
	if err == nil || !strings.Contains(err.Error(), "none.toml") {
		t.Errorf("error %v", err)
	}
}

// TestManual holds docs/config.md against the code: every key stands under the heading of its section, and no other does.
func TestManual(t *testing.T) {
	data, err := os.ReadFile("../../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := manualKeys(string(data))
	for _, key := range Keys() {
		if !documented[key.Name] {
			t.Errorf("docs/config.md does not explain %s", key.Name)
		}
		delete(documented, key.Name)
	}
	for name := range documented {
		t.Errorf("docs/config.md explains %s, which is no key", name)
	}
}

// manualKeys reads the headings "## [section]" or "## [[section]]" and the first cell of each table row below them.
func manualKeys(text string) map[string]bool {
	keys, section := map[string]bool{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if head, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "##") {
			section = strings.Trim(strings.Fields(head)[0], "[]`")
		}
		cell, ok := strings.CutPrefix(line, "| `")
		if !ok || section == "" {
			continue
		}
		name, _, _ := strings.Cut(cell, "`")
		keys[section+"."+name] = true
	}
	return keys
}
