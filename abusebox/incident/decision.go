package incident

import "time"

// A Case is one complaint about one address, with what the registry and our own sources say about it.
type Case struct {
	Evidence    Evidence
	Ours        bool     // the address is in our networks
	Holders     []Holder // who answered for it at that time; several when nothing settles it
	Why         string   // how the registry came to that answer
	Testimonies []Testimony
}

// Known is what the store knows about the keys and counters that were asked for, within the transaction.
type Known struct {
	Incidents []Incident              // newest first, of every key asked for; merged ones with their targets
	Counts    map[string]int          // by counter
	Contacts  map[string]ContactState // by Contact.Key
	Repeat    string                  // the earlier mail with the same sender and content
}

// A ContactState is what follow-up taught us about a contact.
type ContactState struct {
	Broken   bool      `json:"broken,omitempty"` // its mail bounced for good
	OptOut   []string  `json:"opt_out,omitempty"`
	Why      string    `json:"why,omitempty"`
	Changed  time.Time `json:"changed,omitzero"`
	Failures int       `json:"failures,omitempty"`
}

// An Outcome says what became of one mail.
type Outcome string

// The outcomes. Every mail has exactly one.
const (
	Filed    Outcome = "filed"    // it made or joined incidents
	Repeated Outcome = "repeat"   // the same mail came before
	Looped   Outcome = "loop"     // it bears our own mark or went round too often
	Bounced  Outcome = "bounce"   // a delivery report
	Replied  Outcome = "reply"    // an answer to a notice
	AutoText Outcome = "auto"     // an automatic answer without a complaint
	Unread   Outcome = "unread"   // nobody could make sense of it: a person reads it
	Poisoned Outcome = "poison"   // it failed its processing three times: a person reads it
	Optout   Outcome = "optout"   // somebody asked for no more mail
	Rejected Outcome = "rejected" // read, and no complaint
)

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{Filed, Repeated, Looped, Bounced, Replied, AutoText, Unread, Poisoned, Optout, Rejected}
}

// A Decision is everything that one transaction writes.
type Decision struct {
	Outcome  Outcome
	Why      string                  // said with the outcome
	Changes  []Change                // incidents made or changed
	Tasks    []Task                  // what is to be done outside
	Cancel   []uint64                // tasks that are no longer wanted
	Counts   []string                // counters to raise by one
	Contacts map[string]ContactState // new states of contacts
	Entries  []Entry                 // history that concerns no single incident
}

// A Change is an incident as it is to be stored, with the evidence and history that it gains.
type Change struct {
	Incident Incident // ID 0: the store gives it one
	Evidence []Evidence
	Entries  []Entry
	Take     []ID // incidents whose evidence moves here
}

func (c *Change) record(at time.Time, who, action, why string) {
	c.Entries = append(c.Entries, Entry{At: at, Who: who, Action: action, Why: why})
}

// System is who acts when nobody does.
const System = "spoor"

// A TaskKind says what a Task is for.
type TaskKind string

// The kinds of tasks.
const (
	Notice      TaskKind = "notice"      // the first mail about an incident
	Digest      TaskKind = "digest"      // what joined since, in one mail for each contact
	Reminder    TaskKind = "reminder"    // the second mail, when no answer came by the deadline
	Escalation  TaskKind = "escalation"  // to the upstream contact or the desk
	ToDesk      TaskKind = "desk"        // something for people to read
	Acknowledge TaskKind = "acknowledge" // to the complainant, once
	Outward     TaskKind = "outward"     // a report to somebody outside, drafted for a person to send
	Education   TaskKind = "education"   // the month's patterns, to all contacts
	Hook        TaskKind = "hook"        // run a program
	Block       TaskKind = "block"       // propose a restriction
)

// A TaskState says where a Task stands.
type TaskState string

// The states of a task.
const (
	Queued    TaskState = "queued"
	Dry       TaskState = "dry" // composed and kept, but sending is off
	Sent      TaskState = "sent"
	Failed    TaskState = "failed"  // refused for good
	Expired   TaskState = "expired" // tried until its time was up
	Cancelled TaskState = "cancelled"
)

// A Task is one thing to be done outside the store: a mail, a hook program, a proposal.
type Task struct {
	ID        uint64    `json:"id"`
	Kind      TaskKind  `json:"kind"`
	Of        []int     `json:"-"` // the Changes it is about, until the store knows their IDs
	Incidents []ID      `json:"incidents"`
	Contact   Contact   `json:"contact,omitzero"`
	Number    int       `json:"number,omitempty"` // which notice about its first incident this is
	Hook      string    `json:"hook,omitempty"`   // the program, for a hook
	Rule      string    `json:"rule,omitempty"`   // the rule that asked for it
	Why       string    `json:"why,omitempty"`
	Mail      string    `json:"mail,omitempty"` // the spooled mail it concerns
	Reply     ReplyTo   `json:"reply,omitzero"`
	State     TaskState `json:"state"`
	Created   time.Time `json:"created"`
	Due       time.Time `json:"due"`
	Expires   time.Time `json:"expires"`
	Deferred  bool      `json:"deferred,omitempty"` // a cap made it wait; it may share a mail with others that waited
	Leased    time.Time `json:"leased,omitzero"`    // until when somebody works on it
	Attempts  int       `json:"attempts,omitempty"`
	Done      time.Time `json:"done,omitzero"`
	Last      string    `json:"last,omitempty"` // what the last attempt said
	MessageID string    `json:"message_id,omitempty"`
	Size      int       `json:"size,omitempty"` // bytes of the composed mail
}

// IsMail reports whether doing t means sending a mail.
func (t Task) IsMail() bool { return t.Kind != Hook && t.Kind != Block }

// Over reports whether nothing more will be done about t.
func (t Task) Over() bool { return t.State != Queued }

// A ReplyTo is the mail that an acknowledgement answers.
type ReplyTo struct {
	Address   string `json:"address,omitempty"`
	MessageID string `json:"message_id,omitempty"`
	Subject   string `json:"subject,omitempty"`
}
