package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"spoor/abusebox/report"
)

// A spill keeps the reports of a long table as JSON in a file until their mail
// is printed, so that a million rows need no memory.
type spill struct {
	file *os.File
	n    int
	head []report.Report // the first ones, for a person
	err  error
}

// shown is how many reports of one mail are shown to a person.
const shown = 100

// add takes a batch; errors are kept for the end.
func (s *spill) add(batch []report.Report) {
	for i := range batch {
		if len(s.head) < shown {
			s.head = append(s.head, batch[i])
		}
	}
	if s.file == nil && s.err == nil {
		s.file, s.err = os.CreateTemp("", "spoor-parse-*")
		if s.err == nil {
			s.err = os.Remove(s.file.Name()) // it lives as long as it is open
		}
	}
	var b bytes.Buffer
	for i := range batch {
		line, err := json.Marshal(batch[i])
		if err != nil {
			s.err = err
			return
		}
		if s.n > 0 {
			b.WriteByte(',')
		}
		b.Write(line)
		s.n++
	}
	if s.err == nil {
		_, s.err = s.file.Write(b.Bytes())
	}
}

func (s *spill) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// writeJSON writes a result with the spilled reports before its own.
func (s *spill) writeJSON(w io.Writer, res report.Result) error {
	if s.err != nil {
		return fmt.Errorf("keeping the reports of a long table: %w", s.err)
	}
	b, err := json.Marshal(res)
	if err != nil {
		return err
	}
	before, after, ok := bytes.Cut(b, []byte(`"reports":[`))
	if !ok {
		return fmt.Errorf("writing %s: the result has no reports", res.Source)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	comma := ","
	if bytes.HasPrefix(after, []byte("]")) {
		comma = ""
	}
	_, err = io.Copy(w, io.MultiReader(bytes.NewReader(before), bytes.NewReader([]byte(`"reports":[`)), s.file, bytes.NewReader([]byte(comma)), bytes.NewReader(after), bytes.NewReader([]byte("\n"))))
	return err
}
