package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows is the import table of the design: what each folder may import inside the project. A trailing slash
// means a folder and all below it; the most specific row binds. Whatever stands in no row may not exist.
var arrows = []struct {
	folder string
	may    []string
}{
	{"cmd/spoor/", []string{"cmd/spoor/", "milter/", "abusebox/", "flowwatch/", "registry/", "internal/", "testdata/"}},
	{"cmd/spoor-bgp/", []string{"abusebox/block/"}},
	{"abusebox", []string{"abusebox/", "internal/"}},
	{"abusebox/intake/", []string{"abusebox/intake/", "internal/"}},
	{"abusebox/report/", []string{"abusebox/report/", "internal/"}},
	{"abusebox/incident/", []string{"abusebox/report/"}},
	{"abusebox/notify/", []string{"abusebox/notify/", "abusebox/incident/", "abusebox/report/", "internal/"}},
	{"abusebox/block/", []string{"abusebox/block/", "abusebox/incident/"}},
	{"abusebox/maillog/", []string{"abusebox/incident/", "abusebox/report/", "internal/"}},
	{"abusebox/stats/", []string{"abusebox/incident/", "abusebox/report/", "internal/"}},
	{"abusebox/stats/statstest/", []string{"abusebox/stats/"}},
	{"abusebox/relaytest/", []string{"abusebox/incident/", "abusebox/report/", "internal/"}},
	{"abusebox/store/", []string{"abusebox/", "internal/bolt/"}},
	{"abusebox/console/", []string{"abusebox/", "internal/"}},
	{"milter/", []string{"milter/", "internal/"}},
	{"flowwatch", []string{"flowwatch/", "internal/"}},
	{"flowwatch/netflow/", nil},
	{"flowwatch/netflow/netflowtest/", []string{"flowwatch/netflow/"}},
	{"flowwatch/activity/", []string{"flowwatch/netflow/"}},
	{"flowwatch/anomaly/", []string{"flowwatch/activity/"}},
	{"flowwatch/history/", []string{"flowwatch/activity/", "flowwatch/anomaly/", "internal/bolt/"}},
	{"registry", nil},
	{"registry/registrytest/", []string{"registry"}},
	{"registry/history/", []string{"registry", "internal/bolt/"}},
	{"registry/snmp/", []string{"registry"}},
	{"registry/snmp/snmptest/", nil},
	{"registry/rwhois/", []string{"registry", "internal/listen/"}},
	{"registry/whois/", []string{"registry", "internal/listen/"}},
	{"registry/rdap/", []string{"registry", "internal/listen/"}},
	{"registry/outside/", []string{"registry"}},
	{"internal/message/", nil},
	{"internal/trace/", []string{"internal/trace/", "internal/message/"}},
	{"internal/bolt/", nil},
	{"internal/listen/", nil},
	{"internal/unit/", nil},
	{"internal/costtest/", nil},
	{"internal/peers/", []string{"internal/peers/"}},
}

// TestImportArrows holds every file that is no test against the table.
func TestImportArrows(t *testing.T) {
	root := projectRoot(t)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") && path != root {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		checkImports(t, root, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkImports(t *testing.T, root, path string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	folder, err := filepath.Rel(root, filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	may, known := row(folder)
	if !known {
		t.Errorf("%s stands in no row of the design's table", folder)
	}
	for _, spec := range file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		if inside, ok := strings.CutPrefix(name, "spoor/"); ok && !slices.ContainsFunc(may, func(m string) bool { return covers(m, inside) }) {
			t.Errorf("%s imports %s, which the design's table does not allow", filepath.Join(folder, filepath.Base(path)), name)
		}
	}
}

// row finds the most specific row for a folder.
func row(folder string) (may []string, known bool) {
	longest := -1
	for _, r := range arrows {
		if covers(r.folder, folder) && len(r.folder) > longest {
			may, known, longest = r.may, true, len(r.folder)
		}
	}
	return may, known
}

func covers(pattern, folder string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/"); ok {
		return folder == tree || strings.HasPrefix(folder, pattern)
	}
	return folder == pattern
}

// TestTopLevel holds the top of the tree to the list of the design.
func TestTopLevel(t *testing.T) {
	allowed := []string{"cmd", "milter", "abusebox", "flowwatch", "registry", "internal", "testdata", "docs", "deploy",
		"go.mod", "go.sum", "Makefile", "README.md", "LICENSE", ".ci", ".git", ".gitignore", "spoor", "spoor-bgp"}
	entries, err := os.ReadDir(projectRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains(allowed, entry.Name()) {
			t.Errorf("%s does not belong at the top level", entry.Name())
		}
	}
}

// projectRoot is the folder of go.mod.
func projectRoot(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return root
}
