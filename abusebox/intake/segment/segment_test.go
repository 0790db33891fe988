package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, opt Options) *Log {
	t.Helper()
	l, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func scan(t testing.TB, l *Log, from ID) []string {
	t.Helper()
	var got []string
	if _, err := l.Scan(t.Context(), from, func(r Record) error {
		if r.Damaged > 0 {
			got = append(got, fmt.Sprint("damaged ", r.Damaged))
			return nil
		}
		got = append(got, fmt.Sprintf("%s:%s", r.Head, r.Body))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func put(t testing.TB, l *Log, head, body string) ID {
	t.Helper()
	id, err := l.Append(t.Context(), []byte(head), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAppendReadScan(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{SegmentSize: 100})
	var ids []ID
	var want []string
	for i := range 20 {
		ids = append(ids, put(t, l, fmt.Sprint("h", i), fmt.Sprint("body ", i)))
		want = append(want, fmt.Sprintf("h%d:body %d", i, i))
	}
	check := func(l *Log) {
		t.Helper()
		for i, id := range ids {
			head, body, err := l.Read(id)
			if err != nil || fmt.Sprintf("%s:%s", head, body) != want[i] {
				t.Errorf("Read(%s) = %s, %s, %v; want %s", id, head, body, err, want[i])
			}
			if d := cmp.Diff(want[i:], scan(t, l, id)); d != "" {
				t.Errorf("Scan from record %d (-want +got):\n%s", i, d)
			}
			if d := cmp.Diff(want[i+1:], scan(t, l, id+1), cmp.Transformer("nil", func(s []string) string { return fmt.Sprint(s) })); d != "" {
				t.Errorf("Scan past record %d (-want +got):\n%s", i, d)
			}
			if i > 0 && ids[i-1] >= id {
				t.Errorf("ID %s comes after %s", id, ids[i-1])
			}
		}
	}
	check(l)
	if n := len(l.Segments()); n < 5 {
		t.Errorf("20 records in segments of 100 bytes make %d files", n)
	}
	l.Close()
	check(open(t, dir, Options{}))
}

func TestIDText(t *testing.T) {
	id := newID(0x2a, 0x1f3c)
	got, err := ParseID(id.String())
	if err != nil || got != id || id.String() != "00002a-0000001f3c" {
		t.Errorf("%s reads as %v, %v", id, got, err)
	}
	for _, bad := range []string{"", "2a-1f3c", "00002a-0000001f3cx", "00002g-0000001f3c", "-0002a-0000001f3c"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("%q is read as an ID", bad)
		}
	}
}

func TestConcurrentAppendsShareSyncs(t *testing.T) {
	syncs := 0
	l := open(t, t.TempDir(), Options{})
	var begun, wg sync.WaitGroup
	begun.Add(200)
	l.sync = func(f *os.File) error { syncs++; begun.Wait(); return fdatasync(f) }
	for i := range 200 {
		wg.Go(func() { begun.Done(); put(t, l, "h", fmt.Sprint(i)) })
	}
	wg.Wait()
	if got := len(scan(t, l, 0)); got != 200 || syncs > 100 {
		t.Errorf("%d records kept with %d syncs; want 200 with far fewer", got, syncs)
	}
}

// A torn tail: the file ends anywhere within its last record. All before it is there, and appending goes on.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	put(t, l, "a", "first")
	put(t, l, "b", "second")
	path, end := l.Segments()[0].Path, l.Segments()[0].Bytes
	l.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := int64(1); cut < recordHeader+7; cut++ {
		for _, fill := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00", "garbage"} {
			os.RemoveAll(dir)
			os.MkdirAll(dir, 0o700)
			torn := append(bytes.Clone(whole[:end-cut]), fill...)
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, dir, Options{})
			put(t, l, "c", "third")
			if d := cmp.Diff([]string{"a:first", "c:third"}, scan(t, l, 0)); d != "" {
				t.Fatalf("%d bytes cut off, %q behind (-want +got):\n%s", cut, fill, d)
			}
			l.Close()
		}
	}
}

// Damage in the middle costs the records that it hit, is reported, and no more.
func TestDamageInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	var ids []ID
	for i := range 5 {
		ids = append(ids, put(t, l, "h", fmt.Sprint("body ", i)))
	}
	path := l.Segments()[0].Path
	l.Close()
	flip(t, path, ids[2].Offset()+recordHeader+3)
	var events []string
	l = open(t, dir, Options{Event: func(what, _ string, _ int64, _ error) { events = append(events, what) }})
	want := []string{"h:body 0", "h:body 1", "damaged 23", "h:body 3", "h:body 4"}
	if d := cmp.Diff(want, scan(t, l, 0)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"skipped damaged bytes"}, events); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if _, _, err := l.Read(ids[2]); !errors.Is(err, errDamaged) {
		t.Errorf("reading the damaged record: %v", err)
	}
}

