package snmp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gosnmp/gosnmp"
)

// ErrIncomplete means that a walk did not give a whole table: nothing may be concluded
// from rows that it lacks.
var ErrIncomplete = errors.New("snmp: the table was not read whole")

// agent is what a walk needs of an SNMP session; *gosnmp.GoSNMP is one.
type agent interface {
	Get(oids []string) (*gosnmp.SnmpPacket, error)
	GetNext(oids []string) (*gosnmp.SnmpPacket, error)
	GetBulk(oids []string, nonRepeaters uint8, maxRepetitions uint32) (*gosnmp.SnmpPacket, error)
}

// bounds keep a walk from hurting the router and us.
type bounds struct {
	maxRows     int
	repetitions int
	pause       time.Duration
}

// column is one column of a table while it is walked.
type column struct {
	root  oid
	last  oid // of the newest row; root before the first
	rows  int
	ended bool
	each  func(index oid, value gosnmp.SnmpPDU) error
}

// walker reads columns side by side with GetBulk. Unlike the walks of the library it
// takes nothing for the end of a table but the end: an error status, an empty answer, an
// order that does not increase are errors, and the end is asked for twice.
type walker struct {
	agent   agent
	bounds  bounds
	columns []*column
	genErrs int
}

// maxGenErrs is how many error answers in a row are tried again, with smaller requests.
const maxGenErrs = 3

func (w *walker) walk(ctx context.Context) error {
	repetitions := w.bounds.repetitions
	for {
		open := w.open()
		if len(open) == 0 {
			return w.confirm(ctx)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
		smaller, err := w.step(open, repetitions)
		if err != nil {
			return err
		}
		if smaller {
			if repetitions == 1 {
				return fmt.Errorf("%w: the router cannot answer for even one row", ErrIncomplete)
			}
			repetitions = max(repetitions/2, 1)
		}
		if err := pause(ctx, w.bounds.pause); err != nil {
			return fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (w *walker) open() []*column {
	var open []*column
	for _, c := range w.columns {
		if !c.ended {
			open = append(open, c)
		}
	}
	return open
}

// step asks for the next rows of the open columns. It reports whether the router asked
// for a smaller request.
func (w *walker) step(open []*column, repetitions int) (smaller bool, err error) {
	names := make([]string, len(open))
	for i, c := range open {
		names[i] = c.last.String()
	}
	answer, err := w.agent.GetBulk(names, 0, uint32(repetitions))
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	switch {
	case answer.PDUType != gosnmp.GetResponse:
		return false, fmt.Errorf("%w: the router answered with a %s", ErrIncomplete, answer.PDUType)
	case answer.Error == gosnmp.TooBig:
		return true, nil
	case answer.Error == gosnmp.GenErr && w.genErrs < maxGenErrs:
		w.genErrs++
		return repetitions > 1, nil
	case answer.Error != gosnmp.NoError:
		return false, fmt.Errorf("%w: the router answered %s after %d rows", ErrIncomplete, answer.Error, open[0].rows)
	case len(answer.Variables) < len(open):
		return false, fmt.Errorf("%w: an answer of %d values to a request for %d columns after %d rows",
			ErrIncomplete, len(answer.Variables), len(open), open[0].rows)
	}
	w.genErrs = 0
	return false, w.take(open, answer.Variables)
}

// take hands on the values of one answer: for each repetition one of each column. The
// last repetition may be cut off.
func (w *walker) take(open []*column, values []gosnmp.SnmpPDU) error {
	for i, v := range values {
		c := open[i%len(open)]
		if err := c.take(v); err != nil {
			return err
		}
		if c.rows > w.bounds.maxRows {
			return fmt.Errorf("%w: more than max_rows = %d rows", ErrTooLarge, w.bounds.maxRows)
		}
	}
	return nil
}

func (c *column) take(v gosnmp.SnmpPDU) error {
	if c.ended {
		return nil // what follows the end of a column is of no interest
	}
	name, err := parseOID(v.Name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	switch v.Type {
	case gosnmp.EndOfMibView:
		c.ended = true
		return nil
	case gosnmp.NoSuchObject, gosnmp.NoSuchInstance, gosnmp.Null:
		return fmt.Errorf("%w: %s has no value", ErrIncomplete, name)
	}
	if compareOID(name, c.last) <= 0 {
		return fmt.Errorf("%w: %s does not come after %s: the router answers out of order", ErrIncomplete, name, c.last)
	}
	index, inside := name.under(c.root)
	if !inside {
		c.ended = true
		return nil
	}
	c.last = name
	c.rows++
	if err := c.each(index, v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrIncomplete, name, err)
	}
	return nil
}

// confirm asks each column once more for what follows its last row: an agent that ended
// early by mistake has more.
func (w *walker) confirm(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	names := make([]string, len(w.columns))
	for i, c := range w.columns {
		names[i] = c.last.String()
	}
	answer, err := w.agent.GetNext(names)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	if answer.Error == gosnmp.NoSuchName { // version 1 agents end so
		return nil
	}
	if answer.Error != gosnmp.NoError || len(answer.Variables) != len(w.columns) {
		return fmt.Errorf("%w: the router does not confirm the end (%s)", ErrIncomplete, answer.Error)
	}
	for i, v := range answer.Variables {
		name, err := parseOID(v.Name)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
		if _, more := name.under(w.columns[i].root); more && v.Type != gosnmp.EndOfMibView {
			return fmt.Errorf("%w: the router ended after %d rows, but has more when asked again", ErrIncomplete, w.columns[i].rows)
		}
	}
	return nil
}
