package registry

import (
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
	config       Config
	dir          string
	states       map[string]fileState
	contactsOf   map[string][]Contact
	routesOf     map[string][]Route
	leasesOf     map[string][]Lease
	book         *LeaseBook
	contactsRead bool
}

type fileState struct {
	size     int64
	modified time.Time
}

func newFileSet(c Config, dir string) fileSet {
	return fileSet{config: c, dir: dir, states: map[string]fileState{}, contactsOf: map[string][]Contact{},
		routesOf: map[string][]Route{}, leasesOf: map[string][]Lease{}}
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

func (f *fileSet) changed() bool { return f.anyChanged(f.names()) }

// tableChanged reports whether more than lease logs changed, so that a table must be built.
func (f *fileSet) tableChanged() bool {
	return f.anyChanged(f.config.Contacts) || f.anyChanged(f.config.Routes)
}

func (f *fileSet) anyChanged(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return f.states[name] != stateOf(f.path(name)) })
}

// read reads the files that changed. A file with mistakes keeps what it said before.
func (f *fileSet) read(now time.Time) error {
	var errs []error
	for _, name := range f.config.Contacts {
		f.contactsRead = true
		errs = append(errs, readChanged(f, name, f.contactsOf, func(file *os.File) ([]Contact, error) { return ReadContacts(name, file) }))
	}
	for _, name := range f.config.Routes {
		errs = append(errs, readChanged(f, name, f.routesOf, func(file *os.File) ([]Route, error) { return ReadRoutes(filepath.Base(name), file) }))
	}
	for _, l := range f.config.Leases {
		for _, name := range l.Files {
			errs = append(errs, readChanged(f, name, f.leasesOf, func(file *os.File) ([]Lease, error) { return ReadLeases(l, name, file, now) }))
		}
	}
	errs = append(errs, f.buildBook())
	return errors.Join(errs...)
}

func readChanged[T any](f *fileSet, name string, into map[string][]T, read func(*os.File) ([]T, error)) error {
	path := f.path(name)
	state := stateOf(path)
	if before, known := f.states[name]; known && before == state {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) { // told once; what it said before stays until it is back
			f.states[name] = fileState{}
		}
		return fmt.Errorf("reading the registry's files: %w", err)
	}
	defer file.Close()
	f.states[name] = state
	values, err := read(file)
	if _, before := into[name]; err == nil || !before {
		into[name] = values
	}
	return err
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
