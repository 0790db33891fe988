package abusebox

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
)

// Errors of every Store.
var (
	ErrNotFound  = errors.New("abusebox: not found")
	ErrMailDone  = errors.New("abusebox: the mail was decided before")
	ErrUncertain = errors.New("abusebox: the outcome of the last commit is unknown; the store was opened again")
	// ErrPanicked means that the function given to the store panicked, and that nothing was changed.
	ErrPanicked = errors.New("abusebox: the decision panicked")
)

// A Store is the Desk's memory. It speaks in whole decisions: look-up and commit are one transaction, and the
// functions given to it are pure and may be run again. Every engine passes storetest.
type Store interface {
	Decider
	Outbox
	Reader
	Keeper
}

// A Decider takes decisions about mails and incidents.
type Decider interface {
	// Begin counts the first attempt at each of the mails, and says which of them were begun before or are done.
	// Mails before low are all done; a later Cursor begins there. What it found is returned beside ErrUncertain too: who
	// asks again would else take its own beginning for one that a crash ended.
	Begin(ctx context.Context, mails []intake.ID, low intake.ID) ([]Attempt, error)
	// Again counts one attempt more than after at one mail: alone, so that a crash is blamed on no other. Asked again with
	// the same after, it counts none.
	Again(ctx context.Context, mail intake.ID, after int) (Attempt, error)
	// Cursor is the first mail that may not be done.
	Cursor(ctx context.Context) (intake.ID, error)
	// Decide marks the mail done and writes what decide says, in one transaction. It fails with ErrMailDone when
	// that happened before, and then changes nothing. The Decision returned has its IDs filled in. With no mail
	// (ID 0) it decides by keys alone.
	Decide(ctx context.Context, ask Ask, decide func(incident.Known) (incident.Decision, error)) (incident.Decision, error)
	// Change does the same for incidents by their IDs, without a mail.
	Change(ctx context.Context, ids []incident.ID, decide func([]incident.Incident, incident.Known) (incident.Decision, error)) (incident.Decision, error)
	// Due lists incidents whose Next time has come, earliest first.
	Due(ctx context.Context, now time.Time, limit int) ([]incident.ID, error)
}

// An Attempt is how often a mail was taken up.
type Attempt struct {
	Mail   intake.ID
	Number int
	Before bool // it was begun before, and never ended
	Done   bool
}

// An Ask says what a decision needs to know, and what is noted about the mail.
type Ask struct {
	Mail        intake.ID
	Keys        []incident.Key
	Counters    []string
	Contacts    []string // Contact.Key of those who may be written to
	Fingerprint string   // of sender and content; a mail with the same one within RepeatWindow is a repeat
	Record      MailRecord
}

// RepeatWindow is how long the same sender and content mean the same mail.
const RepeatWindow = 7 * 24 * time.Hour

// A MailRecord is what the desk remembers of one mail.
type MailRecord struct {
	Mail      intake.ID         `json:"mail"`
	Source    string            `json:"source,omitempty"` // the way it came in
	Arrived   time.Time         `json:"arrived,omitzero"`
	Decided   time.Time         `json:"decided,omitzero"`
	Outcome   incident.Outcome  `json:"outcome,omitempty"`
	Why       string            `json:"why,omitempty"`
	Format    string            `json:"format,omitempty"`
	Reporter  incident.Reporter `json:"reporter,omitzero"`
	Subject   string            `json:"subject,omitempty"`
	Reports   int               `json:"reports,omitempty"`
	Incidents []incident.ID     `json:"incidents,omitempty"`
	Attempts  int               `json:"attempts,omitempty"`
	Repeats   int               `json:"repeats,omitempty"` // how often it came again
}

// Done reports whether the mail was decided.
func (r MailRecord) Done() bool { return r.Outcome != "" }

// An Outbox holds what is to be done outside the store.
type Outbox interface {
	// Lease takes tasks that are due, at most once each until the lease ends, and counts them against the caps.
	Lease(ctx context.Context, want LeaseRequest) ([]incident.Task, error)
	// Composed keeps the mail that a task became before it is sent, so that every attempt sends the same bytes.
	Composed(ctx context.Context, task uint64, messageID string, mail []byte) error
	// Mail returns the composed mail of a task.
	Mail(ctx context.Context, task uint64) ([]byte, error)
	// Settle ends a lease: the task is done, or due again.
	Settle(ctx context.Context, task uint64, result Result) error
	// Backlog counts queued tasks, and says when the next one is due.
	Backlog(ctx context.Context) (n int, next time.Time, err error)
}

