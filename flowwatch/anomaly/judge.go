package anomaly

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"spoor/flowwatch/activity"
)

// A Judge keeps the list. For each interval it is given Begin, then Host for each host of each
// profile, then End. One goroutine at a time may use it.
type Judge struct {
	config   Config
	profiles map[string]activity.Profile
	states   map[hostKey]*state
	listed   map[hostKey]*state // those with an entry
	changes  []Change
	removed  []string
	refused  uint64
	wide     int // states that are
	reaches  map[lens]int

	start, end time.Time
	began      time.Time // when it first looked, after it had seen nothing for long,
	saw        time.Time // and when it last saw anything
	cover      map[string]activity.Coverage
}

// NewJudge makes a Judge of the given profiles.
func NewJudge(c Config, profiles []activity.Profile) *Judge {
	if c.MaxHosts <= 0 {
		c.MaxHosts = DefaultConfig().MaxHosts
	}
	j := &Judge{
		config: c, profiles: make(map[string]activity.Profile),
		states: make(map[hostKey]*state), listed: make(map[hostKey]*state), cover: make(map[string]activity.Coverage),
		reaches: make(map[lens]int),
	}
	for _, p := range profiles {
		j.profiles[p.Name] = p
	}
	return j
}

// Begin opens an interval; cover tells what each profile's counts rest on.
func (j *Judge) Begin(start time.Time, length time.Duration, cover map[string]activity.Coverage) {
	switch {
	case start.Sub(j.saw) >= 2*windowHours*time.Hour: // the windows of its hosts are forgotten by now
		j.began, j.saw = start, start
	case j.began.IsZero():
		j.began = start.Add(-24 * time.Hour) // it goes on where another left off
	}
	j.start, j.end = start, start.Add(length)
	j.cover = cover
	j.changes = nil
	for _, c := range cover {
		if len(c.Exporters) > 0 || c.Out > 0 || c.Replies > 0 {
			j.saw = j.end
		}
	}
}

// watched tells how much it means that no mail came in: 1 after a time, and less before.
func (j *Judge) watched(l lens) float64 {
	return min(1, j.end.Sub(j.began).Hours()/l.watched().Hours())
}

// Host judges one host's interval.
func (j *Judge) Host(a *activity.Activity) {
	p, ok := j.profiles[a.Profile]
	if !ok {
		return
	}
	key := hostKey{a.Profile, a.Host}
	s := j.states[key]
	if s == nil {
		if !worthKeeping(a) {
			return
		}
		if len(j.states) >= j.config.MaxHosts {
			j.refused++
			return
		}
		s = &state{}
		j.states[key] = s
	}
	s.advance(j.start)
	s.add(a)
	j.bound(s)
	f := featuresOf(a, s, j.cover[a.Profile])
	f.watched = j.watched(f.lens.coarsest(j.cover[a.Profile]))
	switch {
	case f.lens.clear():
	case p.Judge == activity.JudgeMail:
		f.blind = append(f.blind, j.blind(f.lens))
	default:
		f.peers = f.met // for how many others one stands is known of mail alone
		f.blind = append(f.blind, "single conversations: "+f.lens.words())
	}
	j.apply(key, s, j.verdict(p, a, s, f), a, f)
}

// maxWide bounds the hosts that are remembered with more than a few peers one by one, and so the memory of all.
const maxWide = 1 << 14

// bound makes a state small where there are too many large ones.
func (j *Judge) bound(s *state) {
	switch {
	case s.wide || s.small():
	case j.wide < maxWide:
		j.wide++
		s.wide = true
	default:
		s.coarsen()
	}
}

// worthKeeping tells whether anything of a host's interval could matter later.
func worthKeeping(a *activity.Activity) bool {
	return a.Series[activity.Out].Flows > 0 || a.Series[activity.Answers].Flows > 0
}

// A verdict is the outcome of one interval of one host.
type verdict struct {
	kind    Kind
	score   float64 // in units of Enter: 1 is where the list begins
	shown   float64
	reasons []Reason
	blind   []string
	proven  bool
	server  Server
}

func (j *Judge) verdict(p activity.Profile, a *activity.Activity, s *state, f features) verdict {
	switch {
	case p.Judge == activity.JudgeMail && j.config.Mode == ModeThresholds:
		return j.threshold(f)
	case p.Judge == activity.JudgeMail:
		return j.mail(a, s, f)
	}
	return limits(p, a, f)
}

// apply moves the list by a verdict.
func (j *Judge) apply(key hostKey, s *state, v verdict, a *activity.Activity, f features) {
	if s.Entry == nil && v.score < 1 {
		return
	}
	entered := s.Entry == nil
	if entered {
		s.Entry = &Anomaly{
			Host: key.host, Name: activity.Name(key.host), Profile: key.profile,
			Kind: v.kind, Since: j.end, IntervalS: a.Length.Seconds(),
		}
		j.listed[key] = s
	}
	e := s.Entry
	e.Score, e.Proven, e.Server = v.shown, e.Proven || v.proven, v.server
	e.Flows += a.Series[activity.Out].Flows
	e.Allowed = j.config.allowed(key.host, j.end)
	if v.score >= j.config.Leave {
		s.Quiet = 0
		e.Seen = j.end
		s.Listed |= 1
	} else {
		s.Quiet++
	}
	if v.shown >= e.Peak {
		e.Peak, e.Peers, e.Reasons, e.Blind = v.shown, f.peers, v.reasons, v.blind
		e.Kind = v.kind
	}
	j.settle(key, s, entered)
}

