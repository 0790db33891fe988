package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse: a configuration is either refused with problems that name a line of it, or accepted; and what is printed of
// an accepted one is accepted again and prints the same.
func FuzzParse(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse("spoor.toml", data)
		if err != nil {
			checkProblems(t, data, err)
			return
		}
		if len(cfg.Abusebox.Users) > 0 {
			return // hidden in the print
		}
		printed := printOf(t, cfg)
		again, err := Parse("printed.toml", printed)
		if err != nil {
			t.Fatalf("what was printed is refused: %v\n%s", err, printed)
		}
		if second := printOf(t, again); !bytes.Equal(printed, second) {
			t.Fatalf("printed as\n%s\nand then as\n%s", printed, second)
		}
	})
}

// seeds are the configurations of the demo and of the scenarios, and one line of each awkward kind.
func seeds(f *testing.F) (seeds [][]byte) {
	for _, pattern := range []string{"../../../testdata/demo/*.toml", "../../../testdata/e2e/*.toml", "../../../testdata/e2e/*/more.toml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			seeds = append(seeds, data)
		}
	}
	for _, line := range []string{"[site]\nname=5\n[site]\nname=6", "[[milter.rules]]\n", "a.b.c=[{x=1},", "[store]\nmin_free=\"2GB\"\n", "\xff[", "[site.site]\n'' = 1"} {
		seeds = append(seeds, []byte(line))
	}
	return seeds
}

func checkProblems(t *testing.T, data []byte, err error) {
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("refused with %T %v", err, err)
	}
	last := bytes.Count(data, []byte("\n")) + 1
	for _, p := range problems {
		if p.What == "" || p.Line < 0 || p.Line > last {
			t.Fatalf("problem %+v of a file of %d lines", p, last)
		}
	}
}

func printOf(t *testing.T, cfg Config) []byte {
	var out bytes.Buffer
	if err := cfg.PrintChanged(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