// A LeaseRequest says how many tasks are wanted, and what the caps are.
type LeaseRequest struct {
	Now        time.Time
	Until      time.Time // when the lease ends by itself
	Limit      int
	PerContact int // mails to one contact in an hour; what is over waits and shares a mail
	PerHour    int // mails in all in an hour
}

// A Result is how one attempt ended.
type Result struct {
	State     incident.TaskState // Queued: try again at Due
	Due       time.Time
	At        time.Time
	Last      string
	Broken    bool // the contact refused for good
	MessageID string
}

// A Reader answers questions.
type Reader interface {
	Incident(ctx context.Context, id incident.ID) (incident.Incident, error)
	// Incidents lists newest first.
	Incidents(ctx context.Context, f Filter) iter.Seq2[incident.Incident, error]
	// Evidence lists everything kept about one incident, oldest first.
	Evidence(ctx context.Context, id incident.ID) iter.Seq2[incident.Evidence, error]
	// History lists the entries of one incident, or all (ID 0), oldest first.
	History(ctx context.Context, id incident.ID) iter.Seq2[incident.Sealed, error]
	// Tasks lists the tasks about one incident, or all (ID 0), oldest first.
	Tasks(ctx context.Context, id incident.ID) iter.Seq2[incident.Task, error]
	// Mails lists what is remembered of mails from an ID on, in order.
	Mails(ctx context.Context, from intake.ID) iter.Seq2[MailRecord, error]
	// Task returns one task.
	Task(ctx context.Context, id uint64) (incident.Task, error)
	// Contact returns what is known of a contact; the zero state if nothing is.
	Contact(ctx context.Context, key string) (incident.ContactState, error)
}

// A Filter picks incidents. Its zero value picks all.
type Filter struct {
	States []incident.State
	Net    netip.Prefix // incidents about addresses in it
	Holder string
	Type   string
	Since  time.Time // last event at or after
	Until  time.Time // first event at or before
	Before incident.ID
	Limit  int
}

// Matches reports whether i is wanted; Limit and Before are the store's.
func (f Filter) Matches(i incident.Incident) bool {
	if len(f.States) > 0 && !contains(f.States, i.State) {
		return false
	}
	return (!f.Net.IsValid() || i.Key.Net.IsValid() && f.Net.Overlaps(i.Key.Net)) &&
		(f.Holder == "" || f.Holder == i.Key.Holder) &&
		(f.Type == "" || f.Type == i.Key.Type) &&
		(f.Since.IsZero() || !i.Last.Before(f.Since)) &&
		(f.Until.IsZero() || !i.First.After(f.Until))
}

func contains(states []incident.State, s incident.State) bool {
	for _, state := range states {
		if state == s {
			return true
		}
	}
	return false
}

// A Keeper looks after the store itself.
type Keeper interface {
	// Purge erases what is older than the ages allow; a dry run only counts.
	Purge(ctx context.Context, p Purge) (Purged, error)
	// Check reports every broken invariant.
	Check(ctx context.Context, bad func(where, problem, mend string)) error
	// Close ends the store; nothing accepted is lost.
	Close() error
}

// A Purge says what is to be erased. A zero time leaves its kind alone.
type Purge struct {
	Evidence time.Time // evidence and composed mails older than this
	Personal time.Time // reporters' names and mails' senders and subjects older than this
	Closed   time.Time // closed incidents, their tasks and mail records older than this
	History  time.Time // payloads of history older than this; the chain stays
	Counters time.Time // counters of caps of days before this
	Person   string    // everything that names this address or domain, whatever its age
	Holder   string    // everything about this holder, whatever its age
	DryRun   bool
}

// Purged counts what went.
type Purged struct {
	Evidence  int `json:"evidence"`
	Mails     int `json:"mails"`
	Notices   int `json:"notices"`
	Incidents int `json:"incidents"`
	History   int `json:"history"`
	Reporters int `json:"reporters"`
	Tasks     int `json:"tasks"`    // whose addresses were taken out
	Contacts  int `json:"contacts"` // whose state was forgotten; a wish for no mail stays, or it could not be honoured
	Tables    int `json:"tables"`   // of the statistics that named the person
}