// settle ends an entry that was quiet long enough, and notes the change.
func (j *Judge) settle(key hostKey, s *state, entered bool) {
	left := s.Quiet >= j.config.LeaveAfter
	if left {
		s.Entry.Until = s.Entry.Seen
	}
	j.changes = append(j.changes, Change{*s.Entry, entered, left})
	s.dirty = true
	if left {
		s.Entry, s.Quiet = nil, 0
		delete(j.listed, key)
	}
}

// End closes the interval: entries of hosts that were not seen in it count as quiet. The changes
// are those of the interval, in the order of host and profile.
func (j *Judge) End() []Change {
	for key, s := range j.listed {
		if s.Seen < j.end.Unix() {
			s.Quiet++
			s.Entry.Score = 0
			j.settle(key, s, false)
		}
	}
	j.forget()
	slices.SortFunc(j.changes, func(a, b Change) int {
		return cmp.Or(a.Anomaly.Host.Addr().Compare(b.Anomaly.Host.Addr()),
			cmp.Compare(a.Anomaly.Host.Bits(), b.Anomaly.Host.Bits()), cmp.Compare(a.Anomaly.Profile, b.Anomaly.Profile))
	})
	return j.changes
}

// How long a host's past is kept after it was last seen.
const (
	keepServer = 7 * 24 * time.Hour
	keepOther  = 25 * time.Hour
)

func (j *Judge) forget() {
	for key, s := range j.states {
		keep := keepOther
		if s.Learn > 0 {
			keep = keepServer
		}
		if s.Entry == nil && j.end.Unix()-s.Seen > int64(keep.Seconds()) {
			delete(j.states, key)
			if s.wide {
				j.wide--
			}
			j.removed = append(j.removed, key.String())
		}
	}
}

// List is all entries, those of the highest score first.
func (j *Judge) List() []Anomaly {
	list := make([]Anomaly, 0, len(j.listed))
	for _, s := range j.listed {
		list = append(list, *s.Entry)
	}
	slices.SortFunc(list, func(a, b Anomaly) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), a.Host.Addr().Compare(b.Host.Addr()), cmp.Compare(a.Profile, b.Profile))
	})
	return list
}

// A MailServer is a host that counts as one.
type MailServer struct {
	Host  netip.Prefix `json:"host"`
	How   Server       `json:"how"`
	Since time.Time    `json:"since,omitzero"`
	Seen  time.Time    `json:"seen,omitzero"`
	Until time.Time    `json:"until,omitzero"` // when it is forgotten unless seen again
}

// MailServers are the configured and the learnt ones.
func (j *Judge) MailServers() []MailServer {
	var list []MailServer
	for _, p := range j.config.MailServers {
		list = append(list, MailServer{Host: p, How: Configured})
	}
	for key, s := range j.states {
		if s.Learn > 0 && !j.config.server(key.host) {
			seen := time.Unix(s.Seen, 0).UTC()
			list = append(list, MailServer{key.host, Learnt, time.Unix(s.Learn, 0).UTC(), seen, seen.Add(keepServer)})
		}
	}
	slices.SortFunc(list, func(a, b MailServer) int { return a.Host.Addr().Compare(b.Host.Addr()) })
	return list
}

// Refused is how many hosts were not judged since the Judge remembers as many as it may.
func (j *Judge) Refused() uint64 { return j.refused }

// Hosts is how many hosts have a past.
func (j *Judge) Hosts() int { return len(j.states) }

// Remember hands out each past that changed since the last call, and the keys of those that were forgotten.
func (j *Judge) Remember(changed func(key string, value []byte)) (forgotten []string, err error) {
	for key, s := range j.states {
		if !s.dirty {
			continue
		}
		b, err := s.encode()
		if err != nil {
			return nil, fmt.Errorf("encode the past of %s: %w", key, err)
		}
		changed(key.String(), b)
		s.dirty = false
	}
	forgotten = j.removed
	j.removed = nil
	return forgotten, nil
}

// Load takes back a past that Remember handed out.
func (j *Judge) Load(key string, value []byte) error {
	k, err := parseKey(key)
	if err != nil {
		return fmt.Errorf("load a host's past: %w", err)
	}
	s, err := decodeState(value)
	if err != nil {
		return fmt.Errorf("load the past of %s: %w", key, err)
	}
	j.states[k] = s
	j.bound(s)
	if seen := time.Unix(s.Seen, 0).UTC(); seen.After(j.saw) {
		j.saw = seen
	}
	if s.Entry != nil {
		s.Entry.Host = k.host
		j.listed[k] = s
	}
	return nil
}
