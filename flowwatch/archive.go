package flowwatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow"
)

// ErrNoHistory means that no history is kept, so the past cannot be told.
var ErrNoHistory = errors.New("flowwatch: no history is kept")

// ErrNotRunning means that only a running Watcher could answer.
var ErrNotRunning = errors.New("flowwatch: the collector does not run")

// ErrNoProfile means that a question is about a profile that is neither counted nor stored.
var ErrNoProfile = errors.New("flowwatch: no such profile")

// ErrNotCounted means that a question is about a prefix that is not counted as one.
var ErrNotCounted = errors.New("flowwatch: not counted as one")

// An Archive answers questions from the history; a Watcher's Archive also knows the open interval.
type Archive struct {
	store     *history.Store
	profiles  []activity.Profile
	delegated int
	judge     anomaly.Config
	now       func() time.Time
	live      *Watcher              // nil where no collector runs in this process,
	ours      func(netip.Addr) bool // and this, too: what is ours is then not known for certain
}

// foreign tells whether a host is certainly none of ours, so that nothing of it is ever counted.
func (x *Archive) foreign(host netip.Prefix) bool { return x.ours != nil && !x.ours(host.Addr()) }

// notCounted says why nothing of a foreign host is seen.
const notCounted = "it is in none of our networks, and only their hosts are counted"

// NewArchive opens the questions on a history without a Watcher.
func NewArchive(store *history.Store, c Config, now func() time.Time) *Archive {
	return &Archive{store: store, profiles: c.AllProfiles(), delegated: c.Delegated, judge: c.judge(), now: now}
}

