package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// A traceProgress shows on a terminal how far a batch has come. It writes
// nothing elsewhere, and nothing for what is done at once.
type traceProgress struct {
	total    int64 // bytes, 0 if unknown
	bytes    atomic.Int64
	messages atomic.Int64
	ticker   *time.Ticker
	quit     chan struct{}
	done     chan struct{}
}

// newProgress begins to show progress if the error stream is a terminal and the
// result goes elsewhere.
func (t *traceCmd) newProgress(paths []string) *traceProgress {
	p := &traceProgress{}
	if !terminal(t.app.errw) || terminal(t.app.out) && !t.summary {
		return p
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			p.total += info.Size()
		}
	}
	p.ticker = time.NewTicker(500 * time.Millisecond)
	p.quit, p.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.done)
		for {
			select {
			case <-p.ticker.C:
				fmt.Fprintf(t.app.errw, "\r%s\x1b[K", p.text())
			case <-p.quit:
				fmt.Fprint(t.app.errw, "\r\x1b[K")
				return
			}
		}
	}()
	return p
}

// text is the line of progress.
func (p *traceProgress) text() string {
	if p.total > 0 {
		return fmt.Sprintf("%d messages, %d %%", p.messages.Load(), min(100, 100*p.bytes.Load()/p.total))
	}
	return fmt.Sprintf("%d messages, %.1f MB", p.messages.Load(), float64(p.bytes.Load())/1e6)
}

func (p *traceProgress) add(n int) { p.bytes.Add(int64(n)) }
func (p *traceProgress) message()  { p.messages.Add(1) }

func (p *traceProgress) stop() {
	if p.ticker == nil {
		return
	}
	p.ticker.Stop()
	close(p.quit)
	<-p.done
}
