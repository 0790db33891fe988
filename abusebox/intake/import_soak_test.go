package intake

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSoakImport files an mbox of a gigabyte, durable, as an import does it: what it takes, and what it costs in memory.
func TestSoakImport(t *testing.T) {
	if os.Getenv("SPOOR_SOAK") == "" {
		t.Skip("it writes two gigabytes, and runs by make soak")
	}
	const size = 1 << 30
	path := filepath.Join(t.TempDir(), "mbox")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, wrote, mails := bufio.NewWriterSize(f, 1<<20), 0, int64(0)
	for ; wrote < size; mails++ {
		n, _ := fmt.Fprintf(w, "From reporter@example.org Thu Oct  1 08:14:00 2026\nReceived: from mx.example.org by mail.example.net; Thu, 1 Oct 2026 08:14:00 +0000\n"+
			"Subject: spam %d\n\n", mails) // Flush tells of an error
		wrote += n
		for line := range 50 + mails%60 {
			n, _ = fmt.Fprintf(w, "%08x is one of the lines of this complaint, and %d of its words differ.\n", uint32(mails*2654435761+line*40503), line)
			wrote += n
		}
		wrote++
		w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, t.TempDir())
	i := Import{Ledger: filepath.Join(t.TempDir(), "ledger"), Put: func(ctx context.Context, m Mail) error { _, err := s.Put(ctx, m); return err }}
	begin := time.Now()
	done, err := i.Run(t.Context(), []string{path})
	if err != nil || done.Filed != mails {
		t.Fatalf("%+v of %d mails, %v", done, mails, err)
	}
	took := time.Since(begin).Seconds()
	t.Logf("%d mails, %d MB in %.1f s: %.0f mails/s, %.0f MB/s; the process has %d MB", mails, wrote>>20, took, float64(mails)/took,
		float64(wrote)/1e6/took, rssAnon(t, os.Getpid())>>20)
}
