package flowwatch_test

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sort"
	"testing"
	"text/tabwriter"
	"time"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/netflow"
	"spoor/flowwatch/netflow/netflowtest"
)

var simStart = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// A trial is one evaluation: which traffic, and how it is seen.
type trial struct {
	seed   uint64
	format netflowtest.Format
	rate   uint32 // one packet in so many is looked at; 0 is all, which sFlow cannot: it then tells one of each conversation
	groups []netflowtest.Group
	length time.Duration
	away   func(n int) bool // whether nothing is heard in the n-th interval
	judges map[string]*anomaly.Judge
}

// seen is what of an interval's conversations the exporter knows.
func (x *trial) seen(sampler *netflowtest.Sampler, list []netflowtest.Record) []netflowtest.Record {
	switch {
	case x.rate == 0:
		return list
	case x.format == netflowtest.SFlow:
		return sampler.Packets(list)
	}
	return sampler.Flows(list)
}

// play runs a simulation through datagrams, decoder and counters into several judges, and
// returns when each of them first listed each host.
func (x *trial) play(t testing.TB) (*netflowtest.Simulation, map[string]map[netip.Addr]time.Time) {
	t.Helper()
	sim := netflowtest.NewSimulation(x.seed, simStart, x.groups...)
	exporter := netflowtest.Exporter{Format: x.format, Domain: 1, Boot: simStart.Add(-time.Hour), Sampling: x.rate}
	sampler := netflowtest.NewSampler(x.rate, x.seed)
	d := netflow.NewDecoder(netflow.Config{AllowAny: true})
	c := activity.NewCounter(activity.Setup{
		Profiles: []activity.Profile{activity.SMTP()}, Local: isOurs, Seed: activity.Seed{1, 2},
	}, simStart)
	first := map[string]map[netip.Addr]time.Time{}
	for name := range x.judges {
		first[name] = map[netip.Addr]time.Time{}
	}
	for n := range int(x.length / sim.Interval) {
		end := simStart.Add(time.Duration(n+1) * sim.Interval)
		list := x.seen(sampler, sim.Records(n))
		if x.away != nil && x.away(n) {
			list = nil
		}
		for _, b := range exporter.Encode(list, end) {
			if err := d.Decode(b, netip.MustParseAddr("192.0.2.254"), end, c.Add); err != nil {
				t.Fatal(err)
			}
		}
		iv := c.Close(end)
		iv.Finish()
		for name, j := range x.judges {
			for _, change := range judge(j, iv) {
				host := hostOf(change.Anomaly.Host)
				if _, known := first[name][host]; change.Entered && !known && change.Anomaly.Allowed == "" {
					if h := truth(sim, host); name == "score" && testing.Verbose() && (!h.Class.Bad() || change.Anomaly.Since.Before(h.Begins)) {
						t.Logf("%s %v at %v: %+v", h.Class, host, change.Anomaly.Since, change.Anomaly)
					}
					first[name][host] = change.Anomaly.Since
				}
			}
		}
		iv.Clear()
		c.Recycle(iv)
	}
	return sim, first
}

// hostOf is the simulated host of an entry: of IPv6, each has a /64.
func hostOf(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		return p.Addr()
	}
	p, _ = p.Addr().Prefix(64)
	return p.Addr().Next()
}

func judge(j *anomaly.Judge, iv *activity.Interval) []anomaly.Change {
	j.Begin(iv.Start, iv.Length, map[string]activity.Coverage{"smtp": iv.Coverage[0]})
	iv.Each(0, j.Host)
	return j.End()
}

func truth(sim *netflowtest.Simulation, a netip.Addr) netflowtest.Host {
	return sim.Hosts[slices.IndexFunc(sim.Hosts, func(h netflowtest.Host) bool { return h.Addr == a })]
}

func isOurs(a netip.Addr) bool {
	return slices.ContainsFunc(netflowtest.Ours(), func(p netip.Prefix) bool { return p.Contains(a) })
}

func judges() map[string]*anomaly.Judge {
	profiles := []activity.Profile{activity.SMTP()}
	c := anomaly.DefaultConfig()
	list := map[string]*anomaly.Judge{"score": anomaly.NewJudge(c, profiles)}
	c.Mode = anomaly.ModeThresholds
	for _, flows := range []uint64{30, 100} {
		c.Flows = flows
		list[fmt.Sprintf("over %d flows", flows)] = anomaly.NewJudge(c, profiles)
	}
	return list
}

// A row is how one class fared with one judge.
type row struct {
	class         netflowtest.Class
	hosts, listed int
	delays        []time.Duration
}

