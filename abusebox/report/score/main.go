// Score measures how well complaints are read: it parses the mails of a folder
// and compares them with the expectation files beside them.
//
//	go run ./abusebox/report/score DIR
//
// For each NAME.eml there is a NAME.expect; see docs/reports.md for its lines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sort"
	"strings"

	"spoor/abusebox/report"
	"spoor/internal/message"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: score [-v] [-networks PREFIX,...] DIR...")
		flag.PrintDefaults()
	}
	verbose := flag.Bool("v", false, "also name the mails that are exact")
	networks := flag.String("networks", "", "our `prefixes`, separated by commas, as in the configuration")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ours, err := oursOf(*networks)
	if err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(2)
	}
	debug.SetMemoryLimit(memory)
	s := score{ours: ours}
	for _, dir := range flag.Args() {
		if err := s.dir(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, "score:", err)
			os.Exit(1)
		}
	}
	s.print(os.Stdout, *verbose)
}

// memory is where the collector begins to work harder: a mail with a million
// rows and its expectations take two thirds of it, and the tool stays below 200 MB.
const memory = 150 << 20

// oursOf returns whether an address is in one of the networks, nil without any.
func oursOf(networks string) (func(netip.Addr) bool, error) {
	var ours []netip.Prefix
	for _, n := range strings.FieldsFunc(networks, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, fmt.Errorf("-networks: %w; write 192.0.2.0/24,2001:db8::/32", err)
		}
		ours = append(ours, p)
	}
	if len(ours) == 0 {
		return nil, nil
	}
	return func(ip netip.Addr) bool {
		return slices.ContainsFunc(ours, func(p netip.Prefix) bool { return p.Contains(ip) })
	}, nil
}

// A verdict is one mail compared with its expectation.
type verdict struct {
	name    string
	format  string
	lacks   int      // how many are missing
	missing []string // the first of them
	surplus int      // how many are too much
	extra   []string // the first of them
	wrong   []string // details that differ, and a wrong rejection
}

// exact tells whether the set of accused is the expected one.
func (v verdict) exact() bool { return v.lacks == 0 && v.surplus == 0 }

// A score is the verdicts of all mails.
type score struct {
	verdicts []verdict
	ours     func(netip.Addr) bool
}

// dir compares every mail below a folder that has an expectation.
func (s *score) dir(ctx context.Context, dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".eml" {
			return err
		}
		v, err := judge(ctx, name, s.ours)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.name, _ = filepath.Rel(dir, name)
		s.verdicts = append(s.verdicts, v)
		return nil
	})
}

// judge parses one mail and compares.
func judge(ctx context.Context, name string, ours func(netip.Addr) bool) (verdict, error) {
	f, err := os.Open(strings.TrimSuffix(name, ".eml") + ".expect")
	if err != nil {
		return verdict{}, err
	}
	defer f.Close()
	want, err := readExpectation(f)
	if err != nil {
		return verdict{}, err
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return verdict{}, err
	}
	t := newTally(want)
	res := report.Parse(ctx, message.Read(raw, message.DefaultLimits()), report.Options{Ours: ours, Each: t.add})
	t.add(res.Reports)
	return t.verdict(res), nil
}

// A tally compares the reports of a mail with its expectation as they come. Of
// a table of a million rows it keeps those reports of which details are expected.
type tally struct {
	expectation
	detailed map[string]bool
	extra    subjects
	kept     []report.Report
}

func newTally(want expectation) *tally {
	t := &tally{expectation: want, detailed: map[string]bool{}}
	for _, it := range want.items {
		t.detailed[it.subject] = true
	}
	return t
}

// add takes reports, as report.Options.Each does.
func (t *tally) add(reports []report.Report) {
	for i := range reports {
		r := &reports[i]
		t.meet(r)
		if len(t.detailed) > 0 && t.detailed[subjectOf(r)] {
			t.kept = append(t.kept, *r)
		}
	}
}

// meet marks what a report accuses as met, or as too much.
func (t *tally) meet(r *report.Report) {
	if r.IP.IsValid() {
		if !t.wanted.markIP(r.IP) {
			t.extra.putIP(r.IP, true)
		}
		return
	}
	if s := subjectOf(r); !t.wanted.mark(s) {
		t.extra.put(s, true)
	}
}

// verdict tells what is missing, what is too much, and which details differ.
// Several reports about one address may meet several expectations in any order.
func (t *tally) verdict(res report.Result) verdict {
	v := verdict{format: res.Format}
	if v.format == "" {
		v.format = "none"
	}
	if t.rejected != res.Rejected {
		v.wrong = append(v.wrong, fmt.Sprintf("rejected %q, want %q", res.Rejected, t.rejected))
	}
	v.lacks, v.missing = t.wanted.having(false)
	v.surplus, v.extra = t.extra.having(true)
	res.Reports = t.kept
	used := make([]bool, len(res.Reports))
	for _, it := range t.items {
		v.wrong = append(v.wrong, details(it, &res, used)...)
	}
	return v
}

// details finds the report that fits an expectation best and tells what differs.
func details(it item, res *report.Result, used []bool) []string {
	var best []string
	at := -1
	for i := range res.Reports {
		r := &res.Reports[i]
		if used[i] || subjectOf(r) != it.subject {
			continue
		}
		var wrong []string
		for key, value := range it.want {
			if have := detail(res, r, key); have != value {
				wrong = append(wrong, fmt.Sprintf("%s %s=%s, want %s", it.subject, key, have, value))
			}
		}
		if at < 0 || len(wrong) < len(best) {
			best, at = wrong, i
		}
	}
	if at >= 0 {
		used[at] = true
	}
	sort.Strings(best)
	return best
}

// print writes what differs, a table by format, and the sums.
func (s *score) print(w io.Writer, verbose bool) {
	for _, v := range s.verdicts {
		if verbose || !v.exact() || len(v.wrong) > 0 {
			fmt.Fprintf(w, "%s (%s)\n", v.name, v.format)
		}
		for _, part := range []struct {
			name string
			n    int
			list []string
		}{{"missing", v.lacks, v.missing}, {"extra", v.surplus, v.extra}, {"differs", len(v.wrong), v.wrong}} {
			for _, x := range part.list {
				fmt.Fprintf(w, "  %-8s %s\n", part.name, x)
			}
			if more := part.n - len(part.list); more > 0 {
				fmt.Fprintf(w, "  %-8s and %d more\n", part.name, more)
			}
		}
	}
	fmt.Fprintf(w, "%-16s %7s %7s %7s %7s\n", "FORMAT", "MAILS", "EXACT", "MISSING", "EXTRA")
	for _, name := range s.formats() {
		s.row(w, name, func(v verdict) bool { return v.format == name })
	}
	s.row(w, "all", func(verdict) bool { return true })
}

func (s *score) formats() []string {
	seen := map[string]bool{}
	for _, v := range s.verdicts {
		seen[v.format] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func (s *score) row(w io.Writer, name string, of func(verdict) bool) {
	mails, exact, missing, extra := 0, 0, 0, 0
	for _, v := range s.verdicts {
		if !of(v) {
			continue
		}
		mails++
		if v.exact() {
			exact++
		}
		missing += v.lacks
		extra += v.surplus
	}
	fmt.Fprintf(w, "%-16s %7d %7d %7d %7d", name, mails, exact, missing, extra)
	if name == "all" && mails > 0 {
		fmt.Fprintf(w, "   %.1f %% exact", 100*float64(exact)/float64(mails))
	}
	fmt.Fprintln(w)
}