// Where a scan goes on at a damaged record, be it damaged in its frame or behind that, the damage is told again: whoever
// was stopped before he had dealt with it must not pass it by.
func TestScanFromDamage(t *testing.T) {
	for _, at := range []int64{0, 5, recordHeader + 2} {
		dir := t.TempDir()
		l := open(t, dir, Options{})
		var ids []ID
		for i := range 4 {
			ids = append(ids, put(t, l, "h", fmt.Sprint("body ", i)))
		}
		flip(t, l.Segments()[0].Path, ids[1].Offset()+at)
		for from, want := range map[ID][]string{
			0: {"h:body 0", "damaged 23", "h:body 2", "h:body 3"}, ids[1]: {"damaged 23", "h:body 2", "h:body 3"},
			ids[0] + 1: {"damaged 23", "h:body 2", "h:body 3"}, ids[2] + 1: {"h:body 3"},
		} {
			if d := cmp.Diff(want, scan(t, l, from)); d != "" {
				t.Errorf("byte %d, from %s (-want +got):\n%s", at, from, d)
			}
		}
		n := 0
		if _, err := l.IDs(t.Context(), 0, func(ID) error { n++; return nil }); err != nil || n != 4 {
			t.Errorf("byte %d: IDs finds %d records, %v; want 4", at, n, err)
		}
	}
}

