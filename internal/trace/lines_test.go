package trace

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata/trace.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "trace", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// sampleLines returns the lines of testdata/trace/lines.txt.
func sampleLines(t testing.TB) []string { return readLines(t, "lines.txt") }

// readLines returns the lines of a file of testdata/trace that are no comments.
func readLines(t testing.TB, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "trace", name))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for s := range strings.Lines(string(b)) {
		if s = strings.TrimSpace(s); s != "" && s[0] != '#' {
			out = append(out, s)
		}
	}
	return out
}

// describe writes the fields of a hop that hold something.
func describe(h *Hop) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", h.Dialect)
	text, _ := h.Time.MarshalText()
	for _, f := range [][2]string{
		{"skip", string(h.Skip)}, {"ip", addrText(h.IP)}, {"bad", h.badIP}, {"helo", h.HELO}, {"rdns", h.RDNS}, {"state", string(h.RDNSState)}, {"ident", h.Ident},
		{"by", h.By}, {"by_ip", addrText(h.ByIP)}, {"with", h.With}, {"tls", h.TLS}, {"auth", h.Auth}, {"id", h.ID}, {"for", h.For},
		{"from", h.EnvelopeFrom}, {"time", string(text)}, {"zones", strings.Join(h.Zones, " ")},
	} {
		if f[1] != "" && f[1] != "unknown" {
			fmt.Fprintf(&b, " %s=%s", f[0], f[1])
		}
	}
	if h.Port > 0 {
		fmt.Fprintf(&b, " port=%d", h.Port)
	}
	if h.authenticated {
		b.WriteString(" authenticated")
	}
	if h.unverified {
		b.WriteString(" unverified")
	}
	return b.String()
}

func TestLines(t *testing.T) {
	var b strings.Builder
	for _, s := range sampleLines(t) {
		h := ParseReceived([]byte("Received: " + s))
		fmt.Fprintf(&b, "%s\n  %s\n", s, describe(&h))
	}
	golden(t, "lines.golden", b.String())
}

// What a client says of itself must not hide or replace what the server saw.
func TestHostileHELO(t *testing.T) {
	for _, helo := range []string{"a[b", "[31mred", "[", "]", "[198.51.100.1", "by", "with", "<", "\"", "a@b", "198.51.100.1]", "x;y", "=", ")", "id"} {
		for _, form := range []string{
			"from %s (unknown [192.0.2.10]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200",
			"from %s ([192.0.2.10]) by mx.example.net (8.14.4/8.14.4) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200",
			"from [192.0.2.10] (helo=%s) by mx.example.net with smtp (Exim 4.96) id 1tmUP0-0006rE-Mm; Mon, 05 Oct 2026 10:11:12 +0200",
			"from unknown (HELO %s) (192.0.2.10) by mx.example.net with SMTP; 5 Oct 2026 08:11:12 -0000",
		} {
			h := ParseReceived([]byte(fmt.Sprintf(form, helo)))
			if h.IP.IsValid() && h.IP.String() != "192.0.2.10" {
				t.Errorf("HELO %q gave %s for\n%s", helo, h.IP, h.Raw)
			}
			if !h.IP.IsValid() && !strings.ContainsAny(helo, ")\"") { // an unbalanced parenthesis may hide it, and then nothing is said
				t.Errorf("HELO %q hid the address in\n%s", helo, h.Raw)
			}
		}
	}
}

// A name in the DNS is chosen by whoever has the address: it must not pass for
// a remark of the server.
func TestHostileRDNS(t *testing.T) {
	for _, rdns := range []string{"authenticated.example.com", "auth.example.com", "tls.example.com", "sasl.example.com", "smtp-auth.example.com", "using", "client", "no", "version", "mailfrom.example.com", "envelope-from.example.com"} {
		h := ParseReceived([]byte("Received: from x (" + rdns + " [192.0.2.10]) by mx.example.net (Postfix) with SMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200"))
		if addrText(h.IP) != "192.0.2.10" || h.RDNS != rdns || h.authenticated || h.TLS != "" || h.EnvelopeFrom != "" {
			t.Errorf("%s: %s", rdns, describe(&h))
		}
	}
}

// An IDENT server says what its owner likes: it must not pass for a remark of
// the server that asked it.
func TestHostileIdent(t *testing.T) {
	for _, ident := range []string{"authenticated", "auth", "user=root", "tls", "sasl", "using", "unknown:x", "client", "envelope-from", "smtp-auth", "mailfrom:a"} {
		for _, form := range []string{
			"from unknown (HELO x) (%s@192.0.2.10) by mx.example.net with SMTP; 5 Oct 2026 08:11:12 -0000",
			"from unknown (HELO x) (%s@[192.0.2.10]) by mx.example.net (qmail-ldap-1.03) with SMTP; 5 Oct 2026 08:11:12 -0000",
			"from x (%s@host.example.com [192.0.2.10]) by mx.example.net (8.9.3/8.9.3) with SMTP id KAA1; Mon, 5 Oct 2026 10:11:12 +0200",
		} {
			h := ParseReceived([]byte(fmt.Sprintf(form, ident)))
			if addrText(h.IP) != "192.0.2.10" || h.authenticated || h.TLS != "" || h.EnvelopeFrom != "" {
				t.Errorf("%s: %s", ident, describe(&h))
			}
		}
	}
}

// The table of dialects and the code agree: each example is read as its
// dialect, and every dialect that the signatures name is in the table.
func TestDialects(t *testing.T) {
	known := map[string]bool{"connection": true}
	for _, d := range Dialects {
		if known[d.Name] {
			t.Errorf("%s is in the table twice", d.Name)
		}
		known[d.Name] = true
		if h := ParseReceived([]byte("Received: " + d.Example)); h.Dialect != d.Name {
			t.Errorf("%s: its example is read as %s\n\t%s", d.Name, h.Dialect, d.Example)
		}
		if d.Source == "" {
			t.Errorf("%s has no source", d.Name)
		}
	}
	for _, list := range signatures {
		for _, s := range list {
			if !known[s.dialect] {
				t.Errorf("%s is not in the table", s.dialect)
			}
		}
	}
	page := readDoc(t, "json.md")
	for _, d := range Dialects {
		if !strings.Contains(page, "| `"+d.Name+"` | "+d.Source+" | `"+strings.ReplaceAll(d.Example, "|", "\\|")+"` |") {
			t.Errorf("docs/json.md has not the row of %s", d.Name)
		}
	}
}

// Every name that the JSON object of a message holds is told in docs/json.md.
func TestJSONPage(t *testing.T) {
	_, text := sections(readDoc(t, "json.md"))
	page := text["spoor trace"]
	if page == "" {
		t.Fatal("docs/json.md has no section spoor trace")
	}
	port := uint16(1)
	r := Result{Origin: &Origin{Port: port}, Sources: []Source{{}}, Claims: []Claim{{}}, Findings: []Finding{{}}, Clues: []Clue{{}}, Alternatives: []Alternative{{}}}
	r.Hops, r.Boundary = []Hop{{Port: port}}, &Boundary{}
	var v any
	if err := json.Unmarshal([]byte(encode(t, &r)), &v); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if !strings.Contains(page, `"`+name+`"`) {
					t.Errorf("docs/json.md does not tell %q", name)
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(v)
}
