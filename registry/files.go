package registry

import (
	"errors"
	"fmt"
	"io/fs"
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
	still      map[string]*standstill
	contactsOf map[string][]Contact
	routesOf   map[string][]Route
	tails      []*leaseTail    // of lease logs, in the order of the configuration
	partial    map[string]bool // files of which only a reading with mistakes is known
	oldest     int64           // leases that began before are left out, in milliseconds since 1970
	unbuilt    bool            // contacts or routes were read that no table shows yet
}

type fileState struct {
	size     int64
	modified time.Time
}

func newFileSet(c Config, dir string) fileSet {
	return fileSet{config: c, dir: dir, states: map[string]fileState{}, still: map[string]*standstill{}, contactsOf: map[string][]Contact{},
		routesOf: map[string][]Route{}, partial: map[string]bool{}}
}

func (f *fileSet) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir, name)
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info.Size(), info.ModTime()}
}

// settleFor is how long nobody must have written to a file of contacts or routes before it
// is read again: of one that is written over in place a half says that the rest has ended.
const settleFor = 2 * time.Second

func (f *fileSet) settled(name string, state fileState, now time.Time) bool {
	if f.still[name] == nil {
		f.still[name] = &standstill{}
	}
	return f.still[name].length(state, now) >= settleFor
}

// standstill tells for how long a file has been as it is: since it was changed or, where that
// is in the future by our clock, since it was first seen so.
type standstill struct {
	state fileState
	since time.Time
}

func (s *standstill) length(state fileState, now time.Time) time.Duration {
	if age := now.Sub(state.modified); age >= 0 {
		return age
	}
	if s.state != state || now.Before(s.since) {
		s.state, s.since = state, now
	}
	return now.Sub(s.since)
}

func (f *fileSet) changed(now time.Time) bool {
	names := slices.Concat(f.config.Contacts, f.config.Routes)
	return slices.ContainsFunc(names, func(name string) bool {
		state := stateOf(f.path(name))
		return f.states[name] != state && f.settled(name, state, now)
	}) || f.logsChanged(now)
}

// read reads the files that changed. A file with mistakes keeps what it said before, but for
// lease logs.
func (f *fileSet) read(now time.Time) error {
	var errs []error
	for _, name := range f.config.Contacts {
		opened, err := readChanged(f, name, now, f.contactsOf, func(file *os.File) ([]Contact, error) { return ReadContacts(name, file) })
		f.unbuilt, errs = f.unbuilt || opened, append(errs, err)
	}
	for _, name := range f.config.Routes {
		opened, err := readChanged(f, name, now, f.routesOf, func(file *os.File) ([]Route, error) { return ReadRoutes(filepath.Base(name), file) })
		f.unbuilt, errs = f.unbuilt || opened, append(errs, err)
	}
	return errors.Join(append(errs, f.followLogs(now))...)
}

// readChanged reads one file if it changed, and reports whether it did. What is written to
// meanwhile is left for the next look.
func readChanged[T any](f *fileSet, name string, now time.Time, into map[string][]T, read func(*os.File) ([]T, error)) (opened bool, err error) {
	path := f.path(name)
	state := stateOf(path)
	before, known := f.states[name]
	if known && (before == state || !f.settled(name, state, now)) {
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
	values, err := read(file)
	if known && stateOf(path) != state {
		return false, nil
	}
	f.states[name] = state
	if _, before := into[name]; err == nil || !before || f.partial[name] {
		into[name], f.partial[name] = values, err != nil
	}
	return true, err
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