// known refuses a profile that nothing could be told of.
func (x *Archive) known(profile string) error {
	var names []string
	for _, p := range x.profiles {
		names = append(names, p.Name)
	}
	if x.store != nil {
		stored, err := x.store.Profiles()
		if err != nil {
			return err
		}
		names = append(names, stored...)
	}
	if slices.Contains(names, profile) {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("%w: %q is not among %s", ErrNoProfile, profile, strings.Join(slices.Compact(names), ", "))
}

// A Row is one host's Activity over a time, as commands and the API show it.
type Row struct {
	Host        string          `json:"host"`
	Profile     string          `json:"profile"`
	From        time.Time       `json:"from"`
	To          time.Time       `json:"to"`
	IntervalS   float64         `json:"interval_s"` // the shortest span that it was summed up from
	First       time.Time       `json:"first,omitzero"`
	Last        time.Time       `json:"last,omitzero"`
	Out         activity.Counts `json:"out"`
	Replies     activity.Counts `json:"replies"`
	In          activity.Counts `json:"in"`
	Answers     activity.Counts `json:"answers"`
	Peers       int             `json:"peers"`
	PeersExact  bool            `json:"peers_exact"`
	Replied     int             `json:"replied"`
	Clients     int             `json:"clients"`
	Relay       uint64          `json:"relay"`
	Failed      uint64          `json:"failed"`
	SYNOnly     uint64          `json:"syn_only"`
	Tiny        uint64          `json:"tiny"`
	Established uint64          `json:"established"`
	Forged      uint64          `json:"forged"`
	Packets     bool            `json:"packets_only"`
	Sampling    uint32          `json:"sampling"`
	Active      uint32          `json:"active"`
}

// RowOf shows an Activity that was summed up from spans of a length.
func RowOf(a *activity.Activity, length time.Duration) Row {
	return Row{
		Host: activity.Name(a.Host), Profile: a.Profile, From: a.Start, To: a.Start.Add(a.Length), IntervalS: length.Seconds(),
		First: a.First, Last: a.Last,
		Out: a.Series[activity.Out], Replies: a.Series[activity.Replies], In: a.Series[activity.In], Answers: a.Series[activity.Answers],
		Peers: a.PeersMet(), PeersExact: a.Peers.Exact(), Replied: a.PeersReplied(), Clients: a.ClientsMet(),
		Relay: a.Relay, Failed: a.Failed, SYNOnly: a.SYNOnly, Tiny: a.Tiny, Established: a.Established,
		Forged: a.Forged, Packets: a.Packets, Sampling: a.Sampling, Active: a.Active,
	}
}

// A Scope is which traffic a question is about.
type Scope struct {
	Profile  string
	From, To time.Time
}

// A Ranking is a question for the hosts with the most of something.
type Ranking struct {
	Scope
	By        string // one of Counters
	Direction activity.Direction
	Limit     int
	Prefixes  bool // rank delegated IPv6 prefixes, too
}

// Counters are what hosts can be ranked by. Those of a direction are taken of the asked one.
func Counters() []string {
	return []string{"flows", "packets", "bytes", "peers", "clients", "failed", "tiny", "syn", "relay", "forged", "active"}
}

// A Top is the answer to a Ranking.
type Top struct {
	Basis history.Basis `json:"basis"`
	Rows  []Row         `json:"rows"`
	Hosts int           `json:"hosts"` // of which these are the first
}

func counterOf(by string, d activity.Direction) (func(a *activity.Activity) uint64, error) {
	switch by {
	case "flows":
		return func(a *activity.Activity) uint64 { return a.Series[d].Flows }, nil
	case "packets":
		return func(a *activity.Activity) uint64 { return a.Series[d].Packets }, nil
	case "bytes":
		return func(a *activity.Activity) uint64 { return a.Series[d].Bytes }, nil
	case "peers":
		return func(a *activity.Activity) uint64 { return uint64(a.PeersMet()) }, nil
	case "clients":
		return func(a *activity.Activity) uint64 { return uint64(a.ClientsMet()) }, nil
	case "failed":
		return func(a *activity.Activity) uint64 { return a.Failed }, nil
	case "tiny":
		return func(a *activity.Activity) uint64 { return a.Tiny }, nil
	case "syn":
		return func(a *activity.Activity) uint64 { return a.SYNOnly }, nil
	case "relay":
		return func(a *activity.Activity) uint64 { return a.Relay }, nil
	case "forged":
		return func(a *activity.Activity) uint64 { return a.Forged }, nil
	case "active":
		return func(a *activity.Activity) uint64 { return uint64(a.Active) }, nil
	}
	return nil, fmt.Errorf("there is no counter %q: use %s", by, strings.Join(Counters(), ", "))
}

// ranked is a candidate of a Ranking.
type ranked struct {
	value uint64
	a     activity.Activity
}

// Top ranks the hosts of a time.
func (x *Archive) Top(ctx context.Context, q Ranking) (Top, error) {
	value, err := counterOf(q.By, q.Direction)
	if err != nil {
		return Top{}, err
	}
	if x.store == nil {
		return Top{}, ErrNoHistory
	}
	if err := x.known(q.Profile); err != nil {
		return Top{}, err
	}
	best := newBest(q.Limit)
	top := Top{}
	top.Basis, err = x.store.Each(ctx, q.Profile, q.From, q.To, func(a *activity.Activity) error {
		if q.Prefixes || a.Single() {
			top.Hosts++
			best.offer(value(a), a)
		}
		return nil
	})
	for _, r := range best.sorted() {
		top.Rows = append(top.Rows, RowOf(&r.a, top.Basis.Length()))
	}
	return top, err
}

// A best keeps the greatest of what it is offered: the heap's first is the least of them.
type best struct {
	limit int
	heap  []ranked
}

func newBest(limit int) *best {
	if limit <= 0 {
		limit = 20
	}
	return &best{limit: limit}
}

func (b *best) offer(value uint64, a *activity.Activity) {
	if value == 0 || len(b.heap) == b.limit && value <= b.heap[0].value {
		return
	}
	if len(b.heap) < b.limit {
		b.heap = append(b.heap, ranked{value, a.Clone()})
		for i := len(b.heap) - 1; i > 0 && b.heap[i].value < b.heap[(i-1)/2].value; i = (i - 1) / 2 {
			b.heap[i], b.heap[(i-1)/2] = b.heap[(i-1)/2], b.heap[i]
		}
		return
	}
	b.heap[0] = ranked{value, a.Clone()}
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(b.heap); child++ {
			if b.heap[child].value < b.heap[least].value {
				least = child
			}
		}
		if least == i {
			return
		}
		b.heap[i], b.heap[least] = b.heap[least], b.heap[i]
		i = least
	}
}

