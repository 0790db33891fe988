package rwhois

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func exported(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// folder is a Sink that writes below dir.
func folder(dir string) Sink {
	return func(path string, write func(io.Writer) error) error {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		return os.WriteFile(path, b.Bytes(), 0o644)
	}
}

func TestExport(t *testing.T) {
	dir := t.TempDir()
	e := Export{Table: table(t), Hostname: "rwhois.example.net", Now: time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)}
	for range 2 { // the second one replaces the first
		if n, err := e.Write(folder(dir)); err != nil || n != 9 {
			t.Fatalf("%d objects, %v", n, err)
		}
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, area := range []string{"net-0.0.0.0-0", "net-::-0"} {
		for _, f := range []string{"attribute_defs/contact.tmpl", "attribute_defs/network.tmpl", "data/contact/contact.txt", "data/network/network.txt", "schema", "soa"} {
			want = append(want, area+"/"+f)
		}
	}
	want = append(want, "rwhoisd.auth_area")
	slices.Sort(files)
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
	first := "ID: NET-198.51.0.0-16\nAuth-Area: 0.0.0.0/0\nNetwork-Name: FIRST-UNIVERSITY\nIP-Network: 198.51.0.0/16\n" +
		"IP-Network-Block: 198.51.0.0 - 198.51.255.255\nOrg-Name: First University\nCity: Hsinchu\nCountry-Code: TW\n" +
		"Admin-Contact: ann@first.example.edu\nAbuse-Contact: abuse@first.example.edu\nCreated: 20030701\nUpdated: 20031130\nUpdated-By: house\n---\n"
	networks := exported(t, dir, "net-0.0.0.0-0/data/network/network.txt")
	if !strings.HasPrefix(networks, first) || strings.Contains(networks, "+886") || !strings.Contains(networks, "Updated: 20261001") {
		t.Errorf("%s", networks)
	}
	e.Personal = true
	if _, err := e.Write(folder(dir)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(exported(t, dir, "net-0.0.0.0-0/data/network/network.txt"), "Tel: +886 3 000") {
		t.Error("telephone numbers are missing where they were asked for")
	}
}

// TestExportFitsItsTemplates: the indexer refuses records with attributes that the
// template lacks, or without those that it requires, and values of two lines.
func TestExportFitsItsTemplates(t *testing.T) {
	dir := t.TempDir()
	e := Export{Table: table(t), Hostname: "rwhois.example.net", Personal: true, Now: time.Now()}
	if _, err := e.Write(folder(dir)); err != nil {
		t.Fatal(err)
	}
	for _, class := range classes() {
		template := map[string]map[string]string{}
		for _, block := range strings.Split(exported(t, dir, "net-0.0.0.0-0/attribute_defs/"+class+".tmpl"), "---\n") {
			values := pairs(t, block)
			template[values["attribute"]] = values
		}
		for _, common := range []string{"ID", "Auth-Area", "Updated"} { // rwhoisd adds these to every class
			template[common] = map[string]string{"is-required": "TRUE", "is-repeatable": "FALSE"}
		}
		records := strings.Split(exported(t, dir, "net-0.0.0.0-0/data/"+class+"/"+class+".txt"), "---\n")
		for _, record := range records {
			seen := map[string]int{}
			for line := range strings.Lines(record) {
				name, _, _ := strings.Cut(line, ": ")
				seen[name]++
				if template[name] == nil {
					t.Errorf("%s: attribute %q is not in the template", class, name)
				}
			}
			for name, f := range template {
				if f["is-required"] == "TRUE" && seen[name] == 0 || f["is-repeatable"] == "FALSE" && seen[name] > 1 {
					t.Errorf("%s: %q occurs %d times in %q", class, name, seen[name], record)
				}
			}
		}
	}
}

func pairs(t *testing.T, block string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(block) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			t.Errorf("line %q", line)
		}
		all[name] = value
	}
	return all
}
