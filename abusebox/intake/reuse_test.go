package intake

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// spoil overwrites whatever has been given back to the pools for the next mail, until the context ends.
func (i *instance) spoil(ctx context.Context) {
	for ctx.Err() == nil {
		if raw, ok := i.budget.spare.Get().(*[firstBuffer]byte); ok {
			fill(raw[:])
			i.budget.spare.Put(raw)
		}
		if rec, ok := i.spool.spare.Get().(*[]byte); ok {
			fill((*rec)[:cap(*rec)])
			i.spool.spare.Put(rec)
		}
		runtime.Gosched()
	}
}

func fill(p []byte) {
	for i := range p {
		p[i] = '!'
	}
}

// Nobody reads a buffer that has been given back: not the log, not a caller that went away while its mail waited for its sync.
func TestBuffersThatAreUsedAgain(t *testing.T) {
	const clients, each = 24, 25
	i := start(t, testConfig())
	ctx, stop := context.WithCancel(t.Context())
	var spoilers, wg sync.WaitGroup
	for range 2 {
		spoilers.Go(func() { i.spoil(ctx) })
	}
	sent := make([][]string, clients)
	for client := range clients {
		k := i.greet(t, false)
		wg.Go(func() {
			for n := range each {
				text := fmt.Sprintf("Subject: %d/%d\r\n\r\n%s\r\n", client, n, strings.Repeat(fmt.Sprint(client), (n*n*n*client)%40_000))
				sent[client] = append(sent[client], text)
				if code, err := sendOne(k, "a@example.org", text, n%2 == 1); code != "250" {
					t.Errorf("answer %s, %v", code, err)
				}
			}
		})
		wg.Go(func() { i.impatient(client, each) })
	}
	wg.Wait()
	stop()
	spoilers.Wait()
	if err := i.spool.Check(t.Context(), func(where, problem, _ string) { t.Errorf("%s: %s", where, problem) }); err != nil {
		t.Fatal(err)
	}
	kept := map[string]int{}
	for _, text := range i.texts(t) {
		kept[text]++
		if strings.HasPrefix(text, "!") {
			t.Errorf("kept %.40q", text)
		}
	}
	for _, texts := range sent {
		for _, text := range texts {
			if kept[text] != 1 {
				t.Errorf("%.40q was acknowledged and is stored %d times", text, kept[text])
			}
		}
	}
}

// impatient puts mails and does not wait for their sync.
func (i *instance) impatient(client, mails int) {
	for n := range mails {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n%4)*200*time.Microsecond)
		_, _ = i.spool.Put(ctx, Mail{Raw: bytes.Repeat(fmt.Appendf(nil, "impatient %d/%d\n", client, n), 50*n)}) // kept whole or not at all
		cancel()
	}
}
