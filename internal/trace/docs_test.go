package trace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readDoc reads a page of docs.
func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sections splits a page at its second-level headings.
func sections(page string) (names []string, text map[string]string) {
	text = map[string]string{}
	for i, part := range strings.Split(page, "\n## ") {
		if i == 0 {
			continue
		}
		name, rest, _ := strings.Cut(part, "\n")
		names = append(names, name)
		text[name] = rest
	}
	return names, text
}

// Every signal has its section in docs/findings.md, in the code's order, with
// its strength and benign causes, and its example shows it.
func TestFindingsPage(t *testing.T) {
	names, text := sections(readDoc(t, "findings.md"))
	var codes []string
	for _, k := range Kinds() {
		codes = append(codes, k.Code)
	}
	if got, want := strings.Join(names[1:], "\n"), strings.Join(codes, "\n"); got != want {
		t.Errorf("docs/findings.md has the sections\n%s\nwant\n%s", got, want)
	}
	for _, k := range Kinds() {
		s := text[k.Code]
		if !strings.Contains(s, "**"+string(k.Strength)+".**") {
			t.Errorf("%s: the page does not say that it is %s", k.Code, k.Strength)
		}
		if !strings.Contains(s, "Does not prove: ") || !strings.Contains(s, "Benign: "+k.Benign+".") {
			t.Errorf("%s: the page lacks what it does not prove, or its benign causes: %s", k.Code, k.Benign)
		}
		_, example, ok := strings.Cut(s, "```\n")
		example, _, _ = strings.Cut(example, "```")
		if !ok || example == "" {
			t.Errorf("%s: the page has no example", k.Code)
			continue
		}
		if !strings.HasPrefix(k.Code, "dns-") { // those are tested against a name server
			checkExample(t, k, example)
		}
	}
}

// checkExample traces an example of the page and looks for its finding.
func checkExample(t *testing.T, k Kind, example string) {
	t.Helper()
	lines := strings.SplitAfter(example, "\n")
	if strings.HasPrefix(lines[1], "…") {
		example = strings.Repeat(lines[0], 50) + strings.Join(lines[2:], "")
	}
	r := NewTracer(Options{Hosts: []string{"example.net"}}).Trace(header(t, example))
	f := finding(t, &r, k.Code)
	if f.Strength != k.Strength {
		t.Errorf("%s: its example shows it as %s, not %s", k.Code, f.Strength, k.Strength)
	}
	if f.Benign == "" || f.Explain == "" {
		t.Errorf("%s: empty explanation: %+v", k.Code, f)
	}
}

// Every field that the code looks at has its row in docs/fields.md, and every
// row that says what is done with a field is about one that the code looks at.
func TestFieldsPage(t *testing.T) {
	page := strings.ToLower(readDoc(t, "fields.md"))
	code := map[string]bool{}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
		for _, call := range []string{`.Get("`, `.Has("`, `.All("`, `.Field("`, `.Text("`} {
			for _, part := range strings.Split(string(b), call)[1:] {
				field, _, _ := strings.Cut(part, `"`)
				code[strings.ToLower(field)] = true
			}
		}
		for _, part := range strings.Split(string(b), `"x-`)[1:] {
			field, _, _ := strings.Cut(part, `"`)
			code["x-"+strings.ToLower(field)] = true
		}
	}
	for field := range code {
		if !strings.Contains(page, "`"+field) && !strings.Contains(page, "`"+strings.TrimSuffix(field, "n")+"ned`") {
			t.Errorf("docs/fields.md has no row for %s", field)
		}
	}
	text := strings.ToLower(all.String())
	for _, row := range strings.Split(page, "\n| `")[1:] {
		field, rest, _ := strings.Cut(row, "`")
		done := rest[strings.LastIndex(strings.TrimRight(rest, " |\n"), "|")+1:]
		if strings.Contains(done, "nothing") || strings.Contains(done, "no hop") || field == "from_" {
			continue
		}
		if !strings.Contains(text, `"`+field+`"`) && !strings.Contains(text, `"`+strings.TrimSuffix(field, "ned")) && !strings.Contains(text, `"`+strings.TrimSuffix(field, "-id")+`"`) {
			t.Errorf("docs/fields.md says that %s is used, the code does not know it", field)
		}
	}
}