// measure compares a judge's list with the truth.
func measure(sim *netflowtest.Simulation, first map[netip.Addr]time.Time) (rows []row, precision float64) {
	index := map[netflowtest.Class]*row{}
	var order []netflowtest.Class
	right, wrong := 0, 0
	for _, h := range sim.Hosts {
		r := index[h.Class]
		if r == nil {
			r = &row{class: h.Class}
			index[h.Class] = r
			order = append(order, h.Class)
		}
		r.hosts++
		since, listed := first[h.Addr]
		switch {
		case listed && h.Class.Bad() && !since.Before(h.Begins):
			r.listed++
			r.delays = append(r.delays, since.Sub(h.Begins))
			right++
		case listed:
			if !h.Class.Bad() {
				r.listed++
			}
			wrong++
		}
	}
	for _, class := range order {
		sort.Slice(index[class].delays, func(a, b int) bool { return index[class].delays[a] < index[class].delays[b] })
		rows = append(rows, *index[class])
	}
	if right+wrong > 0 {
		precision = float64(right) / float64(right+wrong)
	}
	return rows, precision
}

func (r row) within(limit time.Duration) float64 {
	n := 0
	for _, d := range r.delays {
		if d <= limit {
			n++
		}
	}
	return float64(n) / float64(r.hosts)
}

func (r row) median() string {
	if len(r.delays) == 0 {
		return "-"
	}
	return r.delays[len(r.delays)/2].Round(time.Minute).String()
}

func print(w io.Writer, sim *netflowtest.Simulation, first map[string]map[netip.Addr]time.Time) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	names := slices.Sorted(maps.Keys(first))
	slices.Reverse(names)
	fmt.Fprint(table, "class\tought\thosts\t")
	for _, name := range names {
		fmt.Fprintf(table, "%s: listed\tmedian after\t", name)
	}
	fmt.Fprintln(table)
	all := map[string][]row{}
	for _, name := range names {
		rows, precision := measure(sim, first[name])
		all[name] = rows
		found, bad := 0, 0
		for _, r := range rows {
			if r.class.Bad() {
				found, bad = found+r.listed, bad+r.hosts
			}
		}
		defer fmt.Fprintf(w, "%s: precision %.3f, recall %.3f\n", name, precision, float64(found)/float64(bad))
	}
	for i, r := range all[names[0]] {
		ought := "not"
		if r.class.Bad() {
			ought = "listed"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t", r.class, ought, r.hosts)
		for _, name := range names {
			fmt.Fprintf(table, "%d\t%s\t", all[name][i].listed, all[name][i].median())
		}
		fmt.Fprintln(table)
	}
	table.Flush()
}

// evalLength leaves eight hours and more after the last host turned bad.
const evalLength = netflowtest.Calm + 11*time.Hour

// TestEvaluation is `make eval`: precision, recall and time to detection by class on the labelled
// simulation, beside the plain thresholds of 2003. The weights were chosen on
// seeds 1, 101, 102, 7001, 7002 and 9001; the limits below are tested on seeds that were not used for that, too.
func TestEvaluation(t *testing.T) {
	if underRace {
		t.Skip("the evaluation runs in one goroutine, where nothing can race, and takes minutes under the detector")
	}
	seeds := []uint64{11001, 1, 11002, 11003}
	if !testing.Verbose() {
		seeds = seeds[:2] // `make eval` plays them all
	}
	formats := []netflowtest.Format{netflowtest.V9, netflowtest.IPFIX, netflowtest.V5}
	for i, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			format := formats[i%len(formats)]
			sim, first := (&trial{seed: seed, format: format, length: evalLength, judges: judges()}).play(t)
			if testing.Verbose() {
				fmt.Printf("\nSynthetic traffic, seed %d, %v in intervals of %v, as %s:\n", seed, evalLength, sim.Interval, format)
				print(os.Stdout, sim, first)
			}
			rows, precision := measure(sim, first["score"])
			if precision < 0.98 {
				t.Errorf("precision %.3f, want 0.98", precision)
			}
			for _, r := range rows {
				check(t, r)
			}
		})
	}
}

func check(t *testing.T, r row) {
	t.Helper()
	switch r.class {
	case netflowtest.BotFast:
		if got := r.within(10 * time.Minute); got < 0.95 {
			t.Errorf("%.2f of the fast bots listed within 10 minutes, want 0.95", got)
		}
	case netflowtest.BotSlow, netflowtest.Snowshoe, netflowtest.OneWayBot:
		if got := r.within(6 * time.Hour); got < 0.9 {
			t.Errorf("%.2f of %s listed within 6 hours, want 0.9", got, r.class)
		}
	case netflowtest.Exchanger, netflowtest.Newsletter, netflowtest.OneWayMX, netflowtest.Backscatter,
		netflowtest.CGNAT, netflowtest.Camera, netflowtest.BackupMX:
		if r.listed > 0 {
			t.Errorf("%d of %s were listed, want none", r.listed, r.class)
		}
	case netflowtest.OpenRelay, netflowtest.Stolen, netflowtest.NATBot:
		if got := r.within(time.Hour); got < 0.8 {
			t.Errorf("%.2f of %s listed within an hour, want 0.8", got, r.class)
		}
	}
}