func (b *best) sorted() []ranked {
	slices.SortFunc(b.heap, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(y.value, x.value), x.a.Addr().Compare(y.a.Addr()), cmp.Compare(x.a.Host.Bits(), y.a.Host.Bits()))
	})
	return b.heap
}

// A Hist is the 2003 table over a time.
type Hist struct {
	Basis history.Basis      `json:"basis"`
	By    string             `json:"by"` // "host" over the whole time, or "pair" within each interval
	Bars  activity.Histogram `json:"bars"`
}

// Hist sorts hosts, or pairs of host and peer, into bands by their outgoing flows.
func (x *Archive) Hist(ctx context.Context, q Scope, by string) (Hist, error) {
	h := Hist{By: by}
	if x.store == nil {
		return h, ErrNoHistory
	}
	err := x.known(q.Profile)
	if err != nil {
		return h, err
	}
	switch by {
	case "host":
		h.Basis, err = x.store.Each(ctx, q.Profile, q.From, q.To, func(a *activity.Activity) error {
			if a.Single() {
				h.Bars.Add(a.Series[activity.Out])
			}
			return nil
		})
	case "pair":
		h.Bars, h.Basis, err = x.store.Pairs(q.Profile, q.From, q.To)
	default:
		err = fmt.Errorf("a table by %q does not exist: use host or pair", by)
	}
	return h, err
}

// Anomalies lists the entries that stood on the list at some moment of a time, the latest first.
func (x *Archive) Anomalies(from, to time.Time, profile string) (list []anomaly.Anomaly, err error) {
	if profile != "" {
		if err := x.known(profile); err != nil {
			return nil, err
		}
	}
	add := func(a anomaly.Anomaly) error {
		if profile == "" || a.Profile == profile {
			list = append(list, a)
		}
		return nil
	}
	switch {
	case x.store != nil:
		err = x.store.Anomalies(from, to, add)
	case x.live != nil:
		for _, a := range x.live.List() {
			err = add(a)
		}
	default:
		err = ErrNoHistory
	}
	slices.SortFunc(list, func(a, b anomaly.Anomaly) int {
		return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(b.Peak, a.Peak), a.Host.Addr().Compare(b.Host.Addr()))
	})
	return list, err
}

// A Show is everything that is known of one host over a time.
type Show struct {
	Host      string            `json:"host"`
	Profile   string            `json:"profile"`
	From      time.Time         `json:"from"`
	To        time.Time         `json:"to"`
	Basis     history.Basis     `json:"basis"`
	Sum       *Row              `json:"sum"`            // null where nothing was counted
	Hours     []Row             `json:"hours"`          // hour by hour, and the intervals since the last full hour
	Open      *Row              `json:"open,omitempty"` // the open interval so far
	Anomalies []anomaly.Anomaly `json:"anomalies"`
	Server    anomaly.Server    `json:"server,omitempty"`
	Notes     []string          `json:"notes"`
}

// Show tells what one host, or delegated prefix, did in a time.
func (x *Archive) Show(ctx context.Context, host netip.Prefix, q Scope) (Show, error) {
	s := Show{Host: activity.Name(host), Profile: q.Profile, From: q.From, To: q.To, Notes: []string{}, Hours: []Row{}, Anomalies: []anomaly.Anomaly{}}
	if x.store == nil {
		return s, ErrNoHistory
	}
	if err := x.known(q.Profile); err != nil {
		return s, err
	}
	if !host.IsSingleIP() && (host.Addr().Is4() || host.Bits() != x.delegated) {
		return s, fmt.Errorf("%w: of %s only single addresses and, of IPv6, delegated prefixes (/%d) are counted", ErrNotCounted, host, x.delegated)
	}
	hours, basis, err := x.store.Host(q.Profile, host, history.Hour, q.From, q.To)
	if err != nil {
		return s, err
	}
	after := q.From
	if basis.Spans > 0 {
		after = basis.To
	}
	tail, _, err := x.store.Host(q.Profile, host, history.Interval, after, q.To)
	if err != nil {
		return s, err
	}
	for _, list := range [][]activity.Activity{hours, tail} {
		for i := range list {
			s.Hours = append(s.Hours, RowOf(&list[i], list[i].Length))
		}
	}
	sum, seen, basis, err := x.store.Sum(q.Profile, host, q.From, q.To)
	if err != nil {
		return s, err
	}
	s.Basis = basis
	if seen {
		row := RowOf(&sum, basis.Length())
		s.Sum = &row
		s.Notes = notes(&sum)
	} else if x.foreign(host) {
		s.Notes = append(s.Notes, notCounted)
	}
	if x.live != nil {
		if a, ok := x.live.openHost(q.Profile, host); ok {
			row := RowOf(&a, a.Length)
			s.Open = &row
		}
	}
	list, err := x.store.AnomaliesOf(host, q.From, q.To)
	s.Anomalies = append(s.Anomalies, list...)
	s.Server = x.serverOf(host)
	return s, err
}

