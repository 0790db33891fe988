package registry

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// logFile is one lease log as the configuration has it now.
type logFile struct {
	path   string
	name   string      // in what is told of it
	config int         // in Config.Leases
	info   fs.FileInfo // nil where it cannot be looked at
	err    error       // why
}

// logFiles lists the lease logs. A name may be a pattern of many: of a daily log, or of one
// with those that were rotated away.
func (f *fileSet) logFiles() []logFile {
	var all []logFile
	for i, l := range f.config.Leases {
		for _, name := range l.Files {
			if !isPattern(name) {
				all = append(all, logFile{path: f.path(name), name: name, config: i})
				continue
			}
			for _, path := range f.matches(name) {
				all = append(all, logFile{path: path, name: filepath.Base(path), config: i})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b logFile) int { return cmp.Or(cmp.Compare(a.config, b.config), cmp.Compare(a.path, b.path)) })
	all = slices.CompactFunc(all, func(a, b logFile) bool { return a.config == b.config && a.path == b.path })
	for i := range all {
		all[i].info, all[i].err = os.Stat(all[i].path)
		if all[i].err == nil && !all[i].info.Mode().IsRegular() {
			all[i].err = &fs.PathError{Op: "read", Path: all[i].path, Err: errors.New("is no regular file")}
		}
	}
	return all
}

func isPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// matches lists the files that a pattern means; compressed ones are not read.
func (f *fileSet) matches(pattern string) []string {
	paths, _ := filepath.Glob(f.path(pattern)) // Config.Validate has refused bad patterns
	return slices.DeleteFunc(paths, func(path string) bool {
		return slices.Contains([]string{".gz", ".xz", ".bz2", ".zst"}, filepath.Ext(path))
	})
}

// unmatched tells the patterns that mean no file.
func (f *fileSet) unmatched() []error {
	var errs []error
	for _, l := range f.config.Leases {
		for _, name := range l.Files {
			if isPattern(name) && len(f.matches(name)) == 0 {
				errs = append(errs, fmt.Errorf("reading the registry's files: no lease log is named like %s", name))
			}
		}
	}
	return errs
}

// logsChanged reports whether a lease log has something to be read, or is another by now.
func (f *fileSet) logsChanged(now time.Time) bool {
	logs := f.logFiles()
	if len(logs) != len(f.tails) {
		return true
	}
	for i, l := range logs {
		t := f.tails[i]
		switch {
		case t.path != l.path || t.config != l.config:
			return true
		case errors.Is(l.err, fs.ErrNotExist) && t.missing:
		case l.err != nil || !t.same(l.info, now):
			return true
		}
	}
	return false
}

// followLogs reads what the lease logs have that is new.
func (f *fileSet) followLogs(now time.Time) error {
	logs := f.logFiles()
	f.tails = sortTails(f.tails, logs)
	errs, before := f.unmatched(), f.oldest
	for i, t := range f.tails {
		errs = append(errs, f.follow(t, logs[i], now))
		f.limitLeases()
	}
	if f.oldest > before {
		errs = append(errs, fmt.Errorf("lease logs hold more than max_leases; what began before %s was left out", time.UnixMilli(f.oldest).UTC().Format(time.RFC3339)))
	}
	return errors.Join(errs...)
}

// sortTails returns a tail for each log: that of the same file, which may have had another
// name, else the one that had its name, else a new one.
func sortTails(tails []*leaseTail, logs []logFile) []*leaseTail {
	sorted := make([]*leaseTail, len(logs))
	take := func(i int, is func(*leaseTail) bool) {
		at := slices.IndexFunc(tails, func(t *leaseTail) bool { return t != nil && t.config == logs[i].config && is(t) })
		if sorted[i] == nil && at >= 0 {
			sorted[i], tails[at] = tails[at], nil
		}
	}
	for i, l := range logs {
		take(i, func(t *leaseTail) bool { return t.info != nil && l.info != nil && os.SameFile(t.info, l.info) })
	}
	for i, l := range logs {
		take(i, func(t *leaseTail) bool { return t.path == l.path })
		if sorted[i] == nil {
			sorted[i] = &leaseTail{config: l.config}
		}
		sorted[i].rename(l.path, l.name)
	}
	return sorted
}

// follow reads what is new in one log. One that is missing keeps what it said, and that is
// told once.
func (f *fileSet) follow(t *leaseTail, l logFile, now time.Time) error {
	missing := errors.Is(l.err, fs.ErrNotExist)
	told := missing && t.missing
	t.missing = missing
	switch {
	case told, l.err == nil && t.same(l.info, now):
		return nil
	case l.err != nil:
		return fmt.Errorf("reading the registry's files: %w", l.err)
	}
	return t.look(f.config.Leases[t.config], f.config.MaxLeases, now)
}

// limitLeases leaves out the oldest leases where all logs together hold too many. Of each log
// the same time is left out: what one still has must not be taken for what another lost.
func (f *fileSet) limitLeases() {
	total, from := 0, int64(0)
	for _, x := range f.indexes() {
		total, from = total+x.size(), max(from, x.oldest)
	}
	if total > f.config.MaxLeases {
		var starts []int64
		for _, x := range f.indexes() {
			starts = x.starts(starts)
		}
		from = max(from, newest(starts, f.config.MaxLeases))
	}
	f.oldest = from
	for _, x := range f.indexes() {
		if x.oldest < from {
			x.dropBefore(from)
		}
	}
}

// indexes lists what the lease logs say.
func (f *fileSet) indexes() []*leaseIndex {
	var all []*leaseIndex
	for _, t := range f.tails {
		if t.shown != nil {
			all = append(all, t.shown)
		}
	}
	return all
}

// leases returns what the lease logs say, after what is stored.
func (f *fileSet) leases(stored Leases) manyLeases {
	all := leasesOf(stored)
	for _, x := range f.indexes() {
		all = append(all, x)
	}
	return all
}