// A view is how exporters see the traffic.
type view struct {
	format netflowtest.Format
	rate   uint32
}

func (v view) String() string {
	switch {
	case v.rate == 0 && v.format == netflowtest.SFlow:
		return "sflow, a packet of each"
	case v.rate == 0:
		return string(v.format) + ", all"
	}
	return fmt.Sprintf("%s 1:%d", v.format, v.rate)
}

// A tally sums up how a judge fared in a view over several seeds.
type tally struct {
	classes          []netflowtest.Class
	hosts, listed    map[netflowtest.Class]int
	soon             map[netflowtest.Class]int // within six hours
	right, wrong     int
	inReach, ofThese int // of bots well above what the sampling lets be seen: listed within six hours, and all
	reach            int
}

func newTally(v view) *tally {
	return &tally{hosts: map[netflowtest.Class]int{}, listed: map[netflowtest.Class]int{}, soon: map[netflowtest.Class]int{},
		reach: anomaly.DefaultConfig().Reach(v.rate)}
}

func (y *tally) add(sim *netflowtest.Simulation, first map[netip.Addr]time.Time) {
	for _, h := range sim.Hosts {
		if y.hosts[h.Class]++; !slices.Contains(y.classes, h.Class) {
			y.classes = append(y.classes, h.Class)
		}
		since, listed := first[h.Addr]
		right := listed && h.Class.Bad() && !since.Before(h.Begins)
		soon := right && since.Sub(h.Begins) <= 6*time.Hour
		if h.Connections() > 1.5*float64(y.reach) {
			y.ofThese++
			if soon {
				y.inReach++
			}
		}
		switch {
		case right:
			y.right++
		case listed:
			y.wrong++
		}
		if listed {
			y.listed[h.Class]++
		}
		if soon {
			y.soon[h.Class]++
		}
	}
}

func (y *tally) precision() float64 { return float64(y.right) / float64(max(1, y.right+y.wrong)) }

func (y *tally) within(c netflowtest.Class) float64 {
	return float64(y.soon[c]) / float64(max(1, y.hosts[c]))
}

// printViews prints a column for each view: of bad classes the share that is listed within six hours, of others how many are listed.
func printViews(w io.Writer, views []view, tallies []*tally) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, cell func(y *tally) string) {
		fmt.Fprintf(table, "%s\t", name)
		for _, y := range tallies {
			fmt.Fprintf(table, "%s\t", cell(y))
		}
		fmt.Fprintln(table)
	}
	fmt.Fprint(table, "\t")
	for _, v := range views {
		fmt.Fprintf(table, "%s\t", v)
	}
	fmt.Fprintln(table)
	for _, c := range tallies[0].classes {
		line(string(c), func(y *tally) string {
			if c.Bad() {
				return fmt.Sprintf("%.2f", y.within(c))
			}
			return fmt.Sprintf("%d of %d", y.listed[c], y.hosts[c])
		})
	}
	line("precision", func(y *tally) string { return fmt.Sprintf("%.3f", y.precision()) })
	line("reach, connections an hour", func(y *tally) string { return fmt.Sprint(y.reach) })
	line("of bots well in reach", func(y *tally) string { return fmt.Sprintf("%d of %d", y.inReach, y.ofThese) })
	table.Flush()
}

// operated is the configuration of somebody who read the manual: servers that only send are named.
func operated(sim *netflowtest.Simulation) anomaly.Config {
	c := anomaly.DefaultConfig()
	for _, h := range sim.Hosts {
		host := netip.PrefixFrom(h.Addr, h.Addr.BitLen())
		switch h.Class {
		case netflowtest.Outbound:
			c.MailServers = append(c.MailServers, host)
		case netflowtest.Monitor:
			c.Allow = append(c.Allow, anomaly.Allow{Net: host, Reason: "our monitoring"})
		}
	}
	return c
}

// evaluate plays groups over seeds in views, and checks what each view shows.
func evaluate(t *testing.T, views []view, seeds []uint64, groups []netflowtest.Group, check func(t *testing.T, v view, y *tally)) {
	var played []view
	var tallies []*tally
	for _, v := range views {
		t.Run(v.String(), func(t *testing.T) {
			y := play(t, v, seeds, groups)
			checkView(t, v, y)
			check(t, v, y)
			played, tallies = append(played, v), append(tallies, y)
		})
	}
	if testing.Verbose() && len(played) > 0 {
		fmt.Printf("\nSynthetic traffic, seeds %d, %v; of bad classes the share listed within six hours, of others how many were listed:\n", seeds, evalLength)
		printViews(os.Stdout, played, tallies)
	}
}