// KnownServers are the hosts that count as mail servers, configured or learnt: of now, or as the last collector left them.
func (x *Archive) KnownServers() ([]anomaly.MailServer, error) {
	if x.live != nil {
		return x.live.MailServers(), nil
	}
	if x.store == nil {
		return nil, ErrNoHistory
	}
	judge := anomaly.NewJudge(x.judge, x.profiles)
	if err := x.store.Pasts(judge.Load); err != nil {
		return nil, fmt.Errorf("read the mail servers: %w", err)
	}
	return judge.MailServers(), nil
}

func (x *Archive) serverOf(host netip.Prefix) anomaly.Server {
	list, err := x.KnownServers()
	if err != nil {
		return "" // the figures are told all the same
	}
	for _, m := range list {
		if m.Host.Contains(host.Addr()) {
			return m.How
		}
	}
	return ""
}

// notes tell apart what looks alike: backscatter, reflection, forged sources.
func notes(a *activity.Activity) []string {
	list := []string{}
	out, replies, in, answers := a.Series[activity.Out].Flows, a.Series[activity.Replies].Flows, a.Series[activity.In].Flows, a.Series[activity.Answers].Flows
	if replies > 10 && replies > 5*out {
		list = append(list, fmt.Sprintf("backscatter: %d answers came to %d flows of its own, so others forged its address", replies, out))
	}
	if answers > 10 && in > 10 && a.ClientsMet() == 0 {
		list = append(list, fmt.Sprintf("reflection: it answered %d attempts that never became sessions", in))
	}
	if a.Forged > 0 {
		list = append(list, fmt.Sprintf("forged: %d flows that claim its address came in by another interface than its route's", a.Forged))
	}
	return list
}

// Exporters tells the health of the exporters: of now, or as the last collector left it.
func (x *Archive) Exporters() (list []netflow.Exporter, err error) {
	if x.live != nil {
		x.live.mu.Lock()
		defer x.live.mu.Unlock()
		return x.live.decoder.Exporters(), nil
	}
	if x.store == nil {
		return nil, ErrNoHistory
	}
	err = x.store.Get(settingExporters, &list)
	return list, err
}

// Refused names strangers that sent us datagrams.
func (x *Archive) Refused() (total uint64, named []netflow.Refusal) {
	if x.live == nil {
		return 0, nil
	}
	x.live.mu.Lock()
	defer x.live.mu.Unlock()
	return x.live.decoder.Refused()
}

// Live ranks the hosts of the open interval.
func (x *Archive) Live(q Ranking) (Top, error) {
	if x.live == nil {
		return Top{}, ErrNotRunning
	}
	value, err := counterOf(q.By, q.Direction)
	if err == nil {
		err = x.known(q.Profile)
	}
	if err != nil {
		return Top{}, err
	}
	return x.live.top(q, value)
}

func (w *Watcher) top(q Ranking, value func(*activity.Activity) uint64) (Top, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now().UTC()
	top := Top{Basis: history.Basis{From: w.counter.Start(), To: now, Spans: 1, LengthS: now.Sub(w.counter.Start()).Seconds()}}
	best := newBest(q.Limit)
	for i, p := range w.profiles {
		if p.Name != q.Profile {
			continue
		}
		w.counter.Each(i, now, func(a *activity.Activity) {
			if q.Prefixes || a.Single() {
				top.Hosts++
				best.offer(value(a), a)
			}
		})
	}
	for _, r := range best.sorted() {
		top.Rows = append(top.Rows, RowOf(&r.a, top.Basis.Length()))
	}
	return top, nil
}
