// Package maillog reads the logs of sendmail and Postfix: per relay, per account and per burst it counts messages,
// recipients, refusals and viruses, with the lines as evidence. The lines of one message are joined by its queue id;
// times that tell neither year nor zone get both from the queue ids that our own server made (RFC 3164 has neither,
// RFC 5424 both). An Index answers for the abuse desk what the logs say of an address at a time.
package maillog

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Options say how logs are read and what is kept of them. The zero value is usable.
type Options struct {
	Zone  *time.Location // of times without one; nil: as queue ids show, else the machine's
	Year  int            // of the first line without one; 0: as queue ids show, else the latest possible
	Since time.Time      // nothing before counts
	Until time.Time      // nothing from here on counts
	Top   int            // rows in each list of the Report; 0 means 20

	Burst    int           // messages that make a burst; 0 means 4
	BurstGap time.Duration // a pause that ends one; 0 means 10 seconds

	MaxRelays   int // addresses kept; 0 means 50,000
	MaxAccounts int // accounts kept; 0 means 20,000
	Workers     int // parsers that run beside each other; 0 means one for each core, at most 4

	Alert func(Alert)       // told of each new burst and each virus, when set
	Now   func() time.Time  // for logs without a file time; nil means time.Now
	Read  func(bytes int64) // told of progress in bytes of the files, when set
}

func (o Options) withDefaults() Options {
	o.Top = cmp.Or(o.Top, 20)
	o.Burst = max(cmp.Or(o.Burst, 4), 2)
	o.BurstGap = cmp.Or(o.BurstGap, 10*time.Second)
	o.MaxRelays, o.MaxAccounts = cmp.Or(o.MaxRelays, 50_000), cmp.Or(o.MaxAccounts, 20_000)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// An Alert is something worth a look at once.
type Alert struct {
	Time  time.Time
	Burst *Burst     // a burst has begun, or
	Virus string     // a scanner found this
	Addr  netip.Addr // in a message from here
	Line  string
}

// A Tally counts what mail logs say: per relay, per account, per burst. It is for one goroutine.
type Tally struct {
	opts     Options
	relays   *board[netip.Addr]
	accounts *board[string]
	bursts   *bursts
	viruses  map[string]int64
	total    Total
	since    int64 // what is counted, in seconds since 1970,
	until    int64 // and where it ends
	first    int64
	last     int64
	lines    lineCounts
	zone     zoneNote
	join     *joiner
}

// maxVirusNames bounds how many names are told apart.
const maxVirusNames = 1000

// NewTally returns an empty Tally.
func NewTally(opts Options) *Tally {
	opts = opts.withDefaults()
	t := &Tally{
		opts: opts, relays: newBoard[netip.Addr](opts.MaxRelays), accounts: newBoard[string](opts.MaxAccounts), viruses: map[string]int64{},
	}
	t.since, t.until = math.MinInt64, math.MaxInt64
	if !opts.Since.IsZero() {
		t.since = opts.Since.Unix()
	}
	if !opts.Until.IsZero() {
		t.until = opts.Until.Unix()
	}
	t.join = newJoiner(newClock(opts.Zone, time.Local, opts.Year, opts.Now()), t.add)
	t.bursts = newBursts(opts.Burst, int64(opts.BurstGap/time.Second), 200, t.burstAlert())
	return t
}

func (t *Tally) burstAlert() func(*run) {
	if t.opts.Alert == nil {
		return nil
	}
	return func(r *run) {
		b := r.burst()
		t.opts.Alert(Alert{Time: b.Last, Burst: &b})
	}
}

// add counts one fact.
func (t *Tally) add(f *fact) {
	if f.at < t.since || f.at >= t.until {
		return
	}
	t.total.Counts.add(f)
	if t.first == 0 || f.at < t.first {
		t.first = f.at
	}
	t.last = max(t.last, f.at)
	if f.addr.IsValid() {
		r := t.relays.add(f.addr, f)
		r.names.add(f.name, t.relays.texts)
		r.senders.add(f.domain(), t.relays.texts)
	}
	if f.account != "" {
		r := t.accounts.add(f.account, f)
		r.senders.add(f.domain(), t.accounts.texts)
		if f.addr.IsValid() && f.kind != aDelivery {
			r.relays.add(f.addr.AppendTo(nil), t.accounts.texts)
		}
	}
	t.bursts.add(f)
	if f.kind == aVirus {
		t.virus(f)
	}
}

func (t *Tally) virus(f *fact) {
	name := string(f.detail)
	if _, known := t.viruses[name]; !known && len(t.viruses) >= maxVirusNames {
		name = "(others)"
	}
	t.viruses[name] += int64(f.count)
	if t.opts.Alert != nil {
		t.opts.Alert(Alert{Time: unix(f.at), Virus: printable(f.detail), Addr: f.addr, Line: printable(keepLine(nil, f.raw))})
	}
}

// Report returns what was counted so far.
func (t *Tally) Report() Report {
	report := Report{Total: t.totals()}
	for _, addr := range top(t.relays, t.opts.Top, netip.Addr.Compare) {
		r := t.relays.rows[addr]
		report.Relays = append(report.Relays, Relay{addr, cleaned(r.names.items), r.forged, cleaned(r.senders.items), r.summary()})
	}
	for _, name := range top(t.accounts, t.opts.Top, strings.Compare) {
		r := t.accounts.rows[name]
		report.Accounts = append(report.Accounts, Account{printable([]byte(name)), r.relays.items, r.relays.more, cleaned(r.senders.items), r.summary()})
	}
	for _, r := range t.bursts.list() {
		if len(report.Bursts) == t.opts.Top {
			break
		}
		report.Bursts = append(report.Bursts, r.burst())
	}
	for name, n := range t.viruses {
		report.Viruses = append(report.Viruses, Virus{printable([]byte(name)), n})
	}
	slices.SortFunc(report.Viruses, func(a, b Virus) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), strings.Compare(a.Name, b.Name))
	})
	report.Viruses = report.Viruses[:min(len(report.Viruses), t.opts.Top)]
	return report
}

func (t *Tally) totals() Total {
	total := t.total
	if t.first != 0 {
		total.First, total.Last = unix(t.first), unix(t.last)
	}
	total.Lines, total.LogBytes, total.Understood = t.lines.lines, t.lines.bytes, t.lines.understood
	total.Malformed, total.Overlong = t.lines.malformed, t.lines.overlong
	note := t.zone.with(t.join.clock)
	total.Zone, total.ZoneWhy = note.name, note.why
	total.Join = t.join.counts
	total.DroppedRelays, total.DroppedNames = t.relays.dropped.distinct(), t.accounts.dropped.distinct()
	total.DroppedRuns = t.bursts.dropped
	return total
}

func cleaned(items []string) (out []string) {
	for _, item := range items {
		out = append(out, printable([]byte(item)))
	}
	return out
}

// reasons says what stands out about a run.
func (r *run) reasons() []string {
	seconds := r.last - r.first + 1
	why := []string{fmt.Sprintf("%d messages in %d s", r.messages, seconds)}
	if len(r.relays) > 1 {
		why = append(why, fmt.Sprintf("from %d addresses of %s", len(r.relays), r.net))
	}
	if r.forged > 0 {
		why = append(why, fmt.Sprintf("names of %d may be forged", r.forged))
	}
	if r.manySenders() {
		why = append(why, "a new sender with nearly every message")
	}
	if r.alike() {
		why = append(why, "sizes hardly differ")
	}
	return why
}
