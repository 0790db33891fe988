package abusebox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"spoor/abusebox/incident"
)

// educateEvery is how often the desk looks whether a month has ended.
const educateEvery = time.Hour

// topicEducation is what a contact that wants no such mail opts out of.
const topicEducation = "education"

// Bounds of one month's mail.
const (
	maxPupils   = 20_000
	maxPatterns = 12
)

// patterns are what was reported in one month, without names: how many reports of each type.
type patterns struct {
	mu    sync.Mutex
	month string
	types []incident.Incident // only category, type and reports are set
}

// educate queues, once for each month that ended, a mail to every contact that was written to in it: the month's
// patterns without names, and what stops them.
func (d *Desk) educate(ctx context.Context) error {
	now := d.now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC).AddDate(0, -1, 0)
	counter := "education/" + month.Format("20060102")
	contacts, err := d.pupils(ctx, month)
	if err != nil || len(contacts) == 0 {
		return err
	}
	ask := Ask{Counters: []string{counter}, Record: MailRecord{Decided: now}}
	_, err = d.d.Store.Decide(ctx, ask, func(known incident.Known) (incident.Decision, error) {
		if known.Counts[counter] > 0 {
			return incident.Decision{Outcome: incident.Filed}, nil // it went out already
		}
		decision := incident.Decision{Outcome: incident.Filed, Counts: []string{counter}}
		for _, c := range contacts {
			decision.Tasks = append(decision.Tasks, incident.Task{Kind: incident.Education, Contact: c, Why: month.Format("2006-01"),
				State: incident.Queued, Created: now, Due: now, Expires: now.Add(d.d.Policy.Expires)})
		}
		return decision, nil
	})
	d.poke()
	return err
}

// pupils are the contacts of the month's incidents that did not decline, each once.
func (d *Desk) pupils(ctx context.Context, month time.Time) (all []incident.Contact, err error) {
	seen := map[string]bool{}
	err = d.ofMonth(ctx, month, func(i incident.Incident) {
		c := i.Holder.Contact
		if key := c.Key(); key != "" && i.Notices > 0 && !seen[key] && len(all) < maxPupils {
			seen[key] = true
			all = append(all, c)
		}
	})
	if err != nil {
		return nil, err
	}
	var willing []incident.Contact
	for _, c := range all {
		state, err := d.d.Store.Contact(ctx, c.Key())
		if err != nil {
			return nil, err
		}
		if !state.Broken && !c.Declines(topicEducation) && !slices.Contains(state.OptOut, topicEducation) {
			willing = append(willing, c)
		}
	}
	return willing, nil
}

func (d *Desk) ofMonth(ctx context.Context, month time.Time, each func(incident.Incident)) error {
	f := Filter{Since: month, Until: month.AddDate(0, 1, 0).Add(-1)}
	for i, err := range d.d.Store.Incidents(ctx, f) {
		if err != nil {
			return fmt.Errorf("incidents of %s: %w", month.Format("2006-01"), err)
		}
		each(i)
	}
	return nil
}

// lessons are the month's patterns; they are counted once for all mails of the month.
func (d *Desk) lessons(ctx context.Context, month string) ([]incident.Incident, error) {
	d.lesson.mu.Lock()
	defer d.lesson.mu.Unlock()
	if d.lesson.month == month {
		return d.lesson.types, nil
	}
	begin, err := time.Parse("2006-01", month)
	if err != nil {
		return nil, err
	}
	count := map[string]incident.Incident{}
	err = d.ofMonth(ctx, begin, func(i incident.Incident) {
		one := count[i.Key.Type]
		one.Category, one.Key.Type = i.Category, i.Key.Type
		one.Reports += i.Reports
		count[i.Key.Type] = one
	})
	if err != nil {
		return nil, err
	}
	var types []incident.Incident
	for _, one := range count {
		types = append(types, one)
	}
	slices.SortFunc(types, func(a, b incident.Incident) int {
		if a.Reports != b.Reports {
			return b.Reports - a.Reports
		}
		return strings.Compare(a.Key.Type, b.Key.Type)
	})
	d.lesson.month, d.lesson.types = month, types[:min(len(types), maxPatterns)]
	return d.lesson.types, nil
}
