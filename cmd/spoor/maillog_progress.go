package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A maillogProgress shows on a terminal how much of the logs has been read. Elsewhere, and for what is done at
// once, it writes nothing.
type maillogProgress struct {
	total, read atomic.Int64
	quit        chan struct{}
	shown       sync.WaitGroup
}

func (a *app) newMaillogProgress(paths []string) *maillogProgress {
	p := &maillogProgress{quit: make(chan struct{})}
	if !terminal(a.errw) {
		return p
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			p.total.Add(info.Size())
		}
	}
	p.shown.Go(func() {
		ticker := time.NewTicker(300 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				fmt.Fprintf(a.errw, "\r%s\x1b[K", p.text())
			case <-p.quit:
				fmt.Fprint(a.errw, "\r\x1b[K")
				return
			}
		}
	})
	return p
}

func (p *maillogProgress) add(n int64) { p.read.Add(n) }

// text is the line of progress: a bar where the size is known.
func (p *maillogProgress) text() string {
	read, total := p.read.Load(), p.total.Load()
	if total == 0 {
		return fmt.Sprintf("%.0f MB read", float64(read)/1e6)
	}
	const width = 30
	done := int(min(read*width/total, width))
	return fmt.Sprintf("[%-*s] %3d %% of %.0f MB", width, "=============================="[:done], min(100*read/total, 100), float64(total)/1e6)
}

func (p *maillogProgress) stop() {
	close(p.quit)
	p.shown.Wait()
}