// IDs that somebody knows are not given again when the folder was lost, or put back from a backup.
func TestBeyond(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	first := put(t, l, "h", "before")
	known := newID(7, 1234)
	l.Beyond(known)
	l.Beyond(first)
	later := put(t, l, "h", "after")
	if later.Segment() != 8 || l.Next() != 9 {
		t.Errorf("the next record is %s, and the next segment %d", later, l.Next())
	}
	l.Close()
	if d := cmp.Diff([]string{"h:before", "h:after"}, scan(t, open(t, dir, Options{}), 0)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func flip(t *testing.T, path string, off int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[off] ^= 0x40
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A message that holds the bytes of a record of another segment is not taken for a record after damage before it.
func TestForgedRecordInBody(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	forged := make([]byte, recordHeader)
	key{mark: 1, seed: 2}.frameFor(forged, []byte("forged"), []byte("mail"))
	forged = append(forged, "forgedmail"...)
	id := put(t, l, "h", string(forged))
	put(t, l, "h", "next")
	path := l.Segments()[0].Path
	l.Close()
	flip(t, path, id.Offset()+recordHeader)
	if d := cmp.Diff([]string{"damaged 43", "h:next"}, scan(t, open(t, dir, Options{}), 0)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// After a failed sync nothing of the group is visible, now or after a restart, and service returns with the disk.
func TestSyncFault(t *testing.T) {
	for _, before := range []int{0, 1, 3} {
		dir := t.TempDir()
		l := open(t, dir, Options{})
		var want []string
		for i := range before {
			put(t, l, "good", fmt.Sprint(i))
			want = append(want, fmt.Sprint("good:", i))
		}
		l.sync = func(*os.File) error { return errors.New("input/output error") }
		for range 3 {
			if id, err := l.Append(t.Context(), []byte("bad"), nil); err == nil {
				t.Fatalf("a record that could not be synced is acknowledged as %s", id)
			}
		}
		l.sync = fdatasync
		put(t, l, "again", "")
		want = append(want, "again:")
		if d := cmp.Diff(want, scan(t, l, 0)); d != "" {
			t.Errorf("%d records before the fault (-want +got):\n%s", before, d)
		}
		l.Close()
		if d := cmp.Diff(want, scan(t, open(t, dir, Options{}), 0)); d != "" {
			t.Errorf("after a restart (-want +got):\n%s", d)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
		if len(files) > 2 {
			t.Errorf("failed writes left %d files", len(files))
		}
	}
}

// A failed sync fails every record that shares it, however many; those that wait behind it share a later one.
func TestFailedSyncFailsItsGroup(t *testing.T) {
	const waiting = 50
	l := open(t, t.TempDir(), Options{})
	syncing, goOn := make(chan bool), make(chan bool)
	syncs := 0
	l.sync = func(f *os.File) error { // of one goroutine
		syncs++
		syncing <- true
		<-goOn
		if syncs == 2 {
			return errors.New("input/output error")
		}
		return fdatasync(f)
	}
	answers := make(chan error, waiting)
	appendOne := func(body string) {
		_, err := l.Append(context.Background(), []byte("h"), []byte(body))
		answers <- err
	}
	go appendOne("first")
	<-syncing
	for range waiting {
		go appendOne("bad")
	}
	for len(l.requests) < waiting { // all make one group, which begins when the first sync is done
		runtime.Gosched()
	}
	goOn <- true
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
	<-syncing
	go appendOne("after")
	for len(l.requests) < 1 {
		runtime.Gosched()
	}
	goOn <- true
	for range waiting {
		if err := <-answers; err == nil {
			t.Error("a record of a group whose sync failed is acknowledged")
		}
	}
	<-syncing
	goOn <- true
	if err := <-answers; err != nil {
		t.Errorf("the record after it: %v", err)
	}
	if d := cmp.Diff([]string{"h:first", "h:after"}, scan(t, l, 0)); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
}

func TestMinFree(t *testing.T) {
	l := open(t, t.TempDir(), Options{MinFree: 1000})
	l.free = func() (int64, error) { return 900, nil }
	if _, err := l.Append(t.Context(), nil, []byte("x")); !errors.Is(err, ErrFull) {
		t.Errorf("on a full disk: %v", err)
	}
	l.free = func() (int64, error) { return 2000, nil }
	put(t, l, "h", "x")
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Open returns %v", err)
	}
}

// The clock may jump either way: order and reading do not depend on it.
func TestClockJumps(t *testing.T) {
	now := time.Date(2026, 10, 2, 23, 59, 0, 0, time.UTC)
	l := open(t, t.TempDir(), Options{Now: func() time.Time { return now }})
	var want []string
	for i, jump := range []time.Duration{0, 2 * time.Minute, -48 * time.Hour, 24000 * time.Hour} {
		now = now.Add(jump)
		put(t, l, "h", fmt.Sprint(i))
		want = append(want, fmt.Sprint("h:", i))
	}
	if d := cmp.Diff(want, scan(t, l, 0)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := len(l.Segments()); n != 4 {
		t.Errorf("four days make %d segments", n)
	}
}

func TestExpire(t *testing.T) {
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	opt := Options{Now: func() time.Time { return now }}
	l := open(t, dir, opt)
	var ids []ID
	for i := range 4 {
		ids = append(ids, put(t, l, "day", fmt.Sprint(i)))
		now = now.AddDate(0, 0, 1)
	}
	if n, err := l.Expire(now, ids[1]); n != 1 || err != nil {
		t.Errorf("with the second day's mail still needed %d segments go, %v", n, err)
	}
	if n, err := l.Expire(time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC), ids[3]); n != 1 || err != nil {
		t.Errorf("before the third day %d segments go, %v", n, err)
	}
	if _, _, err := l.Read(ids[0]); !errors.Is(err, ErrNotFound) {
		t.Errorf("reading a deleted record: %v", err)
	}
	if n, err := l.Expire(now.AddDate(1, 0, 0), 1<<63); n != 1 || err != nil {
		t.Errorf("of the last two %d go, %v", n, err)
	}
	l.Close()
	l = open(t, dir, opt)
	if id := put(t, l, "later", ""); id <= ids[3] {
		t.Errorf("after all but one expired a new ID %s is not beyond %s", id, ids[3])
	}
}

// A clock that was wrong for a while keeps no other day's segments, and its own go with those that came after them.
func TestExpireAfterAWrongClock(t *testing.T) {
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	clock := now
	l := open(t, t.TempDir(), Options{Now: func() time.Time { return clock }})
	for _, days := range []int{0, 400, 1, -9000, 2, 3} { // a year ahead, and back in the last century
		clock = now.AddDate(0, 0, days)
		put(t, l, "day", fmt.Sprint(days))
	}
	keep := newID(1<<24-1, 0)
	steps := []struct {
		before int // day
		left   []string
	}{
		{-10, []string{"day:0", "day:400", "day:1", "day:2", "day:3"}},
		{1, []string{"day:400", "day:1", "day:2", "day:3"}},
		{2, []string{"day:2", "day:3"}},
		{3, []string{"day:3"}},
		{900, []string{"day:3"}},
	}
	for _, s := range steps {
		before := now.Truncate(24*time.Hour).AddDate(0, 0, s.before)
		due, _ := l.Due(before, keep)
		if n, err := l.Expire(before, keep); n != due || err != nil {
			t.Errorf("%d segments were due before day %d, %d went, %v", due, s.before, n, err)
		}
		if d := cmp.Diff(s.left, scan(t, l, 0)); d != "" {
			t.Errorf("before day %d (-want +got):\n%s", s.before, d)
		}
	}
}

func TestFollow(t *testing.T) {
	l := open(t, t.TempDir(), Options{SegmentSize: 200})
	put(t, l, "h", "0")
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string)
	ended := make(chan error, 1)
	go func() {
		ended <- l.Follow(ctx, 0, func(r Record) error { got <- string(r.Body); return nil })
	}()
	for i := range 30 {
		if s := <-got; s != fmt.Sprint(i) {
			t.Fatalf("record %d arrives as %s", i, s)
		}
		put(t, l, "h", fmt.Sprint(i+1))
	}
	<-got
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow ends with %v", err)
	}
}

func TestAppendAfterClose(t *testing.T) {
	l := open(t, t.TempDir(), Options{})
	l.Close()
	if _, err := l.Append(t.Context(), nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
}

// Simulation against a model: random appends, faults, damage-free restarts.
func TestAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	var want []string
	l := open(t, dir, Options{SegmentSize: 2000})
	for i := range 400 {
		switch rng.IntN(10) {
		case 0:
			l.Close()
			l = open(t, dir, Options{SegmentSize: 2000})
		case 1:
			l.sync = func(*os.File) error { return errors.New("fault") }
			l.Append(t.Context(), []byte("lost"), nil)
			l.sync = fdatasync
		default:
			body := fmt.Sprintf("%d%s", i, bytes.Repeat([]byte{'x'}, rng.IntN(300)))
			put(t, l, "h", body)
			want = append(want, "h:"+body)
		}
	}
	if d := cmp.Diff(want, scan(t, l, 0)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	n := 0
	if _, err := l.IDs(t.Context(), 0, func(ID) error { n++; return nil }); err != nil || n != len(want) {
		t.Errorf("IDs finds %d records, %v; want %d", n, err, len(want))
	}
}

// FuzzSegment reads arbitrary bytes as a segment: no crash, and what is found is found again by its ID.
func FuzzSegment(f *testing.F) {
	k := key{mark: 0x01020304, seed: 0x05060708}
	rec := make([]byte, recordHeader)
	k.frameFor(rec, []byte("head"), []byte("body"))
	rec = append(rec, "headbody"...)
	f.Add(append(bytes.Clone(header), rec...))
	f.Add(append(append(bytes.Clone(header), "junk"...), rec...))
	f.Add([]byte{})
	f.Add(append(append(bytes.Clone(header), rec[:20]...), rec...))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), 16<<10)] // the key is known here: what looks like records costs the square of it
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "000001-20261001-0102030405060708.seg"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, Options{})
		defer l.Close()
		if _, err := l.Scan(t.Context(), 0, func(r Record) error {
			head, body, err := l.Read(r.ID)
			if r.Damaged > 0 {
				if err == nil {
					t.Errorf("what Scan calls damaged at %s is read as a record", r.ID)
				}
				return nil
			}
			if err != nil || !bytes.Equal(head, r.Head) || !bytes.Equal(body, r.Body) {
				t.Errorf("record %s is found by Scan and not by Read: %v", r.ID, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkAppend64(b *testing.B) {
	l := open(b, b.TempDir(), Options{})
	body := bytes.Repeat([]byte("0123456789abcdef"), 256)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Append(b.Context(), []byte("head"), body); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
