package registry

import (
	"errors"
	"fmt"
	"strings"
)

// A LineError is one mistake in a file that a person wrote.
type LineError struct {
	File    string
	Line    int
	Field   string // "" when the whole line is meant
	Problem string
	Write   string // what to write instead; may be ""
}

// Error writes "contacts.toml:12: Abuse-Contact: no mail address: write …".
func (e LineError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Problem)
	if e.Write != "" {
		b.WriteString(": " + e.Write)
	}
	return b.String()
}

// mistakes collects the LineErrors of one file.
type mistakes struct {
	file string
	all  []error
}

func (m *mistakes) add(line int, field, problem, write string) {
	m.all = append(m.all, LineError{m.file, line, field, problem, write})
}

func (m *mistakes) err() error { return errors.Join(m.all...) }