func play(t *testing.T, v view, seeds []uint64, groups []netflowtest.Group) *tally {
	y := newTally(v)
	for _, seed := range seeds {
		c := operated(netflowtest.NewSimulation(seed, simStart, groups...))
		x := trial{seed: seed, format: v.format, rate: v.rate, groups: groups, length: evalLength,
			judges: map[string]*anomaly.Judge{"score": anomaly.NewJudge(c, []activity.Profile{activity.SMTP()})}}
		sim, first := x.play(t)
		y.add(sim, first["score"])
	}
	return y
}

// checkView holds what must be true in any view: hardly anybody is listed who ought not to be, servers never, and who sends
// well more than the sampling lets be seen is found within six hours.
func checkView(t *testing.T, v view, y *tally) {
	t.Helper()
	if y.precision() < 0.98 {
		t.Errorf("%v: precision %.3f, want 0.98", v, y.precision())
	}
	for _, c := range []netflowtest.Class{netflowtest.Exchanger, netflowtest.Newsletter, netflowtest.BackupMX, netflowtest.HubIPv6, netflowtest.Campus} {
		if n := y.listed[c]; n > 0 {
			t.Errorf("%v: %d of %s were listed, want none", v, n, c)
		}
	}
	if float64(y.inReach) < 0.9*float64(y.ofThese) {
		t.Errorf("%v: of %d bots that make well more than %d connections an hour %d were listed within six hours, want 0.9", v, y.ofThese, y.reach, y.inReach)
	}
}

// TestEvaluationSampled plays the traffic as sampled NetFlow and sFlow: what a packet cannot tell is not looked at, so less is
// found and later, but nobody is listed for it who ought not to be.
func TestEvaluationSampled(t *testing.T) {
	if underRace {
		t.Skip("the evaluation runs in one goroutine, where nothing can race, and takes minutes under the detector")
	}
	views, seeds := []view{{netflowtest.SFlow, 0}, {netflowtest.V9, 1000}}, []uint64{21001}
	if testing.Verbose() {
		views = []view{{netflowtest.SFlow, 0}, {netflowtest.SFlow, 10}, {netflowtest.SFlow, 100},
			{netflowtest.V9, 10}, {netflowtest.IPFIX, 100}, {netflowtest.V9, 1000}}
		seeds = []uint64{21001, 21002, 21003, 21004, 21005}
	}
	evaluate(t, views, seeds, nil, func(t *testing.T, v view, y *tally) {
		fast := map[bool]float64{true: 0.95, false: 0.8}[v.rate <= 100]
		if got := y.within(netflowtest.BotFast); got < fast {
			t.Errorf("%.2f of the fast bots listed within six hours, want %.2f", got, fast)
		}
	})
}

// TestEvaluationStrangers plays hosts and bots of kinds that the weights were not chosen on.
func TestEvaluationStrangers(t *testing.T) {
	if underRace {
		t.Skip("the evaluation runs in one goroutine, where nothing can race, and takes minutes under the detector")
	}
	views, seeds := []view{{netflowtest.V9, 0}}, []uint64{31001}
	if testing.Verbose() {
		views = append(views, view{netflowtest.SFlow, 100})
		seeds = []uint64{31001, 31002, 31003, 31004, 31005}
	}
	evaluate(t, views, seeds, netflowtest.Strangers(), func(t *testing.T, v view, y *tally) {
		if v.rate > 0 {
			return
		}
		for _, c := range []netflowtest.Class{netflowtest.BotNight, netflowtest.BotGiants, netflowtest.BotIPv6, netflowtest.Guesser, netflowtest.BotSlow} {
			if got := y.within(c); got < 0.9 {
				t.Errorf("%.2f of %s listed within six hours, want 0.9", got, c)
			}
		}
	})
}

// TestEvaluationGaps plays the traffic with six hours in which nothing was heard, and every fifth interval lost later on.
func TestEvaluationGaps(t *testing.T) {
	if underRace || !testing.Verbose() {
		t.Skip("only in `make eval`, without the race detector")
	}
	v := view{format: netflowtest.IPFIX}
	y := newTally(v)
	for _, seed := range []uint64{41001, 41002} {
		x := trial{seed: seed, format: v.format, length: evalLength, judges: judges(),
			away: func(n int) bool { return n >= 16*12 && n < 22*12 || n > 26*12 && n%5 == 0 }}
		sim, first := x.play(t)
		y.add(sim, first["score"])
	}
	fmt.Println("\nWith six hours of silence before, and each fifth interval lost:")
	printViews(os.Stdout, []view{v}, []*tally{y})
	checkView(t, v, y)
}
