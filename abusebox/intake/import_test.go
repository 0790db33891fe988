package intake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/intake/mailbox"
)

// writeMbox writes an mbox of n mails and returns its path.
func writeMbox(t testing.TB, n int, pad string) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "From r%d@example.org Thu Oct  1 08:14:00 2026\nSubject: %d\n\nbody\n%s\n", i, i, pad)
	}
	path := filepath.Join(t.TempDir(), "abuse.mbox")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An import that is broken off again and again files every mail once.
func TestImportIsResumable(t *testing.T) {
	path := writeMbox(t, 500, "")
	ledger := filepath.Join(t.TempDir(), "import", "ledger")
	var mu sync.Mutex
	filed := map[string]int{}
	var sum Imported
	for round := 0; ; round++ {
		left := 60
		i := Import{Ledger: ledger, Workers: 8, Put: func(_ context.Context, m Mail) error {
			mu.Lock()
			defer mu.Unlock()
			if left--; left < 0 {
				return errors.New("disk full")
			}
			filed[m.From+" "+string(m.Raw)]++
			return nil
		}}
		done, err := i.Run(t.Context(), []string{path, path})
		sum.Filed += done.Filed
		if err == nil {
			if done.Known != 1000-done.Filed {
				t.Errorf("the last round finds %+v", done)
			}
			break
		}
		if round > 20 {
			t.Fatal(err)
		}
	}
	if sum.Filed != 500 || len(filed) != 500 {
		t.Errorf("%d filed, %d different; want 500", sum.Filed, len(filed))
	}
	for text, n := range filed {
		if n != 1 {
			t.Errorf("%q is filed %d times", text, n)
		}
	}
}

// Ten thousand mails of every shape go from an mbox through the import and come out of the spool byte for byte.
func TestImportRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	var b strings.Builder
	want := map[string]bool{}
	for n := range 10000 {
		text := fmt.Sprintf("Subject: %d\n\n%s\n", n, shape(rng))
		want[text] = true
		b.WriteString("From a@example.org Thu Oct  1 08:14:00 2026\n" + strings.ReplaceAll(text, "\nFrom ", "\n>From ") + "\n")
	}
	path := filepath.Join(t.TempDir(), "mbox")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, t.TempDir())
	i := Import{Ledger: filepath.Join(t.TempDir(), "ledger"), Put: func(ctx context.Context, m Mail) error { _, err := s.Put(ctx, m); return err }}
	if done, err := i.Run(t.Context(), []string{path}); err != nil || done.Filed != 10000 {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, err := s.Scan(t.Context(), 0, func(_ ID, m Mail) error {
		if !want[string(m.Raw)] {
			t.Errorf("%.200q was not imported so", m.Raw)
		}
		delete(want, string(m.Raw))
		return nil
	}); err != nil || len(want) > 0 {
		t.Errorf("%d mails are missing, %v", len(want), err)
	}
}

func TestImportReportsWhatIsTooLarge(t *testing.T) {
	path := writeMbox(t, 3, strings.Repeat("x\n", 1000))
	var skipped []int64
	i := Import{
		Ledger: filepath.Join(t.TempDir(), "ledger"), Options: mailbox.Options{MaxSize: 100},
		Put:     func(context.Context, Mail) error { return nil },
		Skipped: func(m mailbox.Message) { skipped = append(skipped, m.Offset) },
	}
	done, err := i.Run(t.Context(), []string{path})
	if err != nil || len(skipped) != 3 {
		t.Errorf("%d skipped, %v", len(skipped), err)
	}
	if d := cmp.Diff(Imported{TooLarge: 3}, done); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestLedgerSurvivesATornEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, []byte(strings.Repeat("0123456789abcdef", 2)+"torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	var sum [32]byte
	if len(l.seen) != 1 || !l.claim(sum) {
		t.Errorf("%d entries", len(l.seen))
	}
	l.note(sum)
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if l, err = openLedger(path); err != nil || l.claim(sum) {
		t.Errorf("the new entry is not found again: %v", err)
	}
	l.close()
}

// BenchmarkImport: one operation is one mail of 4 KB, durable.
func BenchmarkImport(b *testing.B) {
	s := openSpool(b, b.TempDir())
	path := writeMbox(b, 20_000, strings.Repeat("An ordinary line of a complaint.\n", 125))
	b.ResetTimer()
	mails := int64(0)
	for b.Loop() {
		i := Import{Ledger: filepath.Join(b.TempDir(), "ledger"), Put: func(ctx context.Context, m Mail) error { _, err := s.Put(ctx, m); return err }}
		done, err := i.Run(b.Context(), []string{path})
		if err != nil {
			b.Fatal(err)
		}
		mails += done.Filed
	}
	b.ReportMetric(float64(mails)/b.Elapsed().Seconds(), "mails/s")
}
