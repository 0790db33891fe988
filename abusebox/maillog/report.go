package maillog

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// A Report is what a Tally has counted so far; its lists come most suspicious first.
type Report struct {
	Total    Total
	Relays   []Relay
	Accounts []Account
	Bursts   []Burst
	Viruses  []Virus
}

// A Total is the sum of a run over logs, with what was left out and how times were read.
type Total struct {
	Counts
	Lines         int64      `json:"lines"`
	LogBytes      int64      `json:"log_bytes"`
	Understood    int64      `json:"understood"` // lines that say something counted here
	Malformed     int64      `json:"malformed"`  // lines that are no log lines
	Overlong      int64      `json:"overlong"`   // lines too long to read
	First         time.Time  `json:"first,omitzero"`
	Last          time.Time  `json:"last,omitzero"`
	Zone          string     `json:"zone"`     // in which times without a zone were read
	ZoneWhy       string     `json:"zone_why"` // set, "queue ids", log or guessed
	Join          JoinCounts `json:"join"`
	DroppedRelays int64      `json:"dropped_relays"` // relays not kept, estimated within 3 %
	DroppedNames  int64      `json:"dropped_accounts"`
	DroppedRuns   int64      `json:"dropped_bursts"`
}

// A Relay is what one address that handed us mail did.
type Relay struct {
	Addr    netip.Addr `json:"ip"`
	Names   []string   `json:"names,omitempty"`
	Forged  bool       `json:"forged"` // a name of it does not lead back to it
	Senders []string   `json:"sender_domains,omitempty"`
	Summary
}

// An Account is what one login, or one local user, did.
type Account struct {
	Name    string   `json:"account"`
	Relays  []string `json:"relays,omitempty"` // where it came from: the first few
	More    bool     `json:"more_relays"`
	Senders []string `json:"sender_domains,omitempty"`
	Summary
}

// A Summary is what relays and accounts have in common.
type Summary struct {
	Counts
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	VirusNames []string  `json:"virus_names,omitempty"`
	Missed     int64     `json:"missed"` // may have up to so many hundredths of suspicion more, dropped earlier
	Evidence   []string  `json:"evidence"`
}

// A Burst is messages of one sender's domain from one network within a short time.
type Burst struct {
	Net        netip.Prefix `json:"net"`
	Domain     string       `json:"domain"`
	Messages   int64        `json:"messages"`
	Recipients int64        `json:"recipients"`
	Relays     []netip.Addr `json:"relays"`  // the first 32
	Senders    int          `json:"senders"` // different ones, counted up to 64
	Forged     int64        `json:"forged"`  // messages from relays whose names may be forged
	MinSize    int64        `json:"min_size"`
	MaxSize    int64        `json:"max_size"`
	First      time.Time    `json:"first"`
	Last       time.Time    `json:"last"`
	Score      float64      `json:"score"`
	Why        []string     `json:"why"`
	Evidence   []string     `json:"evidence"`
}

// A Virus is how often scanners found one thing.
type Virus struct {
	Name     string `json:"name"`
	Messages int64  `json:"messages"`
}

func (r *row) summary() Summary {
	return Summary{r.Counts, unix(r.first), unix(r.last), r.viruses.items, int64(r.missed), r.lines.list()}
}

// A place is one key in the order of suspicion.
type place[K comparable] struct {
	key   K
	score float64
	first int64
}

// top returns the n most suspicious rows of a board; ties go by first sight, so that the order is stable.
func top[K comparable](b *board[K], n int, less func(a, b K) int) []K {
	best := make([]place[K], 0, n+1)
	order := func(x, y place[K]) int {
		return cmp.Or(cmp.Compare(y.score, x.score), cmp.Compare(x.first, y.first), less(x.key, y.key))
	}
	for key, r := range b.rows {
		p := place[K]{key, r.Suspicion(), r.first}
		if len(best) == n && (n == 0 || order(p, best[n-1]) > 0) {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, p, order)
		best = slices.Insert(best, at, p)
		best = best[:min(len(best), n)]
	}
	keys := make([]K, len(best))
	for i, p := range best {
		keys[i] = p.key
	}
	return keys
}

// burst renders a run with the reasons for its score.
func (r *run) burst() Burst {
	b := Burst{
		Net: r.net, Domain: printable(r.domain), Messages: r.messages, Recipients: r.recipients, Relays: slices.Clone(r.relays), Senders: len(r.senders),
		Forged: r.forged, MinSize: r.minSize, MaxSize: r.maxSize, First: unix(r.first), Last: unix(r.last), Score: r.score(), Why: r.reasons(),
	}
	for _, line := range r.lines {
		b.Evidence = append(b.Evidence, printable(line))
	}
	return b
}
