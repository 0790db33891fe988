package registry

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// fileSet is the configured files and what they said when they were last read well.
type fileSet struct {
	config     Config
	dir        string
	states     map[string]fileState
	contactsOf map[string][]Contact
	routesOf   map[string][]Route
	leasesOf   map[string][]Lease
	partial    map[string]bool // files of which only a reading with mistakes is known
	book       *LeaseBook
	unbuilt    bool // contacts or routes were read that no table shows yet
}

type fileState struct {
	size     int64
	modified time.Time
}

func newFileSet(c Config, dir string) fileSet {
	return fileSet{config: c, dir: dir, states: map[string]fileState{}, contactsOf: map[string][]Contact{},
		routesOf: map[string][]Route{}, leasesOf: map[string][]Lease{}, partial: map[string]bool{}}
}

func (f *fileSet) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir, name)
}

func (f *fileSet) names() []string {
	all := slices.Concat(f.config.Contacts, f.config.Routes)
	for _, l := range f.config.Leases {
		all = append(all, l.Files...)
	}
	return all
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info.Size(), info.ModTime()}
}

func (f *fileSet) changed() bool {
	return slices.ContainsFunc(f.names(), func(name string) bool { return f.states[name] != stateOf(f.path(name)) })
}

// read reads the files that changed. A file with mistakes keeps what it said before, but for
// lease logs.
func (f *fileSet) read(now time.Time) error {
	var errs []error
	for _, name := range f.config.Contacts {
		opened, err := readChanged(f, name, f.contactsOf, func(file *os.File) ([]Contact, error) { return ReadContacts(name, file) })
		f.unbuilt, errs = f.unbuilt || opened, append(errs, err)
	}
	for _, name := range f.config.Routes {
		opened, err := readChanged(f, name, f.routesOf, func(file *os.File) ([]Route, error) { return ReadRoutes(filepath.Base(name), file) })
		f.unbuilt, errs = f.unbuilt || opened, append(errs, err)
	}
	for _, l := range f.config.Leases {
		for _, name := range l.Files {
			errs = append(errs, f.readLog(l, name, now))
		}
	}
	errs = append(errs, f.buildBook())
	return errors.Join(errs...)
}

// readLog reads one lease log if it changed. Broken lines among good ones are told, and do
// not stop a log that goes on.
func (f *fileSet) readLog(l LeaseConfig, name string, now time.Time) error {
	var broken error
	_, err := readChanged(f, name, f.leasesOf, func(file *os.File) (leases []Lease, err error) {
		if leases, broken = ReadLeases(l, name, file, now); len(leases) == 0 {
			return nil, broken
		}
		return leases, nil
	})
	return cmp.Or(err, broken)
}

// readChanged reads one file if it changed, and reports whether it did.
func readChanged[T any](f *fileSet, name string, into map[string][]T, read func(*os.File) ([]T, error)) (opened bool, err error) {
	path := f.path(name)
	state := stateOf(path)
	if before, known := f.states[name]; known && before == state {
		return false, nil
	}
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) { // told once; what it said before stays until it is back
			f.states[name] = fileState{}
		}
		return false, fmt.Errorf("reading the registry's files: %w", err)
	}
	defer file.Close()
	f.states[name] = state
	values, err := read(file)
	if _, before := into[name]; err == nil || !before || f.partial[name] {
		into[name], f.partial[name] = values, err != nil
	}
	return true, err
}

func (f *fileSet) buildBook() error {
	var all []Lease
	for _, name := range slices.Sorted(maps.Keys(f.leasesOf)) {
		all = append(all, f.leasesOf[name]...)
	}
	var err error
	if dropped := len(all) - f.config.MaxLeases; dropped > 0 {
		slices.SortFunc(all, func(a, b Lease) int { return b.From.Compare(a.From) })
		all = all[:f.config.MaxLeases]
		err = fmt.Errorf("lease logs hold %d leases more than max_leases; the oldest were left out", dropped)
	}
	f.book = NewLeaseBook(MergeRenewals(all))
	return err
}

// contactsWhole reports whether every file of contacts was read without mistakes at least once.
func (f *fileSet) contactsWhole() bool {
	return !slices.ContainsFunc(f.config.Contacts, func(name string) bool {
		_, known := f.contactsOf[name]
		return !known || f.partial[name]
	})
}

func (f *fileSet) contacts() []Contact {
	var all []Contact
	for _, name := range f.config.Contacts {
		all = append(all, f.contactsOf[name]...)
	}
	return all
}

func (f *fileSet) routes() []Route {
	var all []Route
	for _, name := range f.config.Routes {
		all = append(all, f.routesOf[name]...)
	}
	return all
}
