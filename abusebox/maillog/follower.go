package maillog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// A Follower reads the configured logs into an Index for as long as the daemon runs: first the rotated files
// that are young enough, so that a restart forgets nothing, then the live one.
type Follower struct {
	config Config
	zone   *time.Location
	index  *Index
	log    *slog.Logger
	meters meters
	now    func() time.Time
}

// NewFollower prepares to follow the logs of config into index; reg may be nil.
func NewFollower(config Config, index *Index, log *slog.Logger, reg prometheus.Registerer, now func() time.Time) (*Follower, error) {
	f := &Follower{config: config, index: index, log: log, meters: newMeters(reg, index), now: now}
	if config.Zone != "" {
		zone, err := ParseZone(config.Zone)
		if err != nil {
			return nil, err
		}
		f.zone = zone
	}
	return f, nil
}

// Run follows every log until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, path := range f.config.Paths {
		source := f.index.source() // before any is read: an answer covers all of them or says so
		group.Go(func() error { return f.follow(ctx, path, source) })
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (f *Follower) follow(ctx context.Context, path string, source *source) error {
	join := newJoiner(newClock(f.zone, time.Local, 0, f.now()), source.add)
	f.history(ctx, path, join)
	join.clock = join.clock.next(0, f.now())
	t := newTail(path, f.config.Poll.Std(), func(c *chunk) {
		f.meters.count(c.counts)
		join.clock.limit = f.now().Add(24 * time.Hour).Unix()
		join.feed(c)
	})
	t.now, t.idle = f.now, source.caughtUp
	t.rotated = func() { f.meters.rotations.Inc() }
	said := false
	t.failed = func(err error) {
		f.meters.errors.Inc()
		if !said { // the meter counts on
			f.log.Warn("mail log cannot be read", "path", path, "error", err)
		}
		said = true
	}
	return t.run(ctx)
}

// history reads the rotated files beside a log, the oldest first.
func (f *Follower) history(ctx context.Context, path string, join *joiner) {
	for _, old := range f.rotated(path) {
		if ctx.Err() != nil {
			return
		}
		if err := f.readOld(ctx, old, join); err != nil {
			f.meters.errors.Inc()
			f.log.Warn("rotated mail log cannot be read", "path", old.path, "error", err)
		}
	}
}

func (f *Follower) readOld(ctx context.Context, old logFile, join *joiner) error {
	file, err := os.Open(old.path)
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := decompress(file)
	if err != nil {
		return err
	}
	join.clock, join.primed = join.clock.next(0, old.modified), false
	return parallel(ctx, plain, 1, join.feed, func(c *chunk) { f.meters.count(c.counts) })
}

// maxRotated bounds how many rotated files are read at a start.
const maxRotated = 100

// rotated lists "mail.log.1", "mail.log.2.gz" and "mail.log-20261001", as far as they are young enough.
func (f *Follower) rotated(path string) (logs []logFile) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		suffix, ok := strings.CutPrefix(entry.Name(), filepath.Base(path))
		if !ok || len(suffix) < 2 || (suffix[0] != '.' && suffix[0] != '-') || suffix[1]-'0' > 9 {
			continue
		}
		info, err := entry.Info()
		if err != nil || info.Mode()&fs.ModeType != 0 || f.now().Sub(info.ModTime()) > f.config.Keep.Std() {
			continue
		}
		logs = append(logs, logFile{path: filepath.Join(filepath.Dir(path), entry.Name()), modified: info.ModTime()})
	}
	slices.SortFunc(logs, func(a, b logFile) int { return cmp.Or(a.modified.Compare(b.modified), strings.Compare(b.path, a.path)) })
	return logs[max(0, len(logs)-maxRotated):]
}

// ParseZone reads "Asia/Taipei", "UTC", "local" or "+0800".
func ParseZone(s string) (*time.Location, error) {
	if strings.EqualFold(s, "local") {
		return time.Local, nil
	}
	if s != "" && (s[0] == '+' || s[0] == '-') {
		if t, err := time.Parse("-0700", strings.Replace(s, ":", "", 1)); err == nil {
			_, offset := t.Zone()
			return time.FixedZone(s, offset), nil
		}
	}
	zone, err := time.LoadLocation(s)
	if err != nil || s == "" {
		return nil, fmt.Errorf("%q is no time zone: write it like Asia/Taipei, UTC, local or +0800", s)
	}
	return zone, nil
}
